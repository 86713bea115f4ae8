"""The loopback Drive grants what a browser of ours brings back."""

import json
import ssl
import threading
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from container_doors.adapters.google_consent import ask_for_consent
from container_doors.core.errors import VersioningError
from container_doors.storage.credentials import parse_client, parse_credentials
from tests.loopback.drive_accounts import CODE
from tests.loopback.drive_backend import DriveBackend

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


def test_a_browser_that_never_comes_back_is_not_waited_for():
    with pytest.raises(VersioningError, match="nothing came within 0 s"):
        ask_for_consent(CLIENT, say=lambda _: None, browse=lambda _: False, wait_s=0.1)


@pytest.mark.parametrize("text", ["", "[]", '{"web": {}}', '{"installed": {"client_id": "x"}}'])
def test_what_is_no_client_is_refused(text: str):
    with pytest.raises(VersioningError, match="OAuth client"):
        parse_client(text, source="client.json")
