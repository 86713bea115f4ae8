"""Search for better params: train one trial after the other, and compare the winner.

A trial is an ordinary run, ``NAME-trial003``, so it resumes as exactly as any. What a sweep is
made of (the next values, the floors of a trial, the winner) follows from the results in the ledger
alone: a sweep that was killed and started again is the sweep that it would have been.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from container_doors.core.config import Params
from container_doors.core.errors import ConfigError, DatasetError, RunError
from container_doors.core.measurements import Estimate, UseCounts
from container_doors.core.ports import Progress, TaskEnd, Trainings, TrainingTask
from container_doors.core.records import Epoch, Evaluation, RunRecord
from container_doors.core.run import Run
from container_doors.core.sweeps import Confirmation, Scalar, Sweep, Trial
from container_doors.publishing.comparison import differing_fields, format_value
from container_doors.steps.compare import compare_runs
from container_doors.steps.crossval import plan_folds
from container_doors.steps.data.validate import facts_of, fit_data
from container_doors.steps.detections import OpenDetector
from container_doors.steps.start import training_params
from container_doors.steps.sweep_folds import (
    histories,
    mean_curve,
    pooled_score,
    train_last_model,
)
from container_doors.sweeps.plan import Plan
from container_doors.sweeps.pruning import floors, so_far
from container_doors.sweeps.space import values_of, with_values
from container_doors.sweeps.trials import Explain, Ledger, Suggest, batch_start, is_over, winner
from container_doors.training.claim import claim
from container_doors.training.history import read_epochs

MOST_FAILURES = 3
"""So many failed trials in a row end a sweep: the next one would most likely fail too."""

_CONFIRMED_ON = "test"


@dataclass(frozen=True, slots=True)
class Search:
    """Where trials are kept, how they are chosen, trained and compared."""

    open_ledger: Callable[[], Ledger]
    suggest: Suggest
    explain: Explain
    trainings: Trainings
    open_detector: OpenDetector
    """Opens the winner and the baseline, to compare them on test."""


def sweep(plan: Plan, params: Params, run: Run, *, search: Search, progress: Progress) -> Sweep:
    """Train trials until the budget is spent, and compare the winner with the baseline on test.

    Args:
        plan: What is searched.
        params: Those of the baseline, trial 0.
        run: The name of the sweep; its trials are ``NAME-trial000`` and so on.
        search: See :class:`Search`.
        progress: Receives messages.

    Returns:
        What is in ``sweep.json``.

    Raises:
        DoorsError: If data or params cannot be used, if the sweep was begun with other settings, or
            if three trials in a row fail.
        ToBeContinued: If it was asked to stop; nothing is lost.
    """
    sha256 = _data_sha256(plan, params, run, progress)
    with claim(run):
        _refuse_another(run)
        ledger = search.open_ledger()
        _define(plan, params, sha256, run, ledger)
        work = _Sweep(plan, params, run, sha256, search, ledger, progress)
        end = _train_all(work)
        return _with_confirmation(work, end)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """A sweep at work."""

    plan: Plan
    params: Params
    run: Run
    data_sha256: str
    search: Search
    ledger: Ledger
    progress: Progress

    def document(self, **more: Any) -> Sweep:  # noqa: ANN401 - fields of a sweep
        trials = self.ledger.trials()
        best = winner(trials)
        return Sweep(
            experiment=self.run.name,
            objective=self.plan.objective,
            space=self.plan.space,
            budget_trials=self.plan.budget.trials,
            budget_hours=self.plan.budget.hours,
            trials=trials,
            winner=None if best is None else best.number,
            importance=self.search.explain(self.plan.space, trials),
            **more,
        )


def _data_sha256(plan: Plan, params: Params, run: Run, progress: Progress) -> str:
    """Check the data, and hash it; of folds, also which photograph is in which fold."""
    if not plan.is_over_folds:
        return facts_of(fit_data(params, progress=progress)).sha256
    first = Run(_run_name(run, 0))
    return plan_folds(params, first, folds=None, progress=progress).dataset_sha256


def _run_name(run: Run, number: int) -> str:
    return f"{run.name}-trial{number:03}"


def _refuse_another(run: Run) -> None:
    """Refuse the name of a run: its folder may be renamed by a later training.

    Raises:
        RunError: If there is one.
    """
    if run.has_record:
        raise RunError(
            f"{run.directory} is a run, and no sweep",
            hint=f"take another name: --experiment {run.name}-sweep",
        )


def _define(plan: Plan, params: Params, data_sha256: str, run: Run, ledger: Ledger) -> None:
    """Keep what the sweep is begun with, or check that it is still the same.

    Raises:
        ConfigError: If it has changed: trials of different searches cannot be compared.
    """
    training = training_params(params.model_dump(mode="json"))
    own = {key: value for key, value in training["training"].items() if key != "device"}
    now: dict[str, object] = {
        **plan.definition(),
        "params": training | {"training": own},
        "data": data_sha256,
    }
    was = ledger.definition()
    if was is None:
        ledger.define(now)
        return
    changes = [
        f"{key} {format_value(old)} -> {format_value(new)}"
        for key, old, new in differing_fields(was, now)
        if key != "data"
    ]
    if was.get("data") != data_sha256:
        changes.append(f"the photographs or labels in {params.data.path}")
    if changes:
        raise ConfigError(
            f"the sweep {run.name} was begun with other settings:",
            hint="undo that change, and the same command goes on; or begin another sweep: "
            "--experiment NAME (only the budget may change)",
            faults=changes,
        )


def _train_all(work: _Sweep) -> str:
    """Train until the end; return why it is the end."""
    failures = 0
    while True:
        end = _begin_batch(work, work.search.trainings.at_once)
        running = [one for one in work.ledger.trials() if not is_over(one)]
        if end is not None and not running:
            return end
        work.document().write(work.run.sweep)
        for trial in _results(work, running):
            work.ledger.end(trial)
            document = work.document()
            document.write(work.run.sweep)
            _report(work, trial, document)
            failures = failures + 1 if trial.outcome == "failed" else 0
            if failures >= MOST_FAILURES:
                raise _too_many_failures(work, trial)


def _too_many_failures(work: _Sweep, last: Trial) -> RunError:
    run = Run(last.run).fold(1) if work.plan.is_over_folds else Run(last.run)
    return RunError(
        f"{MOST_FAILURES} trials in a row have failed, the last one, {last.run}: {last.reason}",
        hint=f"see {run.train_log}; correct what it names, and the same command goes on with "
        "other trials",
    )


def _begin_batch(work: _Sweep, at_once: int) -> str | None:
    """Write the next trials into the ledger; return why there are none."""
    trials = work.ledger.trials()
    start = batch_start(trials)
    if start == len(trials):
        end = _end_of_budget(work.plan, trials)
        if end is not None:
            return end
    for _ in range(len(trials), min(start + at_once, work.plan.budget.trials)):
        values = _next_values(work, trials, start)
        if values is None:
            return "every combination that params allow was tried"
        number = len(trials)
        trial = Trial(
            number=number,
            run=_run_name(work.run, number),
            values=values,
            chosen_after=start,
        )
        work.ledger.begin(trial, work.plan.space)
        trials.append(trial)
    return None


def _end_of_budget(plan: Plan, trials: Sequence[Trial]) -> str | None:
    hours = sum(one.training_s for one in trials) / 3600
    if len(trials) >= plan.budget.trials:
        spent = f"the budget is {plan.budget.trials}" if len(trials) > plan.budget.trials else ""
        return f"all {len(trials)} trials have ended" + (f", and {spent}" if spent else "")
    if plan.budget.hours is not None and hours >= plan.budget.hours:
        return f"{hours:.2f} hours were trained, and the budget is {plan.budget.hours:g}"
    return None


def _next_values(work: _Sweep, trials: Sequence[Trial], known: int) -> dict[str, Scalar] | None:
    if not trials:
        return values_of(work.params, work.plan.space)

    def is_usable(values: dict[str, Scalar]) -> bool:
        try:
            with_values(work.params, values, where="a trial")
        except ConfigError:
            return False
        return True

    return work.search.suggest(work.plan.space, trials, known, work.plan.seed, is_usable)


def _results(work: _Sweep, running: Sequence[Trial]) -> Iterator[Trial]:
    """Train the trials of a batch; yield each with its result, as it ends."""
    by_run: dict[str, Trial] = {}
    tasks: list[TrainingTask] = []
    left: dict[int, int] = {}
    for trial in running:
        try:
            its_tasks = _tasks(work, trial)
        except ConfigError as error:
            yield trial.model_copy(update={"outcome": "failed", "reason": "; ".join(error.faults)})
            continue
        place = f"{trial.number + 1} of {max(len(work.ledger.trials()), work.plan.budget.trials)}"
        work.progress.say(f"trial {trial.number} ({place}): {_described(trial)}")
        by_run |= {one.name: trial for one in its_tasks}
        left[trial.number] = len(its_tasks)
        tasks += its_tasks
    bad: dict[int, TaskEnd] = {}
    for end in work.search.trainings.train(tasks):
        trial = by_run[end.name]
        left[trial.number] -= 1
        if end.outcome != "finished":
            bad.setdefault(trial.number, end)
        if not left[trial.number]:
            yield _with_result(work, trial, bad.get(trial.number, end))


def _tasks(work: _Sweep, trial: Trial) -> Sequence[TrainingTask]:
    """Make the trainings of a trial: one, or one for each fold.

    Raises:
        ConfigError: If its values cannot be used together.
        DatasetError: If the folds have changed since the sweep began.
    """
    params = _params(work, trial)
    if not work.plan.is_over_folds:
        return [TrainingTask(trial.run, params, _floors(work, trial))]
    folds = plan_folds(params, Run(trial.run), folds=None, progress=work.progress)
    if folds.dataset_sha256 != work.data_sha256:
        raise _other_data(Run(trial.run))
    return folds.tasks


def _params(work: _Sweep, trial: Trial) -> Params:
    """Return the params of a trial; it never replaces the published model."""
    values: dict[str, Scalar] = {**trial.values, "detection.publishing.when": "never"}
    return with_values(work.params, values, where=f"trial {trial.number}")


def _floors(work: _Sweep, trial: Trial) -> dict[int, float]:
    if trial.is_baseline:
        return {}
    return floors(work.ledger.trials()[: trial.chosen_after], work.plan.pruning)


def _with_result(work: _Sweep, trial: Trial, end: TaskEnd) -> Trial:
    """Read from its runs how a trial ended.

    Raises:
        DatasetError: If it was trained on other data than the first trial.
    """
    if work.plan.is_over_folds:
        return _with_pooled_result(work, trial, end)
    run = Run(trial.run)
    history = read_epochs(run.metrics_jsonl)
    curve = mean_curve([history])
    if end.outcome == "pruned":
        curve = _until_pruned(curve, _floors(work, trial))
    score = None
    if end.outcome == "finished":
        if RunRecord.read(run.record).dataset.sha256 != work.data_sha256:
            raise _other_data(run)
        split, _, metric = work.plan.objective.partition(" ")
        score = Evaluation.read(run.scores).splits[split].ultralytics.get(metric)
    return _ended(work, trial, end, curve=curve, score=score, histories=[history])


def _with_pooled_result(work: _Sweep, trial: Trial, end: TaskEnd) -> Trial:
    folds = plan_folds(_params(work, trial), Run(trial.run), folds=None, progress=work.progress)
    epochs = histories(folds)
    score = None
    if end.outcome == "finished":
        score = pooled_score(
            folds,
            work.plan.objective.partition(" ")[2],
            open_detector=work.search.open_detector,
            progress=work.progress,
        )
    return _ended(work, trial, end, curve=mean_curve(epochs), score=score, histories=epochs)


def _ended(
    work: _Sweep,
    trial: Trial,
    end: TaskEnd,
    *,
    curve: dict[int, float],
    score: float | None,
    histories: Sequence[Sequence[Epoch]],
) -> Trial:
    result: dict[str, Any] = {
        "outcome": end.outcome,
        "reason": end.reason,
        "curve": curve,
        "training_s": sum(
            one.metrics.get("perf/epoch_s", 0.0) for history in histories for one in history
        ),
        "score": score,
    }
    if end.outcome == "finished" and score is None:
        split, _, metric = work.plan.objective.partition(" ")
        result |= {"outcome": "failed", "reason": f"{split} has no door: there is no {metric}"}
    return trial.model_copy(update=result)


def _until_pruned(curve: dict[int, float], floors: dict[int, float]) -> dict[int, float]:
    """Leave out the epoch that may or may not follow the one that decided, after a kill."""
    best = so_far(curve)
    last = next((one for one in sorted(floors) if best.get(one, math.inf) < floors[one]), math.inf)
    return {epoch: value for epoch, value in curve.items() if epoch <= last}


def _other_data(run: Run) -> DatasetError:
    return DatasetError(
        f"{run.directory} was trained on other photographs or labels than the sweep began "
        "with: they were changed meanwhile",
        hint="undo that change, move that folder away, and the same command goes on",
    )


def _report(work: _Sweep, trial: Trial, document: Sweep) -> None:
    result = f"{trial.outcome}: {trial.reason}" if trial.reason else str(trial.outcome)
    if trial.score is not None:
        result = f"{document.objective} {trial.score:.4f}"
    best = document.best
    so_far_best = "" if best is None else f"; the best is trial {best.number}, {best.score:.4f}"
    work.progress.say(f"trial {trial.number}: {result}{so_far_best}")


def _described(trial: Trial) -> str:
    if trial.is_baseline:
        return "the baseline, params as they are"
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in trial.values.items())


def _with_confirmation(work: _Sweep, end: str) -> Sweep:
    """Compare the winner with the baseline on test, unless that was done; and write the result."""
    found = work.document(end=end)
    earlier = Sweep.read(work.run.sweep) if work.run.sweep.exists() else None
    best = found.best
    baseline = found.trials[0]
    why: str | None
    if best is None:
        why = "no trial has finished"
    elif best.is_baseline:
        why = f"no trial has a higher {found.objective} than the baseline"
    elif baseline.outcome != "finished":
        why = f"the baseline has failed: {baseline.reason}"
    else:
        kept = None if earlier is None or earlier.winner != best.number else earlier.confirmation
        confirmation, why = (kept, None) if kept is not None else _compare(work, baseline, best)
        found = found.model_copy(update={"confirmation": confirmation})
    found = found.model_copy(update={"not_confirmed": why})
    found.write(work.run.sweep)
    return found


def _compare(work: _Sweep, baseline: Trial, best: Trial) -> tuple[Confirmation | None, str | None]:
    """Compare two trials; return the result, or why there is none."""
    if work.plan.is_over_folds:
        for trial in (baseline, best):
            train_last_model(
                _params(work, trial),
                Run(trial.run),
                trainings=work.search.trainings,
                open_detector=work.search.open_detector,
                progress=work.progress,
            )
    work.progress.say(f"comparing trial {best.number} with the baseline on {_CONFIRMED_ON}")
    try:
        found = compare_runs(
            Run(baseline.run),
            Run(best.run),
            _CONFIRMED_ON,
            open_detector=work.search.open_detector,
            progress=work.progress,
        )
    except RunError as error:
        return None, error.problem
    return confirmed(
        found.by,
        split=found.split,
        photographs=found.photographs,
        doors=found.doors,
        looks=found.looks,
    ), None


def confirmed(
    by: dict[str, Estimate],
    *,
    split: str,
    photographs: int,
    doors: int,
    looks: UseCounts | None = None,
) -> Confirmation:
    """Decide by the interval of AP50-95 whether the winner is better than the baseline.

    Args:
        by: The differences, winner minus baseline.
        split: The photographs that no trial was chosen by.
        photographs: Their number.
        doors: The number of their doors.
        looks: Uses of this test set.
    """
    difference = by.get("AP50-95")
    verdict: Literal["better", "worse", "cannot be told"] = "cannot be told"
    if difference is not None and difference.low > 0:
        verdict = "better"
    elif difference is not None and difference.high < 0:
        verdict = "worse"
    return Confirmation(
        split=split, verdict=verdict, by=by, photographs=photographs, doors=doors, looks=looks
    )
