"""Photographs without labels: to be labelled later, or photographs without a door."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from container_doors.data.formats.record import LabelledPhotograph
from container_doors.data.nearby import split_in
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.sources import Source

TOOL = ""


def read(source: Source, *, are_negatives: bool) -> Iterator[LabelledPhotograph]:
    """Read every picture of a source; of a picked file, that alone.

    Args:
        source: The source.
        are_negatives: Whether they have no door; else nobody has looked yet.
    """
    members = source.members if source.picked is None else (source.picked,)
    for member in members:
        if is_picture(member):
            yield LabelledPhotograph(
                member,
                source.where(member),
                is_fraction=True,
                is_labelled=are_negatives,
                split=split_in(PurePosixPath(member).parent) if are_negatives else None,
            )
