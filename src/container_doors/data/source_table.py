"""Reads and writes ``sources.csv``: where each photograph of a data set came from."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath

from container_doors.core.errors import DatasetError
from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.core.printable import printable

SOURCES_CSV = "sources.csv"
_MOST_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a photograph came from; the columns of the table, in order."""

    photograph: str
    """Its path below ``images/``: ``unsplit/img_001.jpg``. The name is unique in the data set."""
    source: str
    """The name of the folder or file that was imported."""
    member: str
    """The photograph's path in it."""
    sha256: str
    """Of the source's file."""
    tool: str = ""
    annotator: str = ""
    date_taken: str = ""
    camera: str = ""
    original_name: str = ""
    video: str = ""
    frame: str = ""

    @property
    def name(self) -> str:
        """The file's name, which stays when the photograph moves to another split."""
        return PurePosixPath(self.photograph).name


COLUMNS = tuple(field.name for field in fields(Origin))


def read_origins(dataset: Path) -> dict[str, Origin]:
    """Read the table by the photographs' names; empty if there is none.

    Raises:
        DatasetError: If it is not such a table.
    """
    path = dataset / SOURCES_CSV
    try:
        text = read_bounded(path, _MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (ParsingError, UnicodeDecodeError) as error:
        raise _unreadable(path, f"text in UTF-8, found {error}") from None
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [one for one in COLUMNS[:4] if one not in (reader.fieldnames or ())]
        if missing:
            raise _unreadable(path, f"the columns {', '.join(COLUMNS)}, found none {missing[0]!r}")
        rows = [Origin(**{name: row.get(name) or "" for name in COLUMNS}) for row in reader]
    except csv.Error as error:
        raise _unreadable(path, f"a table, found {error}") from None
    return {row.name: row for row in rows}


def _unreadable(path: Path, problem: str) -> DatasetError:
    return DatasetError(
        f"{path}: expected {problem}",
        hint="restore it, for example with git or dvc checkout; without it, photographs that are "
        "here already cannot be recognised",
    )


def table_text(origins: Iterable[Origin]) -> str:
    """Write the table; every cell is one line without control characters."""
    output = io.StringIO()
    writer = csv.DictWriter(output, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for origin in sorted(origins, key=lambda one: one.photograph):
        writer.writerow(_cells(asdict(origin)))
    return output.getvalue()


def _cells(row: Mapping[str, str]) -> dict[str, str]:
    return {name: printable(value) for name, value in row.items()}
