"""Which model is used, and with which settings: options of the commands that use one."""

import argparse

from container_doors.cli.options.shared import positive
from container_doors.cli.workspace import typed_path


def add_used_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights``, ``--version``, ``--conf``, ``--max-det``, ``--device``, ``--backend``."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--weights",
        type=typed_path,
        metavar="FILE",
        help="another model: the folder of one, or a .pt, .onnx or .xml file",
    )
    model.add_argument(
        "--version",
        metavar="VERSION",
        help="an error if another version is published: detection_v1.0_...",
    )
    parser.add_argument(
        "--conf",
        type=fraction,
        metavar="FRACTION",
        help="leave out doors of less confidence (default: the threshold that the model was "
        "tested at)",
    )
    parser.add_argument(
        "--max-det",
        type=positive,
        metavar="N",
        help="most doors in one photograph (default: the model's)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="auto, cpu, cuda, or a GPU's number (default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="pytorch, onnx, openvino, ...; auto is the fastest export of this model that gives "
        "the same boxes (default: %(default)s)",
    )


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text}")
    return number
