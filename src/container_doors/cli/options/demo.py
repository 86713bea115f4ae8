"""The options of ``doors demo``."""

from pathlib import Path

from container_doors.cli.options.shared import Commands, add_command


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "demo",
        "demo:demo",
        "try the whole pipeline on synthetic pictures: no account, no GPU",
    )
    parser.add_argument(
        "--workspace",
        type=Path,
        metavar="DIR",
        default=Path("doors-demo"),
        help="folder for the demo (default: %(default)s)",
    )
    parser.add_argument(
        "--track",
        choices=("auto", "online", "offline", "disabled"),
        default="offline",
        help="detection.wandb.mode of the demo; auto uses your W&B key (default: %(default)s)",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the finished demo in that folder, and train one more model in it",
    )
