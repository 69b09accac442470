import json
import multiprocessing
from pathlib import Path

import pytest

from alerts.delivery import Delivery, Outcome
from alerts.sinks import open_sink
from alerts.sinks.config import SinkConfig, SinkProblem
from alerts.sinks.jsonl import JsonlSink
from tests.delivery.conftest import packed


def delivery(alert: str) -> Delivery:
    return Delivery.of(f"{alert}.0", "file", 0, packed(alert))


def opened(path: Path) -> JsonlSink:
    sink = open_sink(SinkConfig("jsonl", "file", path=path))
    assert isinstance(sink, JsonlSink)
    return sink


def alerts(path: Path) -> list[str]:
    return [json.loads(line)["alert_id"] for line in path.read_text().splitlines()]


def test_each_transition_is_written_once_over_restarts(tmp_path: Path):
    path = tmp_path / "alerts.jsonl"
    for _ in range(2):
        sink = opened(path)
        assert sink.deliver(delivery("a"), 0).kind == "ok"
        assert sink.deliver(delivery("a"), 0) == Outcome("ok", "already there")
        sink.close()
    assert alerts(path) == ["a"]


def test_a_line_that_a_crash_tore_is_mended(tmp_path: Path):
    path = tmp_path / "alerts.jsonl"
    sink = opened(path)
    sink.deliver(delivery("a"), 0)
    sink.close()
    whole = path.read_bytes()
    with path.open("ab") as torn:
        torn.write(whole.replace(b'"a"', b'"b"')[:40])
    sink = opened(path)
    sink.deliver(delivery("b"), 0)
    sink.close()
    assert alerts(path) == ["a", "b"]


def test_a_whole_line_without_its_end_is_torn_too(tmp_path: Path):
    path = tmp_path / "alerts.jsonl"
    sink = opened(path)
    sink.deliver(delivery("a"), 0)
    sink.close()
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    sink = opened(path)
    sink.deliver(delivery("a"), 0)
    sink.deliver(delivery("b"), 0)
    sink.close()
    assert alerts(path) == ["a", "b"]


def test_lines_of_somebody_else_are_left_alone(tmp_path: Path):
    path = tmp_path / "alerts.jsonl"
    sink = opened(path)
    sink.deliver(delivery("a"), 0)
    sink.close()
    line = path.read_bytes()
    path.write_bytes(b"# a remark\n" + line)
    sink = opened(path)
    assert sink.deliver(delivery("a"), 0).detail == "already there"
    sink.deliver(delivery("b"), 0)
    sink.close()
    assert path.read_bytes().startswith(b"# a remark\n" + line)
    assert path.read_bytes().count(b"\n") == 3


def _append(path: Path, names: list[str]) -> None:
    sink = opened(path)
    for name in names:
        sink.deliver(delivery(name), 0)
    sink.close()


def test_two_processes_on_one_file_write_each_transition_once(tmp_path: Path):
    path = tmp_path / "alerts.jsonl"
    names = [f"a{i}" for i in range(50)]
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(path, names)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert alerts(path) == names or sorted(alerts(path)) == sorted(names)


def test_a_file_that_was_emptied_is_begun_again(tmp_path: Path):
    path = tmp_path / "alerts.jsonl"
    sink = opened(path)
    sink.deliver(delivery("a"), 0)
    path.write_bytes(b"")
    sink.deliver(delivery("b"), 0)
    sink.close()
    assert alerts(path) == ["b"]


def test_a_full_disk_is_told_and_leaves_no_torn_line(tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "alerts.jsonl"
    sink = opened(path)
    sink.deliver(delivery("a"), 0)
    real = sink._file

    class Full:
        def write(self, line: bytes) -> int:
            real.write(line[:10])
            raise OSError(28, "No space left on device")

        def __getattr__(self, name: str):
            return getattr(real, name)

    sink._file = Full()  # type: ignore[assignment]
    outcome = sink.deliver(delivery("b"), 0)
    assert outcome.kind == "retry"
    assert "No space left" in outcome.detail
    assert alerts(path) == ["a"]
    sink._file = real
    assert sink.deliver(delivery("b"), 0).kind == "ok"
    assert alerts(path) == ["a", "b"]


def test_a_path_that_cannot_be_opened_is_told_with_the_sinks_name(tmp_path: Path):
    with pytest.raises(SinkProblem, match="sink file"):
        open_sink(SinkConfig("jsonl", "file", path=tmp_path))
