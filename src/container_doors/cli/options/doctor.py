"""The options of ``doors doctor``."""

from container_doors.cli.options.shared import ONLY_RUN, Commands, add_command, add_json


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "doctor",
        "doctor:doctor",
        "check this machine, and say what to do about each problem",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--run",
        nargs="?",
        const=True,
        metavar="NAME",
        help=f"look at a run instead: why did it fail? ({ONLY_RUN})",
    )
    chosen.add_argument(
        "--setup", action="store_true", help="skip the data and the runs, which come later"
    )
    add_json(parser)
