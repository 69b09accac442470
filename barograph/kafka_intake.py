"""Documents from outside, put into the Kafka topics that the classify role reads."""

import threading
from collections.abc import Callable, Mapping, Sequence

from barograph.intake import Accepted, Busy
from barograph.supervisor import Pulse, Trouble
from ingest.broker import BrokerProblem, DocumentProducer, KafkaConfig
from ingest.dead_letters import to_json
from ingest.message import to_message
from ingest.parse import Malformed, Policy, parse
from ingest.record import DeadLetter, Origin, Record


class KafkaIntake:
    """An ``Intake`` and a ``Taker``: the topic follows a document's kind, the key is its id.

    ``kinds`` says by topic what it holds ("comments" is "comment"); all else is news.
    """

    def __init__(
        self,
        config: KafkaConfig,
        kinds: Mapping[str, str],
        policy: Policy,
        wall: Callable[[], int],
        connect: Callable[[KafkaConfig], DocumentProducer] = DocumentProducer,
    ) -> None:
        self._config = config
        self._policy = policy
        self._wall = wall
        self._connect = connect
        self._producer: DocumentProducer | None = None
        self._lock = threading.Lock()
        self._topics = {
            kind: next((t for t in config.topics if kinds.get(t, "news") == kind), config.topics[0])
            for kind in ("news", "comment")
        }

    def take(
        self, accepted: Sequence[Accepted], refused: Sequence[DeadLetter], timeout: float
    ) -> None:
        """Publish documents and dead letters; returns when the brokers have them. Raises Busy."""
        messages = [(self._topics[item.kind], item.id, item.raw) for item in accepted]
        dead = self._config.dead_letter_topic
        messages += [(dead, str(letter.record.origin), to_json(letter)) for letter in refused]
        try:
            self._connected().publish(messages, timeout)
        except BrokerProblem as problem:
            raise Busy(str(problem)) from problem

    def begin(self, origin: Origin, live: bool) -> None:
        """Nothing: the topics' partitions are the origins."""

    def put(self, records: list[Record], stop: threading.Event, pulse: Pulse) -> None:
        """Send records; what cannot be read goes to the classify role, which refuses it."""
        try:
            producer = self._connected()
            for record in records:
                producer.send(*self._addressed(record))
        except BrokerProblem as problem:
            raise Trouble(str(problem)) from problem

    def finish(self, stop: threading.Event, pulse: Pulse) -> None:
        """Wait for the brokers."""
        try:
            self._connected().flush()
        except BrokerProblem as problem:
            raise Trouble(str(problem)) from problem

    def close(self) -> None:
        """Send what is left and disconnect."""
        if self._producer is not None:
            self._producer.close()

    def _addressed(self, record: Record) -> tuple[str, str, bytes]:
        try:
            document = parse(record, self._policy, self._wall())
        except Malformed:
            return self._topics["news"], f"{record.origin}:{record.offset}", record.raw
        return self._topics[document.kind], document.id, to_message(document)

    def _connected(self) -> DocumentProducer:
        with self._lock:
            if self._producer is None:
                self._producer = self._connect(self._config)
            return self._producer
