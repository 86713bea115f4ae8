"""The photographs that are worth looking at: missed, invented, loose, or labelled wrong."""

from collections.abc import Sequence

from container_doors.evaluation.matching import MATCH_IOU, iou
from container_doors.evaluation.outcome import Outcome
from container_doors.measurements import BoxXyxy, Mistake, Photograph

_LOOSE, _TOUCHING = 0.75, 0.1
"""A found door whose box overlaps it less is loose; below the second (TIDE's) it is background."""

_SURE = 0.8
"""A false alarm or a missed label at such a confidence is rather a mistake of the label."""


def mistakes(seen: Sequence[Outcome], *, conf_threshold: float) -> list[Mistake]:
    """List them, worst first: misses by their size, the others by the model's confidence."""
    listed = [
        mistake
        for one in seen
        for mistake in (*_misses(one), *_detections(one.photograph, conf_threshold))
    ]
    return sorted(listed, key=lambda mistake: (_ORDER.index(mistake.kind), -mistake.weight))


_ORDER = ("missed", "false alarm", "label in doubt", "duplicate", "badly placed", "loose")


def _misses(one: Outcome) -> list[Mistake]:
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
    """Go through what is used, the most confident first, with TIDE's kinds (arXiv 2008.08115)."""
    pairs = zip(photograph.used_xyxy, photograph.used_confidences, strict=True)
    taken: set[int] = set()
    listed = []
    for box, confidence in sorted(pairs, key=lambda pair: -pair[1]):
        if confidence < conf_threshold:
            break
        overlaps = [iou(box, door) for door in photograph.doors_xyxy]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        overlap = 0.0 if best is None else overlaps[best]
        kind = _kind(overlap, confidence, is_taken=best in taken)
        if overlap >= MATCH_IOU and best is not None:
            taken.add(best)
        if kind is not None:
            listed.append(_mistake(kind, photograph, box, confidence, overlap))
    return listed


def _kind(overlap: float, confidence: float, *, is_taken: bool) -> str | None:
    if overlap < _TOUCHING:
        return "label in doubt" if confidence >= _SURE else "false alarm"
    if overlap < MATCH_IOU:
        return "badly placed"
    if is_taken:
        return "duplicate"
    return "loose" if overlap < _LOOSE else None


def _mistake(
    kind: str, photograph: Photograph, box: BoxXyxy, confidence: float, overlap: float
) -> Mistake:
    return Mistake(
        kind=kind,
        image=photograph.image,
        box_xyxy=box,
        weight=1 - overlap if kind == "loose" else confidence,
        what=f"confidence {confidence:.2f}, overlap with a labelled door {overlap:.2f}",
    )
