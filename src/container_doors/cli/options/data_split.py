"""The options of ``doors data split``."""

from container_doors.cli.options.shared import Commands, add_command, add_json, count
from container_doors.cli.workspace import typed_path


def add_split(data: Commands) -> None:
    """Add the command."""
    parser = add_command(
        data,
        "split",
        "data_split:split",
        "place photographs into train, val and test by scene; what is placed stays",
    )
    parser.add_argument(
        "--path",
        type=typed_path,
        metavar="DIR",
        help="the data set (default: detection.data.path of params.yaml)",
    )
    parser.add_argument(
        "--shares",
        default="70/15/15",
        metavar="T/V/T",
        help="percentages of train, val and test (default: %(default)s)",
    )
    parser.add_argument(
        "--group-by",
        action="append",
        default=[],
        metavar="HOW",
        help="keep together: folder, name:REGEX (by its groups), time:GAP (such as time:30s, by "
        "EXIF), attributes, video; may be repeated. Groups of attributes.csv, frames of a video "
        "and near-duplicates always are",
    )
    parser.add_argument(
        "--stratify",
        action="append",
        default=[],
        metavar="COLUMN",
        help="balance a column of attributes.csv as well as photographs with and without a door; "
        "may be repeated",
    )
    parser.add_argument(
        "--seed", type=count, default=0, metavar="N", help="another seed, another choice"
    )
    parser.add_argument(
        "--folds",
        type=count,
        metavar="K",
        help="also divide train and val into K folds by scene, in folds.csv; three or more",
    )
    parser.add_argument(
        "--freeze",
        choices=("test",),
        help="record the hash of the split; from then on it gets no photograph, and a change of "
        "it is an error",
    )
    parser.add_argument(
        "--unfreeze", action="store_true", help="forget what was frozen: later scores differ"
    )
    parser.add_argument(
        "--rejoin",
        action="store_true",
        help="move each scene that is in several splits into one: into train if it has a part of "
        "it, or else val; a frozen test split stays",
    )
    parser.add_argument(
        "--sheet", type=typed_path, metavar="DIR", help="draw a contact sheet of each split there"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the result, change nothing")
    add_json(parser)
