"""``doors sweep``."""

import argparse
import json
import shlex
from functools import partial
from time import time

from container_doors.adapters.optuna.ledger import OptunaLedger
from container_doors.adapters.optuna.sampler import importance, suggest
from container_doors.cli import console
from container_doors.cli.evaluate import open_detector, warn_of_lost_uses
from container_doors.cli.output import complain, say, say_document
from container_doors.cli.trainings_on import is_agreed, trainings_on
from container_doors.cli.upload import with_chosen_mode
from container_doors.core.config import Params, load_params
from container_doors.core.errors import ConfigError, RunError, ToBeContinued
from container_doors.core.files import make_folder, unless_read_only
from container_doors.core.ports import Progress, Stopping, Trainings
from container_doors.core.run import Run
from container_doors.core.sweeps import Sweep, Trial
from container_doors.reporting.figures import count
from container_doors.reporting.sweep_page import write_sweep
from container_doors.reporting.sweep_verdict import verdict
from container_doors.steps.sweep import Search
from container_doors.steps.sweep import sweep as search_params
from container_doors.sweeps.plan import read_plan
from container_doors.sweeps.space import override
from container_doors.training.stopping import StopRequests


def sweep(arguments: argparse.Namespace) -> int:
    """Train the trials, and print the winner and whether it is better than the baseline."""
    params = load_params(arguments.config, arguments.overrides)
    name = arguments.experiment
    run = Run(f"{params.wandb.name}-sweep" if name is None else name)
    if arguments.report:
        found = _read(run)
    else:
        plan = read_plan(arguments.plan, params)
        if not is_agreed(arguments):
            return 0
        warn_of_lost_uses()
        limit = arguments.max_hours
        stopping = StopRequests(
            run.stop_request, deadline=None if limit is None else time() + limit * 3600
        )
        make_folder(run.root)
        with console.progress(quiet=arguments.json) as progress, stopping.handling_sigterm():
            search = Search(
                partial(OptunaLedger, run.sweep_db, name=run.name),
                suggest,
                importance,
                _trainings(arguments, params, progress, stopping),
                open_detector,
            )
            try:
                found = search_params(
                    plan, with_chosen_mode(params), run, search=search, progress=progress
                )
            except ToBeContinued as reason:
                progress.say(f"to be continued: {reason}")
                progress.say("next: the same command again")
                return 0
    written: list[str] = []
    with unless_read_only(f"{run.sweep_page} is not written", complain):
        write_sweep(run.sweep_page, found)
        written.append(f"wrote {run.sweep_page}")
    if arguments.json:
        say_document(json.loads(found.to_json()))
    else:
        say(*_lines(found, run), *written, *_next(found))
    return 0


def _read(run: Run) -> Sweep:
    if not run.sweep.exists():
        raise RunError(
            f"no sweep at {run.directory}",
            hint=f"start it: doors sweep sweep.yaml --experiment {run.name}; or name another: "
            "--experiment NAME",
        )
    try:
        return Sweep.read(run.sweep)
    except RunError as error:
        raise RunError(
            error.problem,
            hint=f"move {run.sweep} away: the command of the sweep writes it again",
        ) from None


def _trainings(
    arguments: argparse.Namespace, params: Params, progress: Progress, stopping: Stopping
) -> Trainings:
    if arguments.on != "local" and arguments.max_hours is not None:
        raise ConfigError(
            f"--max-hours would be ignored with --on {arguments.on}",
            hint="leave it out"
            + (", or limit a session: --hours" if arguments.on == "kaggle" else ""),
        )
    return trainings_on(arguments, params, progress, stopping=stopping)


def _lines(found: Sweep, run: Run) -> list[str]:
    ended = [one for one in found.trials if one.outcome != "running"]
    outcomes = {kind: sum(one.outcome == kind for one in ended) for kind in ("pruned", "failed")}
    others = "".join(f", {number} {kind}" for kind, number in outcomes.items() if number)
    lines = [
        f"{run.name}: {count(len(found.trials), 'trial')}{others}"
        + (f"; {found.end}" if found.end else ""),
        *map(_scored, _best_first(found)[:_MOST_SHOWN]),
        f"verdict: {verdict(found)}",
    ]
    if found.confirmation is not None and found.confirmation.looks is not None:
        lines.append(f"uses of this test set, with these: {found.confirmation.looks}")
    return lines


_MOST_SHOWN = 5


def _best_first(found: Sweep) -> list[Trial]:
    scored = [one for one in found.trials if one.score is not None]
    return sorted(scored, key=lambda one: (-(one.score or 0.0), one.number))


def _scored(one: Trial) -> str:
    values = ", ".join(
        f"{key.rpartition('.')[2]} {'null' if value is None else value}"
        for key, value in one.values.items()
    )
    name = "baseline" if one.is_baseline else f"trial {one.number}"
    return f"  {name:9} {one.score:.4f}  {values}"


def _next(found: Sweep) -> list[str]:
    best = found.best
    if best is None or best.is_baseline or found.end is None:
        return []
    values = " ".join(f"--set {shlex.quote(override(*one))}" for one in best.values.items())
    anyway = " --anyway" if found.objective.startswith("folds") else ""  # val cannot compare it
    return [
        f"next: doors publish {best.run}{anyway}, if it is to be used",
        f"      its values, for another training: {values}",
    ]
