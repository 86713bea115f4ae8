"""The flat panels of a scene, the blocks that cast shadows, and their lighting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from container_doors.scenes import noise
from container_doors.scenes.camera import Face, Vector
from container_doors.scenes.light import Light
from container_doors.scenes.sheet import Colour, Sheet, Texture

Paint = Callable[[tuple[int, int]], Texture]
"""Paints a texture of a size in columns and rows."""


@dataclass(frozen=True, slots=True)
class Pose:
    """An object's position: its origin, and its heading about the vertical."""

    origin: Vector
    heading_deg: float = 0.0

    @property
    def turn(self) -> NDArray[Any]:
        """The rotation from the object's axes to the world's: (3, 3)."""
        cos, sin = np.cos(np.radians(self.heading_deg)), np.sin(np.radians(self.heading_deg))
        return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])

    def point(self, local: ArrayLike) -> Vector:
        """Transform a point from the object's coordinates to the world's."""
        return np.asarray(self.turn @ np.asarray(local, float) + self.origin)

    def face(self, corner: ArrayLike, right: ArrayLike, down: ArrayLike) -> Face:
        """Transform a face from the object's coordinates to the world's."""
        turn = self.turn
        return Face(self.point(corner), turn @ np.asarray(right), turn @ np.asarray(down))


@dataclass(frozen=True, slots=True)
class Panel:
    """A face and its appearance."""

    face: Face
    paint: Paint
    body: int = -1
    """The number of the object; its own block does not shade it."""
    door: int = -1
    """The number of the door that it belongs to, or -1."""
    opening: Face | None = None
    """For panels inside a room: the opening through which all light comes."""


@dataclass(frozen=True, slots=True)
class Block:
    """A box that casts a shadow: the approximate shape of an object."""

    pose: Pose
    low: Vector
    high: Vector
    """Opposite corners, along the object's own axes."""
    body: int = -1

    def may_shade(self, middle: Vector, radius_m: float, towards_sun: Vector) -> bool:
        """Return whether the block's shadow can reach a ball; mostly it cannot."""
        away = self.pose.point((self.low + self.high) / 2) - middle
        reach = radius_m + float(np.linalg.norm(self.high - self.low)) / 2
        ahead = float(away @ towards_sun)
        return ahead > -reach and float(away @ away) - ahead**2 < reach**2

    def shades(self, points: NDArray[Any], towards_sun: Vector) -> NDArray[np.bool_]:
        """Return for points (..., 3) whether the ray to the sun passes through the block."""
        turn = self.pose.turn.astype(np.float32)
        start = (points - self.pose.origin).astype(np.float32) @ turn
        step = towards_sun.astype(np.float32) @ turn
        step = np.where(np.abs(step) < 1e-6, np.float32(1e-6), step)
        one = (self.low.astype(np.float32) - start) / step
        other = (self.high.astype(np.float32) - start) / step
        near, far = np.minimum(one, other), np.maximum(one, other)
        enter = np.maximum(np.maximum(near[..., 0], near[..., 1]), near[..., 2])
        leave = np.minimum(np.minimum(far[..., 0], far[..., 1]), far[..., 2])
        return np.asarray((leave > enter) & (leave > 0.01))

    def distance(self, points: NDArray[Any]) -> NDArray[Any]:
        """Return the distance of points (..., 3) from the block, in metres; 0 inside it."""
        local = (points - self.pose.origin) @ self.pose.turn
        outside = np.maximum(np.maximum(self.low - local, local - self.high), 0)
        return np.asarray(np.sqrt(np.einsum("...i,...i->...", outside, outside)))


def plain(colour: Colour, *, glow: float = 0.0) -> Paint:
    """Return a paint of one colour, slightly uneven when it is near."""

    def paint(size_px: tuple[int, int]) -> Texture:
        columns, rows = min(size_px[0], 96), min(size_px[1], 96)
        sheet = Sheet((1, 1), (columns, rows), colour)
        if columns * rows > 600:
            rng = np.random.default_rng(round(sum(colour)))
            sheet.multiply(0.86 + 0.28 * noise.patch(rng, (rows, columns), grain="rough"))
        return Texture(sheet.bgr, glow=glow)

    return paint


def box_panels(
    pose: Pose, low: ArrayLike, high: ArrayLike, paints: dict[str, Paint], *, body: int = -1
) -> list[Panel]:
    """Return the panels of a box's sides.

    Args:
        pose: Its position.
        low: Its corner with the lowest x, y and z, along the object's own axes.
        high: The opposite corner.
        paints: By side: front (towards -z), back, left (towards -x), right, top, bottom; a missing
            side uses ``else``, or is left out if that is missing too.
        body: The object's number.
    """
    (x0, y0, z0), (x1, y1, z1) = np.asarray(low, float), np.asarray(high, float)
    wide, tall, deep = x1 - x0, y1 - y0, z1 - z0
    sides = {
        "front": ((x0, y1, z0), (wide, 0, 0), (0, -tall, 0)),
        "back": ((x1, y1, z1), (-wide, 0, 0), (0, -tall, 0)),
        "left": ((x0, y1, z1), (0, 0, -deep), (0, -tall, 0)),
        "right": ((x1, y1, z0), (0, 0, deep), (0, -tall, 0)),
        "top": ((x0, y1, z1), (wide, 0, 0), (0, 0, -deep)),
        "bottom": ((x0, y0, z0), (wide, 0, 0), (0, 0, deep)),
    }
    panels = []
    for side, (corner, right, down) in sides.items():
        paint = paints.get(side, paints.get("else"))
        if paint is not None:
            panels.append(Panel(pose.face(corner, right, down), paint, body))
    return panels


