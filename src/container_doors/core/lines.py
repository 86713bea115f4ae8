"""JSON lines with a checksum: one object per line, and damaged lines are reported.

A line ends with a checksum of the text before it, under its own key, so that pandas and other
readers of JSON lines still read it:

    {"epoch": 1, "val/mAP50": 0.5, "crc32": "f57f4964"}

Lines of earlier releases have none. They are read if they are JSON.
"""

import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from container_doors.core.errors import RunError
from container_doors.core.files import NotAFileError, force_name_to_disk, open_file

CHECKSUM = "crc32"
_PROVEN = re.compile(rb'(\{.+), "crc32": "([0-9a-f]{8})"\}', re.DOTALL)
_LONGEST = 2**20
"""Bytes per line; ours have a few hundred."""

_EXCERPT = 40
_POWER_CUT = "NUL bytes, as a power cut leaves them"
_BLANK = b" \t\r"


@dataclass(frozen=True, slots=True)
class Line:
    """One object that was read."""

    number: int
    """Counts from 1."""
    values: dict[str, Any]
    is_proven: bool
    """Whether it had a checksum, and the checksum matches."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that cannot be read."""

    number: int
    what: str


@dataclass(slots=True)
class Content:
    """The content of a file."""

    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tail: Fault | None = None
    """An incomplete line at the end, from an interrupted write; the next write removes it."""


def spelled_line(values: Mapping[str, Any]) -> str:
    r"""Write an object of at least one key as a line with a checksum.

    >>> spelled_line({"epoch": 1, "val/mAP50": 0.5})
    '{"epoch": 1, "val/mAP50": 0.5, "crc32": "f57f4964"}\n'
    """
    text = json.dumps(values)
    return f'{text[:-1]}, "{CHECKSUM}": "{zlib.crc32(text.encode()):08x}"}}\n'


def read_lines(path: Path) -> Content:
    """Read the valid lines, and the faults of the others; an absent file is empty.

    Raises:
        RunError: If it is a folder, a pipe, a socket or a device.
    """
    return parse_lines(read_bytes(path))


def read_bytes(path: Path, start: int = 0) -> bytes:
    """Read the bytes of a file of lines from ``start`` on, as :func:`read_lines` does."""
    try:
        with open_file(path) as file:
            file.seek(start)
            return file.read()
    except FileNotFoundError:
        return b""
    except NotAFileError as error:
        raise RunError(
            f"{path} cannot be read: {error.strerror}",
            hint=f"move that {error.kind} away, then run this again",
        ) from None


def parse_lines(data: bytes) -> Content:
    """Parse a file's bytes, as :func:`read_lines` does."""
    content = Content()
    *ended, tail = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, raw in enumerate(ended, start=1):
        _read(number, raw, content)
    if tail.strip(_BLANK):
        last = Content()
        _read(len(ended) + 1, tail, last)
        content.lines += last.lines
        content.tail = next(iter(last.faults), None)
    return content


def append_line(path: Path, values: Mapping[str, Any], *, keeps_tail: bool = False) -> None:
    """Append a line and force it to the disk (0.25 ms); never join it to an incomplete line.

    A write that fails leaves the file unchanged.

    Args:
        path: The file; it is made if there is none.
        values: An object of at least one key.
        keeps_tail: Whether an incomplete line stays, as an unreadable line of its own.
    """
    is_new = not path.exists()
    with path.open("a+b", buffering=0) as file:  # a buffer would be written only at the end
        end = _mended_end(file, keeps_tail=keeps_tail)
        try:
            _write(file, spelled_line(values).encode())
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):  # otherwise the next write removes it
                file.truncate(end)
            raise
    if is_new:
        force_name_to_disk(path)


def _write(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _mended_end(file: FileIO, *, keeps_tail: bool) -> int:
    """Remove an incomplete last line, or end it with a line end; return the new file size."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _LONGEST)
    file.seek(start)
    data = file.readall()
    tail = data[data.rfind(b"\n") + 1 :]
    if not tail:
        return size
    is_all_of_it = start == 0 or len(tail) < len(data)
    is_nothing = not tail.strip(b"\0" + _BLANK)
    is_torn = is_all_of_it and not keeps_tail and isinstance(_parsed(tail), str)
    if is_nothing or is_torn:
        file.truncate(size - len(tail))
        return size - len(tail)
    _write(file, b"\n")
    return size + 1


def _read(number: int, raw: bytes, content: Content) -> None:
    text = raw.strip(_BLANK)
    if b"\0" in text:
        content.faults.append(Fault(number, _POWER_CUT))
        text = text.strip(b"\0" + _BLANK)
    if not text:
        return
    parsed = _parsed(text)
    if not isinstance(parsed, str):
        values, is_proven = parsed
        content.lines.append(Line(number, values, is_proven))
    elif len(text) == len(raw.strip(_BLANK)):
        content.faults.append(Fault(number, parsed))


def _parsed(text: bytes) -> tuple[dict[str, Any], bool] | str:
    """Return an object, and whether its checksum matches; otherwise return what is wrong."""
    if len(text) > _LONGEST:
        return f"expected a line of at most {_LONGEST} bytes, found {len(text)}"
    found = f"found {text[:_EXCERPT]!r}".replace("found b", "found ", 1)
    try:
        values = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):  # ValueError also for bytes that are not UTF-8
        return f"expected a JSON object, {found}"
    if not isinstance(values, dict) or not values:
        return f"expected a JSON object, {found}"
    if CHECKSUM not in values:
        return values, False
    proven = _PROVEN.fullmatch(text)
    if proven is None or zlib.crc32(proven[1] + b"}") != int(proven[2], 16):
        return f"its checksum does not match: it was changed or damaged, {found}"
    del values[CHECKSUM]
    return values, True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a duplicate key")
    return values
