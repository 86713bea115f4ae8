"""A full disk and a read-only folder, for real: small file systems in memory."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_doors.core.disk import how_to_free, is_full, what_is_full
from container_doors.core.records import RunRecord
from container_doors.scenes import draw_sample
from tests.test_training import doors


@pytest.fixture
def small_disk(tmp_path: Path, repository_root: Path) -> Iterator[Path]:
    """A workspace on 36 MiB: enough for data and one checkpoint, not for a whole run."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=36m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copy(repository_root / "params.yaml", disk)
        draw_sample(disk / "data/processed/detection", counts={"train": 8, "val": 4, "test": 4},
                    seed=2)  # fmt: skip
        (disk / "weights/detection").mkdir(parents=True)
        (disk / "weights/detection/best.pt").write_text("the last good model")
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_same_command_works_once_there_is_space(small_disk: Path):
    done = doors("train", "--experiment", "exp1", cwd=small_disk)

    assert done.returncode == 2
    assert f"{small_disk} is full: No space left on device" in done.stderr
    assert " free of 37.7 MB" in done.stderr
    assert "Traceback" not in done.stderr
    assert (small_disk / "weights/detection/best.pt").read_text() == "the last good model"

    show = [sys.executable, "-m", "container_doors", "track", "show", "exp1"]
    shown = subprocess.run(show, cwd=small_disk, check=False, capture_output=True, text=True)
    assert "exp1: failed" in shown.stdout or "exp1: interrupted" in shown.stdout, shown.stderr

    remount(small_disk, "size=200m")
    again = doors("train", "--experiment", "exp1", cwd=small_disk)

    assert again.returncode == 0, again.stderr
    assert RunRecord.read(small_disk / "runs/exp1/run.json").status == "finished"


def test_a_full_output_is_not_taken_for_the_disk_of_the_folder():
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert what_is_full(error).startswith("No space left on device: not on the disk of this folder")
    assert how_to_free(error).startswith("send the output elsewhere")


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))


def test_what_could_go_from_a_full_disk_is_named(small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    """An error of a write has no path: the disk is the one of ours that has nothing free."""
    monkeypatch.chdir(small_disk)
    for name in ("exp1~1", "notes~", "of mine~2"):
        (Path("runs") / name).mkdir(parents=True)
    Path("runs/exp1~1/best.pt").write_bytes(bytes(3_000_000))
    with pytest.raises(OSError, match="No space left") as caught:
        fill(Path("filler"))

    assert is_full(caught.value)
    assert what_is_full(caught.value).startswith(f"{small_disk} is full: No space left on device")
    assert "rm -r 'runs/exp1~1' 'runs/of mine~2' (3.0 MB, 0 bytes)" in how_to_free(caught.value)


def test_runs_may_be_on_a_disk_of_their_own(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What could not be written whole is deleted at once, so that disk is not quite full."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "runs").symlink_to(small_disk)
    monkeypatch.chdir(workspace)

    found = what_is_full(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    assert found.startswith(f"{small_disk} is full: No space left on device, ")


def test_a_read_only_folder_is_said(small_disk: Path):
    remount(small_disk, "ro")

    done = doors("train", "--experiment", "exp1", cwd=small_disk)

    assert done.returncode == 2
    assert "Read-only file system" in done.stderr
    assert "hint:" in done.stderr
