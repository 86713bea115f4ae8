"""What a flat thing is made of: paint, relief and dirt, lit to become a texture."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.dataset.sample.camera import Face, Vector
from container_doors.dataset.sample.light import Light
from container_doors.dataset.sample.noise import patch

Field = NDArray[Any]

RUST = np.array([34.0, 58.0, 104.0])
GREY = np.array([120.0, 120.0, 118.0])


@dataclass(slots=True)
class Surface:
    """Paint and relief of a face, from its top left, in metres."""

    paint: Field
    """float32 (rows, columns, 3), pixel values under a light of 1."""
    height: Field
    """float32 (rows, columns), metres towards the viewer."""
    px_per_m: float

    def at(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """Give the rows and columns of a rectangle in metres, at least one pixel of each."""
        scale = self.px_per_m
        left, top = max(round(x0 * scale), 0), max(round(y0 * scale), 0)
        return (
            slice(top, max(round(y1 * scale), top + 1)),
            slice(left, max(round(x1 * scale), left + 1)),
        )

    def part(self, x0: float, y0: float, x1: float, y1: float) -> "Surface":
        """Give a rectangle as a surface that shares the paint and relief of this one."""
        where = self.at(x0, y0, x1, y1)
        return Surface(self.paint[where], self.height[where], self.px_per_m)

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height."""
        rows, columns = self.height.shape
        return columns / self.px_per_m, rows / self.px_per_m

    def stain(self, where: tuple[slice, slice], amount: Field | float, colour: Vector) -> None:
        """Mix a colour in; ``amount`` is a fraction, one or for each pixel (rows, columns)."""
        region = self.paint[where]
        share = np.asarray(amount, np.float32)
        if share.ndim == 2:
            share = share[..., None]
        region += share * (colour.astype(np.float32) - region)

    def bake(self, light: Light, face: Face, shade: Field | float = 1.0) -> Field:
        """Light the surface as it stands in the scene.

        Args:
            light: The scene's.
            face: Where it stands.
            shade: What part of the direct light arrives, one or for each pixel.

        Returns:
            uint8 (rows, columns, 3).
        """
        slope_x, slope_y = self._slopes()
        ambient = light.ambient(face.normal)
        hollow = np.clip(1 - 0.30 * (np.abs(slope_x) + np.abs(slope_y)), 0.45, 1)
        beams = [(light.sun, self._facing(light.towards_sun, face, slope_x, slope_y) * shade)]
        for lamp in light.lamps:
            towards = lamp.position - face.at(0.5, 0.5)
            facing = self._facing(towards / np.linalg.norm(towards), face, slope_x, slope_y)
            beams.append((lamp.colour, facing * shade * self._fall_off(lamp.position, lamp.reach_m, face)))
        channels = [
            cv2.sqrt((ambient[c] * hollow + sum(colour[c] * beam for colour, beam in beams)).astype(np.float32))
            for c in range(3)
        ]
        lit = cv2.multiply(self.paint, cv2.merge(channels))
        return np.clip(lit, 0, 255).astype(np.uint8)

    def _slopes(self) -> tuple[Field, Field]:
        limit = 1.6
        slope_x = cv2.Sobel(self.height, cv2.CV_32F, 1, 0, ksize=3, scale=self.px_per_m / 8)
        slope_y = cv2.Sobel(self.height, cv2.CV_32F, 0, 1, ksize=3, scale=self.px_per_m / 8)
        return np.clip(slope_x, -limit, limit), np.clip(slope_y, -limit, limit)

    def _facing(self, towards: Vector, face: Face, slope_x: Field, slope_y: Field) -> Field:
        """Give the cosine between the relief's normal and a direction, 0 where it is behind."""
        straight = float(towards @ face.normal)
        if straight <= 0:
            return np.zeros_like(slope_x)
        x = float(towards @ face.right) / face.size_m[0]
        y = float(towards @ face.down) / face.size_m[1]
        facing = (straight - x * slope_x - y * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
        return np.maximum(facing, 0)

    def _fall_off(self, lamp: Vector, reach_m: float, face: Face) -> Field:
        u, v = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 8))
        distance = np.linalg.norm(face.at(u, v) - lamp, axis=-1)
        grid = (1 / (1 + (distance / reach_m) ** 2)).astype(np.float32)
        rows, columns = self.height.shape
        return cv2.resize(grid, (columns, rows))


def blank(size_m: tuple[float, float], px_per_m: float, colour: Vector) -> Surface:
    """Make a flat surface of one colour."""
    columns, rows = (max(round(metres * px_per_m), 2) for metres in size_m)
    paint = np.empty((rows, columns, 3), np.float32)
    paint[:] = colour
    return Surface(paint, np.zeros((rows, columns), np.float32), px_per_m)


def corrugation(length_m: float, pixels: int, *, pitch_m: float, depth_m: float) -> Field:
    """Give the height of a wall folded into trapezoids, along its length: (pixels,)."""
    fine = 8
    x = (np.arange(pixels * fine) + 0.5) / (pixels * fine) * length_m / pitch_m % 1
    profile = np.clip((np.abs(x - 0.5) - 0.125) / 0.25 * 2, 0, 1) * depth_m
    return np.asarray(profile.reshape(pixels, fine).mean(axis=1), np.float32)


def weather_steel(surface: Surface, rng: np.random.Generator, age: float) -> None:
    """Fade, soil, scratch and rust painted steel; ``age`` from 0 (new) to 1 (scrap)."""
    shape = surface.height.shape
    everywhere = (slice(None), slice(None))
    tone = patch(rng, shape, grain="soft", zoom=(1.5, 1.5)) - 0.5
    streaks = patch(rng, shape, grain="rough", zoom=(12, 0.6)) - 0.5
    grain = patch(rng, shape, grain="fine") - 0.5
    factor = 1 + (0.10 + 0.30 * age) * tone + (0.06 + 0.34 * age) * streaks + 0.10 * grain
    surface.paint *= factor[..., None]
    surface.stain(everywhere, np.clip(0.15 * age * (tone + 0.6), 0, 1), GREY * 1.3)
    blotches = patch(rng, shape, grain="rough", zoom=(1.2, 0.8))
    edge = 0.97 - 0.36 * age
    rust = np.clip((blotches + 0.25 * streaks + 0.12 * grain - edge) * 9, 0, 0.92)
    surface.stain(everywhere, rust, RUST * (1 + 0.5 * grain.mean()))
    if age > 0.25:
        dripping = cv2.blur(rust, (1, max(shape[0] // 5, 3)), anchor=(0, max(shape[0] // 5, 3) - 1))
        surface.stain(everywhere, np.clip(dripping * 0.9, 0, 0.5), RUST * 1.3)
