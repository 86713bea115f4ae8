"""The options of ``doors monitor``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, add_json, positive
from container_doors.cli.workspace import typed_path


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "monitor",
        "monitor:monitor",
        "compare what a model in use sees with its test, and estimate its recall from a few labels",
    )
    parser.add_argument(
        "--predictions",
        type=typed_path,
        required=True,
        metavar="DIR",
        help="what doors predict --save jsonl --out DIR wrote for a period, such as a month",
    )
    parser.add_argument(
        "--reference",
        type=typed_path,
        metavar="DIR",
        help="predictions of the test photographs (default: those of the published model's run)",
    )
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument(
        "--label-budget",
        type=positive,
        metavar="N",
        help="draw N photographs to label, and copy them to DIR/monitor/to_label",
    )
    labels.add_argument(
        "--labels",
        type=typed_path,
        metavar="LABELS",
        help="a folder with the labels of those photographs: estimate the recall",
    )
    parser.add_argument(
        "--target",
        type=_recall,
        metavar="RECALL",
        help="the recall that it should have (default: of its operating target, or of its test)",
    )
    parser.add_argument(
        "--out", type=typed_path, metavar="FILE.html", help="write the result as a page as well"
    )
    add_json(parser)


def _recall(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a recall between 0 and 1, found {text!r}")
    return value
