"""The HTTP server as a role: uvicorn in a thread, where it leaves the signals alone."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from barograph.logs import Logger
from barograph.supervisor import Fatal, Pulse


@dataclass
class HttpRole:
    """Serves ``app``. The socket is bound at once, so that a taken port is told at the start."""

    app: FastAPI
    host: str
    port: int
    log: Logger
    started: Callable[[str], None] = lambda _address: None
    name: str = "http"

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Serve until told to stop; requests in hand are answered."""
        try:
            bound = socket.create_server(
                (self.host, self.port),
                family=socket.AF_INET6 if ":" in self.host else socket.AF_INET,
            )
        except OSError as problem:
            raise Fatal(
                f"cannot listen on {self.host}:{self.port}: {problem.strerror}"
            ) from problem
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            lifespan="off",
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [bound]}, name="uvicorn", daemon=True
        )
        thread.start()
        address = f"http://{self.host}:{bound.getsockname()[1]}"
        self.log.info("listening", address=address)
        self.started(address)
        try:
            while not stop.wait(0.25):
                if not thread.is_alive():
                    raise RuntimeError("the HTTP server has ended by itself")
                pulse.beat()
        finally:
            server.should_exit = True
            thread.join(7)
            bound.close()
