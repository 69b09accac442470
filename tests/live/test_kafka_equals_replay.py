"""Live on real Kafka, with several workers, and a replay of the file: the same alerts."""

import pytest

from benchmarks.fleet import LOW_LINE, Fleet, digest, replayed, wait_until
from tests.live.conftest import SERIES_BY

SETTINGS = {
    "BAROGRAPH_SERIES_BY": ",".join(SERIES_BY),
    "BAROGRAPH_WATCH__SETTLE_SECONDS": "3",
    **LOW_LINE,
}


def test_batch_size_does_not_change_a_replay(stream, expected, tmp_path):
    assert expected, "a comparison of nothing proves nothing"
    assert digest(replayed(stream, 7, SERIES_BY, tmp_path)) == digest(expected)


@pytest.mark.kafka
@pytest.mark.timeout(240)
def test_the_daemon_on_kafka_raises_the_alerts_of_the_replay(
    rows, expected, kafka_server, tmp_path
):
    fleet = Fleet(tmp_path, SETTINGS)
    try:
        fleet.add("classify", 2)
        fleet.add("watch", 2)
        fleet.add("deliver", 1)
        fleet.produce(rows)
        wait_until(
            lambda: len(fleet.alert_lines()) >= len(expected) and fleet.is_settled(),
            180,
            f"settled fleet: {len(fleet.alert_lines())} of {len(expected)} lines",
        )
        lines = fleet.alert_lines()
        assert digest(lines) == digest(expected)
        assert len(fleet.receiver.effects) == len(expected)
        assert fleet.receiver.refused == 0
        assert [member.stop() for member in fleet.members] == [0] * len(fleet.members)
        # The same documents out of the log, in one process, as `kafka:news`.
        again = replayed("kafka:news", 256, SERIES_BY, tmp_path, fleet.environment)
        assert digest(again) == digest(expected)
    finally:
        fleet.close()
