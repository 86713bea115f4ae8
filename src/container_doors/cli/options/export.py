"""The options of ``doors export``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, add_json, positive
from container_doors.cli.workspace import typed_path

FASTEST = "fastest"
FORMATS = ("onnx", "openvino", "openvino-int8", "torchscript", "ncnn")
"""As in :mod:`container_doors.adapters.yolo.export`, which takes longer to import."""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "export",
        "export:export",
        "write the published model for other runtimes, and measure which is fastest here",
    )
    parser.add_argument(
        "--format",
        type=_formats,
        default=(FASTEST,),
        metavar="FORMATS",
        dest="formats",
        help=f"which to keep, separated by commas: {','.join(FORMATS)}; fastest: try the first "
        "three, and keep the fastest that finds the same doors (default: fastest)",
    )
    parser.add_argument(
        "--weights",
        type=typed_path,
        metavar="DIR",
        help="the folder of another model (default: that of the published one)",
    )
    parser.add_argument(
        "--path",
        type=typed_path,
        metavar="DIR",
        help="the data set to compare on val, and to calibrate on train (default: that of "
        "params.yaml)",
    )
    parser.add_argument(
        "--photographs",
        type=positive,
        metavar="N",
        help="photographs of val, at most (default: all)",
    )
    add_json(parser)


def _formats(text: str) -> tuple[str, ...]:
    """Read formats, separated by commas.

    >>> _formats("openvino, onnx")
    ('openvino', 'onnx')
    """
    known = (*FORMATS, FASTEST)
    found = [one.strip() for one in text.split(",")]
    unknown = [one for one in found if one not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"expected some of {','.join(known)}, separated by commas, found {unknown[0]!r}"
        )
    return tuple(dict.fromkeys(found))
