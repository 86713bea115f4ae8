"""Apply the effects of weather, lens and sensor to a picture."""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.scenes.light import Light

_SENSOR_NOISE: dict[str, tuple[float, float]] = {
    "daylight": (1.5, 4),
    "overcast": (2, 5),
    "low_sun": (2, 6),
    "night": (6, 13),
    "rain": (3, 7),
}
"""Minimum and maximum standard deviation, in pixel values."""


def take(
    bgr: NDArray[np.uint8], light: Light, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], float]:
    """Photograph a drawn scene.

    Returns:
        The photograph, and its sharpness: 1 / (1 + s), where s is the standard deviation in
        pixels of the added blur (of the motion trace, if the camera moved). 1 is no blur.
    """
    if light.lighting == "rain":
        bgr = _rain(bgr, rng)
    bgr, spread_px = _blur(bgr, rng)
    picture = bgr.astype(np.float32)
    picture *= _vignette(bgr.shape[:2], round(rng.uniform(0.02, 0.22), 2))[..., None]
    picture *= (1 + rng.uniform(-0.035, 0.035, 3)).astype(np.float32)
    mean = float(picture[::8, ::8].mean())
    wanted = 62 if light.lighting == "night" else 118
    picture *= np.float32(
        np.clip((wanted / max(mean, 1)) ** 0.55, 0.75, 1.7) * rng.uniform(0.9, 1.1)
    )
    deviation = rng.uniform(*_SENSOR_NOISE[light.lighting])
    picture += _static(bgr.shape, rng) * np.float32(deviation)
    return np.clip(picture, 0, 255).astype(np.uint8), 1 / (1 + spread_px)


def _blur(bgr: NDArray[np.uint8], rng: np.random.Generator) -> tuple[NDArray[np.uint8], float]:
    """Add motion blur or defocus to one picture in four, and return its standard deviation."""
    kind = rng.random()
    if kind < 0.12:
        length = int(rng.integers(4, 11))
        kernel = np.zeros((length, length), np.float32)
        turn = rng.uniform(0, np.pi)
        reach = np.array([np.cos(turn), np.sin(turn)]) * (length - 1) / 2
        middle = (length - 1) / 2
        start, end = middle - reach, middle + reach
        fixed = [tuple(int(v) for v in np.round(point * 16)) for point in (start, end)]
        cv2.line(kernel, fixed[0], fixed[1], 1.0, 1, cv2.LINE_8, 4)
        return np.asarray(cv2.filter2D(bgr, -1, kernel / kernel.sum())), length / 12**0.5
    if kind < 0.25:
        spread = rng.uniform(0.7, 2.2)
        return np.asarray(cv2.GaussianBlur(bgr, (0, 0), spread)), spread
    return bgr, 0.0


def _rain(bgr: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add near and far streaks of rain, and lower the contrast."""
    height, width = bgr.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    lean = rng.uniform(-0.18, 0.18)
    for count, length, bright in ((260, 0.025, 90), (60, 0.07, 120)):
        tops = rng.uniform(0, 1, (count, 2)) * (width, height)
        for x, y in tops:
            drop = length * height * rng.uniform(0.5, 1.4)
            end = (int(x + lean * drop), int(y + drop))
            cv2.line(streaks, (int(x), int(y)), end, int(bright * rng.uniform(0.4, 1)), 1)
    soft = cv2.GaussianBlur(streaks, (0, 0), 0.8)
    return np.asarray(cv2.add(cv2.convertScaleAbs(bgr, None, 0.9, 14), cv2.merge([soft] * 3)))


@cache
def _vignette(shape: tuple[int, int], strength: float) -> NDArray[np.float32]:
    rows, columns = shape
    y = (np.arange(rows)[:, None] + 0.5) / rows * 2 - 1
    x = (np.arange(columns)[None, :] + 0.5) / columns * 2 - 1
    return (1 - strength * (x**2 + y**2) / 2).astype(np.float32)


@cache
def _field() -> NDArray[np.float32]:
    """Return white noise, slightly correlated between neighbours as after demosaicing."""
    rng = np.random.default_rng(2668)
    field = rng.standard_normal((1024, 1024, 3), np.float32)
    soft = np.asarray(cv2.GaussianBlur(field, (0, 0), 0.6), np.float32)
    return np.asarray(soft / soft.std())


def _static(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    rows, columns = shape[:2]
    field = _field()
    if rows > field.shape[0] or columns > field.shape[1]:
        field = np.tile(field, (rows // 1024 + 2, columns // 1024 + 2, 1))
    top = int(rng.integers(0, field.shape[0] - rows + 1))
    left = int(rng.integers(0, field.shape[1] - columns + 1))
    return field[top : top + rows, left : left + columns]
