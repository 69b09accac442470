"""HTTP towards receivers that somebody else runs: the only module that imports the client."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

MOST_OF_AN_ANSWER = 64 * 1024


class Unsent(Exception):
    """The request did not get an answer, and why. Names no secret and no query."""


@dataclass(frozen=True)
class Answer:
    """What matters of a response."""

    status: int
    retry_after: str | None


class HttpClient:
    """POSTs without following redirects.

    The receiver's name is resolved once, the address is checked, and the connection goes to
    that very address: a name that resolves to something else a moment later gains nothing.
    """

    def __init__(self, allow_private: bool, timeout_s: float) -> None:
        self._allow_private = allow_private
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
            follow_redirects=False,
            trust_env=False,
        )

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send ``body``; raises Unsent where there was no answer."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = self._address(host, port)
        netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        target = parts._replace(netloc=netloc, fragment="").geturl()
        try:
            with self._client.stream(
                "POST",
                target,
                content=body,
                headers=headers | {"host": parts.netloc.rpartition("@")[2]},
                extensions={"sni_hostname": host},
            ) as response:
                self._read_a_little(response)
                return Answer(response.status_code, response.headers.get("retry-after"))
        except httpx.HTTPError as problem:
            raise Unsent(f"{host}: {type(problem).__name__}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read_a_little(self, response: httpx.Response) -> None:
        """Read so much that the connection can be used again, and no more."""
        taken = 0
        for piece in response.iter_raw():
            taken += len(piece)
            if taken > MOST_OF_AN_ANSWER:
                return

    def _address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as problem:
            raise Unsent(f"{host}: the name does not resolve ({problem.strerror})") from None
        address = str(found[0][4][0])
        if (
            not self._allow_private
            and not ipaddress.ip_address(address.partition("%")[0]).is_global
        ):
            raise Unsent(f"{host}: {address} is inside the network, which the settings forbid")
        return address
