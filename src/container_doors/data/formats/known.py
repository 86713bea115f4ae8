"""The formats that are known, in the order in which they are tried."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from container_doors.core.errors import SourceError
from container_doors.data.formats import (
    coco,
    cvat,
    darknet,
    label_studio,
    labelme,
    table,
    voc,
    yolo,
)
from container_doors.data.formats.record import (
    ExportedPhotograph,
    LabelledPhotograph,
    MalformedError,
)
from container_doors.data.formats.table import COLUMNS, OUR_OWN
from container_doors.data.sources import Source, one_of

Write = Callable[[Sequence[ExportedPhotograph], Path], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Format:
    """What one format can do."""

    name: str
    """As it is typed: ``--format coco``."""
    tool: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source], Iterator[LabelledPhotograph]]
    write: Write | None = None


FORMATS = {
    one.name: one
    for one in (
        Format("coco", coco.TOOL, coco.recognise, coco.read, coco.write),
        Format("voc", voc.TOOL, voc.recognise, voc.read, voc.write),
        Format("cvat", cvat.TOOL, cvat.recognise, cvat.read, cvat.write),
        Format(
            "labelstudio",
            label_studio.TOOL,
            label_studio.recognise,
            label_studio.read,
            label_studio.write,
        ),
        Format("labelme", labelme.TOOL, labelme.recognise, labelme.read),
        Format("yolo", yolo.TOOL, yolo.recognise, yolo.read, yolo.write),
        Format("darknet", darknet.TOOL, darknet.recognise, darknet.read),
        Format("csv", table.TOOL, table.recognise, table.read),
    )
}


_LABEL_FILES = (
    ".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".ndjson", ".xml", ".mat", ".pkl", ".parquet",
    ".tfrecord",
)  # fmt: skip


def _hint_without_labels(source: Source) -> str:
    """Name what to do; --unlabelled last where a file may have labels, which it would leave out."""
    no_labels = (
        "if its photographs are to be labelled later: --unlabelled; if they have no door: "
        "--negatives"
    )
    files = [one for one in source.labels(*_LABEL_FILES) if PurePosixPath(one).name not in OUR_OWN]
    if not files:
        return f"{no_labels}; else name the format: --format NAME"
    tables = [one for one in files if one.lower().endswith((".csv", ".tsv"))]
    what = f"as a table with the columns {COLUMNS}" if tables else "in one of these formats"
    others = f"if {one_of(files)} has none: --unlabelled, or --negatives if there is no door"
    return f"write the labels of {one_of(tables or files)} {what}; {others}"


def format_of(source: Source, named: str | None) -> Format:
    """Return the format that was named, or recognise it.

    Raises:
        SourceError: If none fits, or several do.
    """
    if named is not None:
        return FORMATS[named]
    try:
        found = [one for one in FORMATS.values() if one.recognise(source)]
    except MalformedError as error:
        raise SourceError(str(error), hint="correct it, or export the labels again") from None
    if not found:
        raise SourceError(
            f"{source.path}: expected labels of {', '.join(one.tool for one in FORMATS.values())}; "
            "found none of them",
            hint=_hint_without_labels(source),
        )
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise SourceError(
            f"{source.path}: expected labels of one format, found {names}",
            hint=f"name the one to read: --format {found[0].name}",
        )
    return found[0]
