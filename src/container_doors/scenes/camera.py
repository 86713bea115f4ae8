"""A pinhole camera, and flat rectangles in space (faces).

Space is in metres: x to the right, y up with the ground at y = 0, and z away from a viewer at
negative z. In a picture, x runs to the right and y down; a pixel's centre is at its index plus one
half, as in the labels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[Any]
"""Three numbers in metres, or a unit vector."""

NEAR_M = 0.15
"""The near plane: points nearer than this are treated as behind the camera."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera without lens distortion: straight edges stay straight, boxes are exact."""

    position: Vector
    axes: NDArray[Any]
    """Rows: the directions right, up and ahead of the picture."""
    focal_px: float
    size_px: tuple[int, int]
    """Width and height."""

    def view(self, points: ArrayLike) -> NDArray[Any]:
        """Transform points of shape (..., 3) to right, up and depth, in metres."""
        return np.asarray((np.asarray(points, float) - self.position) @ self.axes.T)

    def project(self, points: ArrayLike) -> NDArray[Any]:
        """Project points of shape (..., 3), all in front of the camera, to pixels (..., 2)."""
        viewed = self.view(points)
        width, height = self.size_px
        x = width / 2 + self.focal_px * viewed[..., 0] / viewed[..., 2]
        y = height / 2 - self.focal_px * viewed[..., 1] / viewed[..., 2]
        return np.stack([x, y], axis=-1)

    def rays(self, step_px: int = 1) -> NDArray[Any]:
        """Return the direction of every ``step_px``-th pixel, unnormalised: (rows, columns, 3)."""
        width, height = self.size_px
        x = (np.arange(0, width, step_px) + step_px / 2 - width / 2) / self.focal_px
        y = (height / 2 - np.arange(0, height, step_px) - step_px / 2) / self.focal_px
        right, up, ahead = self.axes.astype(np.float32)
        across = x.astype(np.float32)[None, :, None] * right
        return np.asarray(across + (y.astype(np.float32)[:, None, None] * up + ahead))

    def plane_to_picture(self, face: "Face") -> NDArray[Any]:
        """Return the matrix (3, 3) from (u, v, 1), fractions of the face, to pixels."""
        width, height = self.size_px
        viewed = np.stack(
            [self.axes @ face.right, self.axes @ face.down, self.view(face.corner)], axis=1
        )
        lens = np.array([[self.focal_px, 0, width / 2], [0, -self.focal_px, height / 2], [0, 0, 1]])
        matrix: NDArray[Any] = lens @ viewed
        return matrix


@dataclass(frozen=True, slots=True)
class Face:
    """A flat rectangle; its front is the side on which text is not mirrored."""

    corner: Vector
    """Its top left."""
    right: Vector
    """From the top left to the top right."""
    down: Vector
    """From the top left to the bottom left."""

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height."""
        return float(np.linalg.norm(self.right)), float(np.linalg.norm(self.down))

    @property
    def normal(self) -> Vector:
        """The unit vector out of the front."""
        a, b, c = (float(value) for value in self.right)
        d, e, f = (float(value) for value in self.down)
        x, y, z = b * f - c * e, c * d - a * f, a * e - b * d
        length = math.sqrt(x * x + y * y + z * z)
        return np.array([x / length, y / length, z / length])

    @property
    def corners(self) -> NDArray[Any]:
        """Top left, top right, bottom right, bottom left: (4, 3)."""
        return self.at([0, 1, 1, 0], [0, 0, 1, 1])

    @property
    def middle(self) -> Vector:
        """The point in the middle."""
        return np.asarray(self.corner + (self.right + self.down) / 2)

    def at(self, u: ArrayLike, v: ArrayLike) -> NDArray[Any]:
        """Return the points at fractions of the width and height."""
        u, v = np.asarray(u, float)[..., None], np.asarray(v, float)[..., None]
        return np.asarray(self.corner + u * self.right + v * self.down)

    def part(self, u0: float, v0: float, u1: float, v1: float) -> "Face":
        """Return a part of it, given in fractions of the width and height."""
        corner = self.corner + u0 * self.right + v0 * self.down
        return Face(corner, (u1 - u0) * self.right, (v1 - v0) * self.down)

    def shifted(self, metres: float) -> "Face":
        """Return it moved along its normal."""
        return Face(self.corner + metres * self.normal, self.right, self.down)

    def faces(self, camera: Camera) -> bool:
        """Return whether the camera is in front of the face."""
        return float((camera.position - self.corner) @ self.normal) > 0


def look_at(
    position: ArrayLike,
    target: ArrayLike,
    *,
    roll_deg: float,
    focal_px: float,
    size_px: tuple[int, int],
) -> Camera:
    """Return a camera aimed at a target; ``roll_deg`` turns it clockwise about its own axis."""
    position = np.asarray(position, float)
    ahead = np.asarray(target, float) - position
    ahead /= np.linalg.norm(ahead)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    up = np.cross(ahead, right)
    cos, sin = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    axes = np.stack([cos * right - sin * up, sin * right + cos * up, ahead])
    return Camera(position, axes, focal_px, size_px)
