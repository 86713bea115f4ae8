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

from container_doors.core.run import PUBLISHED
from container_doors.publishing.pointers import TRACKED, pointer_to, read_pointer
from container_doors.publishing.publication import publish, recover
from tests.publishing.killing import two_models
from tests.publishing.power_cuts import WAYS


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where fsync costs nothing: a kill, unlike a power cut, does not care for it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


Found = dict[str, dict[str, int]]


def stopped(folder: Path, root: Path, scenario: str, *steps: str) -> Found:
    """Stop a command at each of these steps; what was found, by kind of step."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.publishing.commands_killed", folder, scenario, *steps],
        cwd=root, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


STEPS = {
    "pack": ("call:1:7", "cut:0:5", "fault:0:2"),
    "pull": ("call:1:7", "cut:0:5", "fault:0:2"),
    "train": ("call:5:41", "cut:1:17", "fault:0:7"),
    "version": ("call:1:11", "cut:0:11", "fault:0:5"),
    "promotion": ("call:3:23", "cut:2:17", "fault:1:7"),
    "publish": ("call:1:11", "cut:0:11", "fault:0:5"),
    "bring back": ("call:0:23", "cut:1:23", "fault:0:7"),
    "sync": ("call:0:23", "cut:1:23", "fault:0:5"),
}
"""A sample for each command: ``python -m tests.publishing.commands_killed`` takes every step."""

REPLACEMENTS = ("files", "renames")


@pytest.mark.parametrize("scenario", REPLACEMENTS)
def test_whatever_stops_a_replacement_leaves_the_old_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    """At each call into the system the power is cut; every third one fails once.

    Of what was not forced to the disk, all is lost, or all but the names, the content, or the
    deletions.
    """
    found = stopped(in_memory, repository_root, scenario, "cut:0:1", "fault:0:3")

    assert found["cut"]["kills"] > 40
    assert found["cut"]["some"] > 30
    assert found["fault"]["clear"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("scenario", REPLACEMENTS)
def test_whatever_a_power_cut_leaves_of_a_replacement_is_the_old_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    found = stopped(in_memory, repository_root, scenario, *(f"{way}:0:1" for way in WAYS))

    assert all(found[way]["kills"] > 40 for way in WAYS)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", STEPS)
def test_whatever_stops_a_command_it_leaves_the_old_state_or_the_new_and_can_be_run_again(
    scenario: str, in_memory: Path, repository_root: Path
):
    """Killed, or the power cut, or a disk that is full or broken, at a sample of the steps."""
    found = stopped(in_memory, repository_root, scenario, *STEPS[scenario])

    for step, states in found.items():
        assert states["old"] > 0, step
        assert states.get("kills", 0) + states.get("clear", 0) > 3, step


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
