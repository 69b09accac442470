"""A process that copies documents to readings in tiny transactions until it is killed."""

import json
import sys

from ingest.broker import KafkaConfig
from tests.broker.steps import copy, open_log


def main() -> None:
    settings = json.loads(sys.argv[1])
    lists = ("bootstrap_servers", "topics")
    config = KafkaConfig(**{k: tuple(v) if k in lists else v for k, v in settings.items()})
    log = open_log(config)
    while True:
        records = log.poll(100, 3)
        if records:
            copy(log, records)
            print(len(records), flush=True)


if __name__ == "__main__":
    main()
