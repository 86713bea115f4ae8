"""The folds of a cross-validation together: the spread between them, and pooled robustness."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from container_doors.core.measurements import (
    CONFIDENCE_LEVEL,
    FOLDS,
    Estimate,
    Robustness,
    SeedSpread,
    SeverityScores,
    Spread,
    wilson,
)
from container_doors.evaluation.intervals import student_quantile
from container_doors.evaluation.robustness import (
    corruption_result,
    mean_ap50,
    retention,
    unseen_retention,
)


def spread(folds: Sequence[Sequence[Mapping[str, Estimate]]]) -> dict[str, Spread]:
    """Return the spread of each score between folds; a score that no fold has is absent.

    Args:
        folds: Of each fold, the scores of each of its trainings. Their mean is the fold's.

    >>> one, other = (Estimate(value=v, low=0, high=1, n=9, of="doors") for v in (0.5, 0.75))
    >>> found = spread([[{"recall": one}], [{"recall": other}], [{}]])["recall"]
    >>> found.folds, found.mean, round(found.deviation, 3)
    (2, 0.625, 0.177)
    """
    of_folds = [
        {name: mean(values) for name, values in _by_name(map(_values, trainings)).items()}
        for trainings in folds
    ]
    return {
        name: Spread(folds=len(values), **_spread(values))
        for name, values in _by_name(of_folds).items()
    }


def spread_between_seeds(seeds: Sequence[Mapping[str, Estimate]]) -> dict[str, SeedSpread]:
    """Return the spread of each pooled score between seeds; a score that no seed has is absent."""
    return {
        name: SeedSpread(seeds=len(values), **_spread(values))
        for name, values in _by_name(map(_values, seeds)).items()
    }


def _values(scores: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: one.value for name, one in scores.items()}


def _by_name(scores: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in scores:
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return found


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "mean": mean(values),
        "deviation": stdev(values) if len(values) > 1 else None,
        "lowest": min(values),
        "highest": max(values),
    }


def pooled_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """Pool one score of several folds, weighted by their sample sizes.

    The interval is by fold: Student's, of the ratio's variance between folds, and never narrower
    than Wilson's for as many independent samples.

    Args:
        estimates: One of each fold, in [0, 1], of the same name.
    """
    total = sum(one.n for one in estimates)
    value = sum(one.n * one.value for one in estimates) / total
    low, high = wilson(value * total, total)
    many = len(estimates)
    if many > 1:
        off = sum((one.n * (one.value - value)) ** 2 for one in estimates)
        deviation = math.sqrt(off * many / (many - 1)) / total
        half = student_quantile(many - 1, CONFIDENCE_LEVEL) * deviation
        low, high = min(low, max(0.0, value - half)), max(high, min(1.0, value + half))
    return Estimate(value=value, low=low, high=high, n=total, of=estimates[0].of)


def pooled_robustness(folds: Sequence[Robustness], *, files_sha256: str) -> Robustness | None:
    """Pool what the folds have measured; None if they differ in threshold, corruptions, severities.

    Args:
        folds: One of each fold.
        files_sha256: Of all photographs and labels.
    """
    first, *others = folds
    if any(_measured_at(one) != _measured_at(first) for one in others):
        return None
    clean = _pooled([one.clean for one in folds])
    ladders = [
        corruption_result(
            one.name,
            [
                _pooled(steps)
                for steps in zip(*(_steps(fold, one.name) for fold in folds), strict=True)
            ],
            clean=clean,
            target=first.recall_target,
            is_trained_on=one.is_trained_on,
        )
        for one in first.ladders
    ]
    return Robustness(
        files_sha256=files_sha256,
        attributes_sha256=None,
        split=FOLDS,
        photographs=sum(one.photographs for one in folds),
        doors=sum(one.doors for one in folds),
        conf_threshold=first.conf_threshold,
        recall_target=first.recall_target,
        clean=clean,
        ladders=ladders,
        mean_ap50=None if first.not_measured else mean_ap50(ladders),
        retention=None if first.not_measured else retention(clean, ladders),
        unseen_retention=None if first.not_measured else unseen_retention(clean, ladders),
        not_measured=first.not_measured,
        looks=None,
    )


def _measured_at(one: Robustness) -> object:
    steps = [
        (each.name, each.is_trained_on, [step.severity for step in each.steps])
        for each in one.ladders
    ]
    return one.conf_threshold, one.recall_target, steps


def _steps(fold: Robustness, name: str) -> Sequence[SeverityScores]:
    return next(one.steps for one in fold.ladders if one.name == name)


def _pooled(steps: Sequence[SeverityScores]) -> SeverityScores:
    def pool(score: Callable[[SeverityScores], Estimate | None]) -> Estimate | None:
        found = [one for one in map(score, steps) if one is not None]
        return pooled_estimate(found) if found else None

    return SeverityScores(
        severity=steps[0].severity,
        ap50=pool(lambda step: step.ap50),
        recall=pool(lambda step: step.recall),
    )
