"""A pinhole camera, and the flat rectangles in space that it looks at.

Space is measured in metres: x to the right and y up, the ground at y = 0, and z away from a
viewer who stands at negative z. In a picture, x runs to the right and y down; a pixel's centre
is at its index plus one half, as in the labels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[Any]
"""Three numbers in metres, or a unit vector."""

NEAR_M = 0.15
"""What is nearer than this is behind the camera, as far as drawing goes."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole: no lens distortion, so straight edges stay straight and boxes are exact."""

    position: Vector
    axes: NDArray[Any]
    """Rows: the picture's right, the picture's up, and straight ahead."""
    focal_px: float
    size_px: tuple[int, int]
    """Width and height."""

    def view(self, points: ArrayLike) -> NDArray[Any]:
        """Turn points of shape (..., 3) into right, up and depth, in metres."""
        return np.asarray((np.asarray(points, float) - self.position) @ self.axes.T)

    def project(self, points: ArrayLike) -> NDArray[Any]:
        """Project points of shape (..., 3), all of them before the camera, to pixels (..., 2)."""
        seen = self.view(points)
        width, height = self.size_px
        x = width / 2 + self.focal_px * seen[..., 0] / seen[..., 2]
        y = height / 2 - self.focal_px * seen[..., 1] / seen[..., 2]
        return np.stack([x, y], axis=-1)

    def rays(self, step_px: int = 1) -> NDArray[Any]:
        """Give the direction of every ``step_px``-th pixel, unnormalised: (rows, columns, 3)."""
        width, height = self.size_px
        x = (np.arange(0, width, step_px) + step_px / 2 - width / 2) / self.focal_px
        y = (height / 2 - np.arange(0, height, step_px) - step_px / 2) / self.focal_px
        right, up, ahead = self.axes.astype(np.float32)
        across = x.astype(np.float32)[None, :, None] * right
        return np.asarray(across + (y.astype(np.float32)[:, None, None] * up + ahead))

    def plane_to_picture(self, face: "Face") -> NDArray[Any]:
        """Give the matrix (3, 3) from (u, v, 1), fractions of the face, to pixels."""
        width, height = self.size_px
        seen = np.stack(
            [self.axes @ face.right, self.axes @ face.down, self.view(face.corner)], axis=1
        )
        lens = np.array([[self.focal_px, 0, width / 2], [0, -self.focal_px, height / 2], [0, 0, 1]])
        matrix: NDArray[Any] = lens @ seen
        return matrix


@dataclass(frozen=True, slots=True)
class Face:
    """A flat rectangle, seen from the side on which it reads the right way round."""

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
        """The unit vector towards whoever can see the face."""
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
        """Give the points at fractions of the width and height."""
        u, v = np.asarray(u, float)[..., None], np.asarray(v, float)[..., None]
        return np.asarray(self.corner + u * self.right + v * self.down)

    def part(self, u0: float, v0: float, u1: float, v1: float) -> "Face":
        """Cut out a rectangle, given in fractions of the width and height."""
        corner = self.corner + u0 * self.right + v0 * self.down
        return Face(corner, (u1 - u0) * self.right, (v1 - v0) * self.down)

    def shifted(self, metres: float) -> "Face":
        """Move it towards the viewer."""
        return Face(self.corner + metres * self.normal, self.right, self.down)

    def faces(self, camera: Camera) -> bool:
        """Say whether the camera is on the side from which the face is seen."""
        return float((camera.position - self.corner) @ self.normal) > 0


def look_at(
    position: ArrayLike,
    target: ArrayLike,
    *,
    roll_deg: float,
    focal_px: float,
    size_px: tuple[int, int],
) -> Camera:
    """Aim a camera; ``roll_deg`` turns it about its own axis, clockwise as it looks."""
    position = np.asarray(position, float)
    ahead = np.asarray(target, float) - position
    ahead /= np.linalg.norm(ahead)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    up = np.cross(ahead, right)
    cos, sin = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    axes = np.stack([cos * right - sin * up, sin * right + cos * up, ahead])
    return Camera(position, axes, focal_px, size_px)
