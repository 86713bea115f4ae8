"""The cost of each kind of error: how much AP50 would rise without it.

The kinds and their corrections are TIDE's (Bolya et al., ECCV 2020, arXiv 2008.08115), for a single
class: a badly placed box is moved onto its door, a duplicate or a false alarm is removed, a missed
door is removed from the labels. The gains do not add up to 1 - AP50.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from container_doors.core.measurements import ErrorKind, Photograph
from container_doors.evaluation.matched import MatchedPhotograph, renumber
from container_doors.evaluation.matching import MATCH_IOU, iou
from container_doors.evaluation.ranking import Ranking
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.spread import AP50, Resampled, difference, resample

_TOUCHING = 0.1
"""TIDE's: below this IoU with every door a box is a false alarm, above it badly placed."""

_MOST_DETECTIONS = 100
"""Per photograph, as for AP."""

_FEWEST_SCENES = 5
"""An error in fewer scenes has no interval: half samples without it all agree, and would wrongly
prove that it costs nothing."""

_Kind = Literal["missed", "badly placed", "duplicate", "false alarm"]
KINDS: tuple[_Kind, ...] = ("missed", "badly placed", "duplicate", "false alarm")


@dataclass(frozen=True, slots=True)
class _Detection:
    photograph: int
    confidence: float
    kind: _Kind | None
    """None: it matches a door."""
    would_be_door: bool = False
    """Whether a badly placed box would find its door if it were moved onto it."""


@dataclass(frozen=True, slots=True)
class _Errors:
    detections: list[_Detection]
    """The most confident first."""
    doors: list[int]
    """The number of doors of each photograph."""
    missed: list[int]
    """For each photograph, the doors neither found nor badly placed."""


def error_kinds(matched: Sequence[MatchedPhotograph]) -> list[ErrorKind]:
    """Count each kind over all confidences, with AP50's gain without it; empty without a door."""
    photographs = [one.photograph for one in matched]
    if not any(one.doors_xyxy for one in photographs):
        return []
    errors = _classify(photographs)
    scenes = renumber([one.scene for one in matched])
    base = resample(_ranking(errors), scenes, coco_ap_of)
    return [_cost(kind, errors, base) for kind in KINDS]


def _cost(kind: _Kind, errors: _Errors, base: Resampled) -> ErrorKind:
    scenes = base.groups
    corrected = resample(_ranking(_without(kind, errors)), scenes, coco_ap_of)
    (before, _), (after, _) = (one.mean_over(AP50) for one in (base, corrected))
    per_photograph = _count(kind, errors)
    with_one = {scene for scene, count in zip(scenes, per_photograph, strict=True) if count}
    bounded = None
    if len(with_one) >= _FEWEST_SCENES and not math.isnan(after):
        bounded = difference([base], [corrected], iou_thresholds=AP50)
    if bounded is not None and bounded.high <= 0:
        bounded = None  # no half sample gains anything; other photographs still may
    return ErrorKind(
        kind=kind,
        count=sum(per_photograph),
        ap50_gain=None if math.isnan(after) else after - before,
        low=None if bounded is None else max(0.0, bounded.low),
        high=None if bounded is None else bounded.high,
        photographs=len(scenes),
    )


def _count(kind: _Kind, errors: _Errors) -> list[int]:
    if kind == "missed":
        return errors.missed
    counts = Counter(one.photograph for one in errors.detections if one.kind == kind)
    return [counts[number] for number in range(len(errors.doors))]


def _without(kind: _Kind, errors: _Errors) -> _Errors:
    if kind == "missed":
        doors = [n - missed for n, missed in zip(errors.doors, errors.missed, strict=True)]
        return replace(errors, doors=doors)
    rest = [one for one in errors.detections if one.kind != kind or one.would_be_door]
    corrected = [replace(one, kind=None) if one.kind == kind else one for one in rest]
    return replace(errors, detections=corrected)


def _ranking(errors: _Errors) -> Ranking:
    found = errors.detections
    return Ranking(
        np.array([one.photograph for one in found], dtype=np.int64),
        np.array([one.confidence for one in found], dtype=np.float64),
        np.array([[one.kind is None for one in found]], dtype=bool),
        np.array(errors.doors, dtype=np.int64),
    )


def _classify(photographs: Sequence[Photograph]) -> _Errors:
    detections: list[_Detection] = []
    missed = []
    for number, photograph in enumerate(photographs):
        classified, lost = _classify_photograph(number, photograph)
        detections += classified
        missed.append(lost)
    detections.sort(key=lambda one: -one.confidence)
    return _Errors(detections, [len(one.doors_xyxy) for one in photographs], missed)


def _classify_photograph(number: int, photograph: Photograph) -> tuple[list[_Detection], int]:
    """Classify every detection of a photograph, and count the doors that no detection is near."""
    confidences = photograph.scored_confidences
    order = sorted(range(len(confidences)), key=lambda index: -confidences[index])
    overlaps = [
        [iou(photograph.scored_xyxy[index], door) for door in photograph.doors_xyxy]
        for index in order[:_MOST_DETECTIONS]
    ]
    found = _match_greedily(overlaps)
    taken = {door for door in found if door is not None}
    nearby: set[int] = set()
    classified = []
    for index, row, door in zip(order, overlaps, found, strict=False):
        kind, nearest = (None, None) if door is not None else _error_kind(row)
        would_be_door = nearest is not None and nearest not in taken | nearby
        if nearest is not None:
            nearby.add(nearest)
        classified.append(_Detection(number, confidences[index], kind, would_be_door))
    return classified, len(photograph.doors_xyxy) - len(taken | nearby)


def _match_greedily(overlaps: Iterable[Sequence[float]]) -> list[int | None]:
    """Match each detection in turn to the free door of the highest IoU, as COCO does."""
    taken: set[int] = set()
    matched: list[int | None] = []
    for row in overlaps:
        free = [door for door in range(len(row)) if door not in taken and row[door] >= MATCH_IOU]
        best = max(free, key=row.__getitem__, default=None)
        matched.append(best)
        taken |= set() if best is None else {best}
    return matched


def _error_kind(row: Sequence[float]) -> tuple[_Kind, int | None]:
    """Return the kind of a detection that matches no door, and the door it is badly placed on."""
    nearest = max(range(len(row)), key=row.__getitem__, default=None)
    if nearest is None or row[nearest] < _TOUCHING:
        return "false alarm", None
    if row[nearest] <= MATCH_IOU:  # TIDE: at exactly this IoU it is no duplicate
        return "badly placed", nearest
    return "duplicate", None
