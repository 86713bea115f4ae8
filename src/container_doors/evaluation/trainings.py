"""The variance between trainings, and intervals that contain it beside that between scenes.

Trainings by other seeds, measured on the same scenes, are a layout of two random factors, like the
readers and the cases of a radiological study (Hillis, Statistics in Medicine 33, 2014,
https://doi.org/10.1002/sim.5926). The variance of the mean score over N trainings is::

    scenes + trainings / N + scenes x trainings / N

Resampling the scenes gives the first and the last; the variance of the N scores divided by N gives
the second and the last. So their sum has the last one twice, and it is taken off once. Student's
degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946), with the whole variance of the
scores, as Hillis has them: of two or three trainings little is known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import variance

import numpy as np
import numpy.typing as npt

from container_doors.core.measurements import Estimate
from container_doors.evaluation.intervals import student_quantile
from container_doors.evaluation.ranking import Floats


@dataclass(frozen=True, slots=True)
class TrainingVariance:
    """What the variance of a mean score has of its trainings."""

    of_mean: float
    """The variance of the scores, divided by their number."""
    beyond_scenes: float
    """The part of it that an interval over scenes does not have; at least 0."""
    degrees: int
    """Of freedom: the trainings, minus 1."""


def training_variance(
    scores: Sequence[float], halves: Floats, groups: Sequence[int]
) -> TrainingVariance | None:
    """Estimate how much of a mean score's variance is due to its trainings.

    Args:
        scores: (N,) One score of each training.
        halves: (N, B) The same of half of the scenes, drawn B times, the same for each training;
            nan if it is undefined.
        groups: One per photograph, numbered from 0; photographs of one scene have the same number.

    Returns:
        None for one training: nothing is known of others.
    """
    many = len(scores)
    if many == 1:
        return None
    of_mean = variance(scores) / many
    of_one, of_all = _scene_variances(np.asarray(scores), halves, groups)
    twice = max(0.0, of_one - of_all) / (many - 1)
    return TrainingVariance(of_mean, max(0.0, of_mean - twice), many - 1)


def widen(
    estimate: Estimate,
    trainings: Sequence[TrainingVariance | None],
    *,
    groups: int,
    least: float,
    most: float,
) -> Estimate:
    """Widen an interval over scenes by the variance between trainings; it is never narrowed.

    Each side is widened by itself, so an interval that is not symmetric stays so.

    Args:
        estimate: The mean over trainings, with its interval over scenes.
        trainings: The variance between the trainings of the mean; of a difference, that of both.
        groups: The scenes that the interval was estimated from.
        least: The lower bound of the score.
        most: Its upper bound.
    """
    known = [one for one in trainings if one is not None]
    if not known:
        return estimate
    below = _half_width(estimate.value - estimate.low, known, groups, estimate.level)
    above = _half_width(estimate.high - estimate.value, known, groups, estimate.level)
    low, high = estimate.value - below, estimate.value + above
    return estimate.model_copy(
        update={
            "low": min(estimate.low, max(least, low)),
            "high": max(estimate.high, min(most, high)),
        }
    )


def _half_width(
    over_scenes: float, trainings: Sequence[TrainingVariance], groups: int, level: float
) -> float:
    degrees = max(1, groups - 1)
    of_scenes = (over_scenes / student_quantile(degrees, level)) ** 2
    total = of_scenes + sum(one.beyond_scenes for one in trainings)
    if total == 0:
        return over_scenes
    parts = of_scenes**2 / degrees + sum(one.of_mean**2 / one.degrees for one in trainings)
    return student_quantile(total**2 / parts, level) * math.sqrt(total)


def _scene_variances(
    scores: npt.NDArray[np.float64], halves: Floats, groups: Sequence[int]
) -> tuple[float, float]:
    """Return the variance between scenes of one training's score, on average, and of the mean."""
    defined = halves[:, np.isfinite(halves).all(axis=0)]
    scenes = len(set(groups))
    if not defined.size or scenes < 2:
        return 0.0, 0.0
    drawn = scenes // 2
    scale = drawn / (scenes - drawn) * scenes / (scenes - 1)
    off = defined - scores[:, None]
    return (
        scale * float((off**2).mean()),
        scale * float((off.mean(axis=0) ** 2).mean()),
    )
