"""Corruptions of photographs: light, weather, lens dirt, motion blur, rotation, occlusion.

A corruption depends only on the photograph, its name, the corruption and the severity, so the
result is the same on every machine. Boxes are transformed exactly: their corners go through the
same transform as the pixels.
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
"""Focal length of the virtual camera, in longer sides of the picture; a phone has 0.8 to 1.3."""

_RAIN_AT_PX, _STREAK_PX, _PX_A_STREAK = 640, 30, 250
"""The longer side at which rain is drawn, a streak's length there, pixels per streak at most."""

_GREY = (114, 114, 114)
"""The colour of Ultralytics' padding."""


def darkness(picture: Picture, exposure: float, random: np.random.Generator) -> Picture:
    """Keep this fraction of the light, and add the noise of an amplified sensor."""
    linear: npt.NDArray[np.float64] = np.power(picture / 255.0, 2.2) * exposure
    noisy = linear + random.normal(0, 0.004, picture.shape) + random.normal(0, 1, picture.shape) * (
        np.sqrt(linear * 0.0008)
    )  # fmt: skip
    return _bytes(np.asarray(np.clip(noisy, 0, 1) ** (1 / 2.2), dtype=np.float64))


def back_light(picture: Picture, glare: float, random: np.random.Generator) -> Picture:
    """Put the sun behind the container: glare from above, and shade elsewhere."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    at = width * random.uniform(0.2, 0.8)
    distance = np.hypot((x - at) / width, y / height)[..., None]
    sun = np.exp(-((distance / 0.35) ** 2))
    return _bytes((picture / 255.0) * (1 - 0.75 * glare) + glare * (0.25 + 0.75 * sun))


def rain(picture: Picture, amount: float, random: np.random.Generator) -> Picture:
    """Draw streaks of falling drops and the haze behind them; the same at any resolution."""
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
    hazy = (picture / 255.0) * (1 - 0.45 * amount) + 0.6 * 0.45 * amount
    return _bytes(hazy * (1 - 0.7 * streaks) + 0.7 * streaks)


def lens_dirt(picture: Picture, fraction: float, random: np.random.Generator) -> Picture:
    """Draw out-of-focus spots that together cover this fraction of the picture."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), dtype=np.float64)
    while float((mask > 0).mean()) < fraction:
        radius = int(min(height, width) * random.uniform(0.02, 0.08)) + 1
        at = int(random.uniform(0, width)), int(random.uniform(0, height))
        cv2.circle(mask, at, radius, random.uniform(0.6, 0.95), -1)
    reach = 2 * (min(height, width) // 25) + 1  # nothing on a lens is in focus
    soft = cv2.GaussianBlur(mask, (reach, reach), 0)[..., None]
    return _bytes((picture / 255.0) * (1 - soft) + 0.24 * soft)


def motion(picture: Picture, length: float, random: np.random.Generator) -> Picture:
    """Blur along a line; its length is a fraction of the longer side, as of a passing vehicle."""
    reach = max(3, round(length * max(picture.shape[:2])) | 1)
    kernel = np.zeros((reach, reach))
    angle, middle = random.uniform(-0.3, 0.3), reach // 2
    step = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [tuple(int(v) for v in np.round(middle + sign * step)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), dtype=np.uint8)


_PHOTOMETRIC: Mapping[str, tuple[Callable[..., Picture], tuple[float, ...]]] = MappingProxyType(
    {
        "darkness": (darkness, (0.5, 0.25, 0.12, 0.06, 0.03)),
        "back light": (back_light, (0.2, 0.35, 0.5, 0.65, 0.8)),
        "rain": (rain, (0.2, 0.4, 0.6, 0.8, 1.0)),
        "lens dirt": (lens_dirt, (0.05, 0.1, 0.2, 0.3, 0.45)),
        "motion": (motion, (0.01, 0.02, 0.04, 0.06, 0.08)),
    }
)
_ROTATIONS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"yaw": (15, 30, 45, 60, 70), "pitch": (10, 20, 30, 40, 50), "roll": (5, 10, 20, 30, 45)}
)
"""In degrees."""

_HALF_A_PIXEL = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])

_OCCLUDED_FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)

SEVERITIES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        **{name: severities for name, (_, severities) in _PHOTOMETRIC.items()},
        **_ROTATIONS,
        "occluder": _OCCLUDED_FRACTIONS,
    }
)
"""The severities of each corruption, mildest first."""


_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "darkness": "fraction of the light",
        "back light": "strength of glare",
        "rain": "fraction of a downpour",
        "lens dirt": "fraction of the image",
        "motion": "fraction of longer side",
        "yaw": "degrees",
        "pitch": "degrees",
        "roll": "degrees",
        "occluder": "fraction of the door",
    }
)


def severity_unit(corruption: str) -> str:
    """Return the unit of a corruption's severities; an unknown corruption is a library's.

    >>> severity_unit("yaw"), severity_unit("fog")
    ('degrees', 'severity, 1 to 5')
    """
    return _UNITS.get(corruption, "severity, 1 to 5")


