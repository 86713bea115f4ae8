"""What is wrong with one file, before it is known under which path the file is reported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.records import Finding

PULL = "fetch it with: dvc pull data/processed/detection.dvc"
"""What to do about a file that a data set should have and has not."""


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
            expected=self.expected,
            found=self.found,
            remedy=self.remedy,
            dropped=self.dropped,
        )
