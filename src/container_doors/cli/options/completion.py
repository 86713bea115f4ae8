"""The options of ``doors completion``."""

from container_doors.cli.options.shared import Commands, add_command


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "completion",
        "completion:completion",
        "print a script that makes your shell complete commands with Tab",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
