"""The options of ``doors crossval``."""

from container_doors.cli.options.shared import Commands, add_command, add_config, add_json, positive
from container_doors.cli.options.trainings import add_place


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "crossval",
        "crossval:crossval",
        "cross-validate by scene: train a model for each fold, pool what each finds in the "
        "photographs that it was not trained on, and train the last model on train and val",
    )
    add_config(parser)
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="the folds are runs NAME-fold1, NAME-fold2, ..., by further seeds NAME-fold1-seed1, "
        "..., the last model is NAME "
        "(default: detection.wandb.name of the configuration)",
    )
    parser.add_argument(
        "--folds",
        type=positive,
        metavar="K",
        help="an error if the data set has another number of them (default: any); "
        "they are made by: doors data split --folds 5",
    )
    parser.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help="train each fold N times, by the seed of the configuration, the next one, ...; more "
        "may be added later (default: as many as were begun, at first 1)",
    )
    parser.add_argument(
        "--no-final",
        action="store_true",
        help="train no last model on train and val, such as to compare settings",
    )
    add_place(parser)
    add_json(parser, "crossval.json")
