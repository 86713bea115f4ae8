"""``doors summary``."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from container_doors.cli import console
from container_doors.cli.evaluate import open_detector, warn_of_lost_uses
from container_doors.cli.output import complain, say, say_text
from container_doors.core.errors import ConfigError, RunError
from container_doors.core.files import is_read_only
from container_doors.core.run import Run
from container_doors.reporting.which_run import named_or_only, read_record
from container_doors.steps.summary import check_report, model_card, report_page, summarise
from container_doors.training.history import history_warnings

STDOUT = (Path("-"), Path("/dev/stdout"))


def summary(arguments: argparse.Namespace) -> int:
    """Write the report and print its path."""
    run = named_or_only(arguments.experiment, "summary --experiment")
    if arguments.output in STDOUT:
        return _print_summary(run, arguments)
    output = arguments.output or Path(f"summary_{run.label}.md")
    if output.suffix == ".html":
        raise ConfigError(
            f"--output {output}: expected the name of the Markdown report, found a page's",
            hint=f"--output {output.with_suffix('.md')} --html writes {output} beside it",
        )
    for line in history_warnings(run, read_record(run)):
        complain(line)
    card = output.with_name(f"{output.stem}_card.md") if arguments.card else None
    page = output.with_suffix(".html") if arguments.html else None
    if card or page:
        check_report(run, output, page=page, card=card)
        warn_of_lost_uses()
    with console.progress() as progress:
        measured: dict[str, Any] = {"open_detector": open_detector, "progress": progress}
        if card:
            say(f"wrote {model_card(run, card, **measured)}")
        if page:
            say(f"wrote {report_page(run, page, **measured)}")
    say(f"wrote {_summarise(run, output)}")  # last: it has what the others measured
    return 0


def _summarise(run: Run, output: Path) -> Path:
    try:
        return summarise(run, output)
    except OSError as error:
        if not is_read_only(error):
            raise
        raise RunError(
            f"{output}: {error.strerror}",
            hint="--output - prints the report; or name a file elsewhere: --output FILE",
        ) from None


def _print_summary(run: Run, arguments: argparse.Namespace) -> int:
    """Print the report without its pictures and pages."""
    if arguments.html or arguments.card:
        raise ConfigError(
            "--html and --card write files, but the output is standard output",
            hint="--output FILE names the report that they are written beside",
        )
    complain(*history_warnings(run, read_record(run)))
    with TemporaryDirectory() as scratch:
        report = summarise(run, Path(scratch) / f"summary_{run.label}.md")
        say_text(report.read_text(encoding="utf-8").rstrip())
    complain("its pictures are left out: --output FILE writes them beside it")
    return 0
