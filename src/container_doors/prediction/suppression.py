"""Choose boxes from a network's output: non-maximum suppression as Ultralytics does it.

The order of operations, the rounding to float32 and the comparisons are those of
``ultralytics.utils.nms`` (8.4.190), so the same output gives the same boxes. Of boxes with the very
same confidence the first is first here; there it depends on the processor.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST_CANDIDATES = 30_000
_CLASS_OFFSET_PX = 7680
"""Moves the boxes of different classes apart, so that none suppresses one of another class."""


class Kept(NamedTuple):
    """The boxes that remain, the most confident first; in pixels of the network's input."""

    boxes_xyxy: NDArray[np.float32]
    """Shape (n, 4)."""
    confidences: NDArray[np.float32]
    class_ids: NDArray[np.int64]


def suppress(
    output: NDArray[np.float32],
    *,
    conf_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> Kept:
    """Keep the most confident of boxes that overlap.

    Args:
        output: Of a network for one picture: shape (4 + classes, boxes); centre x, centre y, width
            and height in pixels of its input, then a confidence for each class.
        conf_threshold: Boxes at or below it are left out.
        iou_threshold: A box that overlaps a more confident one of its class by more is left out.
        max_detections: The most boxes that are kept.
    """
    scores = output[4:]
    candidates = np.flatnonzero(scores.max(0) > np.float32(conf_threshold))
    rows, scores = output[:4, candidates].T, scores[:, candidates]
    class_ids = scores.argmax(0)
    confidences = scores.max(0)
    order = np.argsort(-confidences, kind="stable")[:_MOST_CANDIDATES]
    centres, halves = rows[:, :2], rows[:, 2:] / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)[order]
    class_ids, confidences = class_ids[order], confidences[order]
    offsets = (class_ids.astype(np.float32) * _CLASS_OFFSET_PX)[:, None]
    kept = _kept(boxes + offsets, np.float32(iou_threshold), max_detections)
    return Kept(boxes[kept], confidences[kept], class_ids[kept].astype(np.int64))


def _kept(
    boxes: NDArray[np.float32], iou_threshold: np.float32, max_detections: int
) -> NDArray[np.int64]:
    """Return the indices of the boxes to keep of some in descending order of confidence."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    remaining, kept = np.arange(len(boxes)), list[int]()
    while remaining.size and len(kept) < max_detections:
        best, rest = remaining[0], remaining[1:]
        kept.append(int(best))
        widths = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        heights = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        shared = widths.clip(0) * heights.clip(0)
        if not shared.any():
            remaining = rest
            continue
        with np.errstate(invalid="ignore", divide="ignore"):  # boxes of no area
            iou = shared / (areas[best] + areas[rest] - shared)
        remaining = rest[iou <= iou_threshold]
    return np.array(kept, np.int64)
