"""Times confidence intervals against separate evaluations, and over the number of photographs.

    uv run python benchmarks/intervals.py
    uv run python benchmarks/intervals.py --curve

Both give 1,000 resampled AP50 and AP50-95 of the same detections. The alternative is the usual
code: it draws photographs and evaluates each draw with hotcoco, the fastest of COCO's evaluators;
it is timed on --draws of them and multiplied. Then a complete `evaluation.json` of as many
photographs is timed: every score, slice, false-alarm rate and kind of error, with intervals.

`--curve` times an interval and an evaluation of 500 to 20,000 photographs, in processor seconds,
with the ratio to proportional growth from the first. The interval is timed against the code that it
replaces as well: a matrix of photographs by detections, whose time grows with the square.
"""

import argparse
import sys
from time import perf_counter, process_time

import numpy as np

from container_doors.core.measurements import BoxXyxy, Photograph
from container_doors.evaluation.alarms import false_alarms
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.matched import match_photographs, precision_over_recall
from container_doors.evaluation.mistakes import mistakes
from container_doors.evaluation.ranking import Ranking
from container_doors.evaluation.resampling import REPLICATES, Weights, coco_ap_of, half_samples
from container_doors.evaluation.scores import all_scores, coco_ranking
from container_doors.evaluation.slices import slices
from container_doors.evaluation.spread import AP50_95, average_precision, resample

TARGET_S = 2.0
CURVE, CURVE_TARGET_S = (500, 1000, 2000, 4000, 10_000, 20_000), 60.0
MOST_IN_MATRIX = 4000
BACKGROUND_FRACTION, DETECTIONS = 0.1, 20


def draw_photographs(count: int, generator: np.random.Generator) -> list[Photograph]:
    """Draw random doors, the detections of a fair model, and false alarms of low confidence."""
    photographs = []
    for number in range(count):
        doors = 0 if generator.random() < BACKGROUND_FRACTION else int(generator.integers(1, 3))
        truth = [_box(generator, 150 + 400 * one) for one in range(doors)]
        found = [_move(generator, box) for box in truth if generator.random() < 0.96]
        alarms = [_box(generator, 20) for _ in range(DETECTIONS - len(found))]
        confidences = [float(generator.beta(8, 2)) for _ in found]
        confidences += [float(generator.beta(1, 12)) for _ in alarms]
        photographs.append(
            Photograph(
                image=f"images/test/{number}.jpg",
                width_px=1000,
                height_px=800,
                doors_xyxy=truth,
                scored_xyxy=found + alarms,
                scored_confidences=confidences,
                scored_is_door=["1" * 8 + "00"] * len(found) + ["0" * 10] * len(alarms),
                used_xyxy=found + alarms,
                used_confidences=confidences,
                duration_ms=50.0,
            )
        )
    return photographs


def _box(generator: np.random.Generator, left: float) -> BoxXyxy:
    x, y = left + generator.uniform(0, 50), generator.uniform(0, 300)
    return x, y, x + generator.uniform(100, 300), y + generator.uniform(150, 400)


def _move(generator: np.random.Generator, box: BoxXyxy) -> BoxXyxy:
    left, top, right, bottom = (edge + generator.normal(0, 6) for edge in box)
    return left, top, right, bottom


def one_by_one(photographs: list[Photograph], draws: int, generator: np.random.Generator) -> float:
    """Evaluate draws of the photographs, each as a separate data set; return the seconds."""
    began = perf_counter()
    for _ in range(draws):
        drawn = [
            photographs[at] for at in generator.integers(0, len(photographs), len(photographs))
        ]
        coco_ap(
            [one.doors_xyxy for one in drawn],
            [one.scored_xyxy for one in drawn],
            [one.scored_confidences for one in drawn],
        )
    return perf_counter() - began


def evaluate(photographs: list[Photograph]) -> None:
    """Derive all that an `evaluation.json` has of a split."""
    scenes = range(len(photographs))
    seen = match_photographs(photographs, scenes, conf_threshold=0.25)
    all_scores(seen)
    slices(seen, {one.image: {"light": one.image[-5]} for one in photographs}, target=0.9)
    false_alarms(photographs, scenes, conf_threshold=0.25)
    error_kinds(seen)
    mistakes(seen, conf_threshold=0.25)
    precision_over_recall(photographs)


def matrix_ap(ranking: Ranking, weights: Weights) -> None:
    """Compute the sums of all COCO curves as before: by a matrix of photographs by detections."""
    dense = weights.astype(np.float64)
    for row in ranking.is_door:
        at = np.flatnonzero(row)
        for positions, photograph in (
            (np.arange(at.size), ranking.photograph[at]),
            (at, ranking.photograph),
        ):
            step = np.searchsorted(positions, np.arange(photograph.size))
            inside = step < positions.size
            counts = np.zeros((weights.shape[1], positions.size))
            np.add.at(counts, (photograph[inside], step[inside]), 1)
            dense @ np.cumsum(counts, axis=1)


def curve() -> int:
    """Print the processor seconds over the number of photographs; fail above the target."""
    print("photographs, interval of AP50-95 in s, of linear, matrix, evaluation in s, of linear")
    first: tuple[float, float] | None = None
    whole_s = 0.0
    for count in CURVE:
        photographs = draw_photographs(count, np.random.default_rng(0))
        began = process_time()
        ranking = coco_ranking(photographs)
        resample(ranking, range(count), coco_ap_of)
        interval_s = process_time() - began
        before = "not run"
        if count <= MOST_IN_MATRIX:
            began = process_time()
            matrix_ap(ranking, half_samples(range(count)))
            before = f"{process_time() - began:.1f}"
        began = process_time()
        evaluate(photographs)
        whole_s = process_time() - began
        first = first or (interval_s / count, whole_s / count)
        ratios = interval_s / first[0] / count, whole_s / first[1] / count
        print(
            f"{count}, {interval_s:.2f}, {ratios[0]:.2f}, {before}, {whole_s:.1f}, {ratios[1]:.2f}"
        )
    return 0 if whole_s < CURVE_TARGET_S else 1


def main() -> int:
    """Time both in this run, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=500)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--curve", action="store_true", help="time 500 to 20,000 photographs")
    options = parser.parse_args()
    if options.curve:
        return curve()
    photographs = draw_photographs(options.photographs, np.random.default_rng(0))
    scenes = range(len(photographs))

    slow_s = one_by_one(photographs, options.draws, np.random.default_rng(1)) / options.draws
    began = perf_counter()
    ranking = coco_ranking(photographs)
    estimate = average_precision(ranking, scenes, coco_ap_of, iou_thresholds=AP50_95)
    ours_s = perf_counter() - began

    began = perf_counter()
    evaluate(photographs)
    whole_s = perf_counter() - began

    print(f"{options.photographs} photographs, {options.photographs * DETECTIONS} detections")
    print(f"AP50-95 {estimate}")
    print(f"{REPLICATES} one by one: {slow_s * REPLICATES:.1f} s (from {options.draws})")
    print(f"{REPLICATES} at once:    {ours_s:.2f} s")
    print(f"ratio: {slow_s * REPLICATES / ours_s:.0f} times as fast")
    print(f"the whole evaluation: {whole_s:.2f} s (target: {TARGET_S:g} s)")
    return 0 if whole_s < TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
