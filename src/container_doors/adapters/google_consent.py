"""A person's consent to use their Drive, asked for in their browser, once.

The flow for programs on a computer (loopback address, PKCE):
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
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import monotonic
from urllib.parse import parse_qs, urlencode, urlsplit

from container_doors.core.child_environment import NETWORK, secrets_put_away
from container_doors.core.errors import VersioningError
from container_doors.storage.credentials import OAuthClient

_SCOPES = "https://www.googleapis.com/auth/drive"
_DONE = b"Done. You can close this window and go back to the terminal."
_TOKEN_TIMEOUT_S = 30.0


def ask_for_consent(
    client: OAuthClient,
    *,
    say: Callable[[str], None],
    browse: Callable[[str], bool] | None = None,
    wait_s: float = 300.0,
) -> str:
    """Send the person to Google, and fetch what they consented to.

    Args:
        client: The app that asks.
        say: Told where to go, in case no browser opens.
        browse: Opens a browser; by default the person's own.
        wait_s: When to give up.

    Returns:
        The credentials, as JSON.

    Raises:
        VersioningError: If they refuse, do nothing, or Google refuses.
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


@secrets_put_away(but=NETWORK)
def open_browser(url: str) -> bool:
    """Show a page in the person's own browser, which sees no secret of this environment."""
    return webbrowser.open(url)


def _question(client: OAuthClient, address: str, state: str, verifier: str) -> dict[str, str]:
    digest = hashlib.sha256(verifier.encode()).digest()
    return {
        "client_id": client.client_id,
        "redirect_uri": address,
        "response_type": "code",
        "scope": _SCOPES,
        "access_type": "offline",  # or there is no refresh token,
        "prompt": "consent",  # as there is none the second time without this
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
            document = json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            said = json.load(error).get("error", error.code)
        raise VersioningError(
            f"Google gives no token: {said}", hint="compare the client's JSON with the console"
        ) from None
    except OSError as error:
        raise VersioningError(
            f"Google does not answer: {error}", hint="is the network up? Then run this again"
        ) from None
    return json.dumps({
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": document.get("refresh_token"),
        "token_uri": client.token_uri,
        "scopes": [_SCOPES],
    })  # fmt: skip


class _Listener(HTTPServer):
    """Waits at a loopback address for the browser to come back."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Mapping[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait(self, wait_s: float) -> Mapping[str, str]:
        """Serve until an answer came; browsers also ask for an icon."""
        until = monotonic() + wait_s
        while not self.answer and monotonic() < until:
            self.timeout = max(0.0, until - monotonic())
            self.handle_request()
        return self.answer


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        if {"code", "error"} & asked.keys():
            self.server.answer = {key: values[0] for key, values in asked.items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(_DONE)

    def log_message(self, *_: object) -> None:
        """Say nothing: the address holds the code."""
