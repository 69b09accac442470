"""Dead letters given another chance in a process without Kafka."""

import os
from collections.abc import Sequence

from barograph import wiring
from barograph.intake import HTTP
from barograph.settings import Settings
from ingest.dead_letters import DeadLetterFile
from ingest.meter import NullMeter
from ingest.record import DeadLetter, Record

_AT_ONCE = 256


def take_again(
    settings: Settings, letters: Sequence[DeadLetter], everything: bool
) -> tuple[int, int]:
    """Take the letters' messages through all stages; how many were accepted and refused.

    ``everything`` says that these are all letters of the file: it is then set aside first, with
    ".replayed" at its end. Raises ServerProblem where the daemon has the data folder, OSError.
    """
    accepted = refused = 0
    meter = NullMeter()
    engine = wiring.open_engine(settings)
    clock = wiring.origin_clock(settings)
    policy = wiring.policy(settings)
    path = settings.dead_letter_path()
    with wiring.store_client(settings) as client:
        stage = wiring.classify_stage(settings, lambda: engine, policy, clock, meter)
        chain = wiring.chain(settings, stage, clock, client, meter, _give_up)
        chain.open()
        if everything and path.exists():
            os.replace(path, path.with_name(path.name + ".replayed"))
        file = DeadLetterFile(path)
        for start in range(0, len(letters), _AT_ONCE):
            place = chain.places.get(str(HTTP))
            first = 1 if place is None else place.offset + 1
            records = [
                Record(letter.record.raw, HTTP, first + i, letter.record.logged_at)
                for i, letter in enumerate(letters[start : start + _AT_ONCE])
            ]
            origins = tuple(dict.fromkeys((*chain.places, str(HTTP))))
            batch = chain.classify(records, wiring.wall_clock(), origins)
            file.append(batch.dead_letters)
            chain.commit(records, batch)
            accepted += batch.documents
            refused += len(batch.dead_letters)
    return accepted, refused


def _give_up(reason: str) -> None:
    raise OSError(reason)
