"""The options of ``doors compare``."""

from container_doors.cli.options.shared import Commands, add_command, add_json


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        "compare:compare",
        "compare two runs on the same photographs: which is better, with confidence intervals",
    )
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    parser.add_argument(
        "--split",
        choices=("val", "test", "folds"),
        default="test",
        help="each use of test is counted; folds compares two cross-validations (default: "
        "%(default)s)",
    )
    add_json(parser)
