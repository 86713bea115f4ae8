"""The epochs of ``metrics.jsonl``: one line per finished epoch, each once and in order."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.lines import Line, read_lines
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
