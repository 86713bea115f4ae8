"""Time the intervals of 500 photographs: against scoring 1,000 copies of the data one by one.

    uv run python benchmarks/intervals.py

Both give 1,000 resampled AP50 and AP50-95 of the same detections. The alternative, which is what
one would write, draws photographs and asks hotcoco, itself the fastest of COCO's evaluators, about
each draw; it is timed on --draws of them and multiplied. Then a whole `evaluation.json` of as many
photographs is timed: every score, slice, false-alarm rate and kind of error, with intervals.
"""

import argparse
import sys
from time import perf_counter

import numpy as np

from container_doors.core.measurements import BoxXyxy, Photograph
from container_doors.evaluation.alarms import false_alarms
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.matched import match_photographs
from container_doors.evaluation.resampling import REPLICATES, coco_ap_of
from container_doors.evaluation.scores import all_scores, coco_ranking
from container_doors.evaluation.slices import slices
from container_doors.evaluation.spread import AP50_95, average_precision

PROMISED_S = 2.0
BACKGROUND_SHARE, DETECTIONS = 0.1, 20


def imagined(photographs: int, generator: np.random.Generator) -> list[Photograph]:
    """Draw doors, what a fair model says of them, and faint false alarms beside."""
    made = []
    for number in range(photographs):
        doors = 0 if generator.random() < BACKGROUND_SHARE else int(generator.integers(1, 3))
        truth = [_box(generator, 150 + 400 * one) for one in range(doors)]
        found = [_moved(generator, box) for box in truth if generator.random() < 0.96]
        alarms = [_box(generator, 20) for _ in range(DETECTIONS - len(found))]
        confidences = [float(generator.beta(8, 2)) for _ in found]
        confidences += [float(generator.beta(1, 12)) for _ in alarms]
        made.append(
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
    return made


def _box(generator: np.random.Generator, left: float) -> BoxXyxy:
    x, y = left + generator.uniform(0, 50), generator.uniform(0, 300)
    return x, y, x + generator.uniform(100, 300), y + generator.uniform(150, 400)


def _moved(generator: np.random.Generator, box: BoxXyxy) -> BoxXyxy:
    left, top, right, bottom = (edge + generator.normal(0, 6) for edge in box)
    return left, top, right, bottom


def one_by_one(photographs: list[Photograph], draws: int, generator: np.random.Generator) -> float:
    """Score draws of the photographs, each as a data set of its own; returns seconds."""
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


def main() -> int:
    """Time both in this run, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=500)
    parser.add_argument("--draws", type=int, default=20)
    asked = parser.parse_args()
    photographs = imagined(asked.photographs, np.random.default_rng(0))
    scenes = range(len(photographs))

    slow_s = one_by_one(photographs, asked.draws, np.random.default_rng(1)) / asked.draws
    began = perf_counter()
    ranking = coco_ranking(photographs)
    estimate = average_precision(ranking, scenes, coco_ap_of, iou_thresholds=AP50_95)
    ours_s = perf_counter() - began

    began = perf_counter()
    seen = match_photographs(photographs, scenes, conf_threshold=0.25)
    all_scores(seen)
    slices(seen, {one.image: {"light": one.image[-5]} for one in photographs}, target=0.9)
    false_alarms(photographs, scenes, conf_threshold=0.25)
    error_kinds(seen)
    whole_s = perf_counter() - began

    print(f"{asked.photographs} photographs, {asked.photographs * DETECTIONS} detections")
    print(f"AP50-95 {estimate}")
    print(f"{REPLICATES} one by one: {slow_s * REPLICATES:.1f} s (from {asked.draws})")
    print(f"{REPLICATES} at once:    {ours_s:.2f} s")
    print(f"ratio: {slow_s * REPLICATES / ours_s:.0f} times as fast")
    print(f"the whole evaluation: {whole_s:.2f} s (promised: {PROMISED_S:g} s)")
    return 0 if whole_s < PROMISED_S else 1


if __name__ == "__main__":
    sys.exit(main())
