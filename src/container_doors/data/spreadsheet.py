r"""Read a table that was saved by a spreadsheet as a text file.

Spreadsheets save it in many forms: with a byte order mark or in UTF-16, separated by commas, by
semicolons (if a comma is the decimal point) or by tabs, with a first line ``sep=;``, with empty
columns and rows at the end. All of these are read; any other form is reported as a fault.
"""

import codecs
import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from container_doors.data.faults import Fault, LineFault

MOST_BYTES = 64 * 1024**2
"""A hundred thousand rows have a tenth of this."""

_LONGEST_CELL = 1000
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_DELIMITERS = (",", ";", "\t", "|")
_SEP = re.compile(r'"?sep=(?P<delimiter>[^"\r\n])"?(\r\n|\r|\n)', re.IGNORECASE)
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f"))

_SAVE = "save it as UTF-8; in a spreadsheet: CSV UTF-8"
_WORKBOOKS = (
    (b"PK\x03\x04", "a workbook (.xlsx or .ods) under this name"),
    (b"\xd0\xcf\x11\xe0", "a workbook (.xls) under this name"),
)


class _Strict(csv.excel):
    """CSV as spreadsheets write it; an unclosed quote is an error, so that it hides no rows."""

    skipinitialspace = True
    strict = True


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not empty."""

    line: int
    cells: Mapping[str, str]
    """By the column's normalized name; empty cells are absent."""


@dataclass(frozen=True, slots=True)
class Table:
    """The readable part of a table."""

    columns: Mapping[str, str]
    """The names as written, by normalized name, in order."""
    rows: Sequence[Row]
    header_line: int
    has_decimal_commas: bool
    """Whether a comma in a number must be its decimal point."""

    def with_point(self, cell: str) -> str:
        """Return a cell with a decimal point, if it is a number with a decimal comma."""
        is_one = self.has_decimal_commas and _DECIMAL_COMMA.fullmatch(cell)
        return cell.replace(",", ".") if is_one else cell


def normalize(text: str) -> str:
    r"""Normalize a name, so that names that look the same to people are equal.

    >>> normalize("\ufeff Group "), normalize("QUAY  7")
    ('group', 'quay 7')
    """
    visible = text.translate(_INVISIBLE)
    return " ".join(unicodedata.normalize("NFC", visible).casefold().split())


def read_table(data: bytes, *, required: str) -> tuple[Table | None, list[LineFault]]:
    """Read a table, and every fault of its form.

    Args:
        data: The file's bytes.
        required: The normalized name of the column that it must have.

    Returns:
        The rows that could be read, None if the columns are not clear; and the faults.
    """
    text, fault = _decode(data)
    if fault is not None:
        return None, [fault]
    declared = _SEP.match(text)
    header_line = 1 if declared is None else 2
    text = text if declared is None else text[declared.end() :]
    delimiter, header = _header(text, _DELIMITERS if declared is None else declared["delimiter"])
    names = [normalize(name) for name in header]
    if required not in names:
        return None, [
            (header_line, _unreadable_row(text, delimiter) or _no_column(header, required))
        ]
    repeated = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if repeated:
        return None, [(header_line, _repeated_column(header, repeated))]
    rows, faults = _rows(text, delimiter, names, header_line)
    columns = {name: written for name, written in zip(names, header, strict=True) if name}
    return Table(columns, rows, header_line, has_decimal_commas=delimiter != ","), faults


def edit_table(
    data: bytes,
    cells: Mapping[int, Mapping[str, str]],
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[str],
) -> bytes:
    """Change cells of a table and add rows; every other line stays byte for byte as it is.

    Args:
        data: A table that :func:`read_table` reads without a fault that is an error.
        cells: New values by line, as in :class:`Row`, and by the column's normalized name.
        rows: New rows, by the columns' normalized names.
        columns: Columns that are added at the end where they are absent.
    """
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = (
        "utf-16" if is_utf16 else "utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8"
    )
    text = data.decode("utf-16" if is_utf16 else "utf-8-sig").removeprefix("\ufeff")
    declared = _SEP.match(text)
    start = 0 if declared is None else 1
    body = text if declared is None else text[declared.end() :]
    delimiter, header = _header(body, _DELIMITERS if declared is None else declared["delimiter"])
    names = [normalize(name) for name in header]
    added = [column for column in columns if column not in names]
    names += added
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    end = _line_end(lines[start]) or "\n"
    for index in range(start, len(lines)):
        changed = dict(zip(added, added, strict=True)) if index == start else cells.get(index + 1)
        if changed:
            lines[index] = _edited(lines[index], delimiter, names, changed)
    if lines and rows and not _line_end(lines[-1]):
        lines[-1] += end
    lines += [_edited(end, delimiter, names, row) for row in rows]
    return "".join(lines).encode(encoding)


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _edited(line: str, delimiter: str, names: Sequence[str], changed: Mapping[str, str]) -> str:
    """Replace cells of one line."""
    end = _line_end(line)
    raw = next(csv.reader([line[: len(line) - len(end)]], _Strict, delimiter=delimiter), [])
    cells = raw + [""] * (len(names) - len(raw))
    for name, value in changed.items():
        cells[names.index(name)] = value
    output = StringIO()
    csv.writer(output, delimiter=delimiter, lineterminator="").writerow(cells)
    return output.getvalue() + end


