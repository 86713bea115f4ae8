"""The options of ``doors sweep``."""

from pathlib import Path

from container_doors.cli.options.shared import (
    Commands,
    add_command,
    add_config,
    add_json,
    hours,
)
from container_doors.cli.options.trainings import add_place
from container_doors.cli.workspace import typed_path


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "sweep",
        "sweep:sweep",
        "search for better params: trials are ordinary runs, and the winner is compared with the "
        "params as they are",
    )
    parser.add_argument(
        "plan",
        type=typed_path,
        nargs="?",
        default=Path("sweep.yaml"),
        metavar="FILE",
        help="what is searched, see docs/sweeps.md (default: %(default)s)",
    )
    add_config(parser)
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="of the sweep; its trials are NAME-trial000 and so on (default: detection.wandb.name "
        "of the configuration, with -sweep)",
    )
    add_place(parser)
    parser.add_argument(
        "--max-hours",
        type=hours,
        metavar="H",
        help="with --on local: stop after an epoch, in time for H hours; the same command goes on "
        "(default: none)",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="train nothing: write the page of what there is so far, runs/NAME/sweep.html",
    )
    add_json(parser, "sweep.json")
