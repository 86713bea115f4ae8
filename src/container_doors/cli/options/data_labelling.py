"""The options of ``doors data prelabel``, ``doors data next`` and ``doors data review``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, add_json, positive
from container_doors.cli.workspace import typed_path

TOOLS = ("labelstudio", "cvat", "coco")


def add_labelling(data: Commands) -> None:
    """Add the three."""
    _add_next(data)
    _add_prelabel(data)
    _add_review(data)


def _add_next(data: Commands) -> None:
    parser = add_command(
        data,
        "next",
        "data_next:choose_next",
        "choose the photographs to label next: the model is uncertain of them, and they differ",
    )
    parser.add_argument(
        "--count",
        type=positive,
        default=50,
        metavar="N",
        help="how many photographs (default: %(default)s)",
    )
    parser.add_argument(
        "--unlabelled",
        type=typed_path,
        metavar="DIR",
        help="the photographs to choose from (default: images/unlabelled of the data set)",
    )
    _add_path(parser)
    parser.add_argument(
        "--by",
        choices=("both", "difference"),
        default="both",
        help="difference: without the model, which needs no published one (default: %(default)s)",
    )
    parser.add_argument(
        "--copy", type=typed_path, metavar="DIR", help="copy them to a new or empty folder"
    )
    add_json(parser)


def _add_prelabel(data: Commands) -> None:
    parser = add_command(
        data,
        "prelabel",
        "data_prelabel:draw_boxes",
        "draw the published model's boxes in unlabelled photographs, as a labelling project",
    )
    parser.add_argument(
        "--unlabelled",
        type=typed_path,
        required=True,
        metavar="DIR",
        help="the photographs; they are only read",
    )
    parser.add_argument(
        "--to", choices=TOOLS, default=TOOLS[0], help="the tool (default: %(default)s)"
    )
    parser.add_argument(
        "--first",
        choices=("surest", "doubtful"),
        default="surest",
        help="which photographs are first (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=typed_path,
        metavar="PATH",
        help="a new folder, or a new FILE.zip (default: prelabelled_TOOL)",
    )
    add_json(parser)


def _add_review(data: Commands) -> None:
    parser = add_command(
        data,
        "review",
        "data_review:review",
        "show the labels that a model doubts on a page, and apply what a person decided there",
    )
    _add_path(parser)
    parser.add_argument(
        "--predictions",
        type=typed_path,
        action="append",
        default=[],
        metavar="FILE",
        help="detections.json of models that were not trained on the photographs in it; may be "
        "repeated (default: the published model, which finds less)",
    )
    parser.add_argument(
        "--out",
        type=typed_path,
        metavar="FILE",
        help="the page (default: label_review.html)",
    )
    parser.add_argument(
        "--most",
        type=positive,
        default=100,
        metavar="N",
        help="how many doubts are shown, the strongest first (default: %(default)s)",
    )
    parser.add_argument(
        "--apply",
        type=typed_path,
        metavar="FILE",
        help="change the labels as decided: the file that the page has saved",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --apply: show the changes, and write nothing"
    )
    add_json(parser)


def _add_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--path",
        type=typed_path,
        metavar="DIR",
        help="the data set (default: detection.data.path of params.yaml)",
    )
