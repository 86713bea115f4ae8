"""Check that two formats of one model agree, box by box, within a tolerance."""

from collections.abc import Iterable, Sequence

from container_doors.core.measurements import Parity
from container_doors.core.ports import Detections
from container_doors.evaluation.matching import iou

BOX_TOLERANCE_PX, CONFIDENCE_TOLERANCE = 1.0, 0.01
"""They allow float32 sums in another order; half precision exceeds them."""

_Box = tuple[float, float, float, float]


def parity(pairs: Iterable[tuple[Detections, Detections]], *, conf_threshold: float) -> Parity:
    """Compare the detections of both formats on the same photographs.

    Args:
        pairs: For each photograph, the detections of both, down to ``conf_threshold`` minus the
            tolerance: a box just above the threshold in one may be just below it in the other.
        conf_threshold: Boxes below it in both are not compared.
    """
    photographs = list(pairs)
    both_ways = [*photographs, *((second, first) for first, second in photographs)]
    offsets = [one for pair in both_ways for one in _offsets(*pair, conf_threshold)]
    matched = [one for one in offsets if one is not None]
    most_px = max((px for px, _ in matched), default=0.0)
    most = max((confidence for _, confidence in matched), default=0.0)
    missing = len(offsets) - len(matched)
    return Parity(
        photographs=len(photographs),
        boxes=sum(_count_confident(first, conf_threshold) for first, _ in photographs),
        without_a_match=missing,
        most_box_px=most_px,
        most_confidence=most,
        box_tolerance_px=BOX_TOLERANCE_PX,
        confidence_tolerance=CONFIDENCE_TOLERANCE,
        holds=not missing and most_px <= BOX_TOLERANCE_PX and most <= CONFIDENCE_TOLERANCE,
    )


def _count_confident(detections: Detections, conf_threshold: float) -> int:
    return sum(confidence >= conf_threshold for confidence in detections.confidences)


def _offsets(
    first: Detections, second: Detections, conf_threshold: float
) -> list[tuple[float, float] | None]:
    """Return the second's offset from each box of the first at the threshold; None: no match."""
    return [
        _offset(box, confidence, second)
        for box, confidence in zip(first.boxes_xyxy, first.confidences, strict=True)
        if confidence >= conf_threshold
    ]


def _offset(box: _Box, confidence: float, others: Detections) -> tuple[float, float] | None:
    overlaps: Sequence[float] = [iou(box, other) for other in others.boxes_xyxy]
    best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
    if best is None or overlaps[best] < 0.5:
        return None
    off_px = max(abs(a - b) for a, b in zip(box, others.boxes_xyxy[best], strict=True))
    return off_px, abs(confidence - others.confidences[best])
