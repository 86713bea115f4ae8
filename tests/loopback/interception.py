"""A proxy that is also every host behind it, for stand-ins of services that are met by HTTPS.

A client that is told of the proxy asks it to CONNECT to a host; the TLS ends here instead. Any
other host is refused, so that nothing leaves the machine.
"""

import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")


class InterceptingServer(ThreadingHTTPServer, Generic[RequestT, ReplyT]):
    """Threads; ``is_to_be_cut`` may end a request while it is being sent."""

    daemon_threads = True
    request_queue_size = 128
    handler: type[BaseHTTPRequestHandler]

    def __init__(
        self, port: int, *, tls: ssl.SSLContext, answer: Callable[[RequestT], ReplyT],
        is_to_be_cut: Callable[[RequestT], bool],
    ) -> None:  # fmt: skip
        super().__init__(("127.0.0.1", port), self.handler)
        self.tls, self.answer, self.is_to_be_cut = tls, answer, is_to_be_cut
        self.is_over = threading.Event()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def begin(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def end(self) -> None:
        """Serve no more."""
        self.is_over.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class InterceptingHandler(BaseHTTPRequestHandler):
    """One connection; ``host`` is the one that the client believes to speak to."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    hosts: tuple[str, ...]
    host = ""

    def do_CONNECT(self) -> None:
        """Put this end of TLS into the client's way."""
        self.host = self.path.split(":")[0]
        if self.host not in self.hosts:
            refusal = b"no way out of this machine"
            self.send_response(502)
            self.send_header("Content-Length", str(len(refusal)))
            self.end_headers()
            self.wfile.write(refusal)
            return
        self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        self.wfile.flush()
        self.rfile.close()
        self.wfile.close()
        tls: ssl.SSLContext = self.server.tls  # type: ignore[attr-defined]
        self.connection = tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", -1)
        self.close_connection = False

    def finish(self) -> None:
        """Close what TLS was wrapped around, too; the server knows the plain socket only."""
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def hang_up(self) -> None:
        """End the connection in the middle of whatever it is."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
