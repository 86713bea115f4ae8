"""File systems that cannot do everything: no links, no locks, as network drives and FUSE mounts."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from container_doors.cli import main
from container_doors.core.files import link_or_copy, open_lock, try_lock
from container_doors.core.run import Run
from container_doors.training.claim import claim
from container_doors.training.standing import is_claimed


def refusing(code: int):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "sound.jpg", None, "view.jpg")

    return refuse


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "sound.jpg"
    path.write_bytes(b"picture")
    return path


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES])
@pytest.mark.parametrize("has_hard_links", [True, False])
def test_without_links_a_photograph_is_there_all_the_same(
    code: int, has_hard_links: bool, photograph: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "symlink", refusing(code))
    if not has_hard_links:
        monkeypatch.setattr(os, "link", refusing(code))
    target = photograph.with_name("view.jpg")

    link_or_copy(photograph, target)

    assert target.read_bytes() == b"picture"
    assert not target.is_symlink()
    assert target.samefile(photograph) == has_hard_links


def test_with_links_it_is_one(photograph: Path):
    link_or_copy(photograph, photograph.with_name("view.jpg"))

    assert photograph.with_name("view.jpg").is_symlink()


def test_a_full_disk_is_no_file_system_without_links(photograph: Path, monkeypatch):
    monkeypatch.setattr(os, "symlink", refusing(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        link_or_copy(photograph, photograph.with_name("view.jpg"))


LOCKED_ELSEWHERE = """
import sys
from pathlib import Path
import filelock, errno, os
def refuse(descriptor, *, blocking=True):
    if not os.readlink(f"/proc/self/fd/{descriptor}").startswith(sys.argv[2]):
        raise OSError(errno.ENOLCK, "No locks available")
    return real(descriptor, blocking=blocking)
real, filelock.lock_descriptor = filelock.lock_descriptor, refuse
from container_doors.core.files import open_lock, try_lock
with open_lock(Path(sys.argv[1])) as file:
    print(try_lock(file), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def drive(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose file system cannot lock."""
    code: int = request.param
    folder = tmp_path / "drive"
    folder.mkdir()
    real = filelock.lock_descriptor

    def refuse(descriptor: int, *, blocking: bool = True) -> bool:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(folder):
            raise OSError(code, os.strerror(code))
        return real(descriptor, blocking=blocking)

    monkeypatch.setattr(filelock, "lock_descriptor", refuse)
    return folder


def test_without_locks_processes_of_one_machine_keep_out_of_one_another_s_way(
    drive: Path, temporary: Path
):
    lock = drive / ".exp1.lock"

    with subprocess.Popen(
        [sys.executable, "-c", LOCKED_ELSEWHERE, lock, temporary],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with open_lock(lock) as file:
            assert not try_lock(file)
            other.kill()
            other.wait()
            assert try_lock(file)


def test_without_locks_a_run_in_training_is_not_called_interrupted(drive: Path, temporary: Path):
    run = Run("exp1", root=drive)

    with claim(run):
        assert is_claimed(run)

    assert not is_claimed(run)


def plant_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def let_all_write(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("prepare", [plant_link, let_all_write])
def test_a_folder_of_others_in_the_temporary_one_is_not_locked_in(
    prepare: Callable[[Path], None], drive: Path, temporary: Path
):
    """A file there may be a link of theirs, to a file of ours that the lock would write to."""
    place = temporary / f"container-doors-{os.getuid()}"
    prepare(place)

    with pytest.raises(PermissionError, match="others can write to this folder"):
        open_lock(drive / ".exp1.lock")

    assert list(place.iterdir()) == []


def test_what_a_file_system_cannot_do_is_said_of_it_and_not_of_a_photograph(
    photograph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from container_doors.cli import data

    monkeypatch.chdir(photograph.parent)
    monkeypatch.setattr(data, "check_data", refusing(errno.EOPNOTSUPP))

    assert main(["data", "validate", "--path", "."]) == 2

    said = capsys.readouterr().err
    assert said.startswith("error: view.jpg: Operation not supported")
    assert "its file system (" in said
