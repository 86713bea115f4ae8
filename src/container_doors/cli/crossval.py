"""``doors crossval``."""

import argparse
import json
from collections.abc import Iterator, Sequence

from container_doors.cli import console
from container_doors.cli.evaluate import open_detector
from container_doors.cli.output import say, say_document
from container_doors.cli.trainings_on import is_agreed, trainings_on
from container_doors.cli.upload import with_chosen_mode
from container_doors.core.config import load_params
from container_doors.core.errors import ToBeContinued
from container_doors.core.measurements import CrossValidation
from container_doors.core.run import Run
from container_doors.reporting.figures import count
from container_doors.reporting.fold_table import (
    SCORES,
    SEED_COLUMNS,
    fold_columns,
    fold_rows,
    seed_rows,
)
from container_doors.steps.crossval import plan_folds, pool, train_folds, train_last
from container_doors.training.stopping import StopRequests


def crossval(arguments: argparse.Namespace) -> int:
    """Train the folds and the last model; print the pooled scores and the spread between folds."""
    params = with_chosen_mode(load_params(arguments.config, arguments.overrides))
    run = Run(params.wandb.name if arguments.experiment is None else arguments.experiment)
    if not is_agreed(arguments):
        return 0
    stopping = StopRequests(run.stop_request)
    with console.progress(quiet=arguments.json) as progress, stopping.handling_sigterm():
        try:
            plan = plan_folds(
                params, run, folds=arguments.folds, seeds=arguments.seeds, progress=progress
            )
            trainings = trainings_on(arguments, params, progress, stopping=stopping)
            train_folds(plan, trainings=trainings, progress=progress)
            found = pool(plan, open_detector=open_detector, progress=progress)
            if not arguments.no_final:
                progress.say(
                    f"training the last model, {run.name}, on train and val: "
                    f"{count(found.epochs, 'epoch')}, the median of the folds' best"
                )
                train_last(plan, found, trainings=trainings)
                if not run.crossval.exists():  # an earlier last model was renamed, with it
                    pool(plan, open_detector=open_detector, progress=progress)
        except ToBeContinued as reason:
            progress.say(f"to be continued: {reason}")
            progress.say("next: the same command again; no finished training is repeated")
            return 0
    if arguments.json:
        say_document(json.loads(found.to_json()))
        return 0
    say(*lines(found), f"wrote {run.crossval}", *_next(run, is_final=not arguments.no_final))
    return 0


def lines(found: CrossValidation) -> Iterator[str]:
    """Write the pooled scores, a row for each fold and seed, and the spread between them."""
    pooled = found.pooled
    scenes = "" if pooled.scenes is None else f" of {count(pooled.scenes, 'scene')}"
    seeds = f" by {len(found.seeds)} seeds" if found.seeds else ""
    models = "models that were" if found.seeds else "a model that was"
    yield (
        f"{found.experiment}, {found.number_of_folds} folds pooled{seeds}: "
        f"{count(pooled.photographs, 'photograph')}{scenes}, {count(pooled.doors, 'door')}, "
        f"{pooled.background_images} without a door; each measured by {models} not "
        "trained on it, at a confidence of "
        f"{pooled.conf_threshold:.4g}"
    )
    if found.seeds:
        yield (
            "each score is the mean over the seeds; its interval contains the variance over scenes "
            "and that between trainings"
        )
    for name in SCORES:
        value = pooled.scores.get(name)
        yield f"  {name:10} {value or f'undefined: {pooled.undefined[name]}'}"
    for one in pooled.false_alarms:
        if one.conf_threshold == pooled.conf_threshold:
            yield f"  false alarms per photograph without a door: {one.per_photograph}"
    yield from _table(fold_columns(found), fold_rows(found))
    if found.seeds:
        yield "each seed, pooled over all folds, and the spread between the seeds:"
        yield from _table(SEED_COLUMNS, seed_rows(found))
    if found.robustness is not None and found.robustness.retention is not None:
        kept = 100 * found.robustness.retention
        yield f"under corruptions the mean AP50 is {kept:.0f} % of the clean one, over all folds"


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns aligned."""
    rows = [[name.lower() if name not in SCORES else name for name in columns], *cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _next(run: Run, *, is_final: bool) -> list[str]:
    if is_final:
        return [
            f"next: doors summary --experiment {run.name}",
            f"      doors gate --experiment {run.name}",
        ]
    return [f"next: doors compare OTHER {run.name} --split folds"]
