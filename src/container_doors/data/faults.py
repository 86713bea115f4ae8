"""Faults: findings of one file, before the path in the report is known."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.core.printable import shortened
from container_doors.core.records import Finding

NOWHERE = "copy it here, or draw a sample: doors data sample --out DIR"
"""The remedy for a missing file that nothing here can replace."""

_LONGEST = 700
"""Characters of each part of a finding; enough for paths and commands."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A :class:`Finding` without its path and line; the fields mean the same."""

    rule: str
    expected: str
    found: str
    remedy: str
    severity: Literal["error", "warning"] = "error"
    dropped: bool = False

    def at(self, path: Path, line: int | None = None, *, other: Path | None = None) -> Finding:
        """Return the finding for this path and line, and for the other file of a pair."""
        return Finding(
            severity=self.severity,
            rule=self.rule,
            path=path,
            line=line,
            expected=shortened(self.expected, _LONGEST),
            found=shortened(self.found, _LONGEST),
            remedy=shortened(self.remedy, _LONGEST),
            dropped=self.dropped,
            other=other,
        )


def fetch_hint(dataset: Path) -> str:
    """Return how to fetch a data set with the pointer beside it; empty if there is none."""
    pointer = Path(f"{dataset}.dvc")
    return f"fetch it with: dvc pull {shlex.quote(str(pointer))}" if pointer.is_file() else ""


LineFault = tuple[int | None, Fault]
"""A fault with its line, if it has one; lines count from 1."""

_MOST_OF_A_KIND = 20
"""Without this limit, a file of another kind would give a finding for each of its lines."""


def fold(faults: Iterable[LineFault], path: Path) -> list[Finding]:
    """Return a finding for each line, at most twenty of a kind, then one with their number."""
    findings = []
    seen: dict[tuple[str, str, bool], int] = {}
    for line, fault in faults:
        kind = (fault.rule, fault.severity, fault.dropped)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= _MOST_OF_A_KIND:
            findings.append(fault.at(path, line))
    for (rule, severity, dropped), count in seen.items():
        if count > _MOST_OF_A_KIND:
            fault = Fault(
                rule,
                "no such line",
                f"{count - _MOST_OF_A_KIND} more lines like these",
                "correct them as well",
                severity="warning" if severity == "warning" else "error",
                dropped=dropped,
            )
            findings.append(fault.at(path))
    return findings
