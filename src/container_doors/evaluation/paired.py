"""Whether one of two models is better, measured on the same photographs."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate
from container_doors.evaluation.intervals import student_quantile
from container_doors.evaluation.matched import MatchedPhotograph, renumbered
from container_doors.evaluation.ranking import Ranking
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.scores import coco_ranking
from container_doors.evaluation.spread import AP50, AP50_95, difference

FALSE_ALARMS = "false alarms"
"""Of all photographs, a photograph; the fewer, the better."""

_FEWEST_SCENES = 4
"""With a door; fewer are too few to have a variance."""

_WIDENED = 1.15
"""Few false alarms in few scenes are skewed, so that a variance understates them: of synthetic data
of known truth 95 % of the intervals or more hold it, of crowds in few scenes 90 %."""


def differences(
    first: Sequence[MatchedPhotograph], second: Sequence[MatchedPhotograph]
) -> dict[str, Estimate]:
    """Estimate by how much the second differs; what is undefined is absent.

    Args:
        first: What became of each photograph by one model.
        second: By the other, in the same order.

    Returns:
        ``AP50-95``, ``AP50``, ``recall``, ``precision`` and :data:`FALSE_ALARMS`; nothing if doors
        are in fewer than four scenes. Each interval stands by itself.
    """
    scenes = renumbered([one.scene for one in first])
    rankings = _ranking(first), _ranking(second)
    least = _least_deviation(first, second, scenes)
    estimates = {
        name: difference(
            *rankings,
            scenes,
            coco_ap_of,
            iou_thresholds=thresholds,
            least_deviation=least,
        )
        for name, thresholds in (("AP50-95", AP50_95), ("AP50", AP50))
    }
    estimates["recall"] = _recall_difference(first, second, scenes, least)
    if estimates["recall"] is not None:
        estimates["precision"] = _precision_difference(first, second, scenes)
        estimates[FALSE_ALARMS] = _alarms_difference(first, second, scenes)
    return {name: one for name, one in estimates.items() if one is not None}


def alarms_of(seen: Sequence[MatchedPhotograph]) -> int:
    """Count the false alarms on all photographs, those with a door too."""
    return sum(len(one.alarms) for one in seen)


def sentence(names: tuple[str, str], by: Mapping[str, Estimate], alarms: tuple[int, int]) -> str:
    """Say in which sense the second is better and in which worse, and what cannot be told.

    Args:
        names: Of both models.
        by: What :func:`differences` says.
        alarms: How many false alarms each raises.

    >>> by = {"AP50-95": Estimate(value=0.03, low=0.01, high=0.05, n=75, of="photographs")}
    >>> sentence(("a", "b"), by, (2, 2))
    'b is better than a: AP50-95 higher by 0.030 (0.010 to 0.050), on the same 75 photographs'
    """
    first, second = names
    told = _without_the_same_twice(by)
    proven = [name for name in told if by[name].low > 0 or by[name].high < 0]
    measured = [name for name in told if name not in proven and by[name].value]
    better, worse = _by_sense(by, proven)
    on = f", on the same {next(iter(by.values())).n} photographs"

    def listed(members: Sequence[str]) -> str:
        return ", ".join(_how(name, by[name], alarms) for name in members)

    if better and worse:
        verdict = (
            f"{second} is better than {first} in one sense and worse in another. "
            f"Better: {listed(better)}. Worse: {listed(worse)}{on}. What a missed door and a false "
            "alarm cost decides between them"
        )
    elif better or worse:
        than = "better" if better else "worse"
        verdict = f"{second} is {than} than {first}: {listed(better or worse)}{on}"
    else:
        verdict = f"it cannot be told whether {second} is better than {first}{on}"
    senses = zip(("better", "worse"), _by_sense(by, measured), strict=True)
    tail = "; ".join(f"{sense}: {listed(members)}" for sense, members in senses if members)
    return f"{verdict}. As measured, and no more than that, {tail}" if tail else verdict


def _without_the_same_twice(by: Mapping[str, Estimate]) -> list[str]:
    """Leave out AP50 where AP50-95 says the same."""

    def sign(name: str) -> int:
        return (by[name].low > 0) - (by[name].high < 0)

    same = {"AP50", "AP50-95"} <= by.keys() and sign("AP50") in {0, sign("AP50-95")}
    return [name for name in by if not (same and name == "AP50")]


def _by_sense(by: Mapping[str, Estimate], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell those by which the second is better from those by which it is worse."""
    better = [name for name in names if (by[name].value > 0) != (name == FALSE_ALARMS)]
    return better, [name for name in names if name not in better]


