"""``doors compare``."""

import argparse
from dataclasses import asdict
from typing import Any

from container_doors.cli import console
from container_doors.cli.evaluate import open_detector, warn_of_lost_uses
from container_doors.cli.output import say, say_document
from container_doors.core.run import Run
from container_doors.evaluation.paired import FALSE_ALARMS, mean_count
from container_doors.reporting.figures import count
from container_doors.steps.compare import Comparison, Side, compare_runs


def compare(arguments: argparse.Namespace) -> int:
    """Print two runs side by side, their differences, and a verdict in a sentence."""
    warn_of_lost_uses()
    with console.progress(quiet=arguments.json) as progress:
        found = compare_runs(
            Run.named(arguments.first),
            Run.named(arguments.second),
            arguments.split,
            open_detector=open_detector,
            progress=progress,
        )
    if arguments.json:
        say_document(_as_json(found))
        return 0
    say(*_side_by_side(found), found.verdict, found.scope)
    if found.looks is not None:
        say(f"uses of this test set, with these: {found.looks}")
    return 0


def _as_json(found: Comparison) -> dict[str, Any]:
    return {
        "split": found.split,
        "models": [
            asdict(side) | {"scores": {name: one.model_dump() for name, one in side.scores.items()}}
            for side in found.sides
        ],
        "by": {name: estimate.model_dump() for name, estimate in found.by.items()},
        "same": found.same,
        "verdict": found.verdict,
        "scope": found.scope,
        "looks": found.looks and found.looks.model_dump(),
    }


def _side_by_side(found: Comparison) -> list[str]:
    """Return a table: a row for each score, with both models and their difference."""
    doors = count(found.doors, "door")
    found_doors = [f"{mean_count(side.doors_found)} of {found.doors}" for side in found.sides]
    rows = [
        ("", *(side.name for side in found.sides), "difference"),
        ("confidence from", *(f"{side.conf_threshold:.3g}" for side in found.sides), ""),
        ("doors found", *found_doors, ""),
        (
            FALSE_ALARMS,
            *(mean_count(side.false_alarms) for side in found.sides),
            _difference(found, FALSE_ALARMS, " per photograph"),
        ),
        *(
            (name, *(_in_brackets(side, name) for side in found.sides), _difference(found, name))
            for name in ("precision", "recall", "AP50", "AP50-95")
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"on {found.split}: {count(found.photographs, 'photograph')}, {doors}; in brackets the "
        "95 % confidence interval",
        *(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ),
    ]


def _in_brackets(side: Side, name: str) -> str:
    one = side.scores.get(name)
    return f"{one.value:.3f} ({one.bounds()})" if one else "undefined"


def _difference(found: Comparison, name: str, of: str = "") -> str:
    if name in found.same:
        return "none"
    by = found.by.get(name)
    return f"{by.value:+.3f}{of} ({by.low:+.3f} to {by.high:+.3f})" if by else ""
