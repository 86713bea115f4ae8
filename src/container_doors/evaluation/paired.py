"""Compare two models on the same photographs: their paired differences."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate
from container_doors.evaluation.intervals import student_quantile
from container_doors.evaluation.matched import MatchedPhotograph, renumber
from container_doors.evaluation.mean_ratios import ratios
from container_doors.evaluation.ranking import Floats
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.scores import coco_ranking
from container_doors.evaluation.spread import AP50, AP50_95, Resampled, difference, resample
from container_doors.evaluation.trainings import TrainingVariance, training_variance, widen

_Trainings = Sequence[Sequence[MatchedPhotograph]]
"""The photographs, matched for each training, in the same order."""

FALSE_ALARMS = "false alarms"
"""Per photograph, over all photographs; fewer is better."""

_FEWEST_SCENES = 4
"""Scenes with a door; fewer are too few for a variance."""

_WIDENED = 1.15
"""Few false alarms in few scenes are skewed, so their variance is too small. On synthetic data at
least 95 % of the intervals contain the truth; 90 % with overdispersed alarms in few scenes."""


def differences(
    first: Sequence[MatchedPhotograph], second: Sequence[MatchedPhotograph]
) -> dict[str, Estimate]:
    """Estimate the differences, the second minus the first; an undefined one is absent.

    Args:
        first: The photographs, matched for one model.
        second: The same for the other, in the same order.

    Returns:
        ``AP50-95``, ``AP50``, ``recall``, ``precision`` and :data:`FALSE_ALARMS`; empty if fewer
        than four scenes have a door. The intervals are not adjusted for their number.
    """
    return mean_differences([first], [second])


def mean_differences(
    first: _Trainings, second: _Trainings, *, are_same_trainings: bool = False
) -> dict[str, Estimate]:
    """Estimate the differences of two ways of training, each the mean of several trainings.

    They are paired by scene. A training of one is no partner of one of the other, even by the same
    seed: the same random numbers do other things there. So the intervals contain the variance
    between the trainings of both.

    Args:
        first: The photographs, matched for each training of one, in the same order.
        second: The same for the other; it may have another number of trainings.
        are_same_trainings: Whether both have the same weights, in the same order, and differ in
            their use alone, such as the threshold. Then each training is its own partner.

    Returns:
        As :func:`differences`.
    """
    scenes = renumber([one.scene for one in first[0]])
    resampled = _resampled(first, scenes), _resampled(second, scenes)
    least = _least_deviation(first, second, scenes)
    estimates = {
        name: difference(*resampled, iou_thresholds=thresholds, least_deviation=least)
        for name, thresholds in (("AP50-95", AP50_95), ("AP50", AP50))
    }
    estimates["recall"] = _recall_difference(first, second, scenes, least, are_same_trainings)
    if estimates["recall"] is not None:
        estimates["precision"] = _precision_difference(first, second, scenes, are_same_trainings)
        estimates[FALSE_ALARMS] = _alarms_difference(first, second, scenes, are_same_trainings)
    return {name: one for name, one in estimates.items() if one is not None}


def count_alarms(matched: Sequence[MatchedPhotograph]) -> int:
    """Count the false alarms on all photographs, with a door or without."""
    return sum(len(one.alarms) for one in matched)


def mean_count(value: float) -> str:
    """Write a count, or the mean of several.

    >>> mean_count(12345), mean_count(29 / 3), mean_count(2.0)
    ('12345', '9.7', '2')
    """
    return str(round(value, 1)).removesuffix(".0")


def sentence(
    names: tuple[str, str], by: Mapping[str, Estimate], alarms: tuple[float, float]
) -> str:
    """Write in which metrics the second model is better or worse, and what is not proven.

    Args:
        names: Of both models.
        by: The result of :func:`differences`, or a part with a difference per photograph.
        alarms: The false alarms of each; of several trainings, their mean.

    >>> by = {"AP50-95": Estimate(value=0.03, low=0.01, high=0.05, n=75, of="photographs")}
    >>> sentence(("a", "b"), by, (2, 2))
    'b is better than a: AP50-95 higher by 0.030 (0.010 to 0.050), on the same 75 photographs'
    """
    first, second = names
    metrics = _without_repeated_ap50(by)
    proven = [name for name in metrics if by[name].low > 0 or by[name].high < 0]
    measured = [name for name in metrics if name not in proven and by[name].value]
    better, worse = _better_and_worse(by, proven)
    photographs = next(one.n for one in by.values() if one.of == "photographs")
    on = f", on the same {photographs} photographs"

    def phrases(members: Sequence[str]) -> str:
        return ", ".join(_phrase(name, by[name], alarms) for name in members)

    if better and worse:
        verdict = (
            f"{second} is better than {first} in some metrics and worse in others. "
            f"Better: {phrases(better)}. Worse: {phrases(worse)}{on}. The choice depends on the "
            "cost of a missed door and of a false alarm"
        )
    elif better or worse:
        than = "better" if better else "worse"
        verdict = f"{second} is {than} than {first}: {phrases(better or worse)}{on}"
    else:
        verdict = f"no difference between {first} and {second} is proven{on}"
    unproven = zip(("Better", "Worse"), _better_and_worse(by, measured), strict=True)
    as_measured = (
        f"{than} as measured, but not proven: {phrases(members)}"
        for than, members in unproven
        if members
    )
    return ". ".join([verdict, *as_measured])


def _without_repeated_ap50(by: Mapping[str, Estimate]) -> list[str]:
    """Leave out AP50 if AP50-95 has the same verdict."""

    def sign(name: str) -> int:
        return (by[name].low > 0) - (by[name].high < 0)

    same = {"AP50", "AP50-95"} <= by.keys() and sign("AP50") in {0, sign("AP50-95")}
    return [name for name in by if not (same and name == "AP50")]


def _better_and_worse(
    by: Mapping[str, Estimate], names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Split the metrics into those in which the second is better, and worse."""
    better = [name for name in names if (by[name].value > 0) != (name == FALSE_ALARMS)]
    return better, [name for name in names if name not in better]


