"""The options of ``doors data ...``."""

import argparse
from pathlib import Path

from container_doors.cli.options.data_import import add_export, add_import
from container_doors.cli.options.data_labelling import add_labelling
from container_doors.cli.options.data_split import add_split
from container_doors.cli.options.shared import (
    Commands,
    add_command,
    add_config,
    add_group,
    add_json,
    add_on,
    count,
)
from container_doors.cli.workspace import typed_path

DATA = Path("data/processed/detection")


def add_to(commands: Commands) -> None:
    """Add the commands, in the order of the help."""
    data = add_group(
        commands, "data", "import, check, review, fetch or pack a data set, or make a synthetic one"
    )
    _add_pull(data)
    _add_pack(data)
    add_import(data)
    add_split(data)
    add_export(data)
    add_labelling(data)
    _add_sample(data)
    _add_validate(data)


def _add_pull(data: Commands) -> None:
    parser = add_command(
        data, "pull", "data:pull", "download the data set; from its archives, if it has any"
    )
    _add_path(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite local changes, even ones stored nowhere else",
    )


def _add_pack(data: Commands) -> None:
    parser = add_command(
        data,
        "pack",
        "data:pack",
        "also store the data set as archives: Google Drive transfers two files a second",
    )
    _add_path(parser)


def _add_sample(data: Commands) -> None:
    parser = add_command(
        data,
        "sample",
        "data:sample",
        "make synthetic pictures of container doors, with exact boxes",
    )
    parser.add_argument("--out", type=typed_path, required=True, metavar="DIR", help="a new folder")
    for split, pictures in (("train", 120), ("val", 24), ("test", 24)):
        parser.add_argument(
            f"--{split}",
            type=count,
            default=pictures,
            metavar="N",
            help=f"pictures in the {split} split (default: %(default)s)",
        )
    parser.add_argument(
        "--seed",
        type=count,
        default=0,
        metavar="N",
        help="the same seed gives the same files, byte for byte",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="one closed door per picture and nothing in front of it: easier to learn",
    )


def _add_validate(data: Commands) -> None:
    parser = add_command(
        data,
        "validate",
        "data:validate",
        "check a data set: list every problem that would harm a training",
    )
    parser.add_argument(
        "--path", type=typed_path, required=True, metavar="DIR", help="folder that holds data.yaml"
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--report", type=typed_path, metavar="FILE", help="write the JSON document to FILE as well"
    )
    parser.add_argument(
        "--sheet",
        type=typed_path,
        metavar="FILE",
        help="show near-duplicates side by side in FILE, a JPEG or PNG",
    )
    add_on(parser, "they see the data set at the same path")


def _add_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--path", type=typed_path, default=DATA, metavar="DIR", help="default: %(default)s"
    )
