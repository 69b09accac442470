"""The property that the product rests on: the same alerts for any order, batch and restart."""

import random
from dataclasses import dataclass

from hypothesis import event, given, settings
from hypothesis import strategies as st

from alerts.line import alert_line
from alerts.rules import HOUR, MINUTE, WatchConfig
from classifier.reading import Entry, Mark, Reading
from ingest.lateness import OriginClock
from tests.watch.streams import (
    START,
    ended,
    mark,
    reading,
    run,
    run_with_restarts,
    steady,
    with_marks,
)

CONFIG = WatchConfig(
    windows_ms=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    minimum_negative=3,
    count_threshold=1e-2,
    share_threshold=0.1,
    critical_count=1e-4,
    critical_share=1e-2,
    calm_count=0.05,
    calm_share=0.3,
    hold_ms=10 * MINUTE,
    freeze_ms=40 * MINUTE,
    half_life_ms=2 * HOUR,
)
ORIGINS = ("news/0", "news/1", "comments/0")


@dataclass
class Stream:
    """Documents by origin, each in the order of its log."""

    documents: list[list[Reading]]
    seed: int


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Several hours of a few series with bursts, copies, repeats, disorder and silence."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    documents: list[list[Reading]] = []
    number = 0
    bursts = [
        (chance.choice(("x", "y")), chance.uniform(0, 5)) for _ in range(draw(st.integers(0, 4)))
    ]
    for origin in range(draw(st.integers(1, len(ORIGINS)))):
        times = [
            ("x" if chance.random() < 0.6 else "y", chance.uniform(0, 6), 0.15) for _ in range(80)
        ]
        for series, hour in bursts:
            times += [
                (series, hour + chance.expovariate(6), 0.9) for _ in range(chance.randint(3, 25))
            ]
        # Disorder below and beyond the allowed lateness.
        times.sort(key=lambda t: t[1] + chance.choice((0, 0, 0, 0.02, 0.2)))
        log = []
        for series, hour, share in times:
            number += 1
            copied = chance.random() < 0.1
            log.append(
                reading(
                    int(hour * HOUR),
                    chance.randint(1, number) if chance.random() < 0.05 else number,
                    negative=chance.random() < share,
                    series=series,
                    story=f"{chance.randint(1, 9):016x}" if copied else None,
                    probability=round(chance.uniform(0.4, 1), 4),
                    source=ORIGINS[origin],
                )
            )
        documents.append(log)
    return Stream(documents, chance.randint(0, 2**32))


def log_of(stream: Stream, seed: int, most: int) -> list[Entry]:
    """A readings log as the classify stage could have written it, by any number of workers.

    Origins take turns at random; each poll takes up to ``most`` documents, then a mark. An
    origin that is at its end says so.
    """
    chance = random.Random(seed)
    clock = OriginClock(CONFIG.allowed_lateness_ms)
    origins = ORIGINS[: len(stream.documents)]
    left = {
        name: list(documents) for name, documents in zip(origins, stream.documents, strict=True)
    }
    log: list[Entry] = []
    seen_at = 1
    while left:
        name = chance.choice(sorted(left))
        polled = left[name][: chance.randint(1, most)]
        del left[name][: len(polled)]
        seen_at += 1
        for one in polled:
            late = clock.observe(name, one.event_time)
            log.append(reading_as(one, late))
        log.append(Mark(name, clock.greatest(name), origins, seen_at))
        if not left[name]:
            del left[name]
            log.append(Mark(name, clock.greatest(name), origins, seen_at, True, 1))
    log += [Mark(name, clock.greatest(name), origins, seen_at + 1, True, 0) for name in origins]
    return log


def reading_as(one: Reading, late: bool) -> Reading:
    return reading(
        one.event_time - START,
        int(one.document_id[1:]),
        one.sentiment == "negative",
        one.series,
        one.story,
        late,
        max(one.sentiment_probabilities[:2]),
        one.source,
    )


@settings(deadline=None, max_examples=60)
@given(
    streams(),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(1, 90), st.booleans()), max_size=6),
    st.integers(0, 2**32),
)
def test_alerts_do_not_depend_on_interleaving_batches_or_restarts(
    stream: Stream, most: int, cuts: list[tuple[int, bool]], seed: int
) -> None:
    one_by_one = log_of(stream, stream.seed, 1)
    expected = sorted(map(alert_line, run(one_by_one, CONFIG, batch=1)))
    other = log_of(stream, seed, most)
    lines, _ = run_with_restarts(other, cuts, CONFIG)
    assert lines == expected
    event(f"alert lines: {min(len(lines), 5)}")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 8 * HOUR), max_size=30, unique=True))
def test_silence_in_many_small_steps_is_silence_in_one_jump(steps: list[int]) -> None:
    burst = [reading(2 * HOUR + i * 20_000, 9_000 + i, negative=True) for i in range(40)]
    documents = with_marks(steady(2.0) + burst)
    idle = [
        Mark("news/0", None, ("news/0",), 3, caught_up=True, idle_ms=idle_ms)
        for idle_ms in [*sorted(steps), 8 * HOUR]
    ]
    in_steps, _ = run_with_restarts([*documents, *idle], [(7, True)], CONFIG)
    at_once, _ = run_with_restarts([*documents, idle[-1]], [], CONFIG)
    assert in_steps == at_once
    assert b'"resolved"' in b"".join(at_once)


def test_a_predecessors_open_bucket_is_not_forgotten() -> None:
    burst = [reading(HOUR + i * 1000, 500 + i, negative=True) for i in range(30)]
    log: list[Entry] = [*with_marks(steady(1.0))[:-1], *burst, mark(HOUR + 29_000), ended()]
    whole, _ = run_with_restarts(log, [], CONFIG)
    halved, _ = run_with_restarts(log, [(1, True)], CONFIG)
    assert whole == halved
    assert whole
