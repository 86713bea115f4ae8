"""``doors gate``."""

import argparse
from dataclasses import asdict

from container_doors.cli import console
from container_doors.cli.evaluate import FAULTS, open_detector, warn_of_lost_uses
from container_doors.cli.output import say, say_document
from container_doors.reporting.gate import TargetResult, in_one_sentence
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.gate import gate_run


def gate(arguments: argparse.Namespace) -> int:
    """Print each target and whether it holds; exit 1 unless all of them do."""
    warn_of_lost_uses()
    with console.progress(quiet=arguments.json) as progress:
        rows = gate_run(
            named_or_only(arguments.experiment, "gate --experiment"),
            at_the_point=arguments.point,
            open_detector=open_detector,
            progress=progress,
        )
    if arguments.json:
        say_document([asdict(row) for row in rows])
    else:
        say(*map(row_of, rows), in_one_sentence(rows))
    return 0 if all(row.holds for row in rows) else FAULTS


def row_of(row: TargetResult) -> str:
    """Write one target and whether it holds."""
    status = row.status if row.holds else row.status.upper()
    return f"{status:12}  {row.what:15}  {row.target:>12}  {row.measured}"
