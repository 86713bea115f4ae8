"""The hard conditions of a door, made from good photographs: light, weather, angle, occlusion.

Each step is drawn from the photograph, its own name and its severity alone, so that the same step
is the same picture on every machine. Boxes are carried along exactly: their corners go through
the same transform as the pixels.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from container_doors.evaluation.matching import BoxXyxy

Picture = npt.NDArray[np.uint8]
"""(height, width, 3), RGB."""

Matrix = npt.NDArray[np.float64]

_FOCAL = 1.2
"""Of the imagined camera, in longer sides of the picture: a phone's main camera has 0.8 to 1.3."""

_RAIN_AT_PX, _STREAK_PX, _PX_A_STREAK = 640, 30, 250
"""At a longer side of so many pixels a streak is so long; the worst rain has one on so many."""

_GREY = (114, 114, 114)
"""What Ultralytics pads with."""


def darkness(picture: Picture, exposure: float, random: np.random.Generator) -> Picture:
    """Expose for so much of the light, with the noise of a sensor that is amplified for it."""
    linear: npt.NDArray[np.float64] = np.power(picture / 255.0, 2.2) * exposure
    noisy = linear + random.normal(0, 0.004, picture.shape) + random.normal(0, 1, picture.shape) * (
        np.sqrt(linear * 0.0008)
    )  # fmt: skip
    return _bytes(np.asarray(np.clip(noisy, 0, 1) ** (1 / 2.2), dtype=np.float64))


def back_light(picture: Picture, glare: float, random: np.random.Generator) -> Picture:
    """Put the sun behind the container: a glare from above, and the rest in its shade."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    at = width * random.uniform(0.2, 0.8)
    distance = np.hypot((x - at) / width, y / height)[..., None]
    sun = np.exp(-((distance / 0.35) ** 2))
    return _bytes((picture / 255.0) * (1 - 0.75 * glare) + glare * (0.25 + 0.75 * sun))


def rain(picture: Picture, amount: float, random: np.random.Generator) -> Picture:
    """Streaks of falling drops, and the veil behind them; the same at any resolution."""
    height, width = picture.shape[:2]
    shrunk = _RAIN_AT_PX / max(height, width)
    layer = np.zeros((max(1, round(height * shrunk)), max(1, round(width * shrunk))), np.uint8)
    slant = random.uniform(-0.25, 0.25)
    for _ in range(int(amount * layer.size / _PX_A_STREAK)):
        x = int(random.uniform(0, layer.shape[1]))
        y = int(random.uniform(-_STREAK_PX, layer.shape[0]))
        end = (int(x + slant * _STREAK_PX), y + _STREAK_PX)
        cv2.line(layer, (x, y), end, int(random.uniform(90, 220)), 1)
    soft = cv2.resize(cv2.GaussianBlur(layer, (3, 3), 0), (width, height))
    streaks = soft[..., None] / 255.0
    veiled = (picture / 255.0) * (1 - 0.45 * amount) + 0.6 * 0.45 * amount
    return _bytes(veiled * (1 - 0.7 * streaks) + 0.7 * streaks)


def lens_dirt(picture: Picture, share: float, random: np.random.Generator) -> Picture:
    """Spots out of focus, which cover such a share of the picture between them."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), dtype=np.float64)
    while float((mask > 0).mean()) < share:
        radius = int(min(height, width) * random.uniform(0.02, 0.08)) + 1
        at = int(random.uniform(0, width)), int(random.uniform(0, height))
        cv2.circle(mask, at, radius, random.uniform(0.6, 0.95), -1)
    reach = 2 * (min(height, width) // 25) + 1  # nothing on a lens is in focus
    soft = cv2.GaussianBlur(mask, (reach, reach), 0)[..., None]
    return _bytes((picture / 255.0) * (1 - soft) + 0.24 * soft)


def motion(picture: Picture, length: float, random: np.random.Generator) -> Picture:
    """Smear along a line of such a share of the longer side, as a passing vehicle does."""
    reach = max(3, round(length * max(picture.shape[:2])) | 1)
    kernel = np.zeros((reach, reach))
    angle, middle = random.uniform(-0.3, 0.3), reach // 2
    step = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [tuple(int(v) for v in np.round(middle + sign * step)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), dtype=np.uint8)


_LOOKS: Mapping[str, tuple[Callable[..., Picture], tuple[float, ...]]] = MappingProxyType(
    {
        "darkness": (darkness, (0.5, 0.25, 0.12, 0.06, 0.03)),
        "back light": (back_light, (0.2, 0.35, 0.5, 0.65, 0.8)),
        "rain": (rain, (0.2, 0.4, 0.6, 0.8, 1.0)),
        "lens dirt": (lens_dirt, (0.05, 0.1, 0.2, 0.3, 0.45)),
        "motion": (motion, (0.01, 0.02, 0.04, 0.06, 0.08)),
    }
)
_TURNS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"yaw": (15, 30, 45, 60, 70), "pitch": (10, 20, 30, 40, 50), "roll": (5, 10, 20, 30, 45)}
)
"""Degrees."""

_HALF_A_PIXEL = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])

_COVERED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)

LADDERS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {**{name: steps for name, (_, steps) in _LOOKS.items()}, **_TURNS, "occluder": _COVERED}
)
"""The severities of each ladder, mildest first."""


