"""Whether two forms of one model say the same: box by box, within a tolerance."""

from collections.abc import Iterable, Sequence

from container_doors.core.measurements import Parity
from container_doors.core.ports import Detections
from container_doors.evaluation.matching import iou

BOX_TOLERANCE_PX, CONFIDENCE_TOLERANCE = 1.0, 0.01
"""Between float32 sums in another order; half precision is beyond them."""

_Box = tuple[float, float, float, float]


def parity(pairs: Iterable[tuple[Detections, Detections]], *, conf_threshold: float) -> Parity:
    """Compare what both find in the same photographs.

    Args:
        pairs: Of each photograph, what the two find, down to below ``conf_threshold`` by the
            tolerance: a box that is just above it in one may be just below in the other.
        conf_threshold: Boxes that neither is so sure of are not compared.
    """
    seen = list(pairs)
    both = [*seen, *((second, first) for first, second in seen)]
    apart = [one for first, second in both for one in _apart(first, second, conf_threshold)]
    matched = [one for one in apart if one is not None]
    most_px = max((px for px, _ in matched), default=0.0)
    most = max((confidence for _, confidence in matched), default=0.0)
    lacking = len(apart) - len(matched)
    return Parity(
        photographs=len(seen),
        boxes=sum(_sure(first, conf_threshold) for first, _ in seen),
        without_a_match=lacking,
        most_box_px=most_px,
        most_confidence=most,
        box_tolerance_px=BOX_TOLERANCE_PX,
        confidence_tolerance=CONFIDENCE_TOLERANCE,
        holds=not lacking and most_px <= BOX_TOLERANCE_PX and most <= CONFIDENCE_TOLERANCE,
    )


def _sure(found: Detections, conf_threshold: float) -> int:
    return sum(confidence >= conf_threshold for confidence in found.confidences)


def _apart(
    first: Detections, second: Detections, conf_threshold: float
) -> list[tuple[float, float] | None]:
    """Of each sure box of the first: how far the second's is off; None if it has none there."""
    return [
        _nearest(box, confidence, second)
        for box, confidence in zip(first.boxes_xyxy, first.confidences, strict=True)
        if confidence >= conf_threshold
    ]


def _nearest(box: _Box, confidence: float, others: Detections) -> tuple[float, float] | None:
    overlaps: Sequence[float] = [iou(box, other) for other in others.boxes_xyxy]
    best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
    if best is None or overlaps[best] < 0.5:
        return None
    off_px = max(abs(a - b) for a, b in zip(box, others.boxes_xyxy[best], strict=True))
    return off_px, abs(confidence - others.confidences[best])
