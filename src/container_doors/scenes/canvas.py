"""The picture during drawing: colour, and inverse depth of each pixel."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.scenes.camera import Camera, Face
from container_doors.scenes.outline import outline, within

GROUND = -2
"""The owner of pixels that show the ground."""

_HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
"""From OpenCV's pixels, whose centres are at integers, to ours."""


class Canvas:
    """A picture with a depth buffer: nearer things hide farther ones, in any drawing order."""

    def __init__(self, camera: Camera, bgr: NDArray[np.uint8]) -> None:
        self.camera = camera
        self.bgr = bgr
        """(height, width, 3); drawn on in place."""
        shape = bgr.shape[:2]
        self.nearness = np.zeros(shape, np.float32)
        """One over the depth in metres; 0 is the sky."""
        self.owner = np.full(shape, -1, np.int16)
        """The number of the door that a pixel shows, or -1."""

    @property
    def is_ground(self) -> NDArray[np.bool_]:
        """The mask of pixels that show the ground."""
        return np.asarray(self.owner == GROUND)

    def footprint_px(self, face: Face) -> NDArray[Any]:
        """Return the corners of the part of a face that is in the picture: (n, 2)."""
        return within(outline(self.camera, face), self.camera.size_px)

    def draw(
        self,
        face: Face,
        bgr: NDArray[np.uint8],
        alpha: NDArray[np.uint8] | None = None,
        *,
        owner: int = -1,
    ) -> None:
        """Draw a lit texture where it is nearer than the present pixels."""
        footprint = self.footprint_px(face)
        if len(footprint) < 3:
            return
        left, top = (max(int(edge) - 1, 0) for edge in footprint.min(axis=0))
        right, bottom = (
            min(int(edge) + 2, end)
            for edge, end in zip(footprint.max(axis=0), self.camera.size_px, strict=True)
        )
        area, size = (slice(top, bottom), slice(left, right)), (right - left, bottom - top)

        rows, columns = bgr.shape[:2]
        to_picture = self.camera.plane_to_picture(face) @ np.diag([1 / columns, 1 / rows, 1])
        shift = np.array([[1, 0, -left - 0.5], [0, 1, -top - 0.5], [0, 0, 1]])
        matrix = shift @ to_picture @ _HALF
        colour = cv2.warpPerspective(
            bgr, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if alpha is None:
            cover = np.zeros(size[::-1], np.uint8)
            corners = np.round((footprint - (left + 0.5, top + 0.5)) * 16).astype(np.int32)
            cv2.fillConvexPoly(cover, corners, 255, cv2.LINE_AA, 4)
        else:
            cover = np.asarray(cv2.warpPerspective(alpha, matrix, size), np.uint8)

        nearness = self._nearness(face, left, top, size)
        cover *= nearness > self.nearness[area]
        _blend(self.bgr[area], np.asarray(colour), cover)
        mostly = cover > 127
        np.copyto(self.nearness[area], nearness, where=mostly)
        np.copyto(self.owner[area], np.int16(owner), where=mostly)

    def _nearness(
        self, face: Face, left: int, top: int, size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the inverse depth of the face's plane, which is linear in the picture."""
        camera = self.camera
        normal = camera.axes @ face.normal
        height = float(camera.view(face.corner) @ normal)
        if abs(height) < 1e-9:
            return np.full(size[::-1], -1, np.float32)
        width_px, height_px = camera.size_px
        x = (left + np.arange(size[0]) + 0.5 - width_px / 2) / camera.focal_px
        y = (height_px / 2 - top - np.arange(size[1]) - 0.5) / camera.focal_px
        across = (normal[0] * x + normal[2]) / height
        down = normal[1] * y / height
        return np.asarray(across.astype(np.float32)[None, :] + down.astype(np.float32)[:, None])


def _blend(target: NDArray[np.uint8], colour: NDArray[Any], cover: NDArray[np.uint8]) -> None:
    """Blend colours over a target, in place; only pixels at edges are mixed."""
    cv2.copyTo(colour, (cover > 250).astype(np.uint8), target)
    partial = np.asarray(cv2.inRange(cover, 1, 250)).ravel().nonzero()[0]
    if len(partial):
        y, x = np.divmod(partial, cover.shape[1])
        weight = cover[y, x, None].astype(np.float32) / 255
        behind = target[y, x].astype(np.float32)
        target[y, x] = (behind + (colour[y, x] - behind) * weight).astype(np.uint8)
