"""Who may use a service: decided before it listens."""

from pathlib import Path

import pytest

from container_doors.core.config import QualityLimits
from container_doors.core.errors import ConfigError
from container_doors.prediction.service import ServiceLimits
from container_doors.steps.serve import (
    TOKEN,
    AskedAccess,
    choose_token,
    is_loopback,
    make_service,
)
from tests.predicting import FakeNetwork

GOOD = "0123456789abcdef"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.2", False),
        ("no such host", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, expected: bool):
    assert is_loopback(host) is expected


def test_on_this_machine_alone_no_token_is_needed():
    assert choose_token(AskedAccess("127.0.0.1"), {}).text is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])
def test_other_machines_need_a_token_unless_someone_says_otherwise(host: str):
    with pytest.raises(ConfigError, match="a token was expected"):
        choose_token(AskedAccess(host), {})

    assert choose_token(AskedAccess(host, is_open=True), {}).text is None
    assert choose_token(AskedAccess(host), {TOKEN: GOOD}).text == GOOD


def test_a_token_that_is_made_is_new_each_time():
    first, second = (choose_token(AskedAccess("0.0.0.0", makes_token=True), {}) for _ in range(2))

    assert first.is_new
    assert first.text != second.text
    assert len(first.text or "") >= 32


def test_a_token_is_that_of_a_file(tmp_path: Path):
    (tmp_path / "token").write_text(f"{GOOD}\n")

    token = choose_token(AskedAccess("0.0.0.0", token_file=tmp_path / "token"), {TOKEN: "other"})

    assert (token.text, token.is_new) == (GOOD, False)


@pytest.mark.parametrize("content", [b"short", b"", b"\xff" * 20, b"two words in a token"])
def test_a_token_that_could_be_guessed_or_not_sent_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(ConfigError, match="expected a token of"):
        choose_token(AskedAccess("127.0.0.1", token_file=tmp_path / "token"), {})


def test_a_token_and_none_contradict_each_other():
    with pytest.raises(ConfigError, match="--no-auth, and there is a token: DOORS_TOKEN"):
        choose_token(AskedAccess("0.0.0.0", is_open=True), {TOKEN: GOOD})


def test_a_request_cannot_have_more_photographs_than_may_wait():
    with pytest.raises(ConfigError, match=r"8 photographs \(--max-files\), and only 4 may wait"):
        make_service(
            FakeNetwork().opened,
            limits=ServiceLimits(files=8, queue=4),
            quality=QualityLimits(),
            keep=None,
            say=lambda _: None,
        )
