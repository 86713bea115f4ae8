"""Chooses photographs that differ from each other, by small copies of them.

A photograph is described by its layout (12 x 12 grey values without its mean and contrast) and its
colours (4 x 4, in CIELAB). That is enough to tell one yard, camera or truck from another; no
network and no download is needed.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from container_doors.data.decoding import DECODER_ERRORS

Vector = NDArray[np.float32]

_LAYOUT, _COLOURS = 12, 4
_DRAFT_PX = 64
_LEAST_CONTRAST = 2.0
"""Grey values; a blank picture has no layout."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen photograph, by its number, and how it differs from what was there before."""

    index: int
    distance: float
    """To the nearest known or earlier chosen photograph, about 0 to 2; 0 is the same picture. NaN
    if there is no other."""
    nearest: int | None
    """Its number; known ones come first, then the candidates. None if there is no other."""


def describe(path: Path) -> Vector | None:
    """Return a photograph's description, shape (192,); None if it cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            opened.draft("RGB", (2 * _DRAFT_PX, 2 * _DRAFT_PX))
            upright = ImageOps.exif_transpose(opened).convert("RGB")
            pixels = np.asarray(upright.resize((_DRAFT_PX, _DRAFT_PX), Image.Resampling.BOX))
    except (Image.DecompressionBombError, *DECODER_ERRORS):
        return None
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    layout = cv2.resize(grey, (_LAYOUT, _LAYOUT), interpolation=cv2.INTER_AREA).astype(np.float32)
    layout -= layout.mean()
    layout /= max(float(np.linalg.norm(layout)), _LEAST_CONTRAST * _LAYOUT)
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    colours = cv2.resize(lab, (_COLOURS, _COLOURS), interpolation=cv2.INTER_AREA) / 100
    return np.concatenate([layout.ravel(), colours.ravel() / _COLOURS]).astype(np.float32)


def farthest_first(
    candidates: NDArray[np.float32],
    known: NDArray[np.float32],
    weights: Sequence[float],
    count: int,
) -> Iterator[Choice]:
    """Choose candidates one after the other: the one of the highest weight times distance.

    The distance is that to the nearest photograph that is known or chosen already (the greedy
    solution of the k-center problem; arXiv 1708.00489 chooses training data so).

    Args:
        candidates: Descriptions, shape (n, d).
        known: Those of photographs that need not be chosen, shape (m, d).
        weights: How much each candidate is wanted, n values above 0.
        count: How many; fewer, if the others are the same pictures.
    """
    wanted = np.array(weights, dtype=np.float64)
    distance, nearest = _nearest(candidates, known)
    is_left = np.ones(len(candidates), dtype=bool)
    for _ in range(min(count, len(candidates))):
        index = _best(candidates, distance, wanted, is_left)
        if distance[index] == 0:  # and so have all that are left
            return
        first = nearest[index] < 0
        yield Choice(
            index,
            float("nan") if first else float(distance[index]),
            None if first else int(nearest[index]),
        )
        is_left[index] = False
        away = np.linalg.norm(candidates - candidates[index], axis=1)
        is_nearer = away < distance
        distance[is_nearer] = away[is_nearer]
        nearest[is_nearer] = len(known) + index


def _nearest(
    candidates: NDArray[np.float32], known: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    distance = np.full(len(candidates), np.inf)
    nearest = np.full(len(candidates), -1, dtype=np.int64)
    for number, one in enumerate(known):
        away = np.linalg.norm(candidates - one, axis=1)
        is_nearer = away < distance
        distance[is_nearer] = away[is_nearer]
        nearest[is_nearer] = number
    return distance, nearest


def _best(
    candidates: NDArray[np.float32],
    distance: NDArray[np.float64],
    wanted: NDArray[np.float64],
    is_left: NDArray[np.bool_],
) -> int:
    """Return the best one; equal ones in their order. If nothing is known, the most typical."""
    if np.isinf(distance).all():
        typical = np.linalg.norm(candidates - candidates.mean(axis=0), axis=1)
        return int(np.lexsort((typical, -wanted))[0])
    return int(np.argmax(np.where(is_left, wanted * distance, -1.0)))