def light_texture(
    panel: Panel, texture: Texture, light: Light, blocks: Sequence[Block], *, depth_m: float
) -> NDArray[np.uint8]:
    """Apply the light to a texture.

    Returns:
        The texture as the camera sees it, (rows, columns, 3).
    """
    face, rows, columns = panel.face, *texture.bgr.shape[:2]
    points = _grid(face)
    ambient, direct = _ambient(panel, points, light), _direct(panel, points, light, blocks)
    if texture.slope_right is None and texture.slope_down is None:
        linear = _enlarge(ambient + direct, (columns, rows))
    else:
        dull, bright = _on_relief(face, texture, light)
        size = (columns, rows)
        linear = _enlarge(ambient, size) * dull
        if direct.any():
            linear += _enlarge(direct, size) * bright
    if texture.shade is not None:
        linear *= np.asarray(texture.shade, np.float32)[..., None]
    clear = float(np.exp(-light.haze_per_m * depth_m))
    gain = np.sqrt(linear, out=linear)
    gain += texture.glow
    gain *= clear
    gain *= texture.bgr
    gain += (light.haze * (1 - clear)).astype(np.float32)
    return np.asarray(np.minimum(gain, 255, out=gain).astype(np.uint8))


def _on_relief(face: Face, texture: Texture, light: Light) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the factors by which a relief changes the ambient and the direct light.

    All in single precision: these arrays are as large as the texture.
    """
    normal, key = face.normal, light.key(face.middle)
    right, down = face.right / face.size_m[0], face.down / face.size_m[1]
    slopes = [
        (slope, float(axis @ key), float(axis[1]))
        for slope, axis in ((texture.slope_right, right), (texture.slope_down, down))
        if slope is not None
    ]
    steep = np.ones((1, 1), np.float32)
    to_key: NDArray[Any] = np.full((1, 1), normal @ key, np.float32)
    to_sky: NDArray[Any] = np.full((1, 1), normal[1], np.float32)
    for slope, along_key, along_sky in slopes:
        steep = steep + slope * slope
        to_key = to_key - slope * along_key
        to_sky = to_sky - slope * along_sky
    level = 1 / np.sqrt(steep)
    bright = np.clip(to_key * level / max(float(normal @ key), 0.12), 0, 2.2)
    dull = (0.62 + 0.38 * to_sky * level) / (0.62 + 0.38 * float(normal[1]))
    return np.asarray(dull)[..., None], np.asarray(bright)[..., None]


def _grid(face: Face) -> NDArray[Any]:
    """Return a grid of points on a face, about 12 cm apart: (rows, columns, 3)."""
    columns, rows = (int(np.clip(np.ceil(size * 8), 2, 40)) for size in face.size_m)
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    return face.at(u, v)


def _ambient(panel: Panel, points: NDArray[Any], light: Light) -> NDArray[np.float32]:
    """Return the ambient light, which is lower near the ground and far inside a room."""
    normal = panel.face.normal
    near_ground = 1 - 0.45 * np.exp(-np.maximum(points[..., 1:2], 0) / 0.35)
    if normal[1] > 0.9:
        near_ground = np.ones_like(near_ground)
    elif normal[1] < -0.5:
        near_ground = near_ground * 0.35
    if panel.opening is not None:
        inside = (panel.opening.corner - points) @ panel.opening.normal
        near_ground = near_ground * (0.6 / (1 + (np.abs(inside) / 0.9) ** 2))[..., None]
    return np.asarray(light.ambient(normal) * near_ground, np.float32)


def _direct(
    panel: Panel, points: NDArray[Any], light: Light, blocks: Sequence[Block]
) -> NDArray[np.float32]:
    """Return the light of the sun, where it is not blocked, and of the lamps."""
    normal = panel.face.normal
    facing = float(normal @ light.towards_sun)
    result: NDArray[Any] = light.lamps_on(points, normal)
    if panel.opening is not None:
        inside = (panel.opening.corner - points) @ panel.opening.normal
        result = result * np.exp(-np.abs(inside) / 2)[..., None]
    if facing > 0 and light.sun.any():
        lit = ~in_shadow(points + 0.02 * normal, light.towards_sun, blocks, body=panel.body)
        if panel.opening is not None:
            lit &= _through(panel.opening, points, light.towards_sun)
        result = result + light.sun * facing * lit[..., None]
    return result.astype(np.float32)


def in_shadow(
    points: NDArray[Any], towards_sun: Vector, blocks: Sequence[Block], *, body: int = -2
) -> NDArray[np.bool_]:
    """Return for points (..., 3) whether a block other than the body's own shades them."""
    dark = np.zeros(points.shape[:-1], bool)
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    middle, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    for block in blocks:
        if block.body != body and block.may_shade(middle, radius, towards_sun):
            dark |= block.shades(points, towards_sun)
    return dark


def _through(opening: Face, points: NDArray[Any], towards: Vector) -> NDArray[np.bool_]:
    """Return whether the rays from points (..., 3) pass through an opening."""
    along = float(towards @ opening.normal)
    if along <= 0.01:
        return np.zeros(points.shape[:-1], bool)
    hit = points + ((opening.corner - points) @ opening.normal / along)[..., None] * towards
    width, height = opening.size_m
    u = (hit - opening.corner) @ opening.right / width**2
    v = (hit - opening.corner) @ opening.down / height**2
    return np.asarray((u > 0) & (u < 1) & (v > 0) & (v < 1))


def _enlarge(small: NDArray[np.float32], size_px: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(small, size_px, interpolation=cv2.INTER_LINEAR))
