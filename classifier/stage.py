"""The classify stage: records in; readings, marks and dead letters out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from classifier.engine import Engine, Prediction
from classifier.labels import UNSURE
from classifier.reading import Mark, Reading
from classifier.series import SeriesBy, series_of
from classifier.text import model_text, story_key
from ingest.document import Document
from ingest.lateness import OriginClock
from ingest.meter import Meter, NullMeter
from ingest.parse import Malformed, Policy, parse
from ingest.record import DeadLetter, Origin, Record

_TITLE_CHARACTERS = 200


@dataclass
class Batch:
    """What became of a batch of records. ``documents`` counts those that could be read."""

    readings: list[Reading] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    documents: int = 0


class ClassifyStage:
    """Parses, judges lateness and classifies.

    ``engine`` gives the engine for a batch: it may be another one for the next.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        policy: Policy,
        clock: OriginClock,
        series_by: tuple[SeriesBy, ...],
        meter: Meter | None = None,
    ) -> None:
        self._engine = engine
        self._policy = policy
        self._clock = clock
        self._series_by = series_by
        self._meter = meter or NullMeter()

    def process(self, records: list[Record], now: int, origins: tuple[str, ...]) -> Batch:
        """Classify ``records``; ``now`` is the wall clock (ms), ``origins`` the whole stream's.

        The marks stand for the origins of ``records`` and belong behind the readings.
        """
        batch = Batch()
        accepted: list[tuple[Record, Document, bool]] = []
        touched: dict[Origin, None] = {}
        for record in records:
            touched[record.origin] = None
            try:
                document = parse(record, self._policy, now)
            except Malformed as problem:
                batch.dead_letters.append(DeadLetter(record, str(problem), now))
                continue
            late = self._clock.observe(record.origin, document.event_time)
            accepted.append((record, document, late))
        batch.documents = len(accepted)
        engine = self._engine()
        texts = [model_text(document.title, document.body) for _, document, _ in accepted]
        predictions = engine.classify(texts)
        for (record, document, late), prediction in zip(accepted, predictions, strict=True):
            batch.readings += self._readings(
                record, document, late, prediction, engine.model_version, now
            )
        batch.marks = [
            Mark(str(origin), self._clock.greatest(origin), origins, now) for origin in touched
        ]
        self._count(batch, len(records), engine.model_version)
        return batch

    def _readings(
        self,
        record: Record,
        document: Document,
        late: bool,
        prediction: Prediction,
        model_version: str,
        now: int,
    ) -> list[Reading]:
        topic = prediction.topic if prediction.topic_sure else UNSURE
        names = [name for by in self._series_by for name in series_of(document, topic, by)]
        shared = {
            "document_id": document.id,
            "event_time": document.event_time,
            "topic": topic,
            "sentiment": prediction.sentiment if prediction.sentiment_sure else UNSURE,
            "topic_probabilities": tuple(round(p, 4) for p in prediction.topic_probabilities),
            "sentiment_probabilities": tuple(
                round(p, 4) for p in prediction.sentiment_probabilities
            ),
            "model_version": model_version,
            "story": story_key(document.title, document.body),
            "title": document.title[:_TITLE_CHARACTERS],
            "source": document.source,
            "kind": document.kind,
            "author": document.author,
            "url": document.url,
            "late": late,
            "origin": str(record.origin),
            "offset": record.offset,
            "seen_at": now,
        }
        return [Reading(series=name, **shared) for name in names]  # type: ignore[arg-type]

    def _count(self, batch: Batch, records: int, model_version: str) -> None:
        meter = self._meter
        meter.observe("barograph_batch_size_documents", records, role="classify")
        meter.add("barograph_documents", batch.documents)
        meter.add("barograph_readings", len(batch.readings))
        meter.set("barograph_model_info", 1, version=model_version)
        for letter in batch.dead_letters:
            meter.add(
                "barograph_dead_lettered_documents", reason_class=letter.reason.split(":")[0][:40]
            )
