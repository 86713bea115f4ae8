"""Whether one of two models is better, measured on the same photographs."""

import math
from collections.abc import Sequence

import numpy as np

from container_doors.evaluation.intervals import student_quantile
from container_doors.evaluation.outcome import Outcome, renumbered
from container_doors.evaluation.ranking import Ranking
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.scores import coco_ranking
from container_doors.evaluation.spread import AP50, AP50_95, difference
from container_doors.measurements import CONFIDENCE_LEVEL, Estimate

_FEWEST_SCENES = 4
"""With a door; fewer are too few to have a variance."""


def differences(first: Sequence[Outcome], second: Sequence[Outcome]) -> dict[str, Estimate]:
    """Estimate by how much the second is better; what is undefined is absent.

    Args:
        first: What became of each photograph by one model.
        second: By the other, in the same order.

    Returns:
        ``AP50-95``, ``AP50`` and ``recall``; nothing if doors are in fewer than four scenes.
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
    return {name: one for name, one in estimates.items() if one is not None}


def sentence(names: tuple[str, str], by: Estimate, metric: str) -> str:
    """Say which is better, or that it cannot be told.

    >>> by = Estimate(value=0.03, low=0.01, high=0.05, n=75, of="photographs")
    >>> sentence(("a", "b"), by, "AP50-95")
    'b is better than a: AP50-95 higher by 0.030 (0.010 to 0.050), on the same 75 photographs'
    """
    how = f"{abs(by.value):.3f}"
    on = f"on the same {by.n} {by.of}"
    if by.low > 0:
        return f"{names[1]} is better than {names[0]}: {metric} higher by {how} " + (
            f"({by.low:.3f} to {by.high:.3f}), {on}"
        )
    if by.high < 0:
        return f"{names[0]} is better than {names[1]}: {metric} higher by {how} " + (
            f"({-by.high:.3f} to {-by.low:.3f}), {on}"
        )
    return (
        f"it cannot be told which is better: {metric} of {names[1]} differs by {by.value:+.3f} "
        f"({by.low:+.3f} to {by.high:+.3f}), {on}"
    )


def _ranking(seen: Sequence[Outcome]) -> Ranking:
    return coco_ranking([one.photograph for one in seen])


def _recall_difference(
    first: Sequence[Outcome], second: Sequence[Outcome], scenes: Sequence[int], least: float
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
    first: Sequence[Outcome], second: Sequence[Outcome], scenes: Sequence[int]
) -> float:
    """Agresti and Min's for pairs, which is above 0 where all agree; each scene is a pair.

    https://doi.org/10.1002/sim.1781
    """
    doors = np.bincount(scenes, weights=[len(one.found) for one in first])
    with_door = doors > 0
    net = [other.hits - one.hits for one, other in zip(first, second, strict=True)]
    share = (np.bincount(scenes, weights=net) / np.maximum(doors, 1))[with_door]
    gained, lost, many = share.clip(0).sum(), (-share).clip(0).sum(), share.size
    return math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / (many + 2)) / (many + 2)
