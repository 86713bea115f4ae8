"""The options of ``doors predict``."""

import argparse
import re
from pathlib import Path

from container_doors.cli.options.shared import Commands, add_command, add_on, positive
from container_doors.cli.options.used_model import add_used_model, fraction
from container_doors.cli.workspace import typed_path

KINDS = ("jsonl", "csv", "pictures", "crops", "yolo", "coco")
"""As in :mod:`container_doors.prediction.output`, which takes longer to import."""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "predict",
        "predict:predict",
        "find doors in photographs, videos and cameras with the published model",
    )
    parser.add_argument(
        "sources",
        nargs="*",
        type=_Typed,
        metavar="SOURCE",
        help="photographs, folders, zips, videos, patterns in quotes ('photos/**/*.jpg'), rtsp:// "
        "and http:// streams, the number of a camera (0), or - for a list of paths, one a line",
    )
    parser.add_argument(
        "--watch",
        type=_Typed,
        metavar="DIR",
        help="afterwards each file of this folder, when it has arrived; until Ctrl-C",
    )
    add_used_model(parser)
    parser.add_argument(
        "--every",
        type=positive,
        default=1,
        metavar="N",
        help="only every Nth frame of videos and cameras (default: %(default)s)",
    )
    _add_machines(parser)
    _add_output(parser)


def _add_machines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="only the Ith of N parts of the sources, for one of N machines; joined, their lines "
        "are those of one machine",
    )
    parser.add_argument(
        "--without-times",
        action="store_true",
        help="leave out how long each photograph took: the same photographs give the same bytes "
        "(always with --shard and --on)",
    )
    add_on(parser, "photographs alone; into --out")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--save",
        type=_kinds,
        metavar="KINDS",
        help=f"what to write: {','.join(KINDS)} (default: jsonl if there is --out, else nothing)",
    )
    parser.add_argument(
        "--out",
        type=typed_path,
        metavar="DIR",
        help="where to write (default: predictions/1, or the next free number)",
    )
    parser.add_argument(
        "--padding",
        type=fraction,
        metavar="FRACTION",
        help="around crops, on each side, of the door's width and height (default: 0.10)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a prediction that was stopped or killed, in --out or the last number",
    )
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--json", action="store_true", help="print each result as a line of JSON")
    printed.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of such a line, and end"
    )


class _Typed(str):
    """What was typed, and the folder that it is relative to: later that of the workspace is."""

    __slots__ = ("here",)
    here: Path

    def __new__(cls, text: str) -> "_Typed":
        """Remember the present folder."""
        typed = super().__new__(cls, text)
        try:
            typed.here = Path.cwd()
        except FileNotFoundError:
            raise argparse.ArgumentTypeError("the folder where you are was deleted") from None
        return typed


def _shard(text: str) -> tuple[int, int]:
    """Read a part.

    >>> _shard("2/8")
    (2, 8)
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(
            f"expected a part such as 2/8, from 1/8 to 8/8, found {text!r}"
        )
    return int(found[1]), int(found[2])


def _kinds(text: str) -> tuple[str, ...]:
    """Read kinds of files, separated by commas.

    >>> _kinds("csv,crops")
    ('csv', 'crops')
    """
    found = [one.strip() for one in text.split(",")]
    unknown = [one for one in found if one not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"expected some of {','.join(KINDS)}, separated by commas, found {unknown[0]!r}"
        )
    return tuple(one for one in KINDS if one in found)
