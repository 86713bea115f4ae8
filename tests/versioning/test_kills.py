"""A command of ours that is killed leaves the old state or the new, and the next call finishes."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


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