_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "darkness": "share of the light",
        "back light": "share of glare",
        "rain": "share of a downpour",
        "lens dirt": "share of the picture",
        "motion": "share of its longer side",
        "yaw": "degrees",
        "pitch": "degrees",
        "roll": "degrees",
        "occluder": "share of the door",
    }
)


def unit_of(ladder: str) -> str:
    """Say what the severities of a ladder are, of the door's own or of a library's.

    >>> unit_of("yaw"), unit_of("fog")
    ('degrees', 'severity, 1 to 5')
    """
    return _UNITS.get(ladder, "severity, 1 to 5")


def climb(
    ladder: str, severity: float, name: str, picture: Picture, doors: Sequence[BoxXyxy]
) -> tuple[Picture, list[BoxXyxy]]:
    """Make one step of a ladder.

    Args:
        ladder: One of :data:`LADDERS`.
        severity: One of its steps.
        name: Of the photograph; it decides what chance decides.
        picture: Is not changed.
        doors: In pixels of the picture.

    Returns:
        The picture, of the same size, and where the doors are in it.
    """
    seed = hashlib.sha256(f"{name}\n{ladder}\n{severity}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    if ladder in _TURNS:
        height, width = picture.shape[:2]
        matrix = turned(ladder, severity * random.choice([-1, 1]), width, height)
        # Boxes are measured from the edge of the first pixel, OpenCV's pixels from its centre.
        centred = np.linalg.inv(_HALF_A_PIXEL) @ matrix @ _HALF_A_PIXEL
        seen = cv2.warpPerspective(picture, centred, (width, height), borderValue=_GREY)
        return np.asarray(seen, dtype=np.uint8), [carried(door, matrix) for door in doors]
    if ladder == "occluder":
        return _covered(picture, doors, severity, random), list(doors)
    return _LOOKS[ladder][0](picture, severity, random), list(doors)


def read_picture(path: Path) -> Picture:
    """Read a photograph as people see it."""
    with Image.open(path) as file:
        return np.asarray(ImageOps.exif_transpose(file).convert("RGB"), dtype=np.uint8)


def write_picture(path: Path, picture: Picture) -> None:
    """Write it without loss."""
    Image.fromarray(picture).save(path, compress_level=1)


def turned(axis: str, degrees: float, width: int, height: int) -> Matrix:
    """Turn the picture as a plane before a camera, and step back until all of it is seen again.

    Returns:
        (3, 3), from the picture's pixels to the new ones.
    """
    focal = _FOCAL * max(width, height)
    turn = _rotation(axis, np.deg2rad(degrees))
    centred = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    # The plane's points (x, y, 0) turned, then seen from a distance of one focal length.
    plane = np.column_stack([turn[:, 0], turn[:, 1], [0, 0, focal]])
    seen: Matrix = np.diag([focal, focal, 1.0]) @ plane @ centred
    corners = _through(np.array([[0, 0], [width, 0], [width, height], [0, height]], float), seen)
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(1.0, float((np.array([width, height]) / (high - low)).min()))
    middle = (low + high) / 2
    fitted = np.array(
        [
            [scale, 0, width / 2 - scale * middle[0]],
            [0, scale, height / 2 - scale * middle[1]],
            [0, 0, 1],
        ]
    )
    return np.asarray(fitted @ seen, dtype=np.float64)


def carried(door: BoxXyxy, matrix: Matrix) -> BoxXyxy:
    """Carry the four corners along, and box them anew."""
    left, top, right, bottom = door
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)
    moved = _through(corners, matrix)
    low, high = moved.min(axis=0), moved.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _through(points: Matrix, matrix: Matrix) -> Matrix:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:], dtype=np.float64)


def _rotation(axis: str, radians: float) -> Matrix:
    cos, sin = np.cos(radians), np.sin(radians)
    turns = {
        "yaw": [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]],
        "pitch": [[1, 0, 0], [0, cos, -sin], [0, sin, cos]],
        "roll": [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]],
    }
    return np.array(turns[axis], dtype=np.float64)


def _covered(
    picture: Picture, doors: Sequence[BoxXyxy], share: float, random: np.random.Generator
) -> Picture:
    """Put something flat before each door, from one side, over such a share of its box."""
    covered = picture.copy()
    height, width = picture.shape[:2]
    for door in doors:
        left, right = (min(max(edge, 0), width) for edge in door[::2])
        top, bottom = (min(max(edge, 0), height) for edge in door[1::2])
        side = random.choice(["left", "right", "bottom"])
        if side == "bottom":
            area = (left, bottom - share * (bottom - top), right, bottom)
        else:
            reach = share * (right - left)
            area = (left, top, left + reach, bottom) if side == "left" else (
                right - reach, top, right, bottom)  # fmt: skip
        x0, y0, x1, y1 = (max(0, round(edge)) for edge in area)
        patch = covered[y0:y1, x0:x1]
        if patch.size:
            shade = random.uniform(0, 255, size=3)
            patch[:] = np.clip(shade + random.normal(0, 12, patch.shape), 0, 255).astype(np.uint8)
    return covered


def _bytes(fractions: npt.NDArray[Any]) -> Picture:
    return np.asarray(np.clip(fractions, 0, 1) * 255, dtype=np.uint8)
