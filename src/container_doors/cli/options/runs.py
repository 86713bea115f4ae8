"""The options of ``doors runs``."""

from container_doors.cli.options.shared import Commands, add_command, add_json

SORT_KEYS = (
    "date", "name", "version", "val", "test", "recall", "false-alarms", "size", "latency",
)  # fmt: skip
"""What the runs can be sorted by."""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "runs", "runs:runs", "list the runs and versions of this clone, with their scores"
    )
    parser.add_argument(
        "--sort",
        choices=SORT_KEYS,
        default="date",
        metavar="KEY",
        help=f"best, newest, smallest or fastest first: {', '.join(SORT_KEYS)} "
        "(default: %(default)s)",
    )
    add_json(parser)
