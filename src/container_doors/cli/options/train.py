"""The options of ``doors train``."""

import argparse
import math

from container_doors.cli.options.shared import Commands, add_command, add_config, hours


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "train",
        "train:train",
        "train, evaluate the best epoch, and publish the model if it is better",
    )
    add_config(parser)
    parser.add_argument(
        "--experiment", metavar="NAME", help="default: detection.wandb.name of the configuration"
    )
    parser.add_argument(
        "--max-hours",
        type=hours,
        metavar="H",
        help="stop after an epoch, in time for H hours; train again to continue (default: none)",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="no tracking, no uploads (used by Kaggle jobs)",
    )
    parser.add_argument(
        "--floor",
        action="append",
        type=_floor,
        default=[],
        metavar="EPOCH=MAP",
        dest="floors",
        help="stop for good if the best val mAP50-95 up to this epoch is lower; may be repeated",
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="train here, even if another machine has started to train the experiment",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help="continue a run that was interrupted, with the settings that it has; an error if "
        "there is none",
    )
    again.add_argument(
        "--replace",
        action="store_true",
        help="train from the beginning; the earlier run is kept as NAME~1",
    )
    again.add_argument(
        "--run",
        metavar="ID",
        help="continue this run, if the storage has several of the experiment",
    )
    again.add_argument(
        "--unless-finished",
        action="store_true",
        help="exit with code 0 if it is already finished in this clone (for scripts)",
    )


def _floor(text: str) -> tuple[int, float]:
    """Read an epoch and the least val mAP50-95, such as ``5=0.2``."""
    epoch, _, least = text.partition("=")
    try:
        number, score = int(epoch), float(least)
    except ValueError:
        number, score = 0, math.nan
    if number < 1 or not math.isfinite(score):
        raise argparse.ArgumentTypeError(f"expected EPOCH=MAP such as 5=0.2, found {text!r}")
    return number, score
