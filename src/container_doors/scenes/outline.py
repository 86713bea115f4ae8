"""The visible part of a flat face in the picture, and the box around a door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container_doors.scenes.camera import NEAR_M, Camera, Face


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels; the picture's top left corner is the origin."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area_px(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.bottom - self.top)

    def yolo(self, size_px: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return the centre's x and y, width and height, as fractions of the picture's."""
        width, height = size_px
        return (
            (self.left + self.right) / 2 / width,
            (self.top + self.bottom) / 2 / height,
            (self.right - self.left) / width,
            (self.bottom - self.top) / height,
        )


def box_around(camera: Camera, leaves: Sequence[Face]) -> Box | None:
    """Return the box that a careful person would draw around a door.

    The rule: one upright box encloses the two leaves, with their bars and rubber seal. The frame
    around them (corner posts, header, sill) is outside. Open leaves are enclosed in their open
    position, both in one box. Parts beyond the picture's edge do not count; parts hidden by
    something else do.

    Args:
        camera: The camera.
        leaves: The leaves' outlines in space.

    Returns:
        The box, or None if no part of a leaf is in the picture.
    """
    points = np.concatenate([within(outline(camera, leaf), camera.size_px) for leaf in leaves])
    if not len(points):
        return None
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return Box(float(left), float(top), float(right), float(bottom))


def outline(camera: Camera, face: Face) -> NDArray[Any]:
    """Project the part of a face in front of the camera: pixels (n, 2), n = 0 if there is none."""
    corners = face.corners
    depth = camera.view(corners)[:, 2] - NEAR_M
    ahead = corners if depth.min() >= 0 else _cut(corners, depth)
    return camera.project(ahead) if len(ahead) else np.empty((0, 2))


def within(polygon: NDArray[Any], size_px: tuple[int, int]) -> NDArray[Any]:
    """Clip a convex polygon (n, 2) to the picture."""
    if not len(polygon) or (polygon.min() >= 0 and (polygon.max(axis=0) <= size_px).all()):
        return polygon
    for axis, limit in enumerate(size_px):
        for start, sign in ((0.0, 1.0), (float(limit), -1.0)):
            if len(polygon):
                polygon = _cut(polygon, (polygon[:, axis] - start) * sign)
    return polygon


def _cut(points: NDArray[Any], distance: NDArray[Any]) -> NDArray[Any]:
    """Clip a convex polygon to where ``distance`` is not negative (Sutherland-Hodgman)."""
    clipped: list[NDArray[Any]] = []
    for start in range(len(points)):
        end = (start + 1) % len(points)
        if distance[start] >= 0:
            clipped.append(points[start])
        if (distance[start] < 0) != (distance[end] < 0):
            fraction = distance[start] / (distance[start] - distance[end])
            clipped.append(points[start] + fraction * (points[end] - points[start]))
    return np.array(clipped) if clipped else np.empty((0, points.shape[1]))
