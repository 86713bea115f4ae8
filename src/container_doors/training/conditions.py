"""Hard conditions on training photographs: which a photograph gets, and how they look.

They look as in ``doors robustness`` (:mod:`container_doors.evaluation.corruptions`), and take a
tenth of its time: a training draws them for every photograph of every epoch. With the same random
numbers both draw the same streaks and spots.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.core.conditions import Conditions

Picture = NDArray[np.uint8]
"""(height, width, 3), RGB."""

MOST_HIDDEN = 0.8
"""A door of which occluders hide more loses its label: no one could draw its box."""

_STREAM = 1
"""Keeps these random numbers apart from those of Ultralytics, which has the same seed."""

_GAMMA = 2.2
_LEVELS = 2**16
"""Steps of linear light: fewer would show in the dark, where the gamma curve is steep."""

_RAIN_AT_PX, _STREAK_PX, _PX_A_STREAK = 640, 30, 250
_DIRT_AT_PX = 160
"""The longer sides at which rain and dirt are drawn; dirt is out of focus anyway."""

_NOISE_DEVIATION = (0.0, 0.08, 0.12, 0.18, 0.26, 0.38)
_JPEG_QUALITY = (95, 25, 18, 15, 10, 7)
"""By severity from 0; from 1 on those of Hendrycks and Dietterich (arXiv 1903.12261)."""


class DrawnCondition(NamedTuple):
    """A condition that one photograph gets."""

    name: str
    severity: float


def draw_conditions(conditions: Conditions, seed: int) -> tuple[DrawnCondition, ...]:
    """Draw what a photograph gets; the same for the same seed.

    A condition that is turned on changes neither which photographs get the others nor how severe.
    """
    random = np.random.default_rng((seed, _STREAM))
    drawn = []
    for name, condition in conditions.each():
        chance, position = random.random(2)
        if chance < (condition.probability or 0.0):
            drawn.append(
                DrawnCondition(name, _between(name, condition.low, condition.high, position))
            )
    return tuple(drawn)


def _between(name: str, low: float, high: float, position: float) -> float:
    if name == "darkness":
        return float(low * (high / low) ** position)
    return float(low + (high - low) * position)


def render(
    picture: Picture, doors_xyxy: NDArray[Any], drawn: Sequence[DrawnCondition], seed: int
) -> tuple[Picture, NDArray[np.bool_]]:
    """Give a photograph its conditions, in the order in which light meets them.

    Args:
        picture: It is not changed.
        doors_xyxy: (doors, 4), in pixels.
        drawn: From :func:`draw_conditions`.
        seed: The photograph's; it decides where streaks and spots are.

    Returns:
        The new picture, and for each door whether its label stays.
    """
    severities = dict(drawn)
    is_seen = np.ones(len(doors_xyxy), dtype=np.bool_)
    if "occluder" in severities:
        random = _generator(seed, "occluder")
        picture, is_seen = occlude(picture, doors_xyxy, severities["occluder"], random)
    for name, renderer in RENDERERS.items():
        if name in severities:
            picture = renderer(picture, severities[name], _generator(seed, name))
    return picture, is_seen


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng((seed, _STREAM, *name.encode()))


def occlude(
    picture: Picture, doors_xyxy: NDArray[Any], fraction: float, random: np.random.Generator
) -> tuple[Picture, NDArray[np.bool_]]:
    """Cover this fraction of each door's box with a flat patch, from one side."""
    occluded = picture.copy()
    height, width = picture.shape[:2]
    hidden = np.zeros((height, width), dtype=np.bool_)
    edges = np.clip(np.asarray(doors_xyxy, dtype=np.float64), 0, (width, height, width, height))
    for left, top, right, bottom in edges:
        side = random.choice(["left", "right", "bottom"])
        across = fraction * (right - left)
        x0, y0, x1, y1 = (round(float(edge)) for edge in {
            "left": (left, top, left + across, bottom),
            "right": (right - across, top, right, bottom),
            "bottom": (left, bottom - fraction * (bottom - top), right, bottom),
        }[side])  # fmt: skip
        patch = occluded[y0:y1, x0:x1]
        shade = random.uniform(0, 255, size=3).astype(np.float32)
        grain = random.standard_normal(patch.shape, dtype=np.float32)
        patch[:] = np.clip(shade + 12 * grain, 0, 255)
        hidden[y0:y1, x0:x1] = True
    return occluded, np.array([_hidden_fraction(hidden, box) <= MOST_HIDDEN for box in edges])


