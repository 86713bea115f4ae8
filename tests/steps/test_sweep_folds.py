"""A sweep whose trials are cross-validations, with trainings that score as their params say."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import params_with
from container_doors.core.errors import ConfigError, ToBeContinued
from container_doors.core.measurements import CrossValidation
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.core.sweeps import Scalar, Space, Sweep, Trial
from container_doors.steps.sweep import Search, sweep
from container_doors.sweeps.plan import read_plan
from container_doors.sweeps.trials import IsUsable
from tests.fakes import FakeProgress, NeverStopping
from tests.steps.test_crossval import PARAMS as OF_FOLDS
from tests.steps.test_crossval import _in_a_workspace
from tests.sweeps.scored import EPOCHS_TRAINED, ScoredTrainer, open_scored, scored_world
from tests.sweeps.trainings import MemoryLedger

__all__ = ["_in_a_workspace"]

RATE = "detection.training.learning_rate"
PARAMS = params_with(OF_FOLDS, [f"{RATE}=0.0003"], where="here")
PLAN = f"""\
space: {{{RATE}: {{low: 0.0001, high: 0.01, log: true}}}}
objective: folds AP50-95
budget: {{trials: 2}}
"""


class StopsAfter(NeverStopping):
    """Asks for a stop after a number of epochs, once."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def reason_to_stop(self, epoch_s: float) -> str | None:
        self.left -= 1
        return "the session ends" if self.left == 0 else None


def better(
    space: Space, before: Sequence[Trial], known: int, seed: int, is_usable: IsUsable
) -> dict[str, Scalar]:
    return {RATE: 0.003}


def search(ledger: MemoryLedger, stopping: NeverStopping) -> Sweep:
    progress = FakeProgress()
    world = partial(scored_world, trainer=ScoredTrainer())
    local = LocalTrainings(PARAMS, progress, stopping=stopping, open_world=world)
    return sweep(
        read_plan(Path("sweep.yaml"), PARAMS),
        PARAMS,
        Run("sweep1"),
        search=Search(lambda: ledger, better, lambda *_: None, local, open_scored),
        progress=progress,
    )


@pytest.mark.slow
def test_a_trial_is_a_cross_validation_and_the_last_models_are_compared():
    """Two trials of three folds of three epochs; stopped in the middle of the second trial."""
    Path("sweep.yaml").write_text(PLAN)
    ledger = MemoryLedger()
    with pytest.raises(ToBeContinued, match="the session ends"):
        search(ledger, StopsAfter(14))

    found = search(ledger, NeverStopping())

    for trial in found.trials:
        pooled = CrossValidation.read(Run(trial.run).crossval).pooled
        assert trial.score == pooled.scores["AP50-95"].value
        assert [*trial.curve] == [1, 2, 3]
        assert trial.training_s == 3 * 3 * 60
        assert RunRecord.read(Run(trial.run).record).known_params.data.trains_on == "all"
    assert found.winner == 1
    assert found.not_confirmed is not None
    assert "fewer than four scenes" in found.not_confirmed
    trained = [line for line in EPOCHS_TRAINED.read_text().splitlines() if "-fold" in line]
    assert len(trained) == len(set(trained)) == 2 * 3 * 3, "no epoch of a fold is repeated"
    again = search(ledger, NeverStopping())
    assert again == found


def test_folds_are_not_pruned():
    path = Path("sweep.yaml")
    path.write_text(PLAN + "pruning: median\n")
    with pytest.raises(ConfigError) as caught:
        read_plan(path, PARAMS)
    assert "pruning would be ignored, because the score of folds is known" in str(caught.value)

    path.write_text(PLAN)
    assert read_plan(path, PARAMS).pruning.rule == "none"
