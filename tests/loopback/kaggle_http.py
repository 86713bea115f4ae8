"""HTTP as the stand-in for Kaggle needs it: a proxy that is also every host behind it.

A client that is told of the proxy asks it to CONNECT to Kaggle; the TLS ends here instead. Any
other host is refused, so that nothing leaves the machine. A reply may be a stream without an end.
"""

import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

API = "api.kaggle.com"
STORAGE = "storage.googleapis.com"
HOSTS = (API, STORAGE, "www.kaggle.com")


@dataclass(frozen=True)
class Request:
    """One HTTP request; ``headers`` are in lower case."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """What is asked for: ``SaveKernel``, ``upload``, ``output``, ``log``."""
        parts = self.path.strip("/").split("/")
        if self.host == STORAGE:
            return parts[0]
        return "log" if "stream" in parts else parts[-1]

    @property
    def document(self) -> dict[str, Any]:
        """The body, as JSON."""
        return dict(json.loads(self.body or b"{}"))


@dataclass(frozen=True)
class Reply:
    """One HTTP answer.

    Attributes:
        body: Bytes; or pieces that are sent as they come; an OSError among them is a cut.
        sent_share: How much of the bytes is sent before the server hangs up.
        hangs: Send nothing at all, and keep the connection.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_share: float = 1.0
    hangs: bool = False

    @classmethod
    def of(cls, document: Any, status: int = 200, **headers: str) -> Self:
        """A JSON document."""
        described = {"Content-Type": "application/json; charset=utf-8", **headers}
        return cls(status, json.dumps(document).encode(), described)

    @classmethod
    def error(cls, status: int, message: str) -> Self:
        """An error, as Kaggle's API spells it."""
        return cls.of({"code": status, "message": message}, status)

    @classmethod
    def page(cls, text: str, status: int = 200) -> Self:
        """A page for people."""
        body = f"<!doctype html><html><body>{text}</body></html>".encode()
        return cls(status, body, {"Content-Type": "text/html; charset=utf-8"})


class Server(ThreadingHTTPServer):
    """Threads; ``is_to_be_cut`` may end a request while it is being sent."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, port: int, *, tls: ssl.SSLContext, answer: Callable[[Request], Reply],
        is_to_be_cut: Callable[[Request], bool],
    ) -> None:  # fmt: skip
        super().__init__(("127.0.0.1", port), _Handler)
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    wbufsize = -1
    disable_nagle_algorithm = True
    host = ""

    def do_CONNECT(self) -> None:
        self.host = self.path.split(":")[0]
        if self.host not in HOSTS:
            self._send(Reply(502, b"no way out of this machine"))
            return
        self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        self.wfile.flush()
        self.rfile.close()
        self.wfile.close()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", -1)
        self.close_connection = False

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        is_cut = size > 1 and self.server.is_to_be_cut(self._request(b""))
        body = self.rfile.read(size // 2 if is_cut else size)
        request = self._request(body)
        reply = self.server.answer(request)  # what came before a cut has come
        if is_cut:
            self._hang_up()
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815

    def _request(self, body: bytes) -> Request:
        url = urlsplit(self.path)
        return Request(
            self.command,
            self.host,
            url.path,
            {key: values[0] for key, values in parse_qs(url.query).items()},
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )

    def _send(self, reply: Reply) -> None:
        if reply.hangs:
            self.server.is_over.wait()
            self._hang_up()
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: int(len(reply.body) * reply.sent_share)])
            self.wfile.flush()
            if reply.sent_share < 1:
                self._hang_up()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        with suppress(OSError):  # the client has gone, or the stream is to be cut
            for piece in reply.body:
                self._send_chunk(piece)
            self._send_chunk(b"")
            return
        self._hang_up()

    def _send_chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.flush()

    def finish(self) -> None:
        """Close what TLS was wrapped around, too; the server knows the plain socket only."""
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
