"""The options of ``doors gate``."""

from container_doors.cli.options.shared import Commands, add_command, add_json, add_run


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "gate",
        "gate:gate",
        "exit with code 1 unless a run meets its targets, confidence intervals included",
    )
    add_run(parser)
    parser.add_argument(
        "--point",
        action="store_true",
        help="judge by the values, not by the worse end of each interval",
    )
    add_json(parser)
