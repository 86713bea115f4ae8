"""The options of commands that train many runs: where, and what a GPU host needs to know."""

import argparse

from container_doors.cli.options.shared import hours

SESSION_H = 11.5
"""Kaggle ends a session after twelve hours."""

PLACES = ("local", "kaggle", "ray")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add ``--on``, and the options of those places."""
    parser.add_argument(
        "--on",
        choices=PLACES,
        default="local",
        help="where to train: local is one after the other, or one on each GPU here; kaggle is two "
        "at a time, in as many sessions as it takes; ray is one on each GPU, or processor, of the "
        "cluster of RAY_ADDRESS, or one started here (default: %(default)s)",
    )
    parser.add_argument(
        "--hours",
        type=hours,
        metavar="H",
        help=f"of a Kaggle session: stop in time for H hours (default: {SESSION_H})",
    )
    parser.add_argument(
        "--dirty", action="store_true", help="send uncommitted changes to Kaggle too"
    )
    parser.add_argument("--yes", action="store_true", help="send jobs to Kaggle without asking")