def apply_corruption(
    corruption: str, severity: float, name: str, picture: Picture, doors: Sequence[BoxXyxy]
) -> tuple[Picture, list[BoxXyxy]]:
    """Corrupt a picture with one corruption, at one severity.

    Args:
        corruption: One of :data:`SEVERITIES`.
        severity: One of its severities.
        name: Of the photograph; it seeds the random numbers.
        picture: It is not changed.
        doors: In pixels of the picture.

    Returns:
        The corrupted picture, of the same size, and the doors' boxes in it.
    """
    seed = hashlib.sha256(f"{name}\n{corruption}\n{severity}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    if corruption in _ROTATIONS:
        height, width = picture.shape[:2]
        matrix = rotation_homography(corruption, severity * random.choice([-1, 1]), width, height)
        # Boxes are measured from the edge of the first pixel, OpenCV's pixels from its centre.
        centred = np.linalg.inv(_HALF_A_PIXEL) @ matrix @ _HALF_A_PIXEL
        warped = cv2.warpPerspective(picture, centred, (width, height), borderValue=_GREY)
        boxes = [transformed_box(door, matrix) for door in doors]
        return np.asarray(warped, dtype=np.uint8), boxes
    if corruption == "occluder":
        return _occlude(picture, doors, severity, random), list(doors)
    return _PHOTOMETRIC[corruption][0](picture, severity, random), list(doors)


def read_picture(path: Path) -> Picture:
    """Read a photograph upright, in RGB."""
    with Image.open(path) as file:
        return np.asarray(ImageOps.exif_transpose(file).convert("RGB"), dtype=np.uint8)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture without loss."""
    Image.fromarray(picture).save(path, compress_level=1)


def rotation_homography(axis: str, degrees: float, width: int, height: int) -> Matrix:
    """Return the homography of a picture that is rotated as a plane in front of a camera.

    The camera severities back until it sees the whole picture again.

    Returns:
        (3, 3), from the picture's pixels to the new ones.
    """
    focal = _FOCAL * max(width, height)
    rotation = _rotation(axis, np.deg2rad(degrees))
    centred = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    # The plane's points (x, y, 0) are rotated, then seen from one focal length away.
    plane = np.column_stack([rotation[:, 0], rotation[:, 1], [0, 0, focal]])
    projection: Matrix = np.diag([focal, focal, 1.0]) @ plane @ centred
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    corners = _transform_points(outline, projection)
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(1.0, float((np.array([width, height]) / (high - low)).min()))
    middle = (low + high) / 2
    fit = np.array(
        [
            [scale, 0, width / 2 - scale * middle[0]],
            [0, scale, height / 2 - scale * middle[1]],
            [0, 0, 1],
        ]
    )
    return np.asarray(fit @ projection, dtype=np.float64)


def transformed_box(door: BoxXyxy, matrix: Matrix) -> BoxXyxy:
    """Transform the four corners of a box, and return the box around them."""
    left, top, right, bottom = door
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)
    moved = _transform_points(corners, matrix)
    low, high = moved.min(axis=0), moved.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _transform_points(points: Matrix, matrix: Matrix) -> Matrix:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:], dtype=np.float64)


def _rotation(axis: str, radians: float) -> Matrix:
    cos, sin = np.cos(radians), np.sin(radians)
    rotations = {
        "yaw": [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]],
        "pitch": [[1, 0, 0], [0, cos, -sin], [0, sin, cos]],
        "roll": [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]],
    }
    return np.array(rotations[axis], dtype=np.float64)


def _occlude(
    picture: Picture, doors: Sequence[BoxXyxy], fraction: float, random: np.random.Generator
) -> Picture:
    """Cover this fraction of each door's box with a flat patch, from one side."""
    occluded = picture.copy()
    height, width = picture.shape[:2]
    for door in doors:
        left, right = (min(max(edge, 0), width) for edge in door[::2])
        top, bottom = (min(max(edge, 0), height) for edge in door[1::2])
        side = random.choice(["left", "right", "bottom"])
        if side == "bottom":
            area = (left, bottom - fraction * (bottom - top), right, bottom)
        else:
            reach = fraction * (right - left)
            area = (left, top, left + reach, bottom) if side == "left" else (
                right - reach, top, right, bottom)  # fmt: skip
        x0, y0, x1, y1 = (max(0, round(edge)) for edge in area)
        patch = occluded[y0:y1, x0:x1]
        if patch.size:
            shade = random.uniform(0, 255, size=3)
            patch[:] = np.clip(shade + random.normal(0, 12, patch.shape), 0, 255).astype(np.uint8)
    return occluded


def _bytes(fractions: npt.NDArray[Any]) -> Picture:
    return np.asarray(np.clip(fractions, 0, 1) * 255, dtype=np.uint8)