def _how(name: str, by: Estimate, alarms: tuple[int, int]) -> str:
    low, high = (by.low, by.high) if by.value > 0 else (-by.high, -by.low)
    more = "higher" if by.value > 0 else "lower"
    how = f"{abs(by.value):.3f} ({low:.3f} to {high:.3f})"
    if name != FALSE_ALARMS:
        return f"{name} {more} by {how}"
    than = "more" if by.value > 0 else "fewer"
    return f"{FALSE_ALARMS}: {alarms[1]} and not {alarms[0]}, {how} {than} a photograph"


def _ranking(seen: Sequence[MatchedPhotograph]) -> Ranking:
    return coco_ranking([one.photograph for one in seen])


def _recall_difference(
    first: Sequence[MatchedPhotograph],
    second: Sequence[MatchedPhotograph],
    scenes: Sequence[int],
    least: float,
) -> Estimate | None:
    """By the variance between scenes, and at least what scenes that agree leave open."""
    doors = np.bincount(scenes, weights=[len(one.found) for one in first])
    count, many = int((doors > 0).sum()), int(doors.sum())
    if count < _FEWEST_SCENES:
        return None
    net = [other.hits - one.hits for one, other in zip(first, second, strict=True)]
    by_scene = np.bincount(scenes, weights=net)
    value = float(by_scene.sum()) / many
    between = float(((by_scene - value * doors) ** 2).sum()) / many**2 * count / (count - 1)
    deviation = max(math.sqrt(between), least)
    half = student_quantile(count - 1, CONFIDENCE_LEVEL) * deviation
    return Estimate(
        value=value, low=max(-1, value - half), high=min(1, value + half), n=many, of="doors"
    )


def _least_deviation(
    first: Sequence[MatchedPhotograph], second: Sequence[MatchedPhotograph], scenes: Sequence[int]
) -> float:
    """Agresti and Min's for pairs, which is above 0 where all agree; each scene is a pair.

    https://doi.org/10.1002/sim.1781
    """
    doors = np.bincount(scenes, weights=[len(one.found) for one in first])
    with_door = doors > 0
    net = [other.hits - one.hits for one, other in zip(first, second, strict=True)]
    proportion = (np.bincount(scenes, weights=net) / np.maximum(doors, 1))[with_door]
    gained, lost, many = proportion.clip(0).sum(), (-proportion).clip(0).sum(), proportion.size
    return math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / (many + 2)) / (many + 2)


def _precision_difference(
    first: Sequence[MatchedPhotograph], second: Sequence[MatchedPhotograph], scenes: Sequence[int]
) -> Estimate | None:
    """By the variance between scenes of both ratios, linearized; at least one scene's either way.

    None where a model detects something in fewer than four scenes. https://en.wikipedia.org/wiki/Ratio_estimator
    """
    right = [np.bincount(scenes, weights=[one.hits for one in seen]) for seen in (first, second)]
    wrong = [
        np.bincount(scenes, weights=[len(one.alarms) for one in seen]) for seen in (first, second)
    ]
    every = [hits + alarms for hits, alarms in zip(right, wrong, strict=True)]
    fewest = min(int((detected > 0).sum()) for detected in every)
    if fewest < _FEWEST_SCENES:
        return None
    count = int((every[0] + every[1] > 0).sum())
    whole = [
        float(hits.sum() / detected.sum()) for hits, detected in zip(right, every, strict=True)
    ]
    value = whole[1] - whole[0]
    off = [
        (hits - precision * detected) / detected.sum()
        for hits, detected, precision in zip(right, every, whole, strict=True)
    ]
    between = _WIDENED**2 * float(((off[1] - off[0]) ** 2).sum()) * count / (count - 1)
    least = math.hypot(*(1 / (int((detected > 0).sum()) + 2) for detected in every))
    deviation = max(math.sqrt(between), least)
    half = student_quantile(fewest - 1, CONFIDENCE_LEVEL) * deviation
    return Estimate(
        value=value,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        n=int(sum(detected.sum() for detected in every)),
        of="detections of both",
    )


def _alarms_difference(
    first: Sequence[MatchedPhotograph], second: Sequence[MatchedPhotograph], scenes: Sequence[int]
) -> Estimate:
    """By the variance between scenes, and at least that of as many single events, and one more."""
    many, count = len(first), max(scenes) + 1
    net = [len(other.alarms) - len(one.alarms) for one, other in zip(first, second, strict=True)]
    by_scene = np.bincount(scenes, weights=net)
    value = float(by_scene.sum()) / many
    off = by_scene - value * np.bincount(scenes)
    between = _WIDENED * math.sqrt(float((off**2).sum()) * count / (count - 1)) / many
    least = math.sqrt(float(np.abs(by_scene).sum()) + 1) / many
    half = student_quantile(count - 1, CONFIDENCE_LEVEL) * max(between, least)
    return Estimate(value=value, low=value - half, high=value + half, n=many, of="photographs")
