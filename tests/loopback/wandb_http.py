"""HTTP as the stand-in for W&B needs it: requests, JSON answers, connections that can be cut."""

import base64
import gzip
import json
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """One HTTP request; ``authorization`` is the header's value."""

    method: str
    target: str
    authorization: str
    body: bytes

    @property
    def path(self) -> str:
        """The path, unquoted."""
        return unquote(urlsplit(self.target).path)

    @property
    def key(self) -> str:
        """The API key, which the client sends as the password of any user."""
        credentials = self.authorization.removeprefix("Basic ")
        return base64.b64decode(credentials).decode().partition(":")[2]

    @property
    def signature(self) -> str:
        """The signature of an upload address, which is all that storage requests carry."""
        return parse_qs(urlsplit(self.target).query).get("signature", [""])[0]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer, in JSON."""

    status: int = 200
    document: Any = None

    @classmethod
    def error(cls, status: int, message: str) -> Self:
        """An errors document."""
        return cls(status, {"errors": [{"message": message}], "data": None})


class Server(ThreadingHTTPServer):
    """Threads, and a list of open connections so that they can be cut."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, answer: Callable[[Request], Reply | None]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def begin(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def end(self) -> None:
        """Serve no more, and cut what is open."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        reply = self.server.answer(
            Request(self.command, self.path, self.headers.get("Authorization", ""), self._body())
        )
        if reply is None:
            self.close_connection = True
            return
        content = b"" if reply.document is None else json.dumps(reply.document).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server's names

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        zipped = self.headers.get("Content-Encoding") == "gzip"
        return gzip.decompress(body) if zipped else body

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
