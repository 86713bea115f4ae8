"""The options of ``doors data import`` and ``doors data export``. It imports nothing heavy."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container_doors.cli.workspace import typed_path

READ_FORMATS = ("coco", "voc", "cvat", "labelstudio", "labelme", "yolo", "darknet", "csv")
WRITTEN_FORMATS = ("coco", "voc", "cvat", "labelstudio", "yolo")

Commands = Any  # argparse keeps the type of its sub-parsers private
MakeCommand = Callable[[Commands, str, str, str], argparse.ArgumentParser]


def add_import(commands: Commands, make: MakeCommand) -> None:
    """Add ``doors data import``.

    Args:
        commands: The commands of ``doors data``.
        make: Makes a command: of its name, its handler and what it does.
    """
    parser = make(
        commands,
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
    heap = parser.add_mutually_exclusive_group()
    heap.add_argument(
        "--unlabelled",
        action="store_true",
        help="photographs without labels, to be labelled later: into images/unlabelled",
    )
    heap.add_argument(
        "--negatives", action="store_true", help="photographs without labels that have no door"
    )
    parser.add_argument(
        "--images",
        type=typed_path,
        metavar="DIR",
        help="folder of the photographs, if it is not that of the label file",
    )
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument(
        "--every", type=_positive, metavar="N", help="every Nth frame of videos (default: 30)"
    )
    frames.add_argument(
        "--scene-changes", action="store_true", help="the first frame of each scene of videos"
    )
    _add_choices(parser)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return number


def add_export(commands: Commands, make: MakeCommand) -> None:
    """Add ``doors data export``; arguments as :func:`add_import`."""
    parser = make(
        commands,
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
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")


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
        ("--skip-problems", "leave out photographs with a problem, and import the others"),
        ("--dry-run", "show what would be done, and write nothing"),
        ("--json", "print one JSON document instead"),
    ):
        parser.add_argument(option, action="store_true", help=text)


def out_folder(named: Path | None, usual: Path, config: Path) -> Path:
    """Return the data set's folder: the named one, or that of the parameters, or the usual one."""
    if named is not None:
        return named
    if not config.exists():
        return usual
    from container_doors.core.config import load_params

    return Path(load_params(config, []).data.path)
