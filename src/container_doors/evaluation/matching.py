"""Match detections to doors: precision and recall at one operating point."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from container_doors.core.records import OperatingPoint

BoxXyxy = tuple[float, float, float, float]

MATCH_IOU = 0.5
"""From this IoU on, a detection can match a door."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The matches of one photograph, in the order of the given boxes."""

    door_of: tuple[int | None, ...]
    """For each detection, the number of its door; None for a false alarm."""
    door_is_found: tuple[bool, ...]

    @property
    def detection_is_door(self) -> tuple[bool, ...]:
        """For each detection, whether it matches a door."""
        return tuple(door is not None for door in self.door_of)


def iou(first: BoxXyxy, second: BoxXyxy) -> float:
    """Return the area of the intersection over that of the union; 0 for two boxes without area.

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    overlap = max(width, 0.0) * max(height, 0.0)
    union = _area(first) + _area(second) - overlap
    return overlap / union if union > 0 else 0.0


def outside(box: BoxXyxy, door: BoxXyxy) -> float:
    """Return how far the sides of a box are outside a door's, as a mean fraction of its size.

    >>> outside((-1, -1, 11, 11), (0, 0, 10, 10)), outside((0, 0, 10, 9), (0, 0, 10, 10))
    (0.1, -0.025)
    """
    left, top, right, bottom = door
    width, height = right - left, bottom - top
    across = (left - box[0] + box[2] - right) / width
    return (across + (top - box[1] + box[3] - bottom) / height) / 4


def match(
    detections: Sequence[BoxXyxy], confidences: Sequence[float], doors: Sequence[BoxXyxy]
) -> Matches:
    """Match each detection, the most confident first, to the free door of the highest IoU."""
    door_of: list[int | None] = [None] * len(detections)
    found = [False] * len(doors)
    for index in sorted(range(len(detections)), key=lambda i: -confidences[i]):
        overlaps = [
            (iou(detections[index], door), number)
            for number, door in enumerate(doors)
            if not found[number]
        ]
        best_iou, best_door = max(overlaps, default=(0.0, -1), key=lambda pair: pair[0])
        if best_iou >= MATCH_IOU:
            door_of[index], found[best_door] = best_door, True
    return Matches(tuple(door_of), tuple(found))


def operating_point(
    matches: Iterable[Matches], *, conf_threshold: float, iou_threshold: float
) -> OperatingPoint:
    """Add up the matches of a split; a ratio without a denominator is None."""
    detections: list[bool] = []
    doors: list[bool] = []
    for one in matches:
        detections += one.detection_is_door
        doors += one.door_is_found
    return OperatingPoint(
        conf_threshold=conf_threshold,
        iou_threshold=iou_threshold,
        true_positives=sum(detections),
        false_positives=len(detections) - sum(detections),
        missed=len(doors) - sum(doors),
        precision=sum(detections) / len(detections) if detections else None,
        recall=sum(doors) / len(doors) if doors else None,
    )


def _area(box: BoxXyxy) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
