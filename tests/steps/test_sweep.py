"""A sweep from its first trial to its winner, with trainings that score as their params say."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from container_doors.adapters.optuna.sampler import suggest
from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import Params, params_with
from container_doors.core.errors import ConfigError, DatasetError, RunError, ToBeContinued
from container_doors.core.measurements import Estimate
from container_doors.core.ports import Trainings
from container_doors.core.records import RunRecord
from container_doors.core.run import TEST_USES, Run
from container_doors.core.sweeps import Scalar, Space, Sweep, Trial
from container_doors.reporting.sweep_page import write_sweep
from container_doors.reporting.sweep_verdict import verdict
from container_doors.steps.start import training_params
from container_doors.steps.sweep import Search, confirmed, sweep
from container_doors.sweeps.plan import read_plan
from container_doors.sweeps.trials import IsUsable, Suggest
from tests.builders import a_small_dataset
from tests.fakes import FakeProgress, NeverStopping
from tests.sweeps.scored import ScoredTrainer, open_scored, score, scored_world
from tests.sweeps.trainings import MemoryLedger, ScoredTrainings
from tests.sweeps.workspace import PARAMS, SPACE, make_workspace

RUN = Run("sweep1")
RATE = "detection.training.learning_rate"


@pytest.fixture(autouse=True)
def _in_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a_small_dataset(tmp_path / PARAMS.data.path)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def search(
    plan: str,
    ledger: MemoryLedger,
    *,
    params: Params = PARAMS,
    trainings: Trainings | None = None,
    choose: Suggest = suggest,
) -> Sweep:
    Path("sweep.yaml").write_text(plan)
    return sweep(
        read_plan(Path("sweep.yaml"), params),
        params,
        RUN,
        search=Search(
            lambda: ledger,
            choose,
            lambda space, trials: None,
            trainings or ScoredTrainings(ledger),
            open_scored,
        ),
        progress=FakeProgress(),
    )


def test_the_first_trial_is_the_baseline_and_no_trial_is_published(
    ledger: MemoryLedger,
):
    found = search(f"{SPACE}budget: {{trials: 3}}", ledger)

    records = [RunRecord.read(Run(f"sweep1-trial00{number}").record) for number in range(3)]
    assert [one.score for one in found.trials] == [score(one.known_params) for one in records]
    assert training_params(records[0].params) == training_params(PARAMS.model_dump(mode="json"))
    for trial, record in zip(found.trials, records, strict=True):
        assert trial.values[RATE] == record.known_params.training.learning_rate
        assert record.status == "finished"
    assert all(one.known_params.publishing.when == "never" for one in records)
    assert found.end == "all 3 trials have ended"
    assert Sweep.read(RUN.sweep) == found


def test_more_trials_go_on_with_the_same_sweep_and_no_training_is_repeated(ledger: MemoryLedger):
    trainings = ScoredTrainings(ledger)
    search(f"{SPACE}budget: {{trials: 2}}", ledger, trainings=trainings)
    found = search(f"{SPACE}budget: {{trials: 4}}", ledger, trainings=trainings)

    again = search(f"{SPACE}budget: {{trials: 4}}", ledger, trainings=trainings)

    assert trainings.trained == [f"sweep1-trial00{number}" for number in range(4) for _ in range(6)]
    assert again == found


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
    ledger: MemoryLedger, plan: str, overrides: list[str], change: str
):
    budget = "budget: {trials: 2}\n"
    search(SPACE + budget, ledger)

    with pytest.raises(ConfigError, match=change):
        search(plan + budget, ledger, params=params_with(PARAMS, overrides, where="here"))
    on_a_gpu = params_with(PARAMS, ["detection.training.device=auto"], where="here")
    assert search(SPACE + budget, ledger, params=on_a_gpu).end is not None


def test_changed_photographs_are_a_changed_search(ledger: MemoryLedger):
    search(f"{SPACE}budget: {{trials: 2}}", ledger)
    next(Path(PARAMS.data.path).rglob("labels/train/*.txt")).write_text("0 0.5 0.5 0.2 0.2\n")

    with pytest.raises(ConfigError, match="the photographs or labels in data/processed/detection"):
        search(f"{SPACE}budget: {{trials: 3}}", ledger)


def test_a_trial_on_photographs_that_were_changed_meanwhile_is_no_result(ledger: MemoryLedger):
    trainings = ScoredTrainings(ledger, data_sha256="e" * 64)

    with pytest.raises(DatasetError, match="runs/sweep1-trial000 was trained on other photographs"):
        search(SPACE, ledger, trainings=trainings)
    assert ledger.trials()[0].outcome == "running"


def test_another_objective_may_be_chosen_and_the_first_of_equals_wins(ledger: MemoryLedger):
    found = search(f"{SPACE}objective: val mAP50\nbudget: {{trials: 3}}", ledger)

    assert [one.score for one in found.trials] == [0.9, 0.9, 0.9]
    assert found.winner == 0


def test_a_trial_without_memory_is_a_failed_one_and_three_in_a_row_are_the_end(
    ledger: MemoryLedger,
):
    failing = ScoredTrainings(ledger, fails=[f"sweep1-trial00{number}" for number in (1, 3, 4, 5)])
    found = search(f"{SPACE}budget: {{trials: 4}}", ledger, trainings=failing)
    assert [one.outcome for one in found.trials] == ["finished", "failed", "finished", "failed"]
    assert found.trials[1].reason == "RunError: out of memory with batch size 1"

    failing.fails = [f"sweep1-trial00{number}" for number in (4, 5, 6)]
    with pytest.raises(RunError, match="3 trials in a row have failed") as caught:
        search(f"{SPACE}budget: {{trials: 8}}", ledger, trainings=failing)
    assert "runs/sweep1-trial006/train.log" in caught.value.hint
    again = search(f"{SPACE}budget: {{trials: 8}}", ledger)
    assert [one.number for one in again.trials if one.outcome == "failed"] == [1, 3, 4, 5, 6]


def test_values_that_params_do_not_allow_together_are_no_trial(ledger: MemoryLedger):
    """Nested keys are searched too."""
    plan = """\