def _hidden_fraction(hidden: NDArray[np.bool_], box_xyxy: NDArray[np.float64]) -> float:
    left, top, right, bottom = (round(float(edge)) for edge in box_xyxy)
    inside = hidden[top:bottom, left:right]
    return float(inside.mean()) if inside.size else 0.0


def back_light(picture: Picture, glare: float, random: np.random.Generator) -> Picture:
    """Add glare from above, and shade elsewhere."""
    height, width = picture.shape[:2]
    at = random.uniform(0.2, 0.8)
    across = np.exp(-(((np.arange(width) / width - at) / 0.35) ** 2))
    down = np.exp(-((np.arange(height) / height / 0.35) ** 2))
    light = 255 * glare * (0.25 + 0.75 * np.outer(down, across))
    return _blend(picture, 1 - 0.75 * glare, light.astype(np.uint8))


def rain(picture: Picture, amount: float, random: np.random.Generator) -> Picture:
    """Draw streaks of falling drops, and the haze behind them."""
    height, width = picture.shape[:2]
    shrunk = _RAIN_AT_PX / max(height, width)
    layer = np.zeros((max(1, round(height * shrunk)), max(1, round(width * shrunk))), np.uint8)
    slant = random.uniform(-0.25, 0.25)
    drops = random.random((int(amount * layer.size / _PX_A_STREAK), 3))
    lows = np.array([0, -_STREAK_PX, 90])
    highs = np.array([layer.shape[1], layer.shape[0], 220])
    for x, y, shade in (lows + (highs - lows) * drops).astype(np.int64).tolist():
        end = (int(x + slant * _STREAK_PX), y + _STREAK_PX)
        cv2.line(layer, (x, y), end, shade, 1)
    soft = _resized(cv2.GaussianBlur(layer, (3, 3), 0), width, height)
    haze = np.full((height, width), round(255 * 0.27 * amount), np.uint8)
    return _cover(_blend(picture, max(0.0, 1 - 0.45 * amount), haze), soft, strength=0.7, shade=1.0)


