"""The stand-in for Google Drive, with the unmodified dvc command: what our own tests build on.

They are the proof, too, that what is installed signs and refreshes: cryptography is newer here
than PyDrive2 asks for, and pyOpenSSL is left out.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loopback.drive_backend import PERSON, DriveBackend, Fault

DVC = Path(sys.executable).with_name("dvc")
MODEL = os.urandom(300_000)

Dvc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def drive(tmp_path: Path):
    with DriveBackend(tmp_path / "drive") as backend:
        yield backend


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    subprocess.run([DVC, "init", "--quiet", "--no-scm"], cwd=folder, check=True)
    (folder / "model.pt").write_bytes(MODEL)
    subprocess.run([DVC, "add", "--quiet", "model.pt"], cwd=folder, check=True)
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "repository"))


@pytest.fixture
def dvc(repository: Path, drive: DriveBackend, monkeypatch: pytest.MonkeyPatch) -> Dvc:
    for name, value in drive.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [DVC, *arguments], cwd=repository, check=False, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


def point_to(repository: Path, folder_id: str, *options: str) -> None:
    lines = [
        "[core]",
        "no_scm = true",
        "remote = storage",
        "['remote \"storage\"']",
        f"url = gdrive://{folder_id}",
    ]
    (repository / ".dvc/config").write_text("\n".join([*lines, *options, ""]))


SERVICE = "gdrive_use_service_account = true"


def come_back(repository: Path, dvc: Dvc) -> bytes:
    (repository / "model.pt").unlink()
    shutil.rmtree(repository / ".dvc/cache")
    dvc("pull")
    return (repository / "model.pt").read_bytes()


def test_a_service_account_pushes_to_a_shared_drive_and_pulls(
    drive: DriveBackend, repository: Path, dvc: Dvc, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_service_account())
    folder_id = drive.state.add_folder(drive_id="0AD")
    point_to(repository, folder_id, SERVICE)

    dvc("push")

    assert list(drive.state.contents(folder_id).values()) == [MODEL]
    assert come_back(repository, dvc) == MODEL


def test_a_person_pushes_to_their_own_drive_and_pulls(
    drive: DriveBackend, repository: Path, dvc: Dvc, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_person())
    point_to(repository, drive.state.add_folder())

    dvc("push")

    assert come_back(repository, dvc) == MODEL


@pytest.mark.slow
def test_a_service_account_owns_no_storage_but_acts_for_a_person_who_does(
    drive: DriveBackend, repository: Path, dvc: Dvc, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_service_account())
    folder_id = drive.state.add_folder(seen_by={PERSON})
    point_to(repository, folder_id, SERVICE, f"gdrive_service_account_user_email = {PERSON}")

    assert "unauthorized_client" in dvc("push", expect=255).stderr
    drive.accounts.delegates.add(PERSON)
    dvc("push")

    assert list(drive.state.contents(folder_id).values()) == [MODEL]
    point_to(repository, drive.state.add_folder(), SERVICE)
    assert "storageQuotaExceeded" in dvc("push", expect=1).stderr


@pytest.mark.slow
def test_an_access_token_that_runs_out_during_a_push_is_renewed(
    drive: DriveBackend, repository: Path, dvc: Dvc, monkeypatch: pytest.MonkeyPatch
):
    drive.accounts.token_s, drive.latency_s = 1, 0.1
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_person())
    point_to(repository, drive.state.add_folder())
    (repository / "many").mkdir()
    for number in range(12):
        (repository / f"many/{number}").write_text(str(number))
    dvc("add", "--quiet", "many")

    dvc("push", "--jobs", "2")

    assert "in sync" in dvc("status", "--cloud").stdout
    assert drive.calls["POST /token"] > 3


@pytest.mark.slow
def test_a_revoked_consent_is_an_error(
    drive: DriveBackend, repository: Path, dvc: Dvc, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_person())
    point_to(repository, drive.state.add_folder())
    drive.accounts.revoke()

    assert "invalid_grant" in dvc("push", expect=255).stderr


@pytest.mark.slow
def test_a_storm_of_server_errors_passes_and_a_broken_upload_is_sent_again(
    drive: DriveBackend, repository: Path, dvc: Dvc, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", drive.accounts.add_person())
    folder_id = drive.state.add_folder()
    point_to(repository, folder_id)
    drive.faults = [
        Fault(503, only="GET /drive/v2/files"),
        Fault(403, "userRateLimitExceeded", only="POST .*upload"),
        Fault(is_cut=True, only="PUT .*chunk"),
    ]

    assert "1 files failed to upload" in dvc("push", expect=1).stderr
    assert drive.state.contents(folder_id) == {}
    dvc("push")

    assert list(drive.state.contents(folder_id).values()) == [MODEL]
    assert [fault.times for fault in drive.faults] == [0, 0, 0]


def test_nothing_leaves_the_machine_by_this_way(drive: DriveBackend):
    host, _, port = drive.environment["https_proxy"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")

        assert connection.recv(100).startswith(b"HTTP/1.1 502")