space:
  detection.augmentation.mosaic: [0.0, 1.0]
  detection.augmentation.close_mosaic: [0, 2]
  detection.augmentation.conditions.rain.probability: [0.0, 0.2]
budget: {trials: 9}
"""
    found = search(plan, ledger)

    searched = [one.values for one in found.trials[1:]]
    assert len(searched) == len({repr(one) for one in searched}) == 6
    assert {(one["detection.augmentation.mosaic"], one["detection.augmentation.close_mosaic"])
            for one in searched} == {(0.0, 0), (1.0, 0), (1.0, 2)}  # fmt: skip
    assert {one.outcome for one in found.trials} == {"finished"}
    assert found.end == "every combination that params allow was tried"


def test_the_budget_of_hours_is_that_of_the_trainings(ledger: MemoryLedger):
    """Six epochs of a minute each: two trials are 0.2 hours."""
    found = search(f"{SPACE}budget: {{trials: 9, hours: 0.15}}", ledger)

    assert len(found.trials) == 2
    assert found.end == "0.20 hours were trained, and the budget is 0.15"


def test_a_stopped_sweep_goes_on_in_the_middle_of_its_trial(ledger: MemoryLedger):
    trainings = ScoredTrainings(ledger, epochs_left=9)
    with pytest.raises(ToBeContinued, match="the session ends"):
        search(f"{SPACE}budget: {{trials: 2}}", ledger, trainings=trainings)
    stopped = Sweep.read(RUN.sweep)
    assert [one.outcome for one in stopped.trials] == ["finished", "running"]
    assert (stopped.winner, stopped.end) == (0, None)

    trainings.epochs_left = 3
    found = search(f"{SPACE}budget: {{trials: 2}}", ledger, trainings=trainings)

    assert len(found.trials[1].curve) == 6


def test_a_stop_chooses_no_other_trials(ledger: MemoryLedger):
    """Whatever epoch it comes after: the next trial waits for the result of this one."""
    undisturbed = search(f"{SPACE}budget: {{trials: 7}}", ledger)
    for path in RUN.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    other = MemoryLedger()
    trainings = ScoredTrainings(other)
    for epochs in (7, 18, 6, 2):
        trainings.epochs_left = epochs
        with pytest.raises(ToBeContinued, match="the session ends"):
            search(f"{SPACE}budget: {{trials: 7}}", other, trainings=trainings)
    trainings.epochs_left = 100

    found = search(f"{SPACE}budget: {{trials: 7}}", other, trainings=trainings)

    assert found == undisturbed


def test_trials_that_train_side_by_side_are_chosen_together(ledger: MemoryLedger):
    pairs = ScoredTrainings(ledger, at_once=2)
    found = search(f"{SPACE}budget: {{trials: 5}}", ledger, trainings=pairs)

    assert [one.chosen_after for one in found.trials] == [0, 0, 2, 2, 4]


@pytest.mark.slow
def test_the_winner_is_compared_on_test_once_and_the_sentence_says_what_is_proven(
    ledger: MemoryLedger,
):
    """The baseline, at a rate of 0.0003, misses the doors of four of eight photographs."""
    shutil.rmtree("data")
    make_workspace(Path())
    progress = FakeProgress()
    plan = f"{SPACE}budget: {{trials: 2}}"
    local = LocalTrainings(
        PARAMS,
        progress,
        stopping=NeverStopping(),
        open_world=partial(scored_world, trainer=ScoredTrainer()),
    )

    def choose(
        space: Space, before: Sequence[Trial], known: int, seed: int, is_usable: IsUsable
    ) -> dict[str, Scalar]:
        return before[0].values | {RATE: 0.003}

    found = search(plan, ledger, trainings=local, choose=choose)
    uses = TEST_USES.read_text()

    assert found.winner == 1
    assert found.confirmation is not None
    difference = found.confirmation.by["AP50-95"]
    assert difference.value == pytest.approx(0.495, abs=0.01)
    assert (found.confirmation.photographs, found.confirmation.doors) == (8, 8)
    assert found.confirmation.verdict == ("better" if difference.low > 0 else "cannot be told")
    assert len(uses.splitlines()) == 4, "a use by each training, and one of each by the comparison"
    assert search(plan, ledger, trainings=local, choose=choose) == found
    assert TEST_USES.read_text() == uses, "a comparison that was made is no second use"


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ((0.01, 0.05), "trial 1 is better than the baseline: AP50-95 on test is higher by 0.030 "
                       "[+0.010 to +0.050]"),
        ((-0.01, 0.07), "trial 1 cannot be told from the baseline: AP50-95 on test differs by "
                        "+0.030 [-0.010 to +0.070]"),
        ((-0.05, -0.01), "trial 1 is worse than the baseline: AP50-95 on test is lower by 0.030 "
                         "[-0.050 to -0.010]"),
    ],
    ids=["better", "cannot be told", "worse"],
)  # fmt: skip
def test_the_sentence_says_what_is_proven(bounds: tuple[float, float], sentence: str):
    low, high = bounds
    value = (low + high) / 2
    difference = Estimate(value=value, low=low, high=high, n=8, of="photographs")

    confirmation = confirmed({"AP50-95": difference}, split="test", photographs=8, doors=8)
    found = Sweep.model_validate(
        {
            "experiment": "s", "objective": "val mAP50-95", "space": {}, "budget_trials": 2,
            "budget_hours": None, "winner": 1, "end": "over", "confirmation": confirmation,
            "trials": [{"number": n, "run": "r", "values": {}, "chosen_after": n} for n in (0, 1)],
        }
    )  # fmt: skip

    assert verdict(found) == sentence


def test_if_no_trial_is_better_the_baseline_stays(ledger: MemoryLedger):
    best = params_with(PARAMS, [f"{RATE}=0.003", "training.warmup_epochs=0"], where="here")
    found = search(f"{SPACE}budget: {{trials: 3}}", ledger, params=best)

    assert (found.winner, found.confirmation) == (0, None)
    assert verdict(found) == (
        "the baseline stays: no trial has a higher val mAP50-95 than the baseline"
    )


def test_a_run_is_no_sweep(ledger: MemoryLedger):
    RUN.directory.mkdir(parents=True)
    RUN.record.write_text("{}")

    with pytest.raises(RunError, match="runs/sweep1 is a run, and no sweep"):
        search(SPACE, ledger)
    assert ledger.begun_with is None


def test_the_page_has_every_trial_and_nothing_from_outside(ledger: MemoryLedger, tmp_path: Path):
    failing = ScoredTrainings(ledger, fails=["sweep1-trial005"])
    plan = f"{SPACE}budget: {{trials: 14}}\npruning: {{after_epochs: 2, after_trials: 2}}"
    found = search(plan, ledger, trainings=failing)
    outcomes = {one.outcome for one in found.trials}
    assert outcomes == {"finished", "pruned", "failed"}
    assert all(one.curve.keys() == {1, 2} for one in found.trials if one.outcome == "pruned")

    write_sweep(tmp_path / "page.html", found)

    text = (tmp_path / "page.html").read_text()
    assert text.count('scope="row"') == 14
    assert verdict(found)[1:] in text
    assert all(f"{one.score:.4f}" in text for one in found.trials if one.score is not None)
    assert text.count("<polyline") == 2 * 13, "a line for each trial that did not fail, twice"
    assert "Not calculated: it needs ten finished trials" in text
    assert "http" not in text.replace("http-equiv", "")
    assert 'style="' not in text
