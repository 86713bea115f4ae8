"""How many 95 % intervals of simulated data sets contain the truth.

`uv run python -m tests.evaluation.simulations` prints the table for few scenes of docs/measured.md.
"""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from container_doors.core.measurements import Estimate
from container_doors.evaluation import intervals, spread
from container_doors.evaluation.resampling import coco_ap_of
from tests.evaluation.synthetic import synthetic_ranking, true_precisions

DATA_SETS = 1000
FEW = (2, 3, 4, 6)


class Coverage(NamedTuple):
    contain_truth: float
    """A fraction of the intervals."""
    width: float
    """The median."""


def simulate(
    draw: Callable[[np.random.Generator], Estimate | None], truth: float, seed: int
) -> Coverage:
    """Draw an estimate from each data set, and compare it with the truth."""
    generator = np.random.default_rng(seed)
    drawn = [one for one in (draw(generator) for _ in range(DATA_SETS)) if one is not None]
    return Coverage(
        sum(one.low <= truth <= one.high for one in drawn) / DATA_SETS,
        float(np.median([one.high - one.low for one in drawn])),
    )


def of_proportions(
    icc: float, truth: float, scenes: int, sizes: Sequence[int], *, seed: int = 2
) -> Coverage:
    """A fraction ``icc`` of the doors has the confidence of its scene, the others their own."""

    def draw(generator: np.random.Generator) -> Estimate | None:
        where = np.repeat(np.arange(scenes), generator.choice(sizes, size=scenes))
        of_scene, own = generator.random(scenes)[where], generator.random(where.size)
        confidence = np.where(generator.random(where.size) < icc, of_scene, own)
        return intervals.proportion(
            [int(one >= 1 - truth) for one in confidence],
            [1] * where.size,
            where.tolist(),
            of="doors",
            icc=intervals.intraclass_correlation(confidence.tolist(), where.tolist()),
        )

    return simulate(draw, truth, seed)


def of_rates(icc: float, truth: float, scene: Sequence[int], *, seed: int = 3) -> Coverage:
    """In a fraction ``icc`` of the scenes all photographs have the same number of false alarms.

    Args:
        icc: The fraction.
        truth: The false alarms per photograph.
        scene: One per photograph, counted from 0.
        seed: Of the random numbers.
    """
    of = np.asarray(scene)

    def draw(generator: np.random.Generator) -> Estimate | None:
        one, every = generator.poisson(truth, of.size), generator.poisson(truth, of.size)[of]
        counts = np.where(generator.random(of.size)[of] < icc, every, one)
        faint = generator.random(of.size)[of] * 0.5 * icc + generator.random(of.size) * 0.5
        highest = np.where(counts > 0, 0.5 + faint, faint)
        return intervals.rate(
            counts.tolist(),
            of.tolist(),
            of="photographs",
            icc=intervals.intraclass_correlation(highest.tolist(), of.tolist()),
        )

    return simulate(draw, truth, seed)


def of_average_precision(
    scenes: int, *, photographs_of_a_scene: int, iou_thresholds: slice
) -> Coverage:
    """Photographs of a scene are as different as any."""
    groups = [one // photographs_of_a_scene for one in range(scenes * photographs_of_a_scene)]

    def draw(generator: np.random.Generator) -> Estimate | None:
        ranking = synthetic_ranking(len(groups), generator)
        return spread.average_precision(
            ranking, groups, coco_ap_of, iou_thresholds=iou_thresholds
        )  # fmt: skip

    return simulate(draw, float(true_precisions()[iou_thresholds].mean()), 1)


def main() -> None:
    """Print a line for each kind of data set; a cell is the coverage and the median width."""
    sys.stdout.write(f"scenes | {' | '.join(map(str, FEW))}\n")
    for icc in (0.0, 0.3, 0.6, 1.0):
        for truth in (0.9, 0.7):
            _print_line(f"recall {truth}, icc {icc}", [
                of_proportions(icc, truth, scenes, (10,)) for scenes in FEW
            ])  # fmt: skip
    for icc in (0.0, 0.5):
        _print_line(f"0.3 false alarms, icc {icc}", [
            of_rates(icc, 0.3, [one // 10 for one in range(10 * scenes)]) for scenes in FEW
        ])  # fmt: skip
    for name, which in (("AP50", slice(0, 1)), ("AP50-95", slice(None))):
        _print_line(name, [
            of_average_precision(scenes, photographs_of_a_scene=5, iou_thresholds=which)
            for scenes in FEW
        ])  # fmt: skip


def _print_line(name: str, cells: Sequence[Coverage]) -> None:
    shown = [f"{100 * one.contain_truth:.1f} %, {one.width:.2f}" for one in cells]
    sys.stdout.write(" | ".join([name, *shown]) + "\n")


if __name__ == "__main__":
    main()
