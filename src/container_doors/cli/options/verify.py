"""The options of ``doors verify``."""

from container_doors.cli.options.shared import Commands, add_command, add_config, add_json


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "verify",
        "verify:verify",
        "check data, code, parameters and weights of the model against their hashes",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="the experiment that is expected to be the published one",
    )
    add_config(parser)
    parser.add_argument("--re-evaluate", action="store_true", help="also measure the scores again")
    parser.add_argument(
        "--data",
        action="store_true",
        help="also hash the data set in the storage, downloading it unless the storage is a folder",
    )
    add_json(parser)
