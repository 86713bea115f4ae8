"""``doors track``: look at a run, here or elsewhere."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from container_doors import pipeline
from container_doors.errors import RunError
from container_doors.reporting import curve_table
from container_doors.run import Run
from container_doors.training.history import history_warnings

FAULTS = 1
_WIDE = 90
"""Columns from which on there is room for two spaces between a table's."""


def show(arguments: argparse.Namespace) -> int:
    """Print a run's epochs and draw its curves, without an account and while it is trained.

    Exit code 1 if some of what it recorded is lost.
    """
    run = Run(arguments.name)
    picture = _picture(run, arguments)
    record, history, best = pipeline.show_run(run, picture=None)
    faults = history_warnings(run, record)
    for line in faults:
        print(line, file=sys.stderr)
    if arguments.json:
        print(json.dumps(curve_table.as_json(history, best), indent=2), flush=True)
        pipeline.show_run(run, picture=picture)
        return FAULTS if faults else 0
    print(curve_table.headline(record, history, best))
    if record.message:
        print(record.message)
    if history:
        _print_table(curve_table.table(history, best))
        print(curve_table.LEGEND, flush=True)
        pipeline.show_run(run, picture=picture)  # last: on a full disk all but the picture is shown
        print(f"wrote {picture}")
    return FAULTS if faults else 0


def _picture(run: Run, arguments: argparse.Namespace) -> Path | None:
    """Choose where to draw; beside JSON only where it is asked for."""
    output: Path | None = arguments.output
    if output is None:
        return None if arguments.json else run.curves
    if output.suffix.lower() != ".png":
        raise RunError(
            f"{output} cannot be drawn: the picture is a PNG",
            hint=f"--output {output.with_suffix('.png')}",
        )
    return output


def _print_table(rows: Sequence[curve_table.Row]) -> None:
    console = Console()
    if not console.is_terminal:
        print("\n".join(curve_table.plain_lines(rows)))
        return
    gap = 2 if console.width >= _WIDE else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for name in curve_table.COLUMNS:
        table.add_column(name.replace("_", "\n"), justify="right", vertical="bottom", no_wrap=True)
    for row in rows:
        table.add_row(*row.cells, style="bold green" if row.is_best else None)
    console.print(table, highlight=False)