def _decode(data: bytes) -> tuple[str, LineFault | None]:
    expected = "text in UTF-8"
    for sign, found in _WORKBOOKS:
        if data.startswith(sign):
            remedy = "open it in a spreadsheet, and save it as CSV UTF-8"
            return "", (None, Fault("attributes-encoding", "a CSV file", found, remedy))
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}, of another encoding"
        return "", (line, Fault("attributes-encoding", expected, found, _SAVE))
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        found = "a zero byte: UTF-16 or UTF-32 without its mark, or a damaged file"
        return "", (line, Fault("attributes-encoding", expected, found, _SAVE))
    return text.removeprefix("\ufeff"), None


def _header(text: str, delimiters: Sequence[str]) -> tuple[str, list[str]]:
    """Choose the delimiter that gives the first row the most cells; the first one if equal."""
    headers = {one: _first_row(text, one) for one in delimiters}
    delimiter = max(delimiters, key=lambda one: len(headers[one]))
    return delimiter, headers[delimiter]


def _first_row(text: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader(StringIO(text, newline=""), _Strict, delimiter=delimiter), [])
    except csv.Error:
        return []
    return _without_empty_end([cell.translate(_INVISIBLE).strip() for cell in cells])


def _unreadable_row(text: str, delimiter: str) -> Fault | None:
    try:
        next(csv.reader(StringIO(text, newline=""), _Strict, delimiter=delimiter), [])
    except csv.Error as error:
        return _not_csv(str(error))
    return None


def _without_empty_end(cells: Sequence[str]) -> list[str]:
    length = len(cells)
    while length and not cells[length - 1]:
        length -= 1
    return list(cells[:length])


def _no_column(header: Sequence[str], required: str) -> Fault:
    found = ", ".join(map(repr, header)) if header else "nothing"
    return Fault(
        "attributes-columns",
        f"a column {required!r}",
        found,
        "its first line names the columns: image,group,lighting",
    )


def _repeated_column(header: Sequence[str], repeated: Sequence[str]) -> Fault:
    found = ", ".join(repr(name) for name in header if normalize(name) in repeated)
    return Fault("attributes-columns", "each column once", found, "rename or delete one of the two")


def _rows(
    text: str, delimiter: str, names: Sequence[str], header_line: int
) -> tuple[list[Row], list[LineFault]]:
    rows: list[Row] = []
    faults: list[LineFault] = []
    reader = csv.reader(StringIO(text, newline=""), _Strict, delimiter=delimiter)
    line = header_line  # the line where a row starts: a quoted cell may end on another
    try:
        for number, raw in enumerate(reader):
            cells = _without_empty_end([cell.translate(_INVISIBLE).strip() for cell in raw])
            if number and cells:
                rows.append(Row(line, _by_column(names, cells)))
            if number:
                found = (*_cell_faults(raw), *_row_faults(names, cells))
                faults += [(line, fault) for fault in found]
            line = header_line + reader.line_num
    except csv.Error as error:
        faults.append((line, _not_csv(str(error))))
    return rows, faults


def _by_column(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {name: cell for name, cell in zip(names, cells, strict=False) if name and cell}


def _row_faults(names: Sequence[str], cells: Sequence[str]) -> Iterator[Fault]:
    if len(cells) > len(names):
        yield Fault(
            "attributes-cells",
            f"{len(names)} cells",
            f"{len(cells)}",
            "put a cell that contains the delimiter, such as a decimal comma, into quotes",
        )
    unnamed = [cell for name, cell in zip(names, cells, strict=False) if cell and not name]
    if unnamed:
        yield Fault(
            "attributes-columns",
            "a name for each column",
            f"the cell {unnamed[0]!r} in a column without a name, which is not read",
            "name the column in the first line, or delete it",
            severity="warning",
        )


def _cell_faults(raw: Sequence[str]) -> Iterator[Fault]:
    """Check the raw cells: the text between two stray quotes may be several rows."""
    for cell in raw:
        lines = 1 + len(re.findall(r"\r\n|\r|\n", cell))
        if lines > 1 or len(cell) > _LONGEST_CELL:
            yield Fault(
                "attributes-cells",
                f"cells on one line, of at most {_LONGEST_CELL} characters",
                f"one of {lines} line(s) and {len(cell)} characters",
                "close the open quote, or shorten the cell",
            )


def _not_csv(message: str) -> Fault:
    if "field larger than" in message:  # Python's csv module stops there
        return Fault(
            "attributes-cells",
            f"cells of at most {_LONGEST_CELL} characters",
            f"one of more than {csv.field_size_limit()}; no later line is read",
            "shorten the cell, or close a quote that is open before it",
        )
    return Fault(
        "attributes-cells",
        "quoted cells with a closing quote",
        f"{message}; no later line is read",
        "close the quote, and double each quote inside a cell",
    )
