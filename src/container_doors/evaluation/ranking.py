"""Rank a split's detections by confidence, and mark at which IoU thresholds each matches a door.

The matching is COCO's, by hotcoco; the tests check that it equals pycocotools. Resampling, slices
and comparisons all use this ranking, so that nothing is matched twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from container_doors.core.measurements import Photograph
from container_doors.evaluation.coco_ap import ground_truth, results
from container_doors.evaluation.matching import BoxXyxy

IOU_THRESHOLDS = np.linspace(0.50, 0.95, 10)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """D detections of I photographs, the most confident first."""

    photograph: Integers
    """(D,) The photograph of each detection, counted from 0."""
    confidence: Floats
    """(D,) Of each detection."""
    is_door: Booleans
    """(10, D) Whether it matches a door, at each of :data:`IOU_THRESHOLDS`."""
    doors: Integers
    """(I,) The number of doors of each photograph."""

    def at(self, iou_thresholds: slice) -> "Ranking":
        """Return the ranking at some of the IoU thresholds alone."""
        return replace(self, is_door=self.is_door[iou_thresholds])

    def of(self, photographs: Sequence[int]) -> "Ranking":
        """Return the ranking of a part of the photographs, named by their numbers, in order."""
        number = np.full(self.doors.size, -1)
        number[photographs] = np.arange(len(photographs))
        is_in = number[self.photograph] >= 0
        return Ranking(
            number[self.photograph[is_in]],
            self.confidence[is_in],
            self.is_door[:, is_in],
            self.doors[photographs],
        )


def rank(
    doors: Sequence[Sequence[BoxXyxy]],
    detections: Sequence[Sequence[BoxXyxy]],
    confidences: Sequence[Sequence[float]],
) -> Ranking:
    """Match and sort detections, one inner sequence per photograph, its 100 most confident ones.

    Equal confidences keep the order of the photographs, as in pycocotools.
    """
    counts = np.array([len(boxes) for boxes in doors], dtype=np.int64)
    matched = _match(doors, detections, confidences) if any(detections) else {}
    where, scores, found = [], [], []
    for image, (image_scores, image_found) in sorted(matched.items()):
        where += [image] * len(image_scores)
        scores += image_scores
        found.append(image_found)
    confidence = np.array(scores, dtype=np.float64)
    order = np.argsort(-confidence, kind="mergesort")
    is_door = np.concatenate(found, axis=1) if found else np.zeros((10, 0), dtype=bool)
    return Ranking(
        np.array(where, dtype=np.int64)[order], confidence[order], is_door[:, order], counts
    )


def rank_as_matched(photographs: Sequence[Photograph]) -> Ranking | None:
    """Sort the evaluator's own matches; None if it does not report them.

    Equal confidences keep the order of the photographs.
    """
    matched = [row for one in photographs for row in one.scored_is_door or ()]
    if any(one.scored_is_door is None for one in photographs):
        return None
    where = [number for number, one in enumerate(photographs) for _ in one.scored_confidences]
    confidence = np.array([c for one in photographs for c in one.scored_confidences], np.float64)
    order = np.argsort(-confidence, kind="mergesort")
    is_door = np.array([[mark == "1" for mark in row] for row in matched], dtype=bool)
    return Ranking(
        np.array(where, dtype=np.int64)[order],
        confidence[order],
        is_door.reshape(-1, IOU_THRESHOLDS.size).T[:, order],
        np.array([len(one.doors_xyxy) for one in photographs], dtype=np.int64),
    )


def _match(
    doors: Sequence[Sequence[BoxXyxy]],
    detections: Sequence[Sequence[BoxXyxy]],
    confidences: Sequence[Sequence[float]],
) -> dict[int, tuple[list[float], Booleans]]:
    from hotcoco import COCO, COCOeval  # noqa: PLC0415 - of the extra `train`

    truth = COCO(ground_truth(doors))
    evaluation = COCOeval(truth, truth.load_res(results(detections, confidences)), "bbox")
    # COCO's three ranges of sizes are not used here, and reading them takes longer than matching.
    evaluation.params.area_rng = evaluation.params.area_rng[:1]
    evaluation.params.area_rng_lbl = evaluation.params.area_rng_lbl[:1]
    evaluation.evaluate()
    every: Sequence[dict[str, Any] | None] = evaluation.eval_imgs
    return {
        one["image_id"] - 1: (one["dtScores"], np.array(one["dtMatched"], dtype=bool))
        for one in every
        if one and one["dtScores"]
    }
