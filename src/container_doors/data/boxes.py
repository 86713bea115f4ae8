"""A labelled box in single precision, as the trainer reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TRAINER_TOLERANCE = 0.01
"""Ultralytics accepts coordinates that are out of [0, 1] by at most this."""


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled box as the trainer reads it: single precision, 0 is the left or top edge."""

    line: int
    """Counts from 1."""
    class_id: float
    """An integer in range, if the file has no error."""
    x_center: float
    y_center: float
    width: float
    height: float
    points: tuple[float, ...] | None = None
    """x, y, x, y, ... if the line was a polygon."""

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in fractions of the picture."""
        return (
            self.x_center - self.width / 2,
            self.y_center - self.height / 2,
            self.x_center + self.width / 2,
            self.y_center + self.height / 2,
        )

    @property
    def values(self) -> tuple[float, float, float, float]:
        """x_center, y_center, width and height."""
        return (self.x_center, self.y_center, self.width, self.height)

    @property
    def overshoot(self) -> float:
        """Distance of the farthest edge outside of the picture, as a fraction; negative inside."""
        left, top, right, bottom = self.edges
        return max(-left, -top, right - 1, bottom - 1)

    @property
    def is_refused(self) -> bool:
        """Whether Ultralytics drops the photograph because of these coordinates."""
        values = np.array(self.values, dtype=np.float32)
        return bool(
            not values.max() <= np.float32(1 + TRAINER_TOLERANCE)
            or not values.min() >= np.float32(-TRAINER_TOLERANCE)
            or not values[2:].min() >= 0
        )


def box_of(line: int, numbers: Sequence[float]) -> Box:
    """Make a box from a class and four fractions, or from a class and the points of a polygon."""
    with np.errstate(over="ignore", invalid="ignore"):
        class_id, *values = np.array(numbers).astype(np.float32)
        if len(values) == 4:
            x, y, width, height = map(float, values)
            return Box(line, float(class_id), x, y, width, height)
        xs, ys = np.array(values).reshape(-1, 2).T
        left, right, top, bottom = xs.min(), xs.max(), ys.min(), ys.max()
        center = float((left + right) / 2), float((top + bottom) / 2)
        size = float(right - left), float(bottom - top)
    return Box(line, float(class_id), *center, *size, tuple(map(float, values)))


def iou(one: Box, other: Box) -> float:
    """Return the intersection over union; 0 if either box has no area."""
    left, top, right, bottom = one.edges
    left_, top_, right_, bottom_ = other.edges
    width = min(right, right_) - max(left, left_)
    height = min(bottom, bottom_) - max(top, top_)
    if not (width > 0 and height > 0):
        return 0.0
    both = width * height
    return both / (one.width * one.height + other.width * other.height - both)
