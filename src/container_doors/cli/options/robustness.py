"""The options of ``doors robustness``."""

import argparse

from container_doors.cli.options.shared import (
    Commands,
    add_command,
    add_json,
    add_run,
    add_split,
    add_target,
)


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "robustness",
        "robustness:robustness",
        "measure how a run's scores fall in poor light, in rain, at an angle, behind objects",
    )
    add_run(parser)
    add_split(parser)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="16 photographs, and three severities of each corruption",
    )
    parser.add_argument(
        "--common",
        nargs="?",
        choices=("usual", "all"),
        const="usual",
        help="add 18 common image corruptions; all: and glass blur, which takes 2 s per picture",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="start no measurement after M minutes; the same command continues (default: no limit)",
    )
    add_target(parser)
    add_json(parser, "evaluation.json")


def _minutes(text: str) -> float:
    duration_min = float(text)
    if not 0 <= duration_min < float("inf"):
        raise argparse.ArgumentTypeError(f"expected minutes from 0 on, found {text}")
    return duration_min
