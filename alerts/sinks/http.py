"""HTTP towards receivers that somebody else runs: the only module that imports the client."""

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from alerts.sinks.address import is_public

MOST_OF_AN_ANSWER = 64 * 1024
KEPT_ALIVE_S = 30.0
CONNECT_S = 5.0


class Unsent(Exception):
    """The request did not get an answer, and why. Names no secret and no query."""


@dataclass(frozen=True)
class Answer:
    """What matters of a response."""

    status: int
    retry_after: str | None


class HttpClient:
    """POSTs without following redirects; may be used from several threads.

    The receiver's name is resolved when a connection is opened, the addresses are checked, and
    the connection goes to one that was checked: a name that resolves to something else a moment
    later gains nothing. A request takes ``timeout_s`` at most, however slowly the receiver
    dribbles its answer.
    """

    def __init__(self, allow_private: bool, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._network = _Network(allow_private)
        self._pool = httpcore.ConnectionPool(
            keepalive_expiry=KEPT_ALIVE_S, network_backend=self._network
        )

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send ``body``; raises Unsent where there was no answer."""
        self._network.limit(self._timeout_s)
        host = urlsplit(url).hostname
        waits = {"connect": min(CONNECT_S, self._timeout_s)}
        waits |= dict.fromkeys(("read", "write", "pool"), self._timeout_s)
        try:
            with self._pool.stream(
                "POST",
                url,
                headers=list(headers.items()),
                content=body,
                extensions={"timeout": waits},
            ) as response:
                named = {name.lower(): value for name, value in response.headers}
                wait = named.get(b"retry-after")
                _read_a_little(response)
                return Answer(response.status, wait.decode("latin-1") if wait else None)
        except _Refused as problem:
            raise Unsent(f"{host}: {problem}") from None
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
        ) as problem:
            said = f": {problem}" if isinstance(problem, httpcore.ConnectError) else ""
            raise Unsent(f"{host}: {type(problem).__name__}{said}") from None

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _read_a_little(response: httpcore.Response) -> None:
    """Read so much that the connection can be used again, and no more.

    The status is known by now: trouble while reading the rest does not change it.
    """
    taken = 0
    try:
        for piece in response.iter_stream():
            taken += len(piece)
            if taken > MOST_OF_AN_ANSWER:
                return
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        return


class _Refused(Exception):
    """No address of the receiver may be connected to."""


class _Deadline(threading.local):
    """When the request of this thread has to be over (monotonic seconds)."""

    at = 0.0

    def left(self, timeout: float | None) -> float:
        left = self.at - time.monotonic()
        return left if timeout is None else min(left, timeout)


class _Network(httpcore.NetworkBackend):
    """Opens connections to addresses that may be connected to."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._sockets = httpcore.SyncBackend()
        self._deadline = _Deadline()

    def limit(self, seconds: float) -> None:
        """What this thread does from now on has to be over after ``seconds``."""
        self._deadline.at = time.monotonic() + seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first checked address that answers."""
        problem: Exception = httpcore.ConnectTimeout()
        for address in self._addresses(host, port):
            left = self._deadline.left(timeout)
            if left <= 0:
                break
            try:
                stream = self._sockets.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as trouble:
                problem = trouble
            else:
                return _Stream(stream, self._deadline)
        raise problem

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            said = getattr(problem, "strerror", None) or "not a host name"
            raise _Refused(f"the name does not resolve ({said})") from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        allowed = [each for each in addresses if self._allow_private or is_public(each)]
        if not allowed:
            raise _Refused(f"{addresses[0]} is inside the network, which the settings forbid")
        return allowed


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing lasts beyond the deadline of the request in hand."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline.left(timeout)
        if left <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._deadline.left(timeout)
        if left <= 0:
            raise httpcore.WriteTimeout("the receiver took the request too slowly")
        self._stream.write(buffer, left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = max(0.001, self._deadline.left(timeout))
        secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
