"""HTTP as the stand-in for Kaggle needs it: a reply may be a stream without an end."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.loopback.interception import InterceptingHandler, InterceptingServer

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


class _Handler(InterceptingHandler):
    server: "Server"
    hosts = HOSTS

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        is_cut = size > 1 and self.server.is_to_be_cut(self._request(b""))
        body = self.rfile.read(size // 2 if is_cut else size)
        request = self._request(body)
        reply = self.server.answer(request)  # what came before a cut has come
        if is_cut:
            self.hang_up()
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
            self.hang_up()
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
                self.hang_up()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        with suppress(OSError):  # the client has gone, or the stream is to be cut
            for piece in reply.body:
                self._send_chunk(piece)
            self._send_chunk(b"")
            return
        self.hang_up()

    def _send_chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.flush()


class Server(InterceptingServer[Request, Reply]):
    """The hosts, served."""

    handler = _Handler
