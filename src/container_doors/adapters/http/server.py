"""Runs the application on a socket, and ends it without losing what it has taken."""

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from container_doors.adapters.http.gate import Gate
from container_doors.core.errors import ConfigError
from container_doors.core.printable import printable
from container_doors.prediction.service import Service

MOST_CONNECTIONS = 512
_LAST_PORT = 65535
_HEADER_BYTES, _HEADER_S = 1 << 14, 10.0
_LAST_WORDS_S = 3
"""For answers that are being sent when all is done; the page's streams of events end then."""


def bind(host: str, port: int) -> socket.socket:
    """Open a socket; port 0 takes a free one.

    Raises:
        ConfigError: If the address is not one of this machine, or in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=MOST_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise ConfigError(
            f"cannot listen on {printable(host)}:{port}: {why}",
            hint=f"another port: --port {port % _LAST_PORT + 1}"
            if is_taken
            else "a port above 1023, and an address of this machine: --host 127.0.0.1",
        ) from None
    # Connections inherit it. asyncio sets it on sockets of its own alone; without it each answer,
    # which is sent in two parts, waits 40 ms for the client's acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run(gate: Gate, service: Service, listener: socket.socket, ready: Callable[[], None]) -> int:
    """Answer until SIGTERM or Ctrl-C, then finish what was taken; a second signal ends at once.

    Args:
        gate: The application.
        service: It is asked to take nothing new.
        listener: The socket.
        ready: Called when requests are answered.

    Returns:
        The number of the signal.
    """
    server = make_server(gate, service, ready)
    asyncio.run(server.serve(sockets=[listener]))
    return server.signal or 0


def make_server(gate: Gate, service: Service, ready: Callable[[], None]) -> "Server":
    """Make what :func:`run` runs."""
    config = uvicorn.Config(
        gate,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    return Server(config, gate, service, ready)


class Server(uvicorn.Server):
    """Ends only when all that was taken is answered."""

    def __init__(
        self, config: uvicorn.Config, gate: Gate, service: Service, ready: Callable[[], None]
    ) -> None:
        """Be ready to serve."""
        super().__init__(config)
        self.signal: int | None = None
        """The first that has come."""
        self._gate, self._service, self._ready = gate, service, ready
        self._until = 0.0

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while inside, and do not send them to ourselves again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {one: signal.signal(one, self.handle_exit) for one in handled}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Take nothing new; at the second signal end at once."""
        if self.signal is not None:
            self.should_exit = self.force_exit = True
            return
        self.signal = sig
        self._until = monotonic() + self._service.limits.seconds + _LAST_WORDS_S
        self._service.stop()

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether all that was taken is answered."""
        if counter == 0:
            self._ready()
        if self.signal is not None:
            is_done = not self._gate.active and not self._service.taken
            self.should_exit = self.should_exit or is_done or monotonic() > self._until
        return await super().on_tick(counter)


class _Protocol(H11Protocol):
    """HTTP/1.1; a connection on which no whole request head comes in time is closed."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._timer is None:
            self._timer = self.loop.call_later(_HEADER_S, self.transport.close)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
