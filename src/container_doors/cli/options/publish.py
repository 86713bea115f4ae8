"""The options of ``doors publish``."""

from container_doors.cli.options.shared import Commands, add_command


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "publish",
        "publish:publish",
        "publish a finished run, or an earlier version, in place of the published model",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="the experiment (default: the only run); NAME~1 for a run that --replace kept",
    )
    what.add_argument(
        "--version",
        metavar="VERSION",
        help="restore this version from its git tag and the storage: detection_v1.0_...",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="even if it is not better on val, or cannot be compared",
    )
