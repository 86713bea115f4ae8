"""Who is answered: tokens, sessions, names of this machine, pages of other origins."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from container_doors.adapters.http.access import COOKIE, Access
from tests.adapters.http.serving import Serving, serving
from tests.predicting import jpeg

TOKEN = "correct-horse-battery"
OPEN = ["/healthz", "/readyz", "/login"]
CLOSED = ["/", "/docs", "/openapi.json", "/metrics", "/v1/schema", "/static-offline-docs/x.js"]


@pytest.fixture(scope="module")
def closed() -> Iterator[Serving]:
    with serving(access=Access(TOKEN)) as one:
        yield one


@pytest.fixture(scope="module")
def without_token() -> Iterator[Serving]:
    with serving(access=Access(names=("yard.example",))) as one:
        yield one


def bearer(token: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_is_shown_without_the_token(closed: Serving, path: str):
    answer = closed.get(path)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_the_sign_in_need_none(closed: Serving, path: str):
    assert closed.get(path).status_code == 200


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 401),
        (bearer("wrong"), 401),
        (bearer(""), 401),
        (bearer(TOKEN + "x"), 401),
        ({"headers": {"Authorization": "Bearer t\xfcr"}}, 401),
        ({"headers": {"Authorization": f"Basic {TOKEN}"}}, 401),
        ({"cookies": {COOKIE: "9999999999.00"}}, 401),
        ({"cookies": {COOKIE: "x"}}, 401),
        (bearer(TOKEN), 200),
    ],
)
def test_the_token_lets_in(closed: Serving, more: dict[str, Any], status: int):
    assert closed.predict(jpeg(), **more).status_code == status


def test_a_person_signs_in_once(closed: Serving):
    with requests.Session() as browser:
        asked = browser.get(f"{closed.url}/docs", headers={"Accept": "text/html"}, timeout=5)
        assert asked.url == f"{closed.url}/login?next=/docs"
        assert "https://" not in asked.text

        sent = {"token": TOKEN, "next": "/docs"}
        entered = browser.post(f"{closed.url}/login", sent, timeout=5)

        assert (entered.status_code, entered.url) == (200, f"{closed.url}/docs")
        cookie = entered.history[0].headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie


def test_a_session_of_another_start_is_none(closed: Serving):
    other = Access(TOKEN).session()

    assert closed.get("/docs", cookies={COOKIE: other}).status_code == 401


def test_a_wrong_token_is_asked_for_again(closed: Serving):
    answer = requests.post(f"{closed.url}/login", {"token": "wrong"}, timeout=5)

    assert answer.status_code == 401
    assert "not the token" in answer.text


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_host(closed: Serving, where: str):
    sent = {"token": TOKEN, "next": where}

    answer = requests.post(f"{closed.url}/login", sent, timeout=5, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_what_is_shown_of_an_address_is_escaped(closed: Serving):
    assert "<script>" not in closed.get('/login?next="><script>').text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("192.168.1.20", 200),
        ("yard.example:8000", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_only_names_of_this_machine_are_answered_to(without_token: Serving, host: str, status: int):
    assert without_token.get("/healthz", headers={"Host": host}).status_code == status


def test_with_a_token_any_name_will_do(closed: Serving):
    headers = {"Host": "doors.example", **bearer(TOKEN)["headers"]}

    assert closed.get("/v1/schema", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_a_page_of_another_origin_cannot_send_photographs(
    without_token: Serving, headers: dict[str, str], status: int
):
    assert without_token.predict(jpeg(), headers=headers).status_code == status


def test_a_page_of_this_origin_can(without_token: Serving):
    headers = {"Origin": without_token.url}

    assert without_token.predict(jpeg(), headers=headers).status_code == 200


def test_each_answer_forbids_to_be_framed_guessed_or_kept(without_token: Serving):
    for answer in (without_token.get("/healthz"), without_token.get("/nothing")):
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "server" not in answer.headers
