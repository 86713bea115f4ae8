"""A command of ours that is killed leaves the old state or the new, and the next call finishes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from container_doors.run import PUBLISHED
from container_doors.versioning.pointers import TRACKED, pointer_to, read_pointer
from container_doors.versioning.publication import publish, recover
from tests.versioning.killing import two_models


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


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_leaves_the_old_state_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    found = killed(in_memory, repository_root, scenario, "call", 5, 23)

    assert found["kills"] > 6
    assert found["old"] > 3
    assert found["new"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_every_call_into_the_system_leaves_the_old_state_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    assert killed(in_memory, repository_root, scenario, "call", 0, 1)["kills"] > 150


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_every_line_leaves_the_old_state_or_the_new(
    scenario: str, in_memory: Path, repository_root: Path
):
    """A sample: between two calls into the system, which are all tried, nothing changes."""
    stride = {"promotion": 29, "version": 5, "sync": 11}[scenario]

    assert killed(in_memory, repository_root, scenario, "line", 0, stride)["kills"] > 150


KILLS = 6


@pytest.mark.slow
def test_the_real_dvc_killed_with_the_command_leaves_the_old_pointers_or_the_new(
    tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole group of processes is killed at moments spread over what the command takes."""
    dice = random.Random(0)
    monkeypatch.chdir(a_repository(tmp_path, repository_root))
    models = two_models(tmp_path, size=1_000_000)
    published = dict(zip(("model_a", "model_b"), models, strict=True))
    command = [sys.executable, "-m", "container_doors", "version", "--experiment"]
    publish(*models[0])
    began = monotonic()
    subprocess.run([*command, "model_a"], check=True, capture_output=True)
    takes_s = monotonic() - began
    known = {versions()}

    for kill in range(KILLS):
        name = ("model_b", "model_a")[kill % 2]
        publish(*published[name])
        child = subprocess.Popen(
            [*command, name], start_new_session=True, stdout=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.3, 1.0) * takes_s)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

        assert versions() in {*known, (published[name][1].version,) * 3}
        subprocess.run([*command, name], check=True, capture_output=True)
        assert versions() == (published[name][1].version,) * 3
        for tracked in TRACKED:
            pointer = read_pointer(PUBLISHED / f"{tracked}.dvc")
            assert pointer_to(PUBLISHED / tracked, pointer.version) == pointer
        assert {path.name for path in PUBLISHED.parent.iterdir()} == {
            "detection",
            ".detection.lock",
        }
        known = {versions()}


def versions() -> tuple[str | None, ...]:
    recover()
    return tuple(read_pointer(PUBLISHED / f"{name}.dvc").version for name in TRACKED)


def a_repository(folder: Path, root: Path) -> Path:
    """Make a repository of git and DVC, with a folder as its remote."""
    workspace, dvc = folder / "workspace", str(Path(sys.executable).with_name("dvc"))
    workspace.mkdir()
    shutil.copy(root / ".gitignore", workspace)
    for command in (
        ["git", "init", "--quiet"],
        [dvc, "init", "--quiet"],
        [dvc, "remote", "add", "--quiet", "--default", "storage", str(folder / "remote")],
    ):
        subprocess.run(command, cwd=workspace, check=True)
    return workspace
