"""Ask a person in their browser, once, for consent to use their Drive.

The OAuth flow for desktop programs (loopback address, PKCE):
https://developers.google.com/identity/protocols/oauth2/native-app
"""

import base64
import hashlib
import json
import secrets
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Mapping
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import monotonic
from typing import IO, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from container_doors.core.child_environment import NETWORK, hide_secrets
from container_doors.core.errors import VersioningError
from container_doors.core.parsing import ParsingError, parse_json
from container_doors.storage.credentials import OAuthClient

_SCOPES = "https://www.googleapis.com/auth/drive"
_DONE = b"Done. You can close this window and go back to the terminal."
_TOKEN_TIMEOUT_S = 30.0
_MOST_BYTES = 1 << 20


def ask_for_consent(
    client: OAuthClient,
    *,
    say: Callable[[str], None],
    browse: Callable[[str], bool] | None = None,
    wait_s: float = 300.0,
) -> str:
    """Send the person to Google, and return the credentials that they allow.

    Args:
        client: The OAuth client of our app.
        say: Receives the address, in case no browser opens.
        browse: Opens a browser; by default the person's own.
        wait_s: The timeout.

    Returns:
        The credentials, as JSON.

    Raises:
        VersioningError: If the person refuses or does nothing, or if Google refuses.
    """
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    with _Listener() as listener:
        address = listener.address
        url = f"{client.auth_uri}?{urlencode(_question(client, address, state, verifier))}"
        say(f"consent in your browser; if none opens, go to\n{url}")
        (browse or open_browser)(url)
        answer = listener.wait(wait_s)
    if answer.get("state") != state or "code" not in answer:
        raise VersioningError(
            f"no consent was given: {answer.get('error', f'nothing came within {wait_s:.0f} s')}",
            hint="run it again, and allow the app to use Drive",
        )
    return _exchange(client, answer["code"], address, verifier)


@hide_secrets(but=NETWORK)
def open_browser(url: str) -> bool:
    """Open a page in the person's browser, without the secrets of this environment."""
    return webbrowser.open(url)


def _question(client: OAuthClient, address: str, state: str, verifier: str) -> dict[str, str]:
    digest = hashlib.sha256(verifier.encode()).digest()
    return {
        "client_id": client.client_id,
        "redirect_uri": address,
        "response_type": "code",
        "scope": _SCOPES,
        "access_type": "offline",  # otherwise there is no refresh token,
        "prompt": "consent",  # and without this there is none the second time
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }


def _exchange(client: OAuthClient, code: str, address: str, verifier: str) -> str:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": address,
    }
    request = urllib.request.Request(client.token_uri, urlencode(form).encode())  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TOKEN_TIMEOUT_S) as reply:  # noqa: S310
            token = _read_object(reply).get("refresh_token")
    except urllib.error.HTTPError as error:
        with error:
            reason = _read_object(error).get("error", error.code)
        raise VersioningError(
            f"Google refuses a token: {reason}", hint="compare the client's JSON with the console"
        ) from None
    except (OSError, HTTPException) as error:
        raise VersioningError(
            f"Google does not answer: {error}", hint="check the network, then run this again"
        ) from None
    if not isinstance(token, str):
        raise VersioningError(
            f"{client.token_uri}: expected a refresh token, found an answer without one",
            hint="check that no proxy or login page answers in Google's place, then run this again",
        )
    return json.dumps({
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": token,
        "token_uri": client.token_uri,
        "scopes": [_SCOPES],
    })  # fmt: skip


def _read_object(reply: IO[bytes]) -> Mapping[str, Any]:
    """Read a JSON object; empty if it is none, such as a proxy's page."""
    try:
        document = parse_json(reply.read(_MOST_BYTES))
    except ParsingError:
        return {}
    return document if isinstance(document, dict) else {}


class _Listener(HTTPServer):
    """Waits at a loopback address for the browser's redirect."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Mapping[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait(self, wait_s: float) -> Mapping[str, str]:
        """Serve until the answer arrives; browsers also request an icon."""
        until = monotonic() + wait_s
        while not self.answer and monotonic() < until:
            self.timeout = max(0.0, until - monotonic())
            self.handle_request()
        return self.answer


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if {"code", "error"} & query.keys():
            self.server.answer = {key: values[0] for key, values in query.items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(_DONE)

    def log_message(self, *_: object) -> None:
        """Log nothing: the address contains the code."""
