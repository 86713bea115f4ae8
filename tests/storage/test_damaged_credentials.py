"""Credentials that are there and of no use: said with their line, and never quoted."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.adapters import account_health
from container_doors.adapters.kaggle import account as kaggle_account
from container_doors.adapters.kaggle.client import connect
from container_doors.adapters.wandb import account as wandb_account
from container_doors.core.errors import ConfigError, HostError, VersioningError
from container_doors.core.files import json_fault
from container_doors.storage.credentials import parse_credentials

SECRET = "s3cret0123456789abcdef0123456789abcdef0123"
GOOD = f'{{"username": "me", "key": "{SECRET}"}}'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NETRC", "XDG_CONFIG_HOME", "KAGGLE_CONFIG_DIR", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".kaggle").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(f"\ufeff{GOOD}", "line 1: a byte order mark", id="BOM"),
        pytest.param(GOOD.replace("}", ",}"), "line 1, column", id="trailing comma"),
        pytest.param(GOOD.replace('"me",', '"me"\n'), "line 2, column", id="no comma"),
        pytest.param(GOOD[:-9], "line 1, column", id="half"),
        pytest.param(f'["{SECRET}"]', "holds no object", id="list"),
        pytest.param(f'{{"user": "me", "key": "{SECRET}"}}', "has no username", id="other names"),
        pytest.param('{"username": "me", "key": ""}', "has no key", id="empty"),
        pytest.param("", "line 1, column 1", id="nothing"),
        pytest.param("[" * 100_000, "nested too deep", id="deep"),
        pytest.param(f"\udcff{GOOD}", "byte 1 is no UTF-8", id="bytes"),
    ],
)
def test_a_damaged_kaggle_json_is_there_but(text: str, fault: str, home: Path):
    path = home / ".kaggle" / "kaggle.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(HostError, match=r"kaggle\.json is there, but") as caught:
        connect()

    assert fault in str(caught.value)
    assert SECRET[:8] not in str(caught.value)
    assert caught.value.hint.startswith("correct that file, or remove it")
    health = account_health.kaggle()
    assert (health.verdict, fault in health.found) == ("warn", True)


def test_a_folder_in_its_place_is_said(home: Path):
    (home / ".kaggle" / "kaggle.json").mkdir()

    assert [line.partition(", but ")[2] for line in kaggle_account.damaged()] == ["Is a directory"]


def test_what_is_sound_or_absent_is_not_damaged(home: Path):
    assert kaggle_account.damaged() == []

    (home / ".kaggle" / "kaggle.json").write_text(GOOD)
    (home / ".kaggle" / "access_token").write_text(f"{SECRET}\n")

    assert kaggle_account.damaged() == []
    assert len(kaggle_account.sources()) == 2


@pytest.mark.parametrize(
    "text",
    [f'"{SECRET}"', f"{SECRET}\n{SECRET}\n", f"token={SECRET}", "\n", f"\ufeff{SECRET}"],
    ids=["quoted", "two lines", "assigned", "empty", "BOM"],
)
def test_a_token_with_more_than_itself_is_said(text: str, home: Path):
    (home / ".kaggle" / "access_token").write_text(text)

    (line,) = kaggle_account.damaged()

    assert "access_token is there, but" in line
    assert SECRET[:8] not in line


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(
            f"machine a login b password c\nmachine api.wandb.ai login user {SECRET}\n",
            "line 2 or 3 is not a valid .netrc entry", id="one bad entry",
        ),
        pytest.param(f"\ufeffmachine api.wandb.ai login u password {SECRET}", "line 1", id="BOM"),
        pytest.param("machine api.wandb.ai login user\n", "", id="no password"),
    ],
)  # fmt: skip
def test_a_damaged_netrc_is_there_but(text: str, fault: str, home: Path):
    (home / ".netrc").write_text(text)

    with pytest.raises(ConfigError, match=r"\.netrc is there, but") as caught:
        wandb_account.find_credentials({})

    assert fault in caught.value.problem
    assert SECRET[:8] not in str(caught.value)
    assert "machine api.wandb.ai login" in caught.value.hint


def test_a_folder_in_place_of_the_netrc_is_said(home: Path):
    (home / ".netrc").mkdir()

    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        wandb_account.find_credentials({})


def test_a_netrc_for_others_is_no_fault(home: Path):
    (home / ".netrc").write_text("machine example.org login me password x\n")

    assert wandb_account.find_credentials({}) is None
    (home / ".netrc").write_text(f"machine api.wandb.ai login user password {SECRET}\n")
    assert wandb_account.find_credentials({}) is not None


@pytest.mark.parametrize("text", [f'{{"private_key": "{SECRET}",}}', f'\ufeff{{"a": "{SECRET}"'])
def test_a_drive_s_json_with_a_mistake_is_said_with_its_line(text: str):
    with pytest.raises(VersioningError, match="line 1") as caught:
        parse_credentials(text, source="GDRIVE_CREDENTIALS_DATA")

    assert SECRET[:8] not in str(caught.value)


@given(st.text(st.sampled_from('{}[]",:\\ \n0sé\ufeff'), max_size=12))
def test_no_damage_quotes_what_it_is_in(text: str):
    fault = json_fault(f'{{"key": "{SECRET}"{text}')

    assert fault is None or SECRET[:8] not in fault


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_another_s_is_said(home: Path):
    path = home / ".kaggle" / "kaggle.json"
    path.write_text(GOOD)
    path.chmod(0)

    assert kaggle_account.damaged() == [f"{path} is there, but Permission denied"]
