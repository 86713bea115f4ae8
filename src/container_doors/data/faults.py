"""What is wrong with one file, before it is known under which path the file is reported."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.core.parsing import shortened
from container_doors.core.records import Finding

NOWHERE = "copy it here, or draw a sample: doors data sample --out DIR"
"""What to do about a file that a data set should have, and that nothing here names."""

_LONGEST = 700
"""Characters of each part of a finding; paths and commands fit in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A :class:`Finding` without its place; the fields mean the same."""

    rule: str
    expected: str
    found: str
    remedy: str
    severity: Literal["error", "warning"] = "error"
    dropped: bool = False

    def at(self, path: Path, line: int | None = None) -> Finding:
        """Say where the fault is."""
        return Finding(
            severity=self.severity,
            rule=self.rule,
            path=path,
            line=line,
            expected=shortened(self.expected, _LONGEST),
            found=shortened(self.found, _LONGEST),
            remedy=shortened(self.remedy, _LONGEST),
            dropped=self.dropped,
        )


def fetched(dataset: Path) -> str:
    """Say how to fetch a data set by the pointer beside it; empty where there is none."""
    pointer = Path(f"{dataset}.dvc")
    return f"fetch it with: dvc pull {shlex.quote(str(pointer))}" if pointer.is_file() else ""


Placed = tuple[int | None, Fault]
"""A fault, and its line if it has one; lines count from 1."""

_MOST_OF_A_KIND = 20
"""A file that holds something else would otherwise give a finding for each of its lines."""


def fold(found: Iterable[Placed], path: Path) -> list[Finding]:
    """Name each line of a file, up to the twentieth of a kind, and then how many more there are."""
    findings = []
    seen: dict[tuple[str, str, bool], int] = {}
    for line, fault in found:
        kind = (fault.rule, fault.severity, fault.dropped)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= _MOST_OF_A_KIND:
            findings.append(fault.at(path, line))
    for (rule, severity, dropped), count in seen.items():
        if count > _MOST_OF_A_KIND:
            fault = Fault(
                rule,
                "the same of every line",
                f"{count - _MOST_OF_A_KIND} more lines like these",
                "correct them as well",
                severity="warning" if severity == "warning" else "error",
                dropped=dropped,
            )
            findings.append(fault.at(path))
    return findings
