"""The picture while it is being painted: flat pieces laid over it in true perspective."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.dataset.sample.camera import NEAR_M, Camera, Face, Vector
from container_doors.dataset.sample.light import Light

Pixels = NDArray[Any]
"""Rows, columns and channels: blue, green, red, and where there is one, opacity."""

_OVERLAP = 0.01
"""Halves of a face overlap by this fraction, or the ground would shine through the seam."""


@dataclass(slots=True)
class Canvas:
    """The picture, and for each pixel which door it shows (0: none)."""

    camera: Camera
    light: Light
    pixels: Pixels
    owner: Pixels

    def paste(self, texture: Pixels, face: Face, *, owner: int = 0) -> None:
        """Lay a texture over a face.

        Args:
            texture: uint8 of shape (rows, columns, 3), or 4 with colours already multiplied by
                the opacity.
            face: Where it goes. Parts behind the camera are left out.
            owner: The number of the door that it is a part of.
        """
        depth = self.camera.view(face.corners)[:, 2]
        if depth.max() <= NEAR_M:
            return
        if depth.min() <= NEAR_M or depth.max() > 1.7 * depth.min():
            if max(face.size_m) > 0.4 and min(texture.shape[:2]) >= 4:
                self._paste_halves(texture, face, depth, owner)
                return
            if depth.min() <= NEAR_M:
                return
        self._warp(texture, face, float(depth.mean()), owner)

    def _paste_halves(self, texture: Pixels, face: Face, depth: Vector, owner: int) -> None:
        across = abs(depth[1] - depth[0]) >= abs(depth[3] - depth[0])
        n = texture.shape[1 if across else 0]
        low, high = int(n * (0.5 - _OVERLAP)), int(np.ceil(n * (0.5 + _OVERLAP)))
        if across:
            halves = [
                (texture[:, :high], face.part(0, 0, high / n, 1), depth[0]),
                (texture[:, low:], face.part(low / n, 0, 1, 1), depth[1]),
            ]
        else:
            halves = [
                (texture[:high], face.part(0, 0, 1, high / n), depth[0]),
                (texture[low:], face.part(0, low / n, 1, 1), depth[3]),
            ]
        for piece, part, _ in sorted(halves, key=lambda half: -half[2]):
            self.paste(piece, part, owner=owner)

    def _warp(self, texture: Pixels, face: Face, depth_m: float, owner: int) -> None:
        corners = self.camera.project(face.corners)
        width, height = self.camera.size_px
        x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, [width, height])
        if x1 - x0 < 1 or y1 - y0 < 1:
            return
        texture = _shrink(texture, corners)
        rows, columns = texture.shape[:2]
        texel_to_face = np.array([[1 / columns, 0, 0.5 / columns], [0, 1 / rows, 0.5 / rows], [0, 0, 1]])
        pixel = np.array([[1, 0, -0.5 - x0], [0, 1, -0.5 - y0], [0, 0, 1]])
        matrix = pixel @ self.camera.plane_to_picture(face) @ texel_to_face
        if texture.shape[2] == 3:
            texture = cv2.cvtColor(texture, cv2.COLOR_BGR2BGRA)
        warped = cv2.warpPerspective(texture, matrix, (int(x1 - x0), int(y1 - y0)))
        self.blend(self._veil(warped, depth_m), (int(x0), int(y0)), owner=owner)

    def _veil(self, warped: Pixels, depth_m: float) -> Pixels:
        """Fade to the haze with distance."""
        faded = 1 - float(np.exp(-self.light.haze_per_m * depth_m))
        if faded < 0.02:
            return warped
        matrix = np.zeros((4, 4))
        matrix[:3, :3] = np.eye(3) * (1 - faded)
        matrix[:3, 3] = self.light.haze / 255 * faded
        matrix[3, 3] = 1
        return cv2.transform(warped, matrix)

    def blend(self, over: Pixels, at_px: tuple[int, int], *, owner: int = 0) -> None:
        """Lay a picture with opacity over the canvas, its top left at ``at_px``."""
        x, y = at_px
        rows, columns = over.shape[:2]
        below = self.pixels[y : y + rows, x : x + columns]
        opacity = over[..., 3]
        rest = cv2.cvtColor(cv2.bitwise_not(opacity), cv2.COLOR_GRAY2BGR)
        cv2.add(cv2.multiply(below, rest, scale=1 / 255), over[..., :3], dst=below)
        self.pixels[y : y + rows, x : x + columns] = below
        self.owner[y : y + rows, x : x + columns][opacity > 127] = owner

    def polygon(self, points: Pixels) -> Pixels:
        """Draw points of space, shape (n, 3), as a filled polygon: uint8, 255 inside."""
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        visible = clip_near(self.camera, points)
        if len(visible) >= 3:
            at = self.camera.project(visible) - 0.5
            fixed = np.round(np.clip(at, -8000, 8000) * 16).astype(np.int32)
            cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
        return mask


def new_canvas(camera: Camera, light: Light) -> Canvas:
    """Start with nothing but haze."""
    width, height = camera.size_px
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = light.haze.clip(0, 255).astype(np.uint8)
    return Canvas(camera, light, pixels, np.zeros((height, width), np.uint8))


def clip_near(camera: Camera, points: Pixels) -> Pixels:
    """Cut off what lies behind the camera from a polygon of shape (n, 3)."""
    depth = camera.view(points)[:, 2] - NEAR_M
    kept = []
    for i in range(len(points)):
        j = (i + 1) % len(points)
        if depth[i] > 0:
            kept.append(points[i])
        if (depth[i] > 0) != (depth[j] > 0):
            part = depth[i] / (depth[i] - depth[j])
            kept.append(points[i] + part * (points[j] - points[i]))
    return np.asarray(kept).reshape(-1, 3)


def with_opacity(colour: Pixels, opacity: Pixels) -> Pixels:
    """Join colours and an opacity (uint8) the way that :meth:`Canvas.paste` wants them."""
    spread = cv2.cvtColor(opacity, cv2.COLOR_GRAY2BGR)
    joined = cv2.multiply(colour, spread, scale=1 / 255)
    return cv2.merge([*cv2.split(joined), opacity])


def _shrink(texture: Pixels, corners: Pixels) -> Pixels:
    """Average a texture down to the size at which it is seen, or it would flicker."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    columns = int(np.ceil(max(sides[0], sides[2], 1)))
    rows = int(np.ceil(max(sides[1], sides[3], 1)))
    size = (min(columns, texture.shape[1]), min(rows, texture.shape[0]))
    if size[0] * 1.15 >= texture.shape[1] and size[1] * 1.15 >= texture.shape[0]:
        return texture
    return cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
