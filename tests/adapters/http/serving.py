"""A service on a real socket, in this process, with a network of a test's own."""

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from container_doors.adapters.http.access import Access
from container_doors.adapters.http.app import Page, make_app
from container_doors.adapters.http.logs import JsonLog
from container_doors.adapters.http.metrics import Metrics
from container_doors.adapters.http.server import Server, bind, make_server
from container_doors.core.ports import Network
from container_doors.prediction.keeping import Keep
from container_doors.prediction.service import Service, ServiceLimits
from tests.predicting import FakeNetwork
from tests.prediction.finding import USED

LIMITS = ServiceLimits(file_bytes=200_000, pixels=1_000_000, files=3, seconds=5, queue=4)
LIMIT_S = 20.0

MakePage = Callable[[Service, Metrics], Page]


@dataclass
class Serving:
    """A service that runs."""

    url: str
    port: int
    service: Service
    server: Server
    thread: threading.Thread

    def predict(self, data: Any = None, *, query: str = "", **more: Any) -> requests.Response:
        return requests.post(f"{self.url}/v1/predict{query}", data=data, timeout=LIMIT_S, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=LIMIT_S, **more)

    def stop(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)


@contextmanager
def serving(
    network: Network | None = None,
    *,
    access: Access | None = None,
    limits: ServiceLimits = LIMITS,
    keep: Keep | None = None,
    make_page: MakePage | None = None,
    is_logged: bool = True,
) -> Iterator[Serving]:
    """Run a service, and stop it as SIGTERM does.

    A line is logged after its answer was sent. One that runs while other tests read what was logged
    must log nothing: all services of a process have one log.
    """
    service = Service(network or FakeNetwork(), USED, limits=limits, keep=keep)
    metrics = Metrics(service)
    gate = make_app(
        service,
        access=access or Access(),
        log=JsonLog() if is_logged else Unlogged(),
        metrics=metrics,
        page=make_page(service, metrics) if make_page else None,
    )
    is_ready = threading.Event()
    server = make_server(gate, service, is_ready.set)
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            assert is_ready.wait(LIMIT_S)
            yield Serving(f"http://127.0.0.1:{port}", port, service, server, thread)
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(LIMIT_S)
            service.close()
    assert not thread.is_alive()


class Unlogged(JsonLog):
    """A log without events."""

    def event(self, name: str, **fields: object) -> None:
        pass


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read what was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class Gated(FakeNetwork):
    """A network that waits until it is let go."""

    def __init__(self) -> None:
        self.is_looking, self._may_go = threading.Event(), threading.Event()
        super().__init__(before=self._wait)

    def let_go(self) -> None:
        self._may_go.set()

    def _wait(self) -> None:
        self.is_looking.set()
        assert self._may_go.wait(LIMIT_S)