def _phrase(name: str, by: Estimate, alarms: tuple[float, float]) -> str:
    low, high = (by.low, by.high) if by.value > 0 else (-by.high, -by.low)
    more = "higher" if by.value > 0 else "lower"
    amount = f"{abs(by.value):.3f} ({low:.3f} to {high:.3f})"
    if name != FALSE_ALARMS:
        return f"{name} {more} by {amount}"
    than = "more" if by.value > 0 else "fewer"
    one, other = map(mean_count, alarms)
    return f"{other} instead of {one} {FALSE_ALARMS}, {amount} {than} per photograph"


def _resampled(trainings: _Trainings, scenes: Sequence[int]) -> list[Resampled]:
    return [
        resample(coco_ranking([one.photograph for one in matched]), scenes, coco_ap_of)
        for matched in trainings
    ]


def _recall_difference(
    first: _Trainings,
    second: _Trainings,
    scenes: Sequence[int],
    least: float,
    are_same_trainings: bool,
) -> Estimate | None:
    """Use the variance between scenes, with ``least`` as the smallest standard deviation."""
    doors = _doors(first, scenes)
    count, many = int((doors > 0).sum()), int(doors.sum())
    if count < _FEWEST_SCENES:
        return None
    hits = _by_scene(first, scenes, _hits), _by_scene(second, scenes, _hits)
    net = hits[1].mean(axis=0) - hits[0].mean(axis=0)
    value = float(net.sum()) / many
    between = float(((net - value * doors) ** 2).sum()) / many**2 * count / (count - 1)
    deviation = max(math.sqrt(between), least)
    half = student_quantile(count - 1, CONFIDENCE_LEVEL) * deviation
    return widen(
        Estimate(
            value=value, low=max(-1, value - half), high=min(1, value + half), n=many, of="doors"
        ),
        _variances(hits, [np.broadcast_to(doors, one.shape) for one in hits], are_same_trainings),
        groups=count,
        least=-1.0,
        most=1.0,
    )


def _least_deviation(first: _Trainings, second: _Trainings, scenes: Sequence[int]) -> float:
    """Return Agresti and Min's deviation for pairs, above 0 even if all agree; a scene is a pair.

    https://doi.org/10.1002/sim.1781
    """
    doors = _doors(first, scenes)
    with_door = doors > 0
    net = _by_scene(second, scenes, _hits).mean(axis=0) - _by_scene(first, scenes, _hits).mean(
        axis=0
    )
    proportion = (net / np.maximum(doors, 1))[with_door]
    gained, lost, many = proportion.clip(0).sum(), (-proportion).clip(0).sum(), proportion.size
    return float(np.sqrt(gained + lost + 1 - (gained - lost) ** 2 / (many + 2)) / (many + 2))


