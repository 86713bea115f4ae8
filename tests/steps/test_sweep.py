"""A sweep from its first trial to its winner, with trainings that score as their params say."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from container_doors.adapters.optuna.ledger import OptunaLedger
from container_doors.adapters.optuna.sampler import suggest
from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import Params, params_with
from container_doors.core.errors import ConfigError, RunError, ToBeContinued
from container_doors.core.ports import Stopping
from container_doors.core.records import RunRecord
from container_doors.core.run import PUBLISHED, TEST_USES, Run
from container_doors.core.sweeps import Sweep
from container_doors.reporting.sweep_page import write_sweep
from container_doors.reporting.sweep_verdict import verdict
from container_doors.steps.start import training_params
from container_doors.steps.sweep import Search, sweep
from container_doors.sweeps.plan import read_plan
from tests.fakes import FakeProgress, NeverStopping
from tests.sweeps.scored import ScoredTrainer, open_scored, score, scored_world
from tests.sweeps.workspace import PARAMS, SPACE, make_workspace

RUN = Run("sweep1")
RATE = "detection.training.learning_rate"


@pytest.fixture(autouse=True)
def _in_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)


def search(
    plan: str,
    *,
    params: Params = PARAMS,
    trainer: ScoredTrainer | None = None,
    stopping: Stopping | None = None,
    at_once: int = 1,
    progress: FakeProgress | None = None,
) -> Sweep:
    Path("sweep.yaml").write_text(plan)
    progress = progress or FakeProgress()
    trainings = LocalTrainings(
        params,
        progress,
        stopping=stopping or NeverStopping(),
        open_world=partial(scored_world, trainer=trainer or ScoredTrainer()),
    )
    trainings.at_once = at_once
    return sweep(
        read_plan(Path("sweep.yaml"), params),
        params,
        RUN,
        search=Search(
            partial(OptunaLedger, RUN.sweep_db, name=RUN.name),
            suggest,
            lambda space, trials: None,
            trainings,
            open_scored,
        ),
        progress=progress,
    )


def test_the_first_trial_is_the_baseline_and_each_is_a_run_that_is_not_published():
    found = search(f"{SPACE}budget: {{trials: 3}}")

    records = [RunRecord.read(Run(f"sweep1-trial00{number}").record) for number in range(3)]
    assert [one.score for one in found.trials] == [score(one.known_params) for one in records]
    assert training_params(records[0].params) == training_params(PARAMS.model_dump(mode="json"))
    for trial, record in zip(found.trials, records, strict=True):
        assert trial.values[RATE] == record.known_params.training.learning_rate
        assert record.status == "finished"
    assert not (PUBLISHED / "best.pt").exists()
    assert found.end == "all 3 trials have ended"
    assert Sweep.read(RUN.sweep) == found


def test_more_trials_go_on_with_the_same_sweep_and_nothing_is_done_twice():
    trainer = ScoredTrainer()
    search(f"{SPACE}budget: {{trials: 2}}", trainer=trainer)
    found = search(f"{SPACE}budget: {{trials: 4}}", trainer=trainer)
    uses = TEST_USES.read_text()

    again = search(f"{SPACE}budget: {{trials: 4}}", trainer=trainer)

    assert trainer.names == [f"sweep1-trial00{number}" for number in range(4)]
    assert again == found
    assert TEST_USES.read_text() == uses, "a comparison that was made is no second use"


@pytest.mark.parametrize(
    ("plan", "overrides", "change"),
    [
        (SPACE.replace("1e-2", "2e-2"), [], rf"space\.{RATE}\.high 0\.01 -> 0\.02"),
        (f"{SPACE}seed: 1\n", [], "seed 0 -> 1"),
        (SPACE, ["detection.training.epochs=7"], r"params\.training\.epochs 6 -> 7"),
    ],
    ids=["space", "seed", "params"],
)
def test_a_changed_search_is_refused_with_what_changed(
    plan: str, overrides: list[str], change: str
):
    budget = "budget: {trials: 2}\n"
    search(SPACE + budget)

    with pytest.raises(ConfigError, match=change):
        search(plan + budget, params=params_with(PARAMS, overrides, where="here"))
    on_a_gpu = params_with(PARAMS, ["detection.training.device=auto"], where="here")
    assert search(SPACE + budget, params=on_a_gpu).end is not None


def test_changed_photographs_are_a_changed_search():
    search(f"{SPACE}budget: {{trials: 2}}")
    next(Path(PARAMS.data.path).rglob("labels/train/*.txt")).write_text("0 0.5 0.5 0.2 0.2\n")

    with pytest.raises(ConfigError, match="the photographs or labels in data/processed/detection"):
        search(f"{SPACE}budget: {{trials: 3}}")


def fails_at(*numbers: int) -> Callable[[Params], bool]:
    calls = iter(range(100))
    return lambda params: next(calls) in numbers


def test_a_trial_without_memory_is_a_failed_one_and_three_in_a_row_are_the_end():
    found = search(f"{SPACE}budget: {{trials: 4}}", trainer=ScoredTrainer(fails=fails_at(1, 3)))
    assert [one.outcome for one in found.trials] == ["finished", "failed", "finished", "failed"]
    assert "out of memory with batch size 1" in (found.trials[1].reason or "")

    with pytest.raises(RunError, match="3 trials in a row have failed") as caught:
        search(f"{SPACE}budget: {{trials: 8}}", trainer=ScoredTrainer(fails=lambda _: True))
    assert "runs/sweep1-trial006/train.log" in caught.value.hint
    again = search(f"{SPACE}budget: {{trials: 8}}")
    assert [one.number for one in again.trials if one.outcome == "failed"] == [1, 3, 4, 5, 6]


def test_values_that_cannot_be_used_together_are_a_failed_trial():
    plan = """\