def dirt(picture: Picture, fraction: float, random: np.random.Generator) -> Picture:
    """Draw out-of-focus spots that together cover this fraction of the picture."""
    height, width = picture.shape[:2]
    shrunk = min(1.0, _DIRT_AT_PX / max(height, width))
    mask = np.zeros((max(1, round(height * shrunk)), max(1, round(width * shrunk))), np.uint8)
    while cv2.countNonZero(mask) < fraction * mask.size:
        radius = (int(min(height, width) * random.uniform(0.02, 0.08)) + 1) * shrunk
        at = random.uniform(0, width) * shrunk, random.uniform(0, height) * shrunk
        shade = round(255 * random.uniform(0.6, 0.95))
        cv2.circle(mask, (int(at[0]), int(at[1])), max(1, round(radius)), shade, -1)
    reach = 2 * round(min(height, width) // 25 * shrunk) + 1
    soft = _resized(cv2.GaussianBlur(mask, (reach, reach), 0), width, height)
    return _cover(picture, soft, strength=1.0, shade=0.24)


def _resized(layer: NDArray[Any], width: int, height: int) -> Picture:
    return np.asarray(cv2.resize(layer, (width, height)), dtype=np.uint8)


def motion_blur(picture: Picture, length: float, random: np.random.Generator) -> Picture:
    """Blur along a line; its length is a fraction of the longer side.

    The columns are shifted until the line is level, which a running sum then blurs: a twentieth
    of the time of a filter with that line as its kernel.
    """
    height, width = picture.shape[:2]
    reach = max(3, round(length * max(height, width)) | 1)
    angle = random.uniform(-0.3, 0.3)
    slope, margin = math.tan(angle), math.ceil(width * abs(math.tan(angle)))
    shift = np.array([[1, 0, 0], [-slope, 1, margin if slope > 0 else 0]])
    back = np.array([[1, 0, 0], [slope, 1, -shift[1, 2]]])
    level = cv2.warpAffine(picture, shift, (width, height + margin), flags=cv2.INTER_NEAREST,
                           borderMode=cv2.BORDER_REFLECT_101)  # fmt: skip
    across = 2 * round(math.cos(angle) * (reach // 2)) + 1
    level = cv2.blur(level, (across, 1))
    blurred = cv2.warpAffine(level, back, (width, height), flags=cv2.INTER_NEAREST,
                             borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return np.asarray(blurred, dtype=np.uint8)


def darkness(picture: Picture, exposure: float, random: np.random.Generator) -> Picture:
    """Keep this fraction of the light, and add the noise of an amplified sensor."""
    light = exposure * (np.arange(256) / 255) ** _GAMMA
    deviation = np.sqrt(0.004**2 + 0.0008 * light)
    noisy = _grain(picture.shape, random) * cv2.LUT(picture, deviation.astype(np.float32))
    noisy += cv2.LUT(picture, light.astype(np.float32))
    np.clip(noisy, 0, 1, out=noisy)
    noisy *= _LEVELS - 1
    return np.take(_seen_by_a_screen(), noisy.astype(np.uint16))


@cache
def _seen_by_a_screen() -> NDArray[np.uint8]:
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    return (255 * levels ** (1 / _GAMMA)).astype(np.uint8)


def _grain(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Return normal numbers: a stretch of one long row of them, because new ones take 20 ms."""
    size, row = math.prod(shape), _normal_numbers()
    start = int(random.integers(len(row) - min(size, len(row)) + 1))
    return np.resize(row[start : start + size], shape)


@cache
def _normal_numbers() -> NDArray[np.float32]:
    return np.random.default_rng(_STREAM).standard_normal(2**21, dtype=np.float32)


def noise(picture: Picture, severity: float, random: np.random.Generator) -> Picture:
    """Add Gaussian noise to each value."""
    deviation = np.float32(255 * _at(severity, _NOISE_DEVIATION))
    noisy = _grain(picture.shape, random) * deviation
    noisy += picture
    np.clip(noisy, 0, 255, out=noisy)
    return noisy.astype(np.uint8)


def jpeg(picture: Picture, severity: float, random: np.random.Generator) -> Picture:  # noqa: ARG001
    """Compress and open again."""
    quality = round(_at(severity, _JPEG_QUALITY))
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])


RENDERERS: Mapping[str, Callable[[Picture, float, np.random.Generator], Picture]] = (
    MappingProxyType(
        {
            "back_light": back_light,
            "rain": rain,
            "dirt": dirt,
            "motion_blur": motion_blur,
            "darkness": darkness,
            "noise": noise,
            "jpeg": jpeg,
        }
    )
)
"""By condition; the occluder needs the doors."""


def _at(severity: float, table: Sequence[float]) -> float:
    return float(np.interp(severity, range(len(table)), table))


def _blend(picture: Picture, factor: float, added: Picture) -> Picture:
    """Return ``factor * picture + added``; ``added`` is (height, width)."""
    return np.asarray(cv2.addWeighted(picture, factor, cv2.merge([added] * 3), 1.0, 0.0), np.uint8)


def _cover(picture: Picture, mask: Picture, *, strength: float, shade: float) -> Picture:
    """Mix a grey ``shade``, in [0, 1], into a picture where ``mask`` is bright."""
    levels = np.arange(256)
    kept = cv2.LUT(mask, (255 - strength * levels).astype(np.uint8))
    added = cv2.LUT(mask, (strength * shade * levels).astype(np.uint8))
    dimmed = cv2.multiply(picture, cv2.merge([kept] * 3), scale=1 / 255)
    return np.asarray(cv2.add(dimmed, cv2.merge([added] * 3)), np.uint8)
