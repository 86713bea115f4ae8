"""A sweep that is killed and started again is the sweep that it would have been."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from time import sleep

import pytest

from container_doors.core.run import Run
from container_doors.core.sweeps import Sweep, Trial
from tests.sweeps.scored import EPOCHS_TRAINED
from tests.sweeps.workspace import make_workspace

KILLED_AFTER = (3, 14, 22, 31, 38)
"""Epochs, over all trials."""


def start(workspace: Path, repository_root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweeps.scored", "sweep.yaml", "--experiment", "sweep1"],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": f"{repository_root / 'src'}:{repository_root}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def epochs_trained(workspace: Path) -> list[str]:
    path = workspace / EPOCHS_TRAINED
    return path.read_text().splitlines() if path.exists() else []


def without_times(trials: list[Trial]) -> list[Trial]:
    """Leave out how long was trained: a pruned trial may have one epoch more."""
    return [one.model_copy(update={"training_s": 0.0}) for one in trials]


@pytest.mark.slow
def test_a_sweep_killed_five_times_repeats_no_trial_and_has_the_same_winner(
    tmp_path: Path, repository_root: Path
):
    found = {}
    for name, kills in (("undisturbed", ()), ("killed", KILLED_AFTER)):
        workspace = tmp_path / name
        make_workspace(workspace)
        for epochs in kills:
            process = start(workspace, repository_root)
            while len(epochs_trained(workspace)) < epochs and process.poll() is None:
                sleep(0.005)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL, "it had ended before the kill"
        process = start(workspace, repository_root)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        found[name] = Sweep.read(workspace / Run("sweep1").sweep)

    undisturbed, killed = found["undisturbed"], found["killed"]
    assert without_times(killed.trials) == without_times(undisturbed.trials)
    assert killed.winner == undisturbed.winner != 0
    assert killed.confirmation is not None
    assert undisturbed.confirmation is not None
    assert killed.confirmation.by == undisturbed.confirmation.by
    assert len(killed.trials) == len(list((workspace / "runs").glob("sweep1-trial???"))) == 12
    # An attempt that was killed before its first checkpoint is kept, without an epoch, as NAME~1.
    repeated = Counter(epochs_trained(workspace)).total() - len({*epochs_trained(workspace)})
    assert repeated <= len(KILLED_AFTER), "a kill costs one epoch at most"
