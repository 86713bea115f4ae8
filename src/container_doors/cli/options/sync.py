"""The options of ``doors sync``."""

from container_doors.cli.options.shared import Commands, add_command, add_commit, add_json
from container_doors.cli.workspace import typed_path


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "sync", "sync:sync", "download a model that was trained elsewhere, and check it"
    )
    parser.add_argument(
        "--from",
        type=typed_path,
        metavar="DIR",
        dest="outputs",
        help="folder of downloaded outputs, with their .dvc files (default: those in git)",
    )
    add_commit(parser)
    add_json(parser)
