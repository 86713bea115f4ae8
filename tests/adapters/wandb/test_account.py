"""Where a key is found, and what is no key."""

from pathlib import Path

import pytest

from container_doors.adapters.wandb.account import (
    check_environment,
    find_credentials,
    how_to_log_in,
)
from container_doors.core.errors import ConfigError

OLD, LONG = "f" * 40, "wandb_v1_" + "K3y" * 25 + "77"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("key", [OLD, LONG], ids=["40 characters", "86 characters"])
def test_keys_of_every_length_are_accepted(key: str):
    found = find_credentials({"WANDB_API_KEY": key})

    assert found is not None
    assert found.source == "WANDB_API_KEY"
    assert found.environment == {"WANDB_API_KEY": key}
    assert key not in repr(found)


def test_the_name_of_the_specification_is_known_and_comes_second():
    both = {"WANDB_API_KEY": OLD, "KAGGLE_SECRET_WANDB_KEY": LONG}

    first, second = find_credentials(both), find_credentials({"KAGGLE_SECRET_WANDB_KEY": LONG})

    assert first is not None
    assert first.environment == {"WANDB_API_KEY": OLD}
    assert second is not None
    assert (second.source, second.environment["WANDB_API_KEY"]) == ("KAGGLE_SECRET_WANDB_KEY", LONG)


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "KAGGLE_SECRET_WANDB_KEY"])
def test_a_process_that_is_handed_a_key_names_the_variable_that_it_was_read_from(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    read = find_credentials({name: OLD})
    assert read is not None

    handed = find_credentials(read.environment)
    assert handed is not None
    assert (handed.source, handed.environment) == (name, read.environment)

    for each in ("WANDB_API_KEY", "KAGGLE_SECRET_WANDB_KEY"):
        monkeypatch.delenv(each, raising=False)
    for key, value in read.environment.items():
        monkeypatch.setenv(key, value)
    assert how_to_log_in().endswith(f"put it into {name}")


def test_the_newline_of_a_key_from_a_file_is_no_part_of_it():
    found = find_credentials({"WANDB_API_KEY": f"{LONG}\n"})

    assert found is not None
    assert found.environment == {"WANDB_API_KEY": LONG}


@pytest.mark.parametrize(
    "key",
    ["f" * 39, f"{'f' * 20} {'f' * 20}", "k\u00e9y" * 20],
    ids=["short", "two words", "letters"],
)
def test_what_cannot_be_a_key_is_refused_without_being_repeated(key: str):
    with pytest.raises(ConfigError, match="WANDB_API_KEY: expected a W&B key") as refused:
        find_credentials({"WANDB_API_KEY": key})

    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "server", "is_there"),
    [
        ("machine api.wandb.ai\n  login user\n  password {}\n", "", True),
        ("machine api.wandb.ai login user password {}\n", "https://wandb.example.org", False),
        ("machine wandb.example.org:8080 login user password {}\n",
         "https://wandb.example.org:8080/", True),
        ("machine other.org login user password {}\n", "", False),
    ],
    ids=["there", "other server", "a port", "other machine"],
)  # fmt: skip
def test_netrc_is_read_for_the_server_that_is_used(
    written: str, server: str, is_there: bool, home: Path
):
    (home / ".netrc").write_text(written.format(LONG))
    (home / ".netrc").chmod(0o600)

    found = find_credentials({"WANDB_BASE_URL": server})

    assert (found is not None) == is_there
    assert found is None or found.source == str(home / ".netrc")


def test_another_netrc_can_be_named(home: Path):
    (home / "elsewhere").write_text(f"machine api.wandb.ai login user password {OLD}\n")
    (home / "elsewhere").chmod(0o600)

    found = find_credentials({"NETRC": "~/elsewhere"})

    assert found is not None
    assert found.source == str(home / "elsewhere")


def test_without_anything_there_are_no_credentials():
    assert find_credentials({"WANDB_API_KEY": " \n"}) is None


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"WANDB_MODE": "garbage"}, "WANDB_MODE: expected online, offline or disabled, found"),
        ({"WANDB_BASE_URL": "garbage"}, "WANDB_BASE_URL: expected https://HOST, found 'garbage'"),
    ],
    ids=["mode", "server"],
)
def test_what_the_client_would_fail_at_is_named(environment: dict[str, str], complaint: str):
    check_environment({"WANDB_MODE": "offline", "WANDB_BASE_URL": "http://127.0.0.1:80"})
    with pytest.raises(ConfigError, match=complaint):
        check_environment(environment)


def test_a_refused_key_is_replaced_where_it_was_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert how_to_log_in().endswith("doors track login")

    monkeypatch.setenv("WANDB_API_KEY", OLD)
    assert how_to_log_in().endswith("put it into WANDB_API_KEY")
