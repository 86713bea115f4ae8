"""``doors data prelabel``: the published model's boxes as a project of a labelling tool."""

import argparse
import shlex
from pathlib import Path

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import load_door_detector
from container_doors.cli import console
from container_doors.cli.output import complain, say, say_document, shown
from container_doors.core.ports import Detector
from container_doors.steps.data.prelabel import PrelabelReport, prelabel

_MOST_SHOWN = 20


def draw_boxes(arguments: argparse.Namespace) -> int:
    """Write the project, and print what to do with it; exit 1 if photographs were left out."""
    out = arguments.out or Path(f"prelabelled_{arguments.to}")
    with console.progress(quiet=arguments.json) as progress:
        report = prelabel(
            arguments.unlabelled,
            out,
            arguments.to,
            first=arguments.first,
            open_detector=open_published_detector,
            progress=progress,
        )
    if arguments.json:
        say_document({
            "schema_version": 1,
            "path": shown(out),
            "format": arguments.to,
            "model": report.version,
            "photographs": report.photographs,
            "boxes": report.boxes,
            "without_a_box": report.without_a_box,
            "problems": [shown(one) for one in report.problems],
        })  # fmt: skip
    else:
        _print(report, out, arguments.to)
    return 1 if report.problems else 0


def open_published_detector(weights: Path, image_size_px: int) -> Detector:
    """Open the published model's weights on this machine's best device."""
    return load_door_detector(
        weights, image_size_px=image_size_px, hardware=describe_machine("auto")
    )


def say_left_out(problems: list[str]) -> None:
    """Print what is wrong with photographs that were left out."""
    complain(*(f"left out: {one}" for one in problems[:_MOST_SHOWN]))
    if len(problems) > _MOST_SHOWN:
        complain(f"and {len(problems) - _MOST_SHOWN} more")


def _print(report: PrelabelReport, out: Path, tool: str) -> None:
    say_left_out(report.problems)
    say(
        f"{out}: {report.photographs} photograph(s), {report.boxes} box(es) of {report.version}; "
        f"no box in {report.without_a_box}"
    )
    where = shlex.quote(str(out))
    say(f"next: correct them in {tool}, export, and: doors data import EXPORT --images {where}")
