"""What tells that a labelling project has a model's boxes, which a person has yet to look at."""

import csv
import io
from pathlib import PurePosixPath

from container_doors.data.sources import MOST_LABEL_BYTES, Source

PRELABELLED = "doors data prelabel"
"""The mark in a project's label file; labelling tools do not keep it when they export."""

ORDER_CSV = "order.csv"
"""The photographs of a project in their order; for tools that have an order of their own."""

ORDER_COLUMNS = ("rank", "photograph", "certainty", "boxes", "highest_confidence")


def drawn_boxes(source: Source) -> dict[str, int]:
    """Read how many boxes a model drew in each photograph of a project, by :func:`bare_name`.

    It is empty if the source is no project of ``doors data prelabel``.
    """
    found: dict[str, int] = {}
    for member in source.members:
        if PurePosixPath(member).name == ORDER_CSV:
            text = source.read(member, MOST_LABEL_BYTES).decode("utf-8-sig", "replace")
            rows = csv.reader(io.StringIO(text, newline=""))
            if tuple(next(rows, ())) == ORDER_COLUMNS:
                found |= {bare_name(row[1]): int(row[3] != "0") for row in rows if len(row) == 5}
    return found


def bare_name(picture: str) -> str:
    """Return a picture's name without what tools change: folders, suffix, case.

    >>> bare_name("images/Unlabelled/A.JPG")
    'a'
    """
    return PurePosixPath(picture.replace("\\", "/")).stem.casefold()
