"""The options of ``doors init``."""

from pathlib import Path

from container_doors.cli.options.shared import Commands, add_command


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "init", "init:init", "make a workspace: git, DVC, params.yaml, scripts"
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="a new folder, or the root of a git repository; default: this folder. Files that are "
        "there are not changed",
    )
