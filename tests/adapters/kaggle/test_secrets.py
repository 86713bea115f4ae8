"""The client of a Kaggle notebook, as far as it was seen, against a service on loopback."""

import sys
from pathlib import Path

import pytest

from container_doors.adapters.kaggle.secrets import look_up
from container_doors.tunnel.secrets import SECRETS, find_secrets
from tests.loopback import kaggle_secrets

JSON = '{"type": "service_account", "private_key": "-----BEGIN"}'
KEY = "w" * 40


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "kaggle_secrets", kaggle_secrets)
    monkeypatch.setenv("KAGGLE_USER_SECRETS_TOKEN", kaggle_secrets.TOKEN)
    with kaggle_secrets.service({"DVC_SERVICE_ACCOUNT_JSON": JSON, "EMPTY": ""}) as url:
        monkeypatch.setenv("KAGGLE_URL_BASE", url)
        yield monkeypatch


def test_a_secret_comes_from_kaggle_first(notebook: pytest.MonkeyPatch):
    notebook.setenv("DVC_SERVICE_ACCOUNT_JSON", "another")

    assert look_up("DVC_SERVICE_ACCOUNT_JSON")[0].value == JSON


def test_a_secret_comes_from_the_environment_where_there_is_no_kaggle(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("WANDB_API_KEY", f"{KEY}\n")
    kaggle, environment = look_up("WANDB_API_KEY")

    assert (kaggle.value, environment.value) == (None, KEY)
    assert kaggle.where == "this is no Kaggle notebook"


def test_a_secret_that_is_not_attached_is_said_to_be_so(notebook: pytest.MonkeyPatch):
    answer = look_up("WANDB_API_KEY")[0]

    assert answer.value is None
    assert "Add-ons > Secrets" in answer.where
    assert "No user secrets" not in answer.where


def test_an_empty_secret_is_none(notebook: pytest.MonkeyPatch):
    assert look_up("EMPTY")[0].value is None


def test_an_ssh_session_is_not_handed_secrets(notebook: pytest.MonkeyPatch):
    notebook.delenv("KAGGLE_USER_SECRETS_TOKEN")

    assert "not to an SSH session" in look_up("WANDB_API_KEY")[0].where


def test_a_notebook_without_internet_is_told_to_turn_it_on(notebook: pytest.MonkeyPatch):
    notebook.setenv("KAGGLE_URL_BASE", "http://127.0.0.1:9")

    assert "is Internet on" in look_up("WANDB_API_KEY")[0].where


def test_lengths_are_said_and_values_are_not(notebook: pytest.MonkeyPatch):
    found = find_secrets({secret.label: look_up(secret.label) for secret in SECRETS})
    said = "\n".join(found.lines)

    assert found.values == {"KAGGLE_SECRET_DVC_JSON": JSON}
    assert f"KAGGLE_SECRET_DVC_JSON: {len(JSON)} characters, from Kaggle's secrets" in said
    assert JSON not in said + repr(found)


def test_each_missing_one_is_named_with_the_pages_for_it():
    found = find_secrets({secret.label: look_up(secret.label, {"PATH": ""}) for secret in SECRETS})
    said = "\n".join(found.lines)

    assert [secret.label for secret in found.missing] == [secret.label for secret in SECRETS]
    for words in ("https://wandb.ai/authorize", "docs/google-drive.md", "Add-ons > Secrets"):
        assert words in said
    assert all(Path(secret.origin).suffix == ".md" or "://" in secret.origin for secret in SECRETS)
