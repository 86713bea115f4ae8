"""The light sources of a scene, and the brightness of a surface.

Brightness is computed in linear light, where 1 makes a white sheet just white. A pixel's value is
multiplied by its square root (a gamma of 2, close to sRGB's). Colours are blue, green, red, as in
OpenCV.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from container_doors.scenes.camera import Vector

Lighting = Literal["daylight", "overcast", "low_sun", "night", "rain"]


@dataclass(frozen=True, slots=True)
class Lamp:
    """A flood light on a mast, whose brightness falls quickly with distance."""

    position: Vector
    colour: Vector
    reach_m: float
    """The distance at which it has half of its brightness."""


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one scene."""

    lighting: Lighting
    towards_sun: Vector
    sun: Vector
    sky: Vector
    """The ambient light on a surface that faces up."""
    haze: Vector
    """The colour, in pixel values, that distant objects fade to."""
    haze_per_m: float
    zenith: Vector
    """The sky's colour overhead, in pixel values; at the horizon it is ``haze``."""
    lamps: tuple[Lamp, ...] = ()

    @property
    def is_wet(self) -> bool:
        """Whether the ground reflects."""
        return self.lighting == "rain"

    def key(self, point: Vector) -> Vector:
        """Return the direction to the strongest light at a point."""
        if not self.lamps:
            return self.towards_sun
        nearest = min(self.lamps, key=lambda lamp: float(np.linalg.norm(lamp.position - point)))
        towards = nearest.position - point
        return np.asarray(towards / np.linalg.norm(towards))

    def lamps_on(self, points: NDArray[Any], normal: Vector) -> NDArray[Any]:
        """Return the lamps' brightness at points (..., 3) of a flat surface: (..., 3)."""
        result = np.zeros(points.shape)
        for lamp in self.lamps:
            towards = lamp.position - points
            distance = np.linalg.norm(towards, axis=-1, keepdims=True)
            facing = np.clip((towards @ normal)[..., None] / distance, 0, 1)
            result = result + lamp.colour * facing / (1 + (distance / lamp.reach_m) ** 2)
        return result

    def ambient(self, normal: Vector) -> Vector:
        """Return the ambient light, which is lower on surfaces that face the ground."""
        return np.asarray(self.sky * (0.62 + 0.38 * float(normal[1])))


def draw_light(rng: np.random.Generator, lighting: Lighting) -> Light:
    """Draw the light for a scene whose main door is near the origin and faces -z."""
    return _BY_NAME[lighting](rng)


def _sun(rng: np.random.Generator, elevation_deg: tuple[float, float], spread_deg: float) -> Vector:
    """Draw a direction; azimuth 0 is behind the photographer."""
    up = np.radians(rng.uniform(*elevation_deg))
    azimuth = np.radians(rng.uniform(-spread_deg, spread_deg))
    flat = np.cos(up)
    return np.array([flat * np.sin(azimuth), np.sin(up), -flat * np.cos(azimuth)])


def _colour(red: float, green: float, blue: float) -> Vector:
    return np.array([blue, green, red])


def _daylight(rng: np.random.Generator) -> Light:
    blue_sky = rng.uniform(0.3, 1.0)
    return Light(
        lighting="daylight",
        towards_sun=_sun(rng, (28, 66), 125),
        sun=_colour(1.0, 0.95, 0.86) * rng.uniform(0.95, 1.25),
        sky=_colour(0.34, 0.38, 0.46) * rng.uniform(0.8, 1.15),
        haze=_colour(214, 222, 230) + rng.uniform(-14, 14),
        haze_per_m=rng.uniform(0.001, 0.004),
        zenith=_colour(170, 195, 222) * (1 - blue_sky) + _colour(70, 122, 190) * blue_sky,
    )


def _overcast(rng: np.random.Generator) -> Light:
    grey = rng.uniform(178, 235)
    return Light(
        lighting="overcast",
        towards_sun=_sun(rng, (60, 80), 180),
        sun=_colour(0.2, 0.2, 0.2),
        sky=_colour(0.72, 0.74, 0.77) * rng.uniform(0.7, 1.05),
        haze=_colour(grey, grey + 2, grey + 5),
        haze_per_m=rng.uniform(0.002, 0.007),
        zenith=_colour(grey, grey, grey + 4) * rng.uniform(0.82, 0.98),
    )


def _low_sun(rng: np.random.Generator) -> Light:
    warmth = rng.uniform(0.0, 1.0)
    return Light(
        lighting="low_sun",
        towards_sun=_sun(rng, (6, 17), 105),
        sun=_colour(1.25, 0.86 - 0.14 * warmth, 0.56 - 0.26 * warmth) * rng.uniform(0.85, 1.1),
        sky=_colour(0.24, 0.26, 0.35) * rng.uniform(0.7, 1.1),
        haze=_colour(242, 200 - 25 * warmth, 158 - 45 * warmth),
        haze_per_m=rng.uniform(0.003, 0.008),
        zenith=_colour(124, 146, 184),
    )


def _night(rng: np.random.Generator) -> Light:
    sodium, white = _colour(1.0, 0.72, 0.36), _colour(0.92, 0.97, 1.0)
    lamps = tuple(
        Lamp(
            position=np.array([side * rng.uniform(1.5, 6), rng.uniform(4, 8), -rng.uniform(3, 8)]),
            colour=(sodium if rng.random() < 0.55 else white) * rng.uniform(1.1, 2.2),
            reach_m=rng.uniform(4, 6.5),
        )
        for side in rng.permutation([-1, 1])[: rng.integers(1, 3)]
    )
    glow = rng.uniform(0.5, 1.5)
    return Light(
        lighting="night",
        towards_sun=np.array([0.0, 1.0, 0.0]),
        sun=np.zeros(3),
        sky=_colour(0.016, 0.018, 0.024) * glow,
        haze=_colour(30, 26, 30) * glow,
        haze_per_m=0.004,
        zenith=_colour(8, 10, 18) * glow,
        lamps=lamps,
    )


def _rain(rng: np.random.Generator) -> Light:
    grey = rng.uniform(128, 186)
    return Light(
        lighting="rain",
        towards_sun=_sun(rng, (60, 80), 180),
        sun=_colour(0.08, 0.08, 0.08),
        sky=_colour(0.46, 0.49, 0.53) * rng.uniform(0.75, 1.1),
        haze=_colour(grey, grey + 4, grey + 8),
        haze_per_m=rng.uniform(0.010, 0.020),
        zenith=_colour(grey, grey + 2, grey + 6) * 0.85,
    )


_BY_NAME: dict[Lighting, Callable[[np.random.Generator], Light]] = {
    "daylight": _daylight,
    "overcast": _overcast,
    "low_sun": _low_sun,
    "night": _night,
    "rain": _rain,
}
