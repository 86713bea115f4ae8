"""The training curves as a table: one row per finished epoch, for a terminal or a pipe."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from container_doors.core.records import Epoch, RunRecord

ABSENT = "-"
"""The cell of a missing measurement; without spaces, so that awk counts it as a column."""

LEGEND = (
    "* best epoch by mAP50-95; precision and recall: at the best F1; box, cls and dfl: training; "
    "val_loss: their sum on validation"
)

_LOSSES = ("box_loss", "cls_loss", "dfl_loss")


@dataclass(frozen=True, slots=True)
class Row:
    """One epoch, in the order of :data:`COLUMNS`."""

    cells: tuple[str, ...]
    is_best: bool


def table(history: Sequence[Epoch], best_epoch: int | None) -> list[Row]:
    """Return a row for every epoch; the best one has a star after its number."""
    return [
        Row(
            (
                f"{epoch.number}{'*' * (epoch.number == best_epoch)}",
                *(_cell(epoch, *column) for column in _MEASURED.values()),
            ),
            epoch.number == best_epoch,
        )
        for epoch in history
    ]


def plain_lines(rows: Sequence[Row]) -> list[str]:
    """Return lines with right-aligned columns under their names, two spaces apart."""
    lines = [COLUMNS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]


def as_json(history: Sequence[Epoch], best_epoch: int | None) -> list[dict[str, Any]]:
    """Return all metrics of every epoch; nan is null, because JSON has no nan."""
    return [
        {
            "epoch": epoch.number,
            "is_best": epoch.number == best_epoch,
            **{
                name: value if math.isfinite(value) else None
                for name, value in epoch.metrics.items()
            },
        }
        for epoch in history
    ]


def headline(
    label: str, record: RunRecord, history: Sequence[Epoch], best_epoch: int | None
) -> str:
    """Return a sentence with the run's progress; the history has it before the record does."""
    asked = "an unknown number" if record.epochs_asked is None else record.epochs_asked
    best = "" if best_epoch is None else f", the best {best_epoch}"
    return (
        f"{label}: {record.status}, {len(history)} of {asked} epochs{best}, "
        f"on {record.hardware.description}"
    )


def _sum(epoch: Epoch, names: Sequence[str]) -> float | None:
    """Add up metrics; None if one of them is missing."""
    values = [epoch.metrics[name] for name in names if name in epoch.metrics]
    return sum(values) if len(values) == len(names) else None


def _score(value: float) -> str:
    return f"{value:.3f}"


def _significant(value: float) -> str:
    """Write four digits, or three for very large or small losses: at most eight characters."""
    four = f"{value:#.4g}".rstrip(".")
    return four if len(four) <= 8 else f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{value:.{int(value < 100)}f}"


_MEASURED: dict[str, tuple[tuple[str, ...], Callable[[float], str]]] = {
    "mAP50-95": (("val/mAP50-95",), _score),
    "mAP50": (("val/mAP50",), _score),
    "precision": (("val/precision",), _score),
    "recall": (("val/recall",), _score),
    **{name: ((f"train/{name}",), _significant) for name in _LOSSES},
    "val_loss": (tuple(f"val/{name}" for name in _LOSSES), _significant),
    "lr": (("lr/pg0",), lambda rate: f"{rate:#.3g}"),
    "seconds": (("perf/epoch_s",), _seconds),
}
"""By column: the metrics that it adds up, and the function that formats it."""

COLUMNS = ("epoch", *_MEASURED)


def _cell(epoch: Epoch, names: Sequence[str], format_value: Callable[[float], str]) -> str:
    value = _sum(epoch, names)
    return ABSENT if value is None else format_value(value)
