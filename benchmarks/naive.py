"""What a team would write in an afternoon: a consumer, a pipeline, a sorted set.

``python -m benchmarks.naive BOOTSTRAP REDIS_URL TOPIC DOCUMENTS MODEL_FOLDER`` consumes until it
has classified that many documents and prints documents a second, the time to load left out.
"""

import json
import os
import sys
import time
from pathlib import Path

from kafka import KafkaConsumer
from redis import Redis

from benchmarks.pipelines import head_pipeline


def main() -> None:
    """Run the loop."""
    bootstrap, redis_url, topic, documents, folder = sys.argv[1:6]
    classify = head_pipeline(Path(folder), "sentiment")
    store = Redis.from_url(redis_url)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"naive-{os.getpid()}",
        auto_offset_reset="earliest",
    )
    while not (first := consumer.poll(1000, max_records=32)):
        pass
    started, done = time.perf_counter(), 0
    polled = first
    while done < int(documents):
        rows = [json.loads(record.value) for records in polled.values() for record in records]
        if rows:
            results = classify([row["text"] for row in rows], truncation=True)
            for row, result in zip(rows, results, strict=True):
                store.zadd(f"naive:{result['label']}", {row["id"]: done})
                done += 1
        polled = consumer.poll(200, max_records=32)
    print(json.dumps({"documents": done, "seconds": time.perf_counter() - started}))
    consumer.close(timeout_ms=1000)


if __name__ == "__main__":
    main()
