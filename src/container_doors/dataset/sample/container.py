"""A container as a solid in space: where its faces and its door leaves are.

In a container's own measure x runs along the doors from their left, y up from its floor, and
z from the doors into it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from container_doors.dataset.sample.camera import Camera, Face, Vector
from container_doors.dataset.sample.doors import HEADER_M, POST_M, SILL_M
from container_doors.dataset.sample.look import Look

DoorState = Literal["closed", "one_open", "open"]

WIDTH_M = 2.438


@dataclass(frozen=True)
class Container:
    """A dry box of ISO 668 proportions."""

    look: Look
    place: Vector
    """The lower left corner of the door end."""
    length_m: float = 6.058
    heading_deg: float = 0.0
    """0 when the doors face -z; it turns counter-clockwise as seen from above."""
    open_deg: tuple[float, float] = (0.0, 0.0)
    """How far the left and the right leaf are swung open."""
    cargo: int = 0
    """What an open one holds: 0 nothing, 1 cartons, 2 sacks on pallets."""

    @property
    def height_m(self) -> float:
        """2.59 m, or 2.90 m for a high cube."""
        return 2.896 if self.look.is_high_cube else 2.591

    @property
    def size_m(self) -> Vector:
        """Width, height and length."""
        return np.array([WIDTH_M, self.height_m, self.length_m])

    @property
    def leaf_size_m(self) -> tuple[float, float]:
        """Width and height of one leaf, with its gasket."""
        return WIDTH_M / 2 - POST_M, self.height_m - HEADER_M - SILL_M

    @property
    def state(self) -> DoorState:
        """How many leaves stand open."""
        return ("closed", "one_open", "open")[sum(angle > 0 for angle in self.open_deg)]

    @cached_property
    def axes(self) -> NDArray[Any]:
        """Rows: the directions of the container's x, y and z in space."""
        cos, sin = np.cos(np.radians(self.heading_deg)), np.sin(np.radians(self.heading_deg))
        return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])

    def at(self, own: ArrayLike) -> NDArray[Any]:
        """Turn points (..., 3) from the container's own measure into space."""
        return np.asarray(np.asarray(own, float) @ self.axes + self.place)

    def face(self, corner: ArrayLike, right: ArrayLike, down: ArrayLike) -> Face:
        """Make a face from vectors in the container's own measure."""
        return Face(self.at(corner), np.asarray(right) @ self.axes, np.asarray(down) @ self.axes)

    @cached_property
    def end(self) -> Face:
        """The door end, with posts, header and sill."""
        width, height, _ = self.size_m
        return self.face([0, height, 0], [width, 0, 0], [0, -height, 0])

    @cached_property
    def walls(self) -> tuple[Face, Face, Face]:
        """The left and right walls as seen from the doors, and the end that has no doors."""
        width, height, length = self.size_m
        return (
            self.face([0, height, length], [0, 0, -length], [0, -height, 0]),
            self.face([width, height, 0], [0, 0, length], [0, -height, 0]),
            self.face([width, height, length], [-width, 0, 0], [0, -height, 0]),
        )

    @cached_property
    def roof(self) -> Face:
        """The top, its lower edge above the doors."""
        width, height, length = self.size_m
        return self.face([0, height, length], [width, 0, 0], [0, 0, -length])

    @cached_property
    def inside(self) -> tuple[Face, ...]:
        """What is seen through open doors: the far end, floor, ceiling, left and right walls."""
        width, height, length = self.size_m
        low, high, left, right = 0.16, height - 0.1, 0.05, width - 0.05
        across, up = right - left, high - low
        return (
            self.face([left, high, length - 0.1], [across, 0, 0], [0, -up, 0]),
            self.face([left, low, length - 0.1], [across, 0, 0], [0, 0, 0.05 - length]),
            self.face([left, high, 0.05], [across, 0, 0], [0, 0, length - 0.15]),
            self.face([left, high, 0.05], [0, 0, length - 0.15], [0, -up, 0]),
            self.face([right, high, length - 0.1], [0, 0, 0.15 - length], [0, -up, 0]),
        )

    def leaf(self, side: int) -> Face:
        """Give the outside of the left (0) or right (1) leaf, swung as far as it stands open."""
        angle = np.radians(self.open_deg[side])
        wide, high = self.leaf_size_m
        top = self.height_m - HEADER_M
        along = np.array([np.cos(angle), 0.0, -np.sin(angle)])
        if side == 0:
            return self.face([POST_M, top, 0], along * wide, [0, -high, 0])
        along[0] = -along[0]
        hinge = np.array([WIDTH_M - POST_M, top, 0])
        return self.face(hinge + along * wide, -along * wide, [0, -high, 0])

    @property
    def door_centre(self) -> Vector:
        """The middle of the closed doors."""
        return self.at([WIDTH_M / 2, (self.height_m - HEADER_M + SILL_M) / 2, 0])

    @property
    def ground_corners(self) -> NDArray[Any]:
        """The four lower corners, in order around: (4, 3)."""
        width, _, length = self.size_m
        return self.at([[0, 0, 0], [width, 0, 0], [width, 0, length], [0, 0, length]])

    def nearest_m(self, camera: Camera) -> float:
        """Give the distance from the camera to the nearest point of the box."""
        own = self.axes @ (camera.position - self.place)
        return float(np.linalg.norm(own - np.clip(own, 0, self.size_m)))

    def view_angle_deg(self, camera: Camera) -> float:
        """Give the angle between the doors' normal and the line from them to the camera."""
        towards = camera.position - self.door_centre
        cosine = float(towards @ self.end.normal) / float(np.linalg.norm(towards))
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
