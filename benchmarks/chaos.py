"""``make chaos``: kill -9 every few seconds, restart the store and the broker; nothing may change.

Prints the kills survived and both digests; exits 1 where they differ or a webhook took effect
other than once.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fleet import LOW_LINE, Fleet, digest, read_stream, replayed, wait_until

SERIES_BY = ("topic", "symbol", "all")
SETTINGS = {
    "BAROGRAPH_SERIES_BY": ",".join(SERIES_BY),
    "BAROGRAPH_WATCH__SETTLE_SECONDS": "3",
    "BAROGRAPH_KAFKA__SESSION_TIMEOUT_MS": "6000",
    **LOW_LINE,
}
ROLES = {"classify": 2, "watch": 2, "deliver": 1}
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass
class Storm:
    """What was broken, and how often. ``store`` and ``broker`` say at which kill they restart."""

    fleet: Fleet
    rng: random.Random
    kills: int
    pause: tuple[float, float] = (1.5, 4.0)
    survived: Counter[str] = field(default_factory=Counter)

    def rage(self) -> Iterator[str]:
        """Break things, telling what, until there were enough kills."""
        order = [role for role in ROLES for _ in range(self.kills)][: 3 * self.kills]
        self.rng.shuffle(order)
        for number, role in enumerate(order[: self.kills]):
            time.sleep(self.rng.uniform(*self.pause))
            victim = self.rng.choice([m for m in self.fleet.members if m.role == role])
            victim.kill()
            victim.start()
            self.survived[role] += 1
            yield f"kill -9 {victim.name}"
            if number % 12 == 4:
                self.fleet.store.stop()
                self.fleet.store.start()
                self.survived["store restarts"] += 1
                yield "store restarted"
            if number % 12 == 9:
                self.fleet.kafka.kill()
                self.fleet.kafka.start()
                self.survived["broker kill -9 and restarts"] += 1
                yield "broker killed and restarted"


def verdict(fleet: Fleet, expected: list[bytes]) -> list[str]:
    """What is wrong, if anything."""
    wrong = []
    if digest(fleet.alert_lines()) != digest(expected):
        wrong.append(f"{len(fleet.alert_lines())} alert lines are not the {len(expected)} expected")
    effects = [effect.id for effect in fleet.receiver.effects]
    if len(effects) != len(expected) or len(set(effects)) != len(effects):
        wrong.append(f"{len(effects)} webhooks took effect, {len(expected)} were expected")
    if set(effects) != set(fleet.receiver.requests):
        wrong.append("a webhook came under an id that took no effect")
    return wrong


def weather(fleet: Fleet, rows, expected: list[bytes], storm: Storm, patience: float) -> list[str]:
    """Run ``rows`` through the fleet while ``storm`` rages, wait for calm, and judge."""
    fleet.produce(rows)
    for role, count in ROLES.items():
        fleet.add(role, count)
    for what in storm.rage():
        print(f"  {what}", flush=True)
    wait_until(
        lambda: len(fleet.alert_lines()) >= len(expected) and fleet.is_settled(),
        patience,
        "settled fleet",
    )
    return verdict(fleet, expected)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--stream", type=Path, default=SHARED / "stream_stock_tweets_2014.jsonl.gz")
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    rows = list(read_stream(asked.stream, asked.rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cut = folder / "cut.jsonl"
        cut.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        expected = replayed(cut, 256, SERIES_BY, folder)
        print(f"replay: {len(rows)} documents, {len(expected)} lines, {digest(expected)}")
        fleet = Fleet(folder / "fleet", SETTINGS)
        try:
            storm = Storm(fleet, random.Random(asked.seed), asked.kills)
            wrong = weather(fleet, rows, expected, storm, 600)
            print(f"live:   seed {asked.seed}, survived {dict(storm.survived)}")
            print(f"        {len(fleet.alert_lines())} lines, {digest(fleet.alert_lines())}")
            requests = sum(fleet.receiver.requests.values())
            print(f"        {len(fleet.receiver.effects)} webhooks in {requests} requests")
        finally:
            fleet.close()
    for problem in wrong:
        print(f"WRONG: {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
