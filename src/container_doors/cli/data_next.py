"""``doors data next``: which photographs to label next, and why."""

import argparse
import shlex

from container_doors.cli import console
from container_doors.cli.data_import import dataset_folder
from container_doors.cli.data_prelabel import open_published_detector, say_left_out
from container_doors.cli.output import say, say_document, shown
from container_doors.steps.data.next import Chosen, NextReport
from container_doors.steps.data.next import choose_next as choose


def choose_next(arguments: argparse.Namespace) -> int:
    """Print the chosen photographs; exit 1 if others cannot be read."""
    with console.progress(quiet=arguments.json) as progress:
        report = choose(
            dataset_folder(arguments.path),
            arguments.unlabelled,
            arguments.count,
            open_detector=None if arguments.by == "difference" else open_published_detector,
            copy_to=arguments.copy,
            progress=progress,
        )
    if arguments.json:
        say_document({
            "schema_version": 1,
            "candidates": report.candidates,
            "labelled": report.labelled,
            "chosen": [_document(one) for one in report.chosen],
            "problems": [shown(one) for one in report.problems],
        })  # fmt: skip
    else:
        _print(arguments, report)
    return 1 if report.problems else 0


def _document(one: Chosen) -> dict[str, object]:
    return {
        "photograph": shown(one.photograph),
        "uncertainty": one.uncertainty,
        "confidence": one.confidence,
        "distance": one.distance,
        "nearest": None if one.nearest is None else shown(one.nearest),
        "reason": shown(one.reason),
    }


def _print(arguments: argparse.Namespace, report: NextReport) -> None:
    say_left_out(report.problems)
    say(*(f"{one.photograph}: {one.reason}" for one in report.chosen))
    say(
        f"{len(report.chosen)} of {report.candidates} photograph(s) chosen; "
        f"{report.labelled} are labelled"
    )
    if len(report.chosen) < min(arguments.count, report.candidates):
        say("the others are the same pictures as these, or as labelled ones")
    if arguments.copy is None:
        return
    where = shlex.quote(str(arguments.copy))
    labelling = (
        f"label them, and: doors data import EXPORT --images {where}"
        if arguments.by == "difference"
        else f"doors data prelabel --unlabelled {where}"
    )
    say(f"copied to {arguments.copy}; next: {labelling}")
