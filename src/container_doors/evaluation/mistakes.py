"""List the mistakes: missed doors, false alarms, badly placed boxes, doubtful labels."""

from collections.abc import Sequence

from container_doors.core.measurements import BoxXyxy, Mistake, Photograph
from container_doors.evaluation.matched import MatchedPhotograph
from container_doors.evaluation.matching import MATCH_IOU, iou, match

_LOOSE, _TOUCHING = 0.75, 0.1
"""IoU: below the first a found door's box is loose; below the second (TIDE's) it is background."""

_HIGH_CONFIDENCE = 0.8
"""A false alarm from this confidence on is more likely a mistake of the labels."""


def mistakes(matched: Sequence[MatchedPhotograph], *, conf_threshold: float) -> list[Mistake]:
    """Return them, worst first: missed doors by their size, the others by their confidence."""
    unsorted = [
        mistake
        for one in matched
        for mistake in (*_misses(one), *_detections(one.photograph, conf_threshold))
    ]
    return sorted(unsorted, key=lambda mistake: (_ORDER.index(mistake.kind), -mistake.weight))


_ORDER = ("missed", "false alarm", "label in doubt", "duplicate", "badly placed", "loose")


def _misses(one: MatchedPhotograph) -> list[Mistake]:
    photograph = one.photograph
    whole = photograph.width_px * photograph.height_px
    return [
        Mistake(
            kind="missed",
            image=photograph.image,
            box_xyxy=door,
            weight=(door[2] - door[0]) * (door[3] - door[1]) / whole,
            what="a door that was not found",
        )
        for door, is_found in zip(photograph.doors_xyxy, one.found, strict=True)
        if not is_found
    ]


def _detections(photograph: Photograph, conf_threshold: float) -> list[Mistake]:
    """List the wrong detections in use, by TIDE's kinds (arXiv 2008.08115), and loose ones."""
    matches = match(photograph.used_xyxy, photograph.used_confidences, photograph.doors_xyxy)
    found = []
    for box, confidence, door in zip(
        photograph.used_xyxy, photograph.used_confidences, matches.door_of, strict=True
    ):
        if confidence < conf_threshold:
            continue
        overlaps = [iou(box, one) for one in photograph.doors_xyxy]
        overlap = max(overlaps, default=0.0) if door is None else overlaps[door]
        kind = _kind(overlap, confidence, is_door=door is not None)
        if kind is not None:
            found.append(_mistake(kind, photograph, box, confidence, overlap))
    return found


def _kind(overlap: float, confidence: float, *, is_door: bool) -> str | None:
    if is_door:
        return "loose" if overlap < _LOOSE else None
    if overlap < _TOUCHING:
        return "label in doubt" if confidence >= _HIGH_CONFIDENCE else "false alarm"
    return "duplicate" if overlap >= MATCH_IOU else "badly placed"


def _mistake(
    kind: str, photograph: Photograph, box: BoxXyxy, confidence: float, overlap: float
) -> Mistake:
    return Mistake(
        kind=kind,
        image=photograph.image,
        box_xyxy=box,
        weight=1 - overlap if kind == "loose" else confidence,
        what=f"confidence {confidence:.2f}, IoU with a labelled door {overlap:.2f}",
    )
