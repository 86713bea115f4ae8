"""HTTP as the stand-in for Google needs it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.loopback.drive_state import RefusedError
from tests.loopback.interception import InterceptingHandler, InterceptingServer

_BODY_S = 5.0
"""What is sent takes no longer: httplib2 sends the rest of a stream again, and waits for ever."""

HOSTS = ("www.googleapis.com", "oauth2.googleapis.com", "accounts.google.com")


@dataclass(frozen=True)
class Request:
    """One HTTP request; ``query`` holds the address's parameters, ``headers`` are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def name(self) -> str:
        """What kind of call it is, without its ids."""
        path = re.sub(r"/files/[^/?]+", "/files/ID", self.path)
        kinds = [self.query[key] for key in ("alt", "uploadType") if key in self.query]
        kind = "chunk" if "upload_id" in self.query else "".join(kinds)
        return f"{self.method} {path} {kind.replace('json', '')}".strip()

    @property
    def token(self) -> str:
        """The access token."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def document(self) -> dict[str, Any]:
        """The body, as JSON."""
        return dict(json.loads(self.body or b"{}"))

    @property
    def form(self) -> dict[str, str]:
        """The body, as a form."""
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; ``is_cut`` sends half of it and hangs up."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any], status: int = 200) -> Self:
        """A JSON document."""
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    @classmethod
    def refusal(cls, refused: RefusedError) -> Self:
        """An error, as Google's APIs spell it."""
        error = {"domain": "global", "reason": refused.reason, "message": str(refused)}
        document = {"code": refused.status, "message": str(refused), "errors": [error]}
        return cls.of({"error": document}, refused.status)


class _Handler(InterceptingHandler):
    server: "Server"
    hosts = HOSTS

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        is_cut = self.server.is_to_be_cut(self._request(b""))
        self.connection.settimeout(_BODY_S)
        body = self.rfile.read(size // 2 if is_cut else size)
        self.connection.settimeout(None)
        if is_cut:
            self.hang_up()
        else:
            self._send(self.server.answer(self._request(body)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _request(self, body: bytes) -> Request:
        url, method = urlsplit(self.path), self.command
        query = url.query
        if self.headers.get("X-HTTP-Method-Override") == "GET":
            # googleapiclient sends an address of over 2048 characters as a form.
            method, query = "GET", body.decode()
        parameters = parse_qs(query, keep_blank_values=True)
        return Request(
            method,
            url.path,
            {key: values[0] for key, values in parameters.items()},
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.is_cut else reply.body)
        self.wfile.flush()
        if reply.is_cut:
            self.hang_up()


class Server(InterceptingServer[Request, Reply]):
    """The hosts, served."""

    handler = _Handler
