"""The watch stage alone: encoded readings in, committed windows out, on one core."""

import random
import resource
import time
from collections.abc import Iterator

from alerts.outbox import pack
from alerts.redis_store import RedisWatchStore, connect
from alerts.rules import WatchConfig
from alerts.watch import PartitionWatch
from barograph.valkey import EmbeddedValkey
from classifier.labels import TOPICS
from classifier.reading import Mark, Reading, decode, encode

BATCH = 2_000
AN_HOUR = 33_000  # readings
START = 1_700_000_000_000


def encoded(count: int, rng: random.Random) -> Iterator[list[tuple[int, bytes]]]:
    """Batches of log entries: readings of 20 series in order of time, a mark behind each batch."""
    offset = 0
    flat = (0.05,) * 20
    for first in range(0, count, BATCH):
        batch = []
        for index in range(first, min(first + BATCH, count)):
            negative = rng.random() < 0.15
            reading = Reading(
                series=f"topic:{rng.choice(TOPICS)}",
                document_id=f"document-{index}",
                event_time=START + index * 3_600_000 // AN_HOUR,
                topic=TOPICS[index % 20],
                sentiment="negative" if negative else "neutral",
                topic_probabilities=flat,
                sentiment_probabilities=(0.8, 0.1, 0.1) if negative else (0.1, 0.8, 0.1),
                model_version="bench",
                story=f"{rng.getrandbits(64):016x}",
                title="Shares of a bank fall after it reports a loss on its bonds",
                source="wire-a",
                origin="news/0",
                offset=index,
                seen_at=START,
            )
            batch.append((offset, encode(reading)))
            offset += 1
        mark = Mark("news/0", reading.event_time, ("news/0",), START)
        batch.append((offset, encode(mark)))
        offset += 1
        yield batch


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(count: int) -> tuple[list[float], list[float], int]:
    """Seconds of this process and of the wall for each batch, and the store's bytes a series."""
    mine, wall = [], []
    with EmbeddedValkey() as server:
        client = connect(server.url)
        before = int(client.info("memory")["used_memory"])
        store = RedisWatchStore(client)
        fence = store.claim(0)
        watch = PartitionWatch(WatchConfig())
        for batch in encoded(count, random.Random(1)):
            used, began = cpu(), time.perf_counter()
            changes = watch.process([(offset, decode(raw)) for offset, raw in batch])
            outbox = [pack(transition, {"replay": False}) for transition in changes.transitions]
            fence = store.commit(0, fence, changes.next_offset, changes.writes, outbox)
            mine.append(cpu() - used)
            wall.append(time.perf_counter() - began)
        held = int(client.info("memory")["used_memory"]) - before
    return mine, wall, held // len(TOPICS)


def main() -> None:
    few, many = 10_000, 1_000_000
    mine, wall, size = run(many)
    batches = len(mine)

    def cost(values: list[float], part: slice) -> float:
        chosen = values[part]
        return sum(chosen) / (len(chosen) * BATCH) * 1e6

    start = slice(0, few // BATCH)
    print(f"watch alone, {BATCH} readings a commit, decoding and the store's commit included:")
    print(f"  {many:,} readings: {1e6 / cost(mine, slice(None)):,.0f} readings/s a core")
    print(f"  wall clock, store included: {1e6 / cost(wall, slice(None)):,.0f} readings/s")
    for name, part in (
        (f"first {few:,}", start),
        ("10,000 after a tenth", slice(batches // 10, batches // 10 + few // BATCH)),
        ("10,000 after a half", slice(batches // 2, batches // 2 + few // BATCH)),
        ("last 100,000", slice(batches - 100_000 // BATCH, batches)),
        (f"all {many:,}", slice(None)),
    ):
        print(f"  {name:>22}: {cost(mine, part):5.2f} us a reading")
    ratio = cost(mine, slice(batches - 100_000 // BATCH, batches)) / cost(
        mine, slice(batches // 10, batches // 5)
    )
    print(f"  last tenth against the second tenth: x{ratio:.2f}")
    print(f"  store memory: {size:,} bytes a series at {AN_HOUR // 20:,} readings an hour each")


if __name__ == "__main__":
    main()
