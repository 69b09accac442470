"""One series: its open and closed buckets, what it expects, and the alert that it may have."""

import heapq
from collections.abc import Iterator, Mapping

from alerts.baseline import Baseline, Expectation, begin, expect, learn, pause, skip_to, warming_up
from alerts.bucket import Bucket, Entry, close
from alerts.detector import Finding, judge, strongest
from alerts.episode import Case, Episode, Step, fire, go_on
from alerts.layout import SERIES, Core, closed_key, encode, frame, open_key
from alerts.rules import WatchConfig
from alerts.store import Append, Delete, DeleteField, PutField, Write
from alerts.telling import transition
from alerts.transition import Transition
from alerts.windows import Windows

MOST_EVIDENCE = 10


class Series:
    """Takes readings into open buckets and closes them as event time completes.

    What happens depends on the documents and on bucket ends alone: closing up to one time and
    then up to a later one is the same as closing up to the later one at once.

    ``repeated`` counts documents that came more than once, since it was last set to 0.
    """

    __slots__ = (
        "_baseline",
        "_closed_to",
        "_config",
        "_dropped",
        "_episode",
        "_fresh",
        "_new",
        "_open",
        "_starts",
        "_stored",
        "_stories",
        "_windows",
        "name",
        "repeated",
    )

    def __init__(self, name: str, config: WatchConfig) -> None:
        self.name = name
        self.repeated = 0
        self._config = config
        self._baseline: Baseline | None = None
        self._episode: Episode | None = None
        self._closed_to = 0
        self._open: dict[int, list[Entry]] = {}
        self._starts: list[int] = []  # a heap of the open buckets
        self._windows = Windows(config.windows_ms)
        self._stories: set[bytes] = set()  # those of the buckets in the windows
        # What the store does not know yet.
        self._fresh: set[int] = set()
        self._stored: dict[int, int] = {}  # how many entries of an open bucket it has
        self._new: dict[int, Bucket] = {}
        self._dropped: list[Write] = []

    @property
    def due(self) -> int | None:
        """The bucket end (ms) at which something must be done next; None where nothing."""
        bucket_ms = self._config.bucket_ms
        if self._episode is not None:
            # Every bucket end counts, for an alert also ends in silence.
            return self._closed_to + bucket_ms
        if self._starts:
            return self._starts[0] + bucket_ms
        if (newest := self._windows.newest) is not None:
            return newest + self._config.longest_ms + bucket_ms
        return None

    @property
    def firing(self) -> bool:
        """Whether there is an alert that has not ended."""
        return self._episode is not None

    def add(self, start: int, entries: list[Entry]) -> None:
        """Take entries of the open bucket at ``start``; the list becomes the series' own."""
        if (known := self._open.get(start)) is None:
            self._open[start] = entries
            heapq.heappush(self._starts, start)
        else:
            known += entries
        self._fresh.add(start)

    def close_up_to(self, time: int) -> Iterator[Transition]:
        """Do what is due at bucket ends up to ``time`` (ms), oldest first."""
        while (due := self.due) is not None and due <= time:
            self._let_go(due)
            held_any = self._close(due - self._config.bucket_ms)
            self._closed_to = due
            if held_any or self._episode is not None:
                yield from self._judge(due)

    def changes(self) -> list[Write]:
        """What must be written so that a successor can go on from here."""
        writes, self._dropped = self._dropped, []
        for start in sorted(self._fresh):
            entries = self._open[start]
            stored = self._stored.get(start, 0)
            writes.append(Append(open_key(self.name, start), frame(entries[stored:])))
            self._stored[start] = len(entries)
        closed = closed_key(self.name)
        for start, bucket in self._new.items():
            writes.append(PutField(closed, b"%d" % start, encode(bucket)))
        core = Core(
            self._baseline,
            self._closed_to,
            len(self._windows),
            tuple(sorted(self._open)),
            self._episode,
        )
        writes.append(PutField(SERIES, self.name.encode(), encode(core)))
        self._fresh.clear()
        self._new.clear()
        return writes

    def restore(
        self, core: Core, closed: Mapping[int, Bucket], opened: Mapping[int, list[Entry]]
    ) -> None:
        """Go on from what a predecessor's ``changes`` had written."""
        self._baseline, self._episode = core.baseline, core.episode
        self._closed_to = core.closed_to
        for start in sorted(closed):
            self._windows.add(closed[start])
            self._stories.update(closed[start].story_keys())
        self._windows.slide(core.closed_to)
        for start, entries in opened.items():
            self.add(start, entries)
            self._stored[start] = len(entries)
        self._fresh.clear()

    def _close(self, start: int) -> bool:
        """Close the bucket at ``start``; False where it held nothing."""
        entries = self._open.pop(start, None)
        if entries is None:
            return False
        heapq.heappop(self._starts)
        if self._baseline is None:
            self._baseline = begin(start)
        bucket, repeated = close(start, entries, self._stories)
        self.repeated += repeated
        self._windows.add(bucket)
        self._stories.update(bucket.story_keys())
        self._fresh.discard(start)
        if self._stored.pop(start, 0):
            self._dropped.append(Delete(open_key(self.name, start)))
        self._new[start] = bucket
        return True

    def _let_go(self, time: int) -> None:
        """Slide the windows to ``time``, and learn what leaves the longest.

        Only then, so that nothing teaches the baseline before it has been judged; and not while
        it is frozen, nor what was seen then.
        """
        left = self._windows.slide(time)
        episode = self._episode
        if episode is not None and self._baseline is not None and not self._frozen(time):
            self._baseline = skip_to(self._baseline, episode.fired_at + self._config.freeze_ms)
        for bucket in left:
            self._stories.difference_update(bucket.story_keys())
            if self._new.pop(bucket.start, None) is None:
                field = b"%d" % bucket.start
                self._dropped.append(DeleteField(closed_key(self.name), field))
            baseline = self._baseline
            if baseline is None or self._frozen(time) or bucket.start < baseline.learned_to:
                continue
            self._baseline = learn(
                baseline, bucket.start, bucket.negative, bucket.total, self._config
            )

    def _frozen(self, time: int) -> bool:
        """Whether an alert keeps the baseline from learning at ``time``."""
        return self._episode is not None and (
            time < self._episode.fired_at + self._config.freeze_ms
        )

    def _judge(self, time: int) -> Iterator[Transition]:
        config, before = self._config, self._episode
        minimum = config.minimum_negative if before is None else 1
        if before is None and self._windows.negative < minimum:
            return
        findings = judge(self._windows.sums(), self._usual(time), minimum, config)
        if before is None:
            finding = strongest(findings, config)
            if finding is not None:
                yield self._told(self._fire(finding, time), time)
            return
        self._episode, step = go_on(before, findings, self._case, time, config)
        if self._episode is None and time < before.fired_at + config.freeze_ms:
            self._baseline = skip_to(self._known(), time)
        if step is not None:
            yield self._told(step, time)

    def _usual(self, time: int) -> Expectation:
        """What is usual for windows that end at ``time``, from what lies before them."""
        baseline = self._known()
        as_of = baseline.learned_to if self._frozen(time) else time - self._config.longest_ms
        return expect(baseline, as_of, self._config)

    def _fire(self, finding: Finding, time: int) -> Step:
        negative = [b.start for b in self._windows.inside(finding.window_ms) if b.negative]
        self._baseline = pause(self._known(), time - self._config.longest_ms, self._config)
        step = fire(self.name, self._case(finding), time, negative[0], self._config)
        self._episode = step.episode
        return step

    def _case(self, finding: Finding) -> Case:
        inside = self._windows.inside(finding.window_ms)
        documents = sorted(
            (document for bucket in inside for document in bucket.worst),
            key=lambda d: (-d.negative_probability, d.event_time, d.document_id, d.source),
        )
        models = sorted({model for bucket in inside for model in bucket.models})
        return Case(finding, tuple(documents[:MOST_EVIDENCE]), tuple(models))

    def _told(self, step: Step, time: int) -> Transition:
        warming = warming_up(self._known(), time, self._config)
        return transition(self.name, step, time, warming)

    def _known(self) -> Baseline:
        assert self._baseline is not None, "a series is judged only once a bucket was closed"
        return self._baseline
