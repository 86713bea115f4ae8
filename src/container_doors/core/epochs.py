"""The epochs of ``metrics.jsonl``: one line per finished epoch, each once and in order."""

import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.lines import Line, parse_lines, read_bytes, read_lines
from container_doors.core.printable import shortened
from container_doors.core.records import Epoch

MOST_EPOCHS = 1_000_000
"""A larger number is damage."""

_EXCERPT = 40


@dataclass(frozen=True, slots=True)
class History:
    """The epochs in a file, and its faults."""

    epochs: list[Epoch]
    """In order, each once."""
    faults: list[str]
    """The lines that cannot be read, each with file and line number."""


class EpochReader:
    """Reads the epochs of a file that grows, and each time only what is new.

    A recovery replaces the file by a shorter one, which may have grown again by the next reading:
    then it is another file, or its last line that was read is not there any more, and all is read.
    """

    def __init__(self, path: Path) -> None:
        """Read nothing yet; there may be no file."""
        self._path = path
        self._inode: int | None = None
        self._epochs: dict[int, Epoch] = {}
        self._end, self._last_line = 0, b""

    def read(self) -> list[Epoch]:
        """Return all epochs that are in the file now, as :func:`read_all` does.

        Raises:
            RunError: If it is a folder, a pipe, a socket or a device.
        """
        # Before reading: if the file is replaced meanwhile, the next call sees it.
        inode = _inode_of(self._path)
        data = read_bytes(self._path, self._end - len(self._last_line))
        if inode != self._inode or not data.startswith(self._last_line):
            self._epochs, self._end, self._last_line = {}, 0, b""
            self._inode, data = inode, read_bytes(self._path)
        new = data[len(self._last_line) :]
        ended = new[: new.rfind(b"\n") + 1]
        if ended:
            _add(parse_lines(ended).lines, self._epochs)
            self._last_line = ended[ended.rfind(b"\n", 0, -1) + 1 :]
            self._end += len(ended)
        unended = dict(self._epochs)
        _add(parse_lines(new[len(ended) :]).lines, unended)
        return [unended[number] for number in sorted(unended)]


def _inode_of(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _add(lines: Iterable[Line], epochs: dict[int, Epoch]) -> None:
    """Add the epochs of lines; of two with one number the later one counts."""
    for line in lines:
        epoch = _epoch(line)
        if not isinstance(epoch, str):
            epochs[epoch.number] = epoch


def read_all(path: Path) -> History:
    """Read every epoch that can be read, and name the lines that cannot."""
    content = read_lines(path)
    by_number: dict[int, Epoch] = {}
    faults = {fault.number: fault.what for fault in content.faults}
    for line in content.lines:
        epoch = _epoch(line)
        if isinstance(epoch, str):
            faults[line.number] = epoch
        elif by_number.setdefault(epoch.number, epoch) != epoch:
            faults[line.number] = f"epoch {epoch.number} a second time, with other metrics"
            by_number[epoch.number] = epoch
    named = [f"{path}:{number}: {faults[number]}" for number in sorted(faults)]
    return History([by_number[number] for number in sorted(by_number)], named)


def _epoch(line: Line) -> Epoch | str:
    """Read an epoch, or return what is wrong; values that only a later release knows are left out.

    Only a checksum distinguishes a diverged loss, or such a value, from damage.
    """
    others = dict(line.values)
    number = others.pop("epoch", None)
    if type(number) is not int or not 1 <= number <= MOST_EPOCHS:
        return f"expected an epoch's number, found {shortened(json.dumps(number), _EXCERPT)}"
    metrics = {name: value for name, value in others.items() if _is_metric(value)}
    for name, value in others.items():
        if not line.is_proven and not (name in metrics and math.isfinite(value)):
            found = shortened(json.dumps(value), _EXCERPT)
            return f"expected a number for {shortened(name, _EXCERPT)}, found {found}"
    return Epoch(number, metrics)


def _is_metric(value: object) -> bool:
    """Return whether a value fits into a float; NaN does: a diverging loss is NaN."""
    return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)