space:
  detection.augmentation.mosaic: [0.0, 1.0]
  detection.augmentation.close_mosaic: [0, 2]
budget: {trials: 5}
"""
    found = search(plan)

    [failed] = [one for one in found.trials if one.outcome == "failed"]
    assert "close_mosaic: 2 would be ignored" in (failed.reason or "")
    assert found.end == "every combination was tried"


def test_the_budget_of_hours_is_that_of_the_trainings():
    """Six epochs of a minute each: two trials are 0.2 hours."""
    found = search(f"{SPACE}budget: {{trials: 9, hours: 0.15}}")

    assert len(found.trials) == 2
    assert found.end == "0.20 hours were trained, and the budget is 0.15"


class StopsOnce(NeverStopping):
    """Asks for a stop after a number of epochs, once."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def reason_to_stop(self, epoch_s: float) -> str | None:
        self.left -= 1
        return "the session ends" if self.left == 0 else None


def test_a_stopped_sweep_goes_on_in_the_middle_of_its_trial():
    trainer = ScoredTrainer()
    with pytest.raises(ToBeContinued, match="the session ends"):
        search(f"{SPACE}budget: {{trials: 2}}", trainer=trainer, stopping=StopsOnce(9))

    found = search(f"{SPACE}budget: {{trials: 2}}", trainer=trainer)

    assert trainer.names == ["sweep1-trial000", "sweep1-trial001", "sweep1-trial001"]
    assert RunRecord.read(Run("sweep1-trial001").record).resumed_after == [3]
    assert len(found.trials[1].curve) == 6


def test_trials_that_train_side_by_side_are_chosen_together():
    found = search(f"{SPACE}budget: {{trials: 5}}", at_once=2)

    assert [one.chosen_after for one in found.trials] == [0, 0, 2, 2, 4]


def test_the_winner_is_compared_on_test_and_the_sentence_says_what_is_proven():
    """The baseline, at a rate of 0.0003, misses the doors of four of eight photographs."""
    found = search(f"{SPACE}budget: {{trials: 4}}")

    assert found.winner not in (None, 0)
    assert found.confirmation is not None
    difference = found.confirmation.by["AP50-95"]
    assert difference.value > 0.3
    assert found.confirmation.photographs == 8
    told = "is better than" if difference.low > 0 else "cannot be told from"
    assert verdict(found).startswith(f"trial {found.winner} {told} the baseline: AP50-95 on test")
    assert f"{difference.low:+.3f} to {difference.high:+.3f}" in verdict(found)
    assert found.confirmation.verdict == ("better" if difference.low > 0 else "cannot be told")


def test_if_no_trial_is_better_the_baseline_stays():
    best = params_with(PARAMS, [f"{RATE}=0.003", "training.warmup_epochs=0"], where="here")
    found = search(f"{SPACE}budget: {{trials: 3}}", params=best)

    assert (found.winner, found.confirmation) == (0, None)
    assert verdict(found) == (
        "the baseline stays: no trial has a higher val mAP50-95 than the baseline"
    )


def test_a_run_is_no_sweep():
    RUN.directory.mkdir(parents=True)
    RUN.record.write_text("{}")

    with pytest.raises(RunError, match="runs/sweep1 is a run, and no sweep"):
        search(SPACE)
    assert not RUN.sweep_db.exists()


def test_the_page_has_every_trial_and_nothing_from_outside(tmp_path: Path):
    found = search(
        f"{SPACE}budget: {{trials: 6}}\npruning: {{after_epochs: 2, after_trials: 2}}",
        trainer=ScoredTrainer(fails=fails_at(5)),
    )
    outcomes = {one.outcome for one in found.trials}
    assert outcomes == {"finished", "pruned", "failed"}

    write_sweep(tmp_path / "page.html", found)

    text = (tmp_path / "page.html").read_text()
    assert text.count('scope="row"') == 6
    assert verdict(found)[1:] in text
    assert all(f"{one.score:.4f}" in text for one in found.trials if one.score is not None)
    assert text.count("<polyline") == 2 * 5, "a line for each trial that did not fail, twice"
    assert "Not calculated: it needs ten finished trials" in text
    assert "http" not in text.replace("http-equiv", "")
    assert 'style="' not in text