def _precision_difference(
    first: _Trainings, second: _Trainings, scenes: Sequence[int], are_same_trainings: bool
) -> Estimate | None:
    """Use the linearised variance of both ratios between scenes, and that of one scene at least.

    Return None if a model detects something in fewer than four scenes.
    https://en.wikipedia.org/wiki/Ratio_estimator
    """
    right = [_by_scene(model, scenes, _hits) for model in (first, second)]
    wrong = [_by_scene(model, scenes, _alarms) for model in (first, second)]
    every = [hits + alarms for hits, alarms in zip(right, wrong, strict=True)]
    fewest = min(int((detected > 0).sum(axis=1).min()) for detected in every)
    if fewest < _FEWEST_SCENES:
        return None
    count = int((every[0].sum(axis=0) + every[1].sum(axis=0) > 0).sum())
    each = [
        hits.sum(axis=1) / detected.sum(axis=1) for hits, detected in zip(right, every, strict=True)
    ]
    value = float(each[1].mean() - each[0].mean())
    off = [
        ((hits - precision[:, None] * detected) / detected.sum(axis=1)[:, None]).mean(axis=0)
        for hits, detected, precision in zip(right, every, each, strict=True)
    ]
    between = _WIDENED**2 * float(((off[1] - off[0]) ** 2).sum()) * count / (count - 1)
    least = math.hypot(*(1 / (int((detected > 0).any(axis=0).sum()) + 2) for detected in every))
    deviation = max(math.sqrt(between), least)
    half = student_quantile(fewest - 1, CONFIDENCE_LEVEL) * deviation
    return widen(
        Estimate(
            value=value,
            low=max(-1.0, value - half),
            high=min(1.0, value + half),
            n=round(sum(float(detected.sum(axis=1).mean()) for detected in every)),
            of="detections of both",
        ),
        _variances(right, every, are_same_trainings),
        groups=fewest,
        least=-1.0,
        most=1.0,
    )


def _alarms_difference(
    first: _Trainings, second: _Trainings, scenes: Sequence[int], are_same_trainings: bool
) -> Estimate:
    """Use the variance between scenes, and at least that of as many Poisson events plus one."""
    photographs = np.bincount(scenes).astype(np.float64)
    many, count = int(photographs.sum()), photographs.size
    alarms = _by_scene(first, scenes, _alarms), _by_scene(second, scenes, _alarms)
    net = alarms[1].mean(axis=0) - alarms[0].mean(axis=0)
    value = float(net.sum()) / many
    off = net - value * photographs
    between = _WIDENED * math.sqrt(float((off**2).sum()) * count / (count - 1)) / many
    least = math.sqrt(float(np.abs(net).sum()) + 1) / many
    half = student_quantile(count - 1, CONFIDENCE_LEVEL) * max(between, least)
    return widen(
        Estimate(value=value, low=value - half, high=value + half, n=many, of="photographs"),
        _variances(
            alarms, [np.broadcast_to(photographs, one.shape) for one in alarms], are_same_trainings
        ),
        groups=count,
        least=-math.inf,
        most=math.inf,
    )


def _hits(one: MatchedPhotograph) -> int:
    return one.hits


def _alarms(one: MatchedPhotograph) -> int:
    return len(one.alarms)


def _doors(trainings: _Trainings, scenes: Sequence[int]) -> Floats:
    """Count the doors of each scene; they are the same for every training."""
    [doors] = _by_scene(trainings[:1], scenes, lambda one: len(one.found))
    return np.asarray(doors)


def _by_scene(
    trainings: _Trainings, scenes: Sequence[int], counted: Callable[[MatchedPhotograph], int]
) -> Floats:
    """Count something of each training in each scene: (N, scenes)."""
    return np.stack(
        [np.bincount(scenes, weights=[counted(one) for one in matched]) for matched in trainings]
    )


def _variances(
    counts: Sequence[Floats], totals: Sequence[Floats], are_same_trainings: bool
) -> list[TrainingVariance | None]:
    """Estimate the variance between trainings of two ratios, from both by scene: (N, scenes).

    Of the same trainings it is that of the differences.
    """
    groups = range(counts[0].shape[1])
    (its, its_halves), (others, other_halves) = (
        ratios(count, total, groups) for count, total in zip(counts, totals, strict=True)
    )
    if are_same_trainings:
        return [training_variance((others - its).tolist(), other_halves - its_halves, groups)]
    return [
        training_variance(its.tolist(), its_halves, groups),
        training_variance(others.tolist(), other_halves, groups),
    ]
