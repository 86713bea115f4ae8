"""The options of ``doors data import`` and ``doors data export``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, add_json, positive
from container_doors.cli.workspace import typed_path

READ_FORMATS = ("coco", "voc", "cvat", "labelstudio", "labelme", "yolo", "darknet", "csv")
WRITTEN_FORMATS = ("coco", "voc", "cvat", "labelstudio", "yolo")


def add_import(data: Commands) -> None:
    """Add ``doors data import``."""
    parser = add_command(
        data,
        "import",
        "data_import:import_",
        "add photographs and labels of any tool to the data set; the source is never changed",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        type=typed_path,
        metavar="SOURCE",
        help="a folder, a zip, a label file or a video",
    )
    _add_out(parser)
    parser.add_argument(
        "--format", choices=READ_FORMATS, help="the format of the labels (default: recognised)"
    )
    _add_classes(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--unlabelled",
        action="store_true",
        help="photographs without labels, to be labelled later: into images/unlabelled",
    )
    kind.add_argument(
        "--negatives", action="store_true", help="photographs without labels that have no door"
    )
    parser.add_argument(
        "--images",
        type=typed_path,
        metavar="DIR",
        help="folder or zip of the photographs, if it is not that of the label file",
    )
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument(
        "--every", type=positive, metavar="N", help="every Nth frame of videos (default: 30)"
    )
    frames.add_argument(
        "--scene-changes", action="store_true", help="the first frame of each scene of videos"
    )
    _add_choices(parser)


def add_export(data: Commands) -> None:
    """Add ``doors data export``."""
    parser = add_command(
        data,
        "export",
        "data_export:export",
        "write the data set in the format of a labelling tool",
    )
    parser.add_argument("--format", choices=WRITTEN_FORMATS, required=True)
    parser.add_argument(
        "--out",
        type=typed_path,
        required=True,
        metavar="PATH",
        help="a new folder, or a new FILE.zip",
    )
    parser.add_argument(
        "--path",
        type=typed_path,
        metavar="DIR",
        help="the data set (default: detection.data.path of params.yaml)",
    )
    parser.add_argument("--labels-only", action="store_true", help="without the photographs")
    add_json(parser)


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=typed_path,
        metavar="DIR",
        help="the data set (default: detection.data.path of params.yaml)",
    )


def _add_classes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--class",
        dest="kept_class",
        default="container_door",
        metavar="NAME",
        help="the class of the data set (default: %(default)s)",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        dest="renamed",
        metavar="A=B",
        help="boxes of class A are of class B: 'rear door=container_door'; may be repeated",
    )
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        dest="dropped",
        metavar="CLASS",
        help="leave out boxes of this class; '*': of every class that is not named",
    )


def _add_choices(parser: argparse.ArgumentParser) -> None:
    for option, text in (
        ("--keep-gps", "keep the place in photographs; by default it is removed"),
        ("--relabel", "take the labels of these sources where another one differs"),
        ("--checked", "a person has looked at each photograph that a model found no door in"),
        ("--skip-problems", "leave out photographs with a problem, and import the others"),
        ("--dry-run", "show what would be done, and write nothing"),
    ):
        parser.add_argument(option, action="store_true", help=text)
    add_json(parser)
