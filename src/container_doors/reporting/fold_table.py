"""Rows for each fold and each seed of a cross-validation, and the spread between them."""

from collections.abc import Mapping, Sequence
from statistics import mean

from container_doors.core.measurements import CrossValidation, SeedSpread, Spread

SCORES = ("AP50", "AP50-95", "recall", "precision")
SEED_COLUMNS = ("Seed", *SCORES, "False alarms")
_ABSENT = "-"


def fold_columns(found: CrossValidation) -> list[str]:
    """Return the names of the columns of :func:`fold_rows`."""
    seed = ["Seed"] if found.seeds else []
    return ["Fold", *seed, "Photographs", "Doors", "Best epoch", *SCORES, "False alarms"]


def fold_rows(found: CrossValidation) -> list[Sequence[str]]:
    """Return the cells of each training of a fold, then the folds' mean and standard deviation."""
    rows: list[Sequence[str]] = [
        [
            str(one.number),
            *([str(one.seed)] if found.seeds else []),
            *map(str, (one.photographs, one.doors, one.best_epoch)),
            *(_score(one.scores[name].value if name in one.scores else None) for name in SCORES),
            str(one.false_alarms),
        ]
        for one in found.folds
    ]
    before = [""] * (len(fold_columns(found)) - len(SCORES) - 2)
    alarms = mean(one.false_alarms for one in found.folds)
    means, deviations = _spread_cells(found.spread)
    rows.append(["mean", *before, *means, f"{alarms:.1f}"])
    rows.append(["deviation", *before, *deviations, ""])
    return rows


def seed_rows(found: CrossValidation) -> list[Sequence[str]]:
    """Return the cells of each seed, pooled over all folds, then the seeds' mean and spread."""
    rows: list[Sequence[str]] = [
        [
            str(one.seed),
            *(_score(one.scores[name].value if name in one.scores else None) for name in SCORES),
            str(one.false_alarms),
        ]
        for one in found.seeds
    ]
    if not rows:
        return []
    alarms = [one.false_alarms for one in found.seeds]
    means, deviations = _spread_cells(found.between_seeds)
    spreads = [found.between_seeds.get(name) for name in SCORES]
    return [
        *rows,
        ["mean", *means, f"{mean(alarms):.1f}"],
        ["deviation", *deviations, ""],
        ["lowest", *(_score(one.lowest if one else None) for one in spreads), str(min(alarms))],
        ["highest", *(_score(one.highest if one else None) for one in spreads), str(max(alarms))],
    ]


def _spread_cells(
    spread: Mapping[str, Spread] | Mapping[str, SeedSpread],
) -> tuple[list[str], list[str]]:
    spreads = [spread.get(name) for name in SCORES]
    return (
        [_score(one.mean if one else None) for one in spreads],
        [_score(one.deviation if one else None) for one in spreads],
    )


def _score(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.3f}"
