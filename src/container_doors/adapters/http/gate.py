"""What every request passes: is it for us, may it be answered, is it small and quick enough.

It stands before the application, and so before the parts of it that are not ours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

from container_doors.adapters.http.access import Access
from container_doors.adapters.http.logs import JsonLog
from container_doors.adapters.http.metrics import Metrics
from container_doors.adapters.http.refusals import Refusal

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPEN = frozenset({"/healthz", "/readyz", "/login"})
"""Without a token."""

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds, and not logged."""

_STREAMS = ("/gradio_api/heartbeat", "/gradio_api/queue/data")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IDLE_S, _MOST_BODY_S = 10.0, 120.0
_DRAIN_S = 2.0
"""How long a refused body is read on: a client that is still sending would not see the answer."""

_CONTENT = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'{eval}; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gate asks of the application behind it."""

    access: Access
    most_bytes: Callable[[str], int]
    """Of a request's body, by path."""
    route_of: Callable[[str], str | None]
    """Returns one of a few names for a path; None if nothing is there."""
    is_page: Callable[[str], bool]
    """Whether a path is of the page, whose scripts compile scripts."""


class _Exchange:
    """One request and its answer; stands between the server and the application."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, rules: Rules) -> None:
        self.scope, self._receive, self._send, self._rules = scope, receive, send, rules
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.began = monotonic()
        self.status = 0
        self.seen = 0
        """Bytes of the body."""
        self.refusal: Refusal | None = None
        """Once it is set, the application reads and answers nothing more."""
        self.is_gone = False
        """Whether the client has left."""
        self._is_read = self.method in _SAFE
        self._is_cut = False

    async def receive(self) -> Message:
        """Receive the next part of a body; afterwards, the end of the connection."""
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        if self._is_read:
            return self._noted(await self._receive())
        left_s = self.began + _MOST_BODY_S - monotonic()
        try:
            async with asyncio.timeout(max(0, min(_IDLE_S, left_s))):
                message = self._noted(await self._receive())
        except TimeoutError:
            self.refusal = Refusal(408, "the request came too slowly", "send it again")
            return {"type": "http.disconnect"}
        self.seen += len(message.get("body", b""))
        self._is_read = not message.get("more_body", False)
        if self.seen > self._rules.most_bytes(self.path):
            self.refusal = self.too_large()
            return {"type": "http.disconnect"}
        return message

    def _noted(self, message: Message) -> Message:
        self.is_gone = self.is_gone or message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the application's answer."""
        if self.refusal is None:
            await self._answer(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer in place of the application, if it has not begun to."""
        if self.status:
            return
        given = {"content-type": "application/json", **refusal.headers}
        headers = [(one.lower().encode(), given[one].encode("latin-1")) for one in given]
        await self._answer(
            {"type": "http.response.start", "status": refusal.status, "headers": headers}
        )
        await self._answer({"type": "http.response.body", "body": refusal.body()})

    def too_large(self) -> Refusal:
        """Refuse a body."""
        most = self._rules.most_bytes(self.path)
        return Refusal(
            413,
            f"a request to this address may have {most / 1e6:.4g} MB at most",
            "send less at once, or start doors serve with a larger --max-mb",
        )

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._is_cut = message["status"], not self._is_read
            message = message | {"headers": self._with_more(message.get("headers", ()))}
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (self._is_cut and is_last):
            await self._send(message)
            return
        await self._send(message | {"more_body": True})
        await _drain(self._receive)
        await self._send({"type": "http.response.body", "body": b""})

    def _with_more(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        given = {name.lower() for name, _ in headers}
        is_page = self._rules.is_page(self.path)
        wanted = _HEADERS | {
            "content-security-policy": _CONTENT.format(eval=" 'unsafe-eval'" if is_page else "")
        }
        if not is_page:
            wanted["cache-control"] = "no-store"
        if self._is_cut:
            wanted["connection"] = "close"
        more = [(name.encode(), value.encode()) for name, value in wanted.items()]
        return [*headers, *(one for one in more if one[0] not in given)]


class Gate:
    """An ASGI application before another one."""

    def __init__(self, app: Any, rules: Rules, log: JsonLog, metrics: Metrics) -> None:  # noqa: ANN401
        """Stand before an application."""
        self._app, self._rules, self._log, self._metrics = app, rules, log, metrics
        self.active = 0
        """Requests that are being answered; the page's streams of events do not count."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._rules)
        scope["doors.log"] = {}
        is_counted = not exchange.path.startswith(_STREAMS)
        self.active += is_counted
        try:
            exchange.refusal = self._why_not(exchange)
            if exchange.refusal is None:
                await self._let_through(exchange)
            if exchange.refusal is not None:
                await exchange.refuse(exchange.refusal)
        finally:
            self.active -= is_counted
            self._note(exchange)

    async def _let_through(self, exchange: _Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - a bug is logged, and the service goes on
            if exchange.refusal is None and not exchange.is_gone:
                self._log.fault("fault", path=exchange.path)
                exchange.refusal = Refusal(500, "a fault of this program", "see its log")

    def _why_not(self, exchange: _Exchange) -> Refusal | None:
        """Return why a request is not let through; None if it is."""
        headers, path = exchange.headers, exchange.path
        host = headers.get("host", "")
        if not self._rules.access.is_known_name(host):
            return Refusal(
                421,
                "this service does not answer to that name",
                "use its address, or start it with --allow-host NAME",
            )
        if exchange.method not in _SAFE and _is_foreign(headers, host):
            return Refusal(
                403,
                "the request comes from a page of another origin",
                "send it from a program, or from a page of this service",
            )
        if path not in OPEN and not self._rules.access.is_allowed(headers):
            return _sign_in(exchange)
        if self._rules.route_of(path) is None:
            return Refusal(404, "there is nothing at this address", "see /docs")
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._rules.most_bytes(path):
            return exchange.too_large()
        return None

    def _note(self, exchange: _Exchange) -> None:
        route = self._rules.route_of(exchange.path) or "other"
        duration_s = monotonic() - exchange.began
        self._metrics.answered(route, exchange.status, duration_s)
        if exchange.path in PROBES:
            return
        client = exchange.scope.get("client")
        self._log.event(
            "request",
            method=exchange.method,
            path=exchange.path,
            status=exchange.status,
            ms=round(duration_s * 1000, 1),
            bytes=exchange.seen,
            client=client[0] if client else None,
            **exchange.scope["doors.log"],
        )


def _sign_in(exchange: _Exchange) -> Refusal:
    if exchange.method == "GET" and "text/html" in exchange.headers.get("accept", ""):
        where = f"/login?next={quote(exchange.path, safe='/')}"
        return Refusal(303, "a token is needed", "sign in", {"Location": where})
    return Refusal(
        401,
        "a token is needed",
        "send the header: Authorization: Bearer TOKEN",
        {"WWW-Authenticate": "Bearer"},
    )


def _is_foreign(headers: Mapping[str, str], host: str) -> bool:
    """Return whether a browser says that a page of another origin sends this."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return True
    return headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
