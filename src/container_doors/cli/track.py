"""``doors track``: show the epochs of a run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from container_doors.cli.console import is_terminal, rich_console
from container_doors.cli.output import complain, say, say_document
from container_doors.core.errors import RunError
from container_doors.core.files import is_read_only
from container_doors.core.printable import printable
from container_doors.core.run import Run
from container_doors.reporting import curve_table
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.track import show_run
from container_doors.training.history import history_warnings

FAULTS = 1
_WIDE = 90
"""From this width of the terminal on, table columns are two spaces apart."""


def show(arguments: argparse.Namespace) -> int:
    """Print a run's epochs and draw its curves; it needs no account and works during training.

    Exit code 1 if some of its epoch records are lost.
    """
    run = named_or_only(arguments.name, "track show")
    picture = _picture(run, arguments)
    record, history, best = show_run(run, picture=None)
    faults = history_warnings(run, record)
    complain(*faults)
    if arguments.json:
        say_document(curve_table.as_json(history, best))
        show_run(run, picture=picture)
        return FAULTS if faults else 0
    say(curve_table.headline(run.label, record, history, best))
    if record.message:
        say(record.message)
    if history:
        _print_table(curve_table.table(history, best))
        say(curve_table.LEGEND)
        _draw(run, picture, is_requested=arguments.output is not None)  # last: a disk may be full
    return FAULTS if faults else 0


def _draw(run: Run, picture: Path | None, *, is_requested: bool) -> None:
    """Draw the curves; leave them out if the run's folder is read-only."""
    try:
        show_run(run, picture=picture)
    except OSError as error:
        if is_requested or not is_read_only(error):
            raise
        say(f"not drawn: {picture}: {error.strerror}; --output FILE draws them elsewhere")
    else:
        say(f"wrote {picture}")


def _picture(run: Run, arguments: argparse.Namespace) -> Path | None:
    """Choose where to draw the curves; with --json only if --output is given."""
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
    if not is_terminal():
        say(*curve_table.plain_lines(rows))
        return
    console = rich_console()
    gap = 2 if console.width >= _WIDE else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for name in curve_table.COLUMNS:
        table.add_column(name.replace("_", "\n"), justify="right", vertical="bottom", no_wrap=True)
    for row in rows:
        table.add_row(*map(printable, row.cells), style="bold green" if row.is_best else None)
    console.print(table)
