"""The options of ``doors summary``."""

from container_doors.cli.options.shared import Commands, add_command, add_run
from container_doors.cli.workspace import typed_path


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "summary",
        "summary:summary",
        "write a run's report: targets, curves, where the model comes from",
    )
    add_run(parser)
    parser.add_argument(
        "--output",
        type=typed_path,
        metavar="FILE",
        help="default: summary_NAME.md, with its pictures beside it; '-' prints it",
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="also write a web page, with confidence intervals: summary_NAME.html",
    )
    parser.add_argument(
        "--card",
        action="store_true",
        help="also write a model card for Hugging Face: summary_NAME_card.md",
    )
