"""The options of ``doors latency``."""

from container_doors.cli.options.shared import Commands, add_command, add_json, add_run, count


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "latency",
        "latency:latency",
        "time a model in each export format, and check that each gives the same boxes",
    )
    add_run(parser)
    parser.add_argument(
        "--split",
        choices=("train", "val"),
        default="val",
        help="never test, which would count as a use of it (default: %(default)s)",
    )
    parser.add_argument(
        "--image-size",
        type=count,
        default=640,
        metavar="PX",
        help="longer side of the input, in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--photographs",
        type=count,
        default=50,
        metavar="N",
        help="number of photographs, at most (default: %(default)s)",
    )
    add_json(parser, "evaluation.json")
