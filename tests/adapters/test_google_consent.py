"""The loopback Drive grants what a browser of ours brings back."""

import json
import socket
import ssl
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from container_doors.adapters.google_consent import ask_for_consent
from container_doors.core.errors import VersioningError
from container_doors.storage.credentials import parse_client, parse_credentials
from tests.loopback.drive_accounts import CODE
from tests.loopback.drive_backend import DriveBackend
from tests.loopback.drive_http import Reply

CLIENT = parse_client(
    json.dumps({"installed": {"client_id": "cid", "client_secret": "GOCSPX-S3CRET"}}), source="it"
)


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with DriveBackend(tmp_path) as backend:
        monkeypatch.setenv("https_proxy", backend.environment["https_proxy"])
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        context = ssl.create_default_context(cafile=backend.environment["HTTPLIB2_CA_CERTS"])
        monkeypatch.setattr(
            urllib.request, "_opener", None
        )  # remembers the proxy of the first call
        monkeypatch.setattr(ssl, "_create_default_https_context", lambda: context)
        yield backend


def browser(**answer: str):
    """Comes back at once, in a thread as a browser would, with the state that it was sent with."""

    def browse(url: str) -> bool:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        assert asked["access_type"] == "offline"
        query = urlencode({"state": asked["state"]} | answer)
        back = f"{asked['redirect_uri']}/?{query}"
        threading.Thread(target=lambda: urllib.request.urlopen(back).close()).start()
        return True

    return browse


def test_a_consent_becomes_credentials_that_last(drive: DriveBackend):
    said: list[str] = []

    text = ask_for_consent(CLIENT, say=said.append, browse=browser(code=CODE))

    credentials = parse_credentials(text, source="your browser")
    assert (credentials.kind, credentials.account) == ("person", "cid")
    granted = drive.accounts.grant(
        {"grant_type": "refresh_token", "refresh_token": credentials.document["refresh_token"]}
    )
    assert granted.status == 200
    assert "S3CRET" not in "".join(said)


REFUSED = {
    "denied": ({"error": "access_denied"}, "no consent was given: access_denied"),
    "a stranger": ({"code": CODE, "state": "forged"}, "no consent was given"),
    "a wrong code": ({"code": "4/other"}, "Google refuses a token: invalid_grant"),
}


@pytest.mark.parametrize(("answer", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_consent_is_an_error(answer: dict[str, str], said: str, drive: DriveBackend):
    with pytest.raises(VersioningError, match=said):
        ask_for_consent(CLIENT, say=lambda _: None, browse=browser(**answer))


ODD = {
    "a page": (Reply(body=b"<html>Log in to the network"), "expected a refresh token"),
    "a page of an error": (Reply(502, b"<html>Bad gateway"), "Google refuses a token: 502"),
    "a list": (Reply(body=b"[]"), "expected a refresh token"),
    "no refresh token": (Reply.of({"access_token": "ya29.x"}), "expected a refresh token"),
}


@pytest.mark.parametrize(("answer", "message"), ODD.values(), ids=ODD)
def test_what_is_no_token_is_an_error(
    answer: Reply, message: str, drive: DriveBackend, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drive.accounts, "grant", lambda _: answer)

    with pytest.raises(VersioningError, match=message):
        ask_for_consent(CLIENT, say=lambda _: None, browse=browser(code=CODE))


def test_what_speaks_no_http_is_an_error(drive: DriveBackend):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"220 mail.example.org\r\n")

        threading.Thread(target=answer).start()
        client = replace(CLIENT, token_uri=f"http://127.0.0.1:{server.getsockname()[1]}/token")
        with pytest.raises(VersioningError, match="Google does not answer: 220 mail"):
            ask_for_consent(client, say=lambda _: None, browse=browser(code=CODE))


def test_an_icon_that_the_browser_wants_first_is_no_answer(drive: DriveBackend):
    """google-auth-oauthlib 1.5.0 takes the first request for the answer, and ends."""

    def browse(url: str) -> bool:
        address = parse_qs(urlsplit(url).query)["redirect_uri"][0]

        def go() -> None:
            urllib.request.urlopen(f"{address}/favicon.ico").close()
            browser(code=CODE)(url)

        threading.Thread(target=go).start()
        return True

    assert ask_for_consent(CLIENT, say=lambda _: None, browse=browse)


def test_a_browser_that_never_comes_back_is_not_waited_for():
    with pytest.raises(VersioningError, match="nothing came within 0 s"):
        ask_for_consent(CLIENT, say=lambda _: None, browse=lambda _: False, wait_s=0.1)


@pytest.mark.parametrize("text", ["", "[]", '{"web": {}}', '{"installed": {"client_id": "x"}}'])
def test_what_is_no_client_is_refused(text: str):
    with pytest.raises(VersioningError, match="OAuth client"):
        parse_client(text, source="client.json")
