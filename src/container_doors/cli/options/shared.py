"""What several commands have in common: options, and the types of their values."""

import argparse
from pathlib import Path
from typing import Any

from container_doors.cli.workspace import typed_path

CONFIG = Path("params.yaml")

EXIT_CODES = (
    "exit codes: 0 done; 1 it ran and found problems; 2 something for you to change; "
    "130 stopped by Ctrl-C"
)

ONLY_RUN = "default: the only run"

Commands = Any  # argparse keeps the type of its sub-parsers private


def add_command(
    commands: Commands, name: str, handler: str, summary: str
) -> argparse.ArgumentParser:
    """Add one command.

    Args:
        commands: Where it is added.
        name: What is typed.
        handler: The function that does it, as ``module:function`` of ``container_doors.cli``.
        summary: One line for the list of commands; capitalized, it is the command's description.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=EXIT_CODES
    )
    parser.set_defaults(handler=handler)
    return parser


def add_group(commands: Commands, name: str, summary: str) -> Commands:
    """Add a command that only holds other commands, and return where those are added."""
    parser = commands.add_parser(name, help=summary)
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_commit(parser: argparse.ArgumentParser) -> None:
    """Add ``--commit``, of commands that download a model."""
    parser.add_argument(
        "--commit",
        action="store_true",
        help="commit the .dvc files and the reports, and tag the commit",
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--set``."""
    parser.add_argument(
        "--config",
        type=typed_path,
        default=CONFIG,
        metavar="FILE",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one key, for example detection.training.epochs=3; may be repeated",
    )


def add_json(parser: argparse.ArgumentParser, what: str = "one JSON document") -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=f"print {what} instead")


def add_published(parser: argparse.ArgumentParser) -> None:
    """Add ``--experiment``, of commands for the published model."""
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="an error if another experiment is published (default: any)",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add ``--experiment``, of commands for one run."""
    parser.add_argument("--experiment", metavar="NAME", help=ONLY_RUN)


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add ``--split``, of commands that measure."""
    parser.add_argument(
        "--split",
        choices=("val", "test"),
        default="test",
        help="each use of test is counted (default: %(default)s)",
    )


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add ``--target``, an operating target."""
    parser.add_argument(
        "--target",
        metavar="TARGET",
        help="operating target, for which the confidence threshold is chosen on val: "
        "'recall>=0.98@95%%', or 'false-alarms<=20@95%%' per 1,000 photographs without a door",
    )
    parser.add_argument("--promise", dest="target", help=argparse.SUPPRESS)  # its earlier name


def count(text: str) -> int:
    """Read a whole number from 0 on."""
    return _whole(text, at_least=0)


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    return _whole(text, at_least=1)


def _whole(text: str, *, at_least: int) -> int:
    number = int(text)
    if number < at_least:
        raise argparse.ArgumentTypeError(f"expected {at_least} or more, found {text}")
    return number


def hours(text: str) -> float:
    """Read a duration above 0, in hours."""
    duration_h = float(text)
    if not 0 < duration_h < float("inf"):
        raise argparse.ArgumentTypeError(f"expected hours above 0, found {text}")
    return duration_h


def add_on(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--on``: which machines do the work."""
    parser.add_argument(
        "--on",
        choices=("ray",),
        help=f"the machines of a Ray cluster, that of RAY_ADDRESS or one started here; {what}",
    )
