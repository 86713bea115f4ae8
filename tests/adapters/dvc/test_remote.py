"""``doors storage`` as it is typed, then plain dvc, against the loopback Google Drive."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path

import pytest

from container_doors.adapters import account_health
from container_doors.cli import main
from container_doors.storage.credentials import SOURCES
from tests.loopback.drive_backend import BOT, PERSON, DriveBackend
from tests.pem import private_key, rsa_key

PROGRAMS = Path(sys.executable).parent
MODEL = b"a model" * 1000


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with DriveBackend(tmp_path / "drive") as backend:
        for name, value in backend.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GDRIVE_NON_INTERACTIVE")
        yield backend


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "repository"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([PROGRAMS / "dvc", "init", "--quiet"], cwd=folder, check=True)
    (folder / "model.pt").write_bytes(MODEL)
    subprocess.run([PROGRAMS / "dvc", "add", "--quiet", "model.pt"], cwd=folder, check=True)
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(template, tmp_path / "repository"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(folder)
    return folder


def run(program: str, *arguments: str, expect: int = 0) -> str:
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        check=False, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def secrets_of(text: str) -> list[str]:
    document = json.loads(text)
    keys = ("private_key", "refresh_token", "client_secret")
    return [document[key] for key in keys if key in document]


@pytest.mark.slow
def test_after_remote_set_plain_dvc_works_and_no_secret_is_in_the_repository(
    repository: Path, drive: DriveBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder_id, person = drive.state.add_folder(), drive.accounts.add_person()
    monkeypatch.setenv("KAGGLE_SECRET_DVC_JSON", person)

    said = run("doors", "storage", "set", f"gdrive://{folder_id}")
    monkeypatch.delenv("KAGGLE_SECRET_DVC_JSON")
    run("dvc", "push")
    (repository / "model.pt").unlink()
    shutil.rmtree(repository / ".dvc/cache")
    run("dvc", "pull")

    assert "used as person" in said
    assert (repository / "model.pt").read_bytes() == MODEL
    assert list(drive.state.contents(folder_id).values()) == [MODEL]
    committed = (repository / ".dvc/config").read_text()
    assert committed.split() == [
        "[core]", "remote", "=", "storage",
        "['remote", '"storage"\']', "url", "=", f"gdrive://{folder_id}",
    ]  # fmt: skip
    files = [path for path in repository.rglob("*") if path.is_file()]
    for secret in secrets_of(person):
        assert secret not in said
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    (kept,) = (tmp_path / "config").rglob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_remote_that_works_is_probed_and_left_as_it_was(
    repository: Path, drive: DriveBackend, tmp_path: Path
):
    folder_id = drive.state.add_folder(drive_id="0AD")
    (tmp_path / "key.json").write_text(drive.accounts.add_service_account())

    said = run("doors", "storage", "set", f"gdrive://{folder_id}",
               "--credentials", str(tmp_path / "key.json"))  # fmt: skip
    (tmp_path / "key.json").unlink()

    assert f"used as service account {BOT}" in said
    assert "warning" not in said
    assert "it can push to a folder of a shared drive" in said
    assert "written, read and deleted" in run("doors", "storage", "check")
    assert drive.state.contents(folder_id) == {}
    assert any("uploadType" in call or "chunk" in call for call in drive.calls)


@pytest.mark.slow
def test_a_service_account_is_refused_on_a_personal_drive_and_a_delegate_is_not(
    repository: Path, drive: DriveBackend, monkeypatch: pytest.MonkeyPatch
):
    folder_id = drive.state.add_folder()
    monkeypatch.setenv("DVC_SERVICE_ACCOUNT_JSON", drive.accounts.add_service_account())
    drive.accounts.delegates.add(PERSON)

    run("doors", "storage", "set", f"gdrive://{folder_id}")
    said = run("doors", "storage", "check", expect=2)
    line = account_health.dvc_remote()
    run("doors", "storage", "set", "--delegate", PERSON)
    run("doors", "storage", "check")

    assert "a service account owns no storage, so it cannot write to a personal Drive" in said
    assert line.verdict == "warn"
    assert line.found.startswith(
        "the data set can be pulled, but no model can be pushed: cannot write to"
    )
    assert all(way in said for way in ("shared drive", "--delegate", "doors storage login"))


def revoked(drive: DriveBackend) -> None:
    drive.accounts.revoke()


def full(drive: DriveBackend) -> None:
    drive.state.is_full = True


def hidden(drive: DriveBackend) -> None:
    for file in drive.state.files.values():
        file.seen_by = {"somebody.else@example.org"}


def gone(drive: DriveBackend) -> None:
    drive.state.files.clear()


def off_line(drive: DriveBackend) -> None:
    os.environ["https_proxy"] = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def personal(
    template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DriveBackend, dict[str, str], Path]]:
    """A repository on a personal Drive, and its environment: made once, for that takes longest."""
    home = tmp_path_factory.mktemp("personal")
    folder = Path(shutil.copytree(template, home / "repository"))
    with DriveBackend(home / "drive") as backend:
        environment = backend.environment | {
            "XDG_CONFIG_HOME": str(home / "config"),
            "KAGGLE_SECRET_DVC_JSON": backend.accounts.add_person(),
        }
        del environment["GDRIVE_NON_INTERACTIVE"]
        with pytest.MonkeyPatch.context() as patch:
            enter(patch, folder, environment)
            run("doors", "storage", "set", f"gdrive://{backend.state.add_folder()}")
        yield backend, environment, folder


def enter(patch: pytest.MonkeyPatch, folder: Path, environment: dict[str, str]) -> None:
    patch.chdir(folder)
    patch.delenv("GDRIVE_NON_INTERACTIVE", raising=False)
    for name, value in environment.items():
        patch.setenv(name, value)


@pytest.fixture
def working(
    personal: tuple[DriveBackend, dict[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[DriveBackend]:
    """The Drive of that repository, which is mended after the test."""
    backend, environment, folder = personal
    accounts = vars(backend.accounts)
    files, consents = dict(backend.state.files), {name: copy(accounts[name]) for name in accounts}
    enter(monkeypatch, folder, environment)
    yield backend
    accounts.update(consents)
    backend.state.files.update(files)
    backend.state.is_full = False
    for file in files.values():
        file.seen_by = None


BROKEN = {
    "revoked": (revoked, "the consent has expired or was revoked", "doors storage login"),
    "full": (full, "the Drive is full", "empty its bin"),
    "not shared": (hidden, "does not exist, or is not shared", "share it with"),
    "not there": (gone, "does not exist, or is not shared", "compare the id"),
    "no network": (off_line, "the host does not answer", "network"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("break_it", "meaning", "remedy"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_plainly(break_it, meaning: str, remedy: str, working: DriveBackend):
    break_it(working)

    said = run("doors", "storage", "check", expect=2)

    assert meaning in said
    assert remedy in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_credentials_in_the_environment_that_dvc_would_trip_over_are_warned_of(
    repository: Path, drive: DriveBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_service_account())
    (tmp_path / "me.json").write_text(drive.accounts.add_person())

    said = run("doors", "storage", "set", f"gdrive://{drive.state.add_folder()}",
               "--credentials", str(tmp_path / "me.json"))  # fmt: skip

    assert "unset GDRIVE_CREDENTIALS_DATA" in said
    assert "not of the kind" in run("doors", "storage", "check", expect=2)


@pytest.mark.slow
def test_a_drive_without_credentials_waits_for_no_browser(repository: Path):
    assert "no credentials in" in run("doors", "storage", "set", "gdrive://1aBc")
    assert "this machine has none" in run("doors", "storage", "check", expect=2)


@pytest.mark.slow
def test_a_folder_is_verified_and_missed_when_it_is_gone(repository: Path, tmp_path: Path):
    remote = tmp_path / "away"
    run("doors", "storage", "set", "../away")
    run("doors", "storage", "check")
    run("dvc", "push")
    (object_,) = (path for path in remote.rglob("*") if path.is_file())
    object_.chmod(0o600)
    object_.write_bytes(b"rot")
    shutil.rmtree(repository / ".dvc/cache")
    (repository / "model.pt").unlink()
    pulled = run("dvc", "pull", expect=1)
    shutil.rmtree(remote)

    said = run("doors", "storage", "check", expect=2)

    assert "model.pt" in pulled
    assert "DVC would silently create an empty one" in said
    assert not remote.exists()


@pytest.mark.slow
def test_what_another_remote_needed_is_forgotten(
    repository: Path, drive: DriveBackend, monkeypatch
):
    monkeypatch.setenv("KAGGLE_SECRET_DVC_JSON", drive.accounts.add_person())
    run("doors", "storage", "set", "gdrive://1aBc")

    run("doors", "storage", "set", "../away")

    assert "gdrive" not in (repository / ".dvc/config.local").read_text()
    assert "gdrive" not in (repository / ".dvc/config").read_text()


@pytest.mark.slow
def test_a_service_accounts_key_that_was_damaged_is_refused_and_named_where_it_is_kept(
    repository: Path, drive: DriveBackend, tmp_path: Path
):
    url, key = f"gdrive://{drive.state.add_folder(drive_id='0AD')}", tmp_path / "key.json"
    whole = json.loads(drive.accounts.add_service_account())
    damaged = json.dumps(whole | {"private_key": private_key("MIIB")})

    key.write_text(damaged)
    said = run("doors", "storage", "set", url, "--credentials", str(key), expect=2)
    assert "private_key is not a valid key" in said

    key.write_text(json.dumps(whole))
    run("doors", "storage", "set", url, "--credentials", str(key))
    (kept,) = (tmp_path / "config").rglob("*.json")
    kept.write_text(damaged)
    said = run("doors", "storage", "check", expect=2)
    assert f"{kept}: private_key is not a valid key" in said
    assert "make another key of the service account" in said
    assert "login" not in said


@pytest.mark.parametrize("name", ["GDRIVE_CREDENTIALS_DATA", "KAGGLE_SECRET_DVC_JSON"])
def test_credentials_for_drive_are_said_to_be_of_no_use_to_a_folder(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    person = {"refresh_token": "1//S3CRET", "client_id": "cid", "client_secret": "S3CRET"}
    monkeypatch.setenv(name, json.dumps(person))

    assert main(["storage", "set", "../away"]) == 0

    said = capsys.readouterr().out
    assert f"not used: {name}, which is for Google Drive" in said
    line = account_health.drive_credentials()
    assert line.verdict == "pass"
    assert f"from {name}; not used, because the remote is " in line.found
    assert "S3CRET" not in f"{said} {line}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["../away", "--delegate", PERSON],
        ["gdrive://1aBc", "--delegate", PERSON],
        ["s3://bucket", "--credentials", "key.json"],
        ["https://me:sekrit@example.org/x"],
        [],
    ],
    ids=lambda arguments: " ".join(arguments) or "no remote yet",
)
def test_a_setting_that_would_be_ignored_or_leak_is_refused(
    arguments, repository: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["storage", "set", *arguments]) == 2

    said = capsys.readouterr().err
    assert "hint: " in said
    assert "sekrit" not in said
    assert "url" not in (repository / ".dvc/config").read_text()


SERVICE = {
    "type": "service_account", "client_email": BOT, "client_id": "1", "private_key_id": "2",
    "private_key": rsa_key(),
}  # fmt: skip
PERSONS = {"refresh_token": "1//S3CRET", "client_id": "cid", "client_secret": "S3CRET"}
DRIVE = "gdrive://1aBc"


@pytest.fixture
def on_drive(repository: Path) -> Path:
    """The repository whose committed remote is a Drive, as in a fresh clone."""
    config = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {DRIVE}\n"
    (repository / ".dvc/config").write_text(config)
    return repository


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GDRIVE_CREDENTIALS_DATA", "KAGGLE_SECRET_DVC_JSON"])
def test_a_drive_secret_that_dvc_does_not_use_yet_is_named_and_the_hint_stores_it(
    name: str, on_drive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv(name, json.dumps(SERVICE))

    assert main(["storage", "check"]) == 2
    before, line = account_health.dvc_remote(), account_health.drive_credentials()

    assert (
        f"error: {DRIVE} needs credentials: {name} has the service account {BOT}, but DVC does "
        "not use it yet\n  hint: doors storage set\n" in capsys.readouterr().err
    )
    assert (before.verdict, before.remedy) == ("fail", "doors storage set")
    assert (line.verdict, line.remedy) == ("warn", "doors storage set")
    assert main(["storage", "set"]) == 0
    assert account_health.drive_credentials().verdict == "pass"


WRONG_CONTENT = {
    "a word": ("hello", "found 5 characters that are not a JSON object"),
    "a client": (json.dumps({"installed": {"client_id": "1"}}), "has an OAuth client"),
    "Kaggle's": (json.dumps({"username": "me", "key": "sekrit"}), "found neither"),
    "a key that was cut off": (
        json.dumps(SERVICE | {"private_key": private_key("MIIB")}),
        "private_key is not a valid key; it was cut off or changed",
    ),
}


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        (name, *row)
        for name, row in zip([*SOURCES, SOURCES[0]], WRONG_CONTENT.values(), strict=True)
    ],
    ids=WRONG_CONTENT,
)
def test_a_drive_secret_of_wrong_content_is_named_by_check_as_by_set(
    name: str, content: str, found: str, on_drive: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.setenv(name, content)

    assert [main(["storage", command]) for command in ("check", "set")] == [2, 2]

    of_check, of_set = capsys.readouterr().err.split("error: ")[1:]
    assert of_check == of_set
    assert of_check.startswith(name)
    assert found in of_check
    assert "sekrit" not in of_check


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            SERVICE,
            f"has the service account {BOT}, which is not of the kind in .dvc/config.local\n"
            "  hint: unset GDRIVE_CREDENTIALS_DATA, which DVC prefers to the stored ones; or "
            "doors storage set",
            id="another kind",
        ),
        pytest.param(
            SERVICE | {"private_key": "x"},
            "private_key is not a valid key; it was cut off or changed\n"
            "  hint: unset GDRIVE_CREDENTIALS_DATA, which DVC prefers to the stored ones; or paste",
            id="a damaged key",
        ),
        pytest.param(
            PERSONS,
            "has a person's credentials without values that DVC reads\n"
            "  hint: unset GDRIVE_CREDENTIALS_DATA\n",
            id="not complete",
        ),
    ],
)
def test_what_dvc_prefers_to_what_is_stored_is_named(
    content: dict[str, str], said: str, on_drive: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    (on_drive / "me.json").touch()
    (on_drive / ".dvc/config.local").write_text(
        "['remote \"storage\"']\n    gdrive_user_credentials_file = ../me.json\n"
    )
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", json.dumps(content))

    assert main(["storage", "check"]) == 2

    assert said in capsys.readouterr().err
