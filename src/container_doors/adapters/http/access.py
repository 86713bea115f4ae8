"""Who may use the service: by a token, and which names of this machine are answered to."""

import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

COOKIE = "doors_session"
SESSION_S = 12 * 3600


@dataclass(frozen=True, slots=True)
class Access:
    """A token, or none; and names that requests may be addressed to."""

    token: str | None = None
    names: Sequence[str] = ()
    """Besides addresses, ``localhost``, and the name of this machine. Where there is no token, any
    other name is refused: a page of that name could have been made to mean this machine (DNS
    rebinding), and would read the answers."""
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Signs sessions; they end with this process."""

    def is_known_name(self, host: str) -> bool:
        """Return whether the ``Host`` of a request is one of ours."""
        if self.token is not None:
            return True
        name = host_name(host)
        known = {"localhost", socket.gethostname().lower(), *map(str.lower, self.names)}
        return name in known or name.endswith(".localhost") or _is_address(name)

    def is_token(self, text: str) -> bool:
        """Compare in a time that tells nothing about the token."""
        if self.token is None:
            return False
        given, expected = (hashlib.sha256(one.encode()).digest() for one in (text, self.token))
        return hmac.compare_digest(given, expected)

    def session(self) -> str:
        """Return a cookie's value for someone who had the token."""
        until = str(int(time.time()) + SESSION_S)
        return f"{until}.{self._signed(until)}"

    def is_allowed(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request may be answered; by header names in lower case."""
        if self.token is None:
            return True
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(text.strip()):
            return True
        return self._is_session(_cookie(headers.get("cookie", "")))

    def _signed(self, until: str) -> str:
        return hmac.new(self.key, until.encode(), hashlib.sha256).hexdigest()

    def _is_session(self, value: str) -> bool:
        until, _, signature = value.partition(".")
        expected = self._signed(until).encode()
        is_ours = hmac.compare_digest(signature.encode(), expected)
        return is_ours and int(until) > time.time()


def host_name(host: str) -> str:
    """Return the name in a ``Host`` header, without its port.

    >>> host_name("[::1]:8000"), host_name("LocalHost:80"), host_name("10.0.0.1")
    ('::1', 'localhost', '10.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
