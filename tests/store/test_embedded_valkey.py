import os
import random
import signal
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


def test_a_folder_with_a_space_in_its_name_is_no_obstacle(tmp_path: Path):
    with EmbeddedValkey(tmp_path / "my data") as server:
        connect(server.url).set("key", "value")
    with EmbeddedValkey(tmp_path / "my data") as server:
        assert connect(server.url).get("key") == b"value"


def test_a_program_that_was_refused_the_folder_does_not_end_the_others_server(tmp_path: Path):
    with EmbeddedValkey(tmp_path) as server:
        second = EmbeddedValkey(tmp_path)
        with pytest.raises(ServerProblem):
            second.start()
        second.stop()
        second.kill()
        assert connect(server.url).ping()


def test_a_server_that_died_under_its_program_is_started_again(tmp_path: Path):
    with EmbeddedValkey(tmp_path) as server:
        connect(server.url).set("key", "value")
        time.sleep(1.2)
        assert not server.revive()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        time.sleep(0.1)
        assert server.revive()
        assert connect(server.url).get("key") == b"value"


COUNTING = """
import sys
from pathlib import Path
from barograph.valkey import EmbeddedValkey
from alerts.redis_store import connect
server = EmbeddedValkey(Path(sys.argv[1]))
server.start()
print("up", flush=True)
client = connect(server.url)
while True:
    print(client.incr("count"), flush=True)
"""


def servers_in(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").resolve() == folder and b"valkey" in (
                    entry / "cmdline"
                ).read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes by /proc")
def test_programs_killed_at_any_moment_lose_no_count_and_leave_one_server(tmp_path: Path):
    rng = random.Random(3)
    told = 0
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0.15, 0.45))  # often before the server answers
        else:
            child.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
        child.kill()
        lines = child.communicate()[0].split()
        told = max([told, *(int(line) for line in lines if line.isdigit())])
        assert len(servers_in(tmp_path)) <= 1
    with EmbeddedValkey(tmp_path) as server:
        assert len(servers_in(tmp_path)) == 1
        assert int(connect(server.url).get("count")) >= told > 0
    assert servers_in(tmp_path) == []


DYING = """
import os, sys
from pathlib import Path
from barograph import valkey
launch = valkey.EmbeddedValkey._launch
def launch_and_die(*arguments):
    launch(*arguments)
    os._exit(9)
valkey.EmbeddedValkey._launch = launch_and_die
valkey.EmbeddedValkey(Path(sys.argv[1])).start()
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes by /proc")
def test_a_server_whose_program_died_before_it_answered_is_waited_for(tmp_path: Path):
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], check=False)
    with EmbeddedValkey(tmp_path) as server:
        assert connect(server.url).ping()
        assert len(servers_in(tmp_path)) == 1
