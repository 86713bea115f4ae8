"""The options of ``doors data prelabel`` and ``doors data next``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, add_json, positive
from container_doors.cli.workspace import typed_path

TOOLS = ("labelstudio", "cvat", "coco")


def add_labelling(data: Commands) -> None:
    """Add both."""
    _add_next(data)
    _add_prelabel(data)


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


def _add_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--path",
        type=typed_path,
        metavar="DIR",
        help="the data set (default: detection.data.path of params.yaml)",
    )
