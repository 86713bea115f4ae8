"""Checkpoints on real DVC remotes: a folder, and the loopback Google Drive."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc_objects.fs.local import LocalFileSystem

from container_doors.adapters.dvc import shelf
from container_doors.adapters.dvc.checkpoints import DvcCheckpoints, checkpoints_of
from container_doors.core.errors import VersioningError
from tests.loopback.drive_backend import DriveBackend

PROGRAMS = Path(sys.executable).parent
STATE = b"the whole state" * 1000


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(folder)
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run([PROGRAMS / "dvc", "init", "--quiet"], check=True)
    return folder


def set_remote(*words: str) -> None:
    subprocess.run([PROGRAMS / "doors", "storage", "set", *words], check=True)


def there_and_back(folder: Path) -> None:
    checkpoints = checkpoints_of(folder)
    assert checkpoints is not None
    path = folder / "20261125T101500-0f3c9a1b-000012-0123456789abcdef.tar"
    path.write_bytes(STATE)
    mark = folder / "20261125T101500-0f3c9a1b-finished"
    mark.write_bytes(b"finished\n")

    assert checkpoints.names("exp1") == []
    assert checkpoints.put(path, "exp1") == [path.name]
    assert checkpoints.sha256(path.name, "exp1") == hashlib.sha256(STATE).hexdigest()
    checkpoints.get(path.name, "exp1", folder / "fetched")
    assert (folder / "fetched" / path.name).read_bytes() == STATE
    assert checkpoints.names("exp2") == []
    assert checkpoints.put(mark, "exp1", instead_of=[path.name, "gone.tar"]) == [mark.name]
    checkpoints.remove([path.name, mark.name], "exp1")
    assert checkpoints.names("exp1") == []


@pytest.mark.slow
def test_in_a_folder(repository: Path, tmp_path: Path):
    set_remote(str(tmp_path / "remote"))

    there_and_back(repository)

    assert [path.name for path in (tmp_path / "remote/checkpoints").rglob("*.part")] == []


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is forced to the disk and what is renamed, in order."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def forced(descriptor: int) -> None:
        calls.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def renamed(source: str, target: str) -> None:
        calls.append(f"rename {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(os, "replace", renamed)
    return calls


def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.tar").write_bytes(STATE)
    calls = recorded(monkeypatch)
    storage: Callable[[], Any] = LocalFileSystem

    shelf.put(storage(), str(tmp_path / "a.tar"), str(tmp_path / "remote/checkpoints/exp1"))

    forced = ["fsync exp1", "fsync checkpoints", "fsync remote"]
    assert calls == ["fsync a.tar.part", "rename a.tar", *forced]


def spoil(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes()[:-1] + b"?")


class Spoiling(LocalFileSystem):
    """A storage elsewhere that keeps something else than it was given."""

    protocol = "elsewhere"

    def put_file(
        self, from_file: Any, to_info: str, callback: Any = None, size: Any = None, **_: Any
    ) -> None:
        spoil(from_file, to_info)


@pytest.mark.parametrize("storage", [LocalFileSystem, Spoiling])
def test_what_is_read_back_otherwise_is_not_left_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: Callable[[], Any]
):
    monkeypatch.setattr(shutil, "copyfile", spoil)
    (tmp_path / "a.tar").write_bytes(STATE)

    with pytest.raises(OSError, match=r"a\.tar differs when read back: expected sha256"):
        shelf.put(storage(), str(tmp_path / "a.tar"), str(tmp_path / "remote/c/exp1"))

    assert list((tmp_path / "remote/c/exp1").iterdir()) == []


@pytest.mark.slow
def test_on_google_drive(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with DriveBackend(tmp_path / "drive") as drive:
        for name, value in drive.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("KAGGLE_SECRET_DVC_JSON", drive.accounts.add_person())
        set_remote(f"gdrive://{drive.state.add_folder()}")
        monkeypatch.delenv("KAGGLE_SECRET_DVC_JSON")

        there_and_back(repository)


@pytest.mark.slow
def test_a_remote_of_their_own_goes_first(repository: Path, tmp_path: Path):
    set_remote(str(tmp_path / "remote"))
    for folder in ("remote", "own"):
        (tmp_path / folder).mkdir(exist_ok=True)
    subprocess.run(
        [PROGRAMS / "dvc", "remote", "add", "checkpoints", str(tmp_path / "own")], check=True
    )
    path = repository / "notes"
    path.write_bytes(b"1")

    checkpoints = checkpoints_of(repository)
    assert checkpoints is not None
    checkpoints.put(path, "exp1")

    assert (tmp_path / "own/checkpoints/exp1/notes").exists()
    assert not (tmp_path / "remote/checkpoints").exists()


@pytest.mark.slow
def test_without_a_remote_there_are_none(repository: Path, tmp_path: Path):
    assert checkpoints_of(repository) is None
    assert checkpoints_of(tmp_path) is None


@pytest.mark.slow
def test_a_folder_that_has_vanished_is_not_made_anew(repository: Path, tmp_path: Path):
    set_remote(str(tmp_path / "remote"))
    shutil.rmtree(tmp_path / "remote")
    checkpoints = checkpoints_of(repository)
    assert checkpoints is not None

    with pytest.raises(VersioningError, match=f"cannot ask {checkpoints.where}"):
        checkpoints.names("exp1")

    assert not (tmp_path / "remote").exists()
    assert isinstance(checkpoints, DvcCheckpoints)
