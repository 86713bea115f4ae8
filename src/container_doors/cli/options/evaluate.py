"""The options of ``doors evaluate``."""

from container_doors.cli.options.shared import (
    Commands,
    add_command,
    add_json,
    add_run,
    add_split,
    add_target,
)


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "evaluate",
        "evaluate:evaluate",
        "measure a run's scores, with confidence intervals, overall and by condition",
    )
    add_run(parser)
    add_split(parser)
    add_target(parser)
    add_json(parser, "evaluation.json")
