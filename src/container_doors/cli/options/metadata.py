"""The options of ``doors metadata``."""

from container_doors.cli.options.shared import Commands, add_command, add_published
from container_doors.cli.workspace import typed_path
from container_doors.core.run import PUBLISHED


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "metadata",
        "metadata:metadata",
        "write metadata.json of the published model again",
    )
    parser.add_argument(
        "--weights-dir",
        type=typed_path,
        default=PUBLISHED,
        metavar="DIR",
        help="folder that holds best.pt (default: %(default)s)",
    )
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--major", action="store_true", help="give it the next major version")
    number.add_argument(
        "--minor",
        action="store_true",
        help="give it the next number if its own is released: with another threshold, for example",
    )
    add_published(parser)
