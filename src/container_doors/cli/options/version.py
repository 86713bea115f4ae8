"""The options of ``doors version``."""

from container_doors.cli.options.shared import Commands, add_command, add_published


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "version",
        "version:version",
        "record the published model with DVC, and upload it to the storage",
    )
    add_published(parser)
    parser.add_argument(
        "--release",
        action="store_true",
        help="run doors gate first: exit 1, and upload nothing, unless every target is met",
    )
    parser.add_argument(
        "--point",
        action="store_true",
        help="with --release: judge by the values, not by the worse end of each interval",
    )
