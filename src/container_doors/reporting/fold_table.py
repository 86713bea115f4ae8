"""A row for each fold of a cross-validation, and the spread between them."""

from collections.abc import Sequence
from statistics import mean

from container_doors.core.measurements import CrossValidation

SCORES = ("AP50", "AP50-95", "recall", "precision")
FOLD_COLUMNS = ("Fold", "Photographs", "Doors", "Best epoch", *SCORES, "False alarms")
_ABSENT = "-"


def fold_rows(found: CrossValidation) -> list[Sequence[str]]:
    """Return the cells of each fold, then the folds' mean and standard deviation."""
    rows: list[Sequence[str]] = [
        [
            *map(str, (one.number, one.photographs, one.doors, one.best_epoch)),
            *(_score(one.scores[name].value if name in one.scores else None) for name in SCORES),
            str(one.false_alarms),
        ]
        for one in found.folds
    ]
    spreads = [found.spread.get(name) for name in SCORES]
    alarms = mean(one.false_alarms for one in found.folds)
    rows.append(
        [
            "mean",
            "",
            "",
            "",
            *(_score(one.mean if one else None) for one in spreads),
            f"{alarms:.1f}",
        ]
    )
    rows.append(
        ["deviation", "", "", "", *(_score(one.deviation if one else None) for one in spreads), ""]
    )
    return rows


def _score(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.3f}"
