"""A command of ours that is killed leaves the old state or the new, and the next call finishes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_doors.run import PUBLISHED
from container_doors.versioning.pointers import TRACKED, pointer_to, read_pointer
from container_doors.versioning.publication import publish, recover
from tests.versioning.killing import two_models
from tests.versioning.power_cuts import WAYS


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where fsync costs nothing: a kill, unlike a power cut, does not care for it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


def killed(folder: Path, root: Path, *how: object) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.versioning.commands_killed", folder, *map(str, how)],
        cwd=root, check=False, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


SCENARIOS = ["version", "promotion", "sync"]
STRIDES = {
    "files": 1,
    "pack": 9,
    "pull": 9,
    "train": 23,
    "version": 11,
    "promotion": 19,
    "sync": 29,
}
"""Of all that is interrupted, how many calls apart."""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_leaves_the_old_state_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    found = killed(in_memory, repository_root, scenario, "call", 5, 23)

    assert found["kills"] > 6
    assert found["old"] > 3
    assert found["new"] > 0


@pytest.mark.parametrize("way", WAYS)
def test_a_power_cut_leaves_the_old_files_or_the_new(
    way: str, in_memory: Path, repository_root: Path
):
    """At every fourth call into the system, all that was not forced to the disk is lost."""
    found = killed(in_memory, repository_root, "files", way, WAYS.index(way), 4)

    assert found["kills"] > 10
    assert found["some"] > 8


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", STRIDES)
def test_a_power_cut_leaves_the_old_state_or_the_new(
    scenario: str, way: str, in_memory: Path, repository_root: Path
):
    found = killed(in_memory, repository_root, scenario, way, 1, STRIDES[scenario])

    assert found["kills"] > 10


def test_a_full_or_broken_disk_costs_nothing_but_the_command(
    in_memory: Path, repository_root: Path
):
    """Every fourth write, rename or fsync fails once; the same command then finishes."""
    assert killed(in_memory, repository_root, "files", "fault", 1, 4)["clear"] > 4


@pytest.mark.slow
@pytest.mark.parametrize("scenario", STRIDES)
def test_a_full_or_broken_disk_costs_no_state(
    scenario: str, in_memory: Path, repository_root: Path
):
    stride = max(1, STRIDES[scenario] // 4)

    assert killed(in_memory, repository_root, scenario, "fault", 0, stride)["clear"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_every_third_call_into_the_system_leaves_the_old_state_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    """A sample, as `python -m tests.versioning.commands_killed FOLDER SCENARIO call 0 1` is not."""
    assert killed(in_memory, repository_root, scenario, "call", 0, 3)["kills"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_between_the_calls_leaves_the_old_state_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    """A small sample of our lines: between two calls into the system nothing changes."""
    stride = {"promotion": 97, "version": 29, "sync": 83}[scenario]

    assert killed(in_memory, repository_root, scenario, "line", 0, stride)["kills"] > 20


@pytest.mark.slow
def test_the_real_dvc_killed_with_the_command_leaves_the_old_pointers_or_the_new(
    tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole group of processes is killed, while DVC adds and while it pushes."""
    monkeypatch.chdir(a_repository(tmp_path, repository_root))
    old, new = two_models(tmp_path, size=1_000_000)
    publish(*old)
    for name in TRACKED:
        pointer = pointer_to(PUBLISHED / name, old[1].version)
        (PUBLISHED / f"{name}.dvc").write_text(pointer.to_yaml())
    publish(*new)
    command = [sys.executable, "-m", "container_doors", "version", "--experiment", "model_b"]
    before, after = (old[1].version,) * 3, (new[1].version,) * 3
    assert versions() == before

    for at_work in (Path(".dvc/cache/files"), tmp_path / "remote/files"):
        child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        while not any(path.is_file() for path in at_work.rglob("*")):
            assert child.poll() is None, f"nothing was ever written into {at_work}"
            time.sleep(0.002)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert versions() in {before, after}

    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert versions() == after
    for name in TRACKED:
        pointer = read_pointer(PUBLISHED / f"{name}.dvc")
        assert pointer_to(PUBLISHED / name, pointer.version) == pointer
    left = {path.name for path in PUBLISHED.parent.iterdir()}
    assert left == {"detection", ".detection.lock"}


def versions() -> tuple[str | None, ...]:
    recover()
    return tuple(read_pointer(PUBLISHED / f"{name}.dvc").version for name in TRACKED)


def a_repository(folder: Path, root: Path) -> Path:
    """Make a repository of git and DVC, with a folder as its remote."""
    workspace, dvc = folder / "workspace", str(Path(sys.executable).with_name("dvc"))
    workspace.mkdir()
    (folder / "remote").mkdir()
    shutil.copy(root / ".gitignore", workspace)
    for command in (
        ["git", "init", "--quiet"],
        [dvc, "init", "--quiet"],
        [dvc, "remote", "add", "--quiet", "--default", "storage", str(folder / "remote")],
    ):
        subprocess.run(command, cwd=workspace, check=True)
    return workspace
