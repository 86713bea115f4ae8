"""A full disk and a read-only folder, for real: small file systems in memory."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_doors.dataset.sample import draw_sample
from container_doors.records import RunRecord
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


def test_a_full_disk_is_said_and_the_same_command_works_once_there_is_space(small_disk: Path):
    done = doors("train", "--experiment", "exp1", cwd=small_disk)

    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (small_disk / "weights/detection/best.pt").read_text() == "the last good model"

    remount(small_disk, "size=200m")
    again = doors("train", "--experiment", "exp1", cwd=small_disk)

    assert again.returncode == 0, again.stderr
    assert RunRecord.read(small_disk / "runs/exp1/run.json").status == "finished"


def test_a_read_only_folder_is_said(small_disk: Path):
    remount(small_disk, "ro")

    done = doors("train", "--experiment", "exp1", cwd=small_disk)

    assert done.returncode == 2
    assert "Read-only file system" in done.stderr
    assert "hint:" in done.stderr
