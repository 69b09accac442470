import subprocess
import sys
import time
from pathlib import Path

import pytest

from alerts.redis_store import connect
from barograph.valkey import EmbeddedValkey, ServerProblem

CHILD = """
import sys, time
from pathlib import Path
from barograph.valkey import EmbeddedValkey
from alerts.redis_store import connect
server = EmbeddedValkey(Path(sys.argv[1]))
server.start()
connect(server.url).set("written by", "the child")
print(server.pid, flush=True)
time.sleep(60)
"""


def test_data_survives_a_restart_in_order(tmp_path: Path):
    with EmbeddedValkey(tmp_path / "data") as server:
        connect(server.url).set("key", "value")
    with EmbeddedValkey(tmp_path / "data") as server:
        assert connect(server.url).get("key") == b"value"


def test_data_survives_a_kill(tmp_path: Path):
    server = EmbeddedValkey(tmp_path)
    server.start()
    connect(server.url).set("key", "value")
    time.sleep(1.2)  # the file is synced every second
    server.kill()
    with EmbeddedValkey(tmp_path) as again:
        assert connect(again.url).get("key") == b"value"


def test_the_server_of_a_killed_program_is_taken_over(tmp_path: Path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    child.kill()
    child.wait()
    with EmbeddedValkey(tmp_path) as server:
        assert server.pid == pid
        assert connect(server.url).get("written by") == b"the child"
    assert not Path(f"/proc/{pid}").exists() or b"Z" in Path(f"/proc/{pid}/stat").read_bytes()


def test_two_programs_cannot_share_a_folder(tmp_path: Path):
    with EmbeddedValkey(tmp_path), pytest.raises(ServerProblem, match="in use by another program"):
        EmbeddedValkey(tmp_path).start()


def test_a_deep_folder_is_no_obstacle(tmp_path: Path):
    with EmbeddedValkey(tmp_path / ("deep" * 30)) as server:
        assert connect(server.url).ping()


def test_a_throwaway_server_leaves_nothing_behind():
    server = EmbeddedValkey()
    server.start()
    folder = Path(server.url.removeprefix("unix://")).parent
    connect(server.url).set("key", "value")
    server.stop()
    assert not folder.exists()
