"""Compare two thumbnails: one picture, two moments of one scene, or different ones.

The second thumbnail is aligned with the first (affine, ECC: Evangelidis and Psarakis 2008), then
they are compared in small blocks: brightness and contrast do not count, and one truck in front of
the background of another is told from it. ``benchmarks/duplicates.py`` measures the thresholds.
"""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.data.thumbnails import SIDE_PX, Thumbnail

Relation = Literal["copy", "scene"]
"""``copy``: certainly the same picture, changed; ``scene``: it may be another moment of it."""

Floats = NDArray[np.float32]
_Flags = NDArray[np.bool_]

_BLOCK_PX = 8
_PER_SIDE = SIDE_PX // _BLOCK_PX
_NEIGHBOURHOOD_PX = 25
"""Contrast is normalized within it, so that shadows and sun weigh the same."""

_FEWEST_BLOCKS = 8
"""With fewer blocks that show anything, nothing can be said."""

_TEXTURED = 6.0
"""Levels; a block with a smaller standard deviation in both pictures shows nothing."""

_DARKEST, _BRIGHTEST = 12.0, 243.0
"""Levels; a block without texture beyond them may have lost it when its picture was brightened."""

_COARSE_ECC = 0.6
"""Copies reach 0.8 at half size; nine of ten different photographs are rejected here."""

_COPY_NCC, _COPY_CONTRADICTING, _COPY_COVERED = 0.9, 0.03, 0.95
"""A cropped copy lies within its original; between two moments the camera may have turned."""

_SCENE_CONTRADICTING = 0.05
_MOVED_NCC, _MOVED_OBJECT_NCC, _MOVED_CONTRADICTING = 0.75, 0.75, 0.10
_CONTRADICTION = 0.5
"""A block's correlation below which the two pictures show different things there."""

_EXPLAINED = 0.7
_FARTHEST_PX = 12
_SCALES = (0.9, 1.0, 1.11)
"""How far an object may have moved, and how much it may have grown, between two moments."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a thumbnail, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Cut the window out of a thumbnail."""
        return pixels[self.top : self.bottom, self.left : self.right]

    def warp(self) -> Floats:
        """Return the affine map (2, 3) from a whole thumbnail to this window."""
        wide, high = (self.right - self.left) / SIDE_PX, (self.bottom - self.top) / SIDE_PX
        x, y = self.left + (wide - 1) / 2, self.top + (high - 1) / 2  # from middles of pixels
        return np.array([[wide, 0, x], [0, high, y]], np.float32)


def warp_between(one: Window, other: Window) -> Floats:
    """Return the affine map (2, 3) between two thumbnails that maps a window to a window."""
    last = [[0, 0, 1]]
    from_one, to_other = (np.vstack([each.warp(), last]) for each in (one, other))
    return (to_other @ np.linalg.inv(from_one))[:2].astype(np.float32)


def compare(
    one: Thumbnail, other: Thumbnail, *, warp: Floats, is_mirrored: bool
) -> Relation | None:
    """Compare two thumbnails.

    Args:
        one: The first.
        other: The second.
        warp: A map (2, 3) from ``one`` to ``other``, where to begin.
        is_mirrored: Whether ``other`` is to be mirrored first.

    Returns:
        None if they are different photographs, as far as can be told.
    """
    if is_mirrored:
        other = np.ascontiguousarray(other[:, ::-1])
    aligned = _align(one, other, warp)
    if aligned is None:
        return None
    blocks = _compare_blocks(one, other, aligned)
    if np.count_nonzero(blocks.is_used) < _FEWEST_BLOCKS:
        return None
    median = float(np.median(blocks.ncc[blocks.is_used]))
    contradicting = blocks.is_used & (blocks.ncc < _CONTRADICTION)
    proportion = np.count_nonzero(contradicting) / np.count_nonzero(blocks.is_used)
    is_whole = _covered(blocks, aligned) >= _COPY_COVERED
    if median >= _COPY_NCC and proportion <= _COPY_CONTRADICTING and is_whole:
        return "copy"
    if median >= _COPY_NCC and proportion <= _SCENE_CONTRADICTING:
        return "scene"
    if median >= _MOVED_NCC and _has_moved(one, other, aligned, blocks, contradicting):
        return "scene"
    return None


def normalize_contrast(pixels: NDArray[Any], neighbourhood_px: int = _NEIGHBOURHOOD_PX) -> Floats:
    """Remove the local mean, and divide by the local standard deviation."""
    size = (neighbourhood_px, neighbourhood_px)
    floats = pixels.astype(np.float32)
    difference = floats - cv2.blur(floats, size)
    deviation = np.sqrt(np.maximum(cv2.blur(difference * difference, size), 0))
    return np.asarray(difference / (deviation + 8), np.float32)


def _align(one: Thumbnail, other: Thumbnail, warp: Floats) -> Floats | None:
    """Refine a warp from ``one`` to ``other``, at half size first; None if nothing fits."""
    half = (SIDE_PX // 2, SIDE_PX // 2)
    first, second = (
        normalize_contrast(
            cv2.resize(each, half, interpolation=cv2.INTER_AREA), _NEIGHBOURHOOD_PX // 2
        )
        for each in (one, other)
    )
    coarse = _ecc(first, second, _scaled(warp, 0.5), steps=30, blur_px=7)
    if coarse is None or coarse[0] < _COARSE_ECC:
        return None
    first, second = normalize_contrast(one), normalize_contrast(other)
    fine = _ecc(first, second, _scaled(coarse[1], 2), steps=20, blur_px=5)
    return None if fine is None else fine[1]


def _scaled(warp: Floats, factor: float) -> Floats:
    """Return the same warp between pictures that are larger by a factor."""
    scaled = warp.copy()
    scaled[:, 2] = factor * warp[:, 2] + (factor - 1) / 2 * (1 - warp[:, 0] - warp[:, 1])
    return scaled


def _ecc(
    one: Floats,
    other: Floats,
    warp: Floats,
    *,
    steps: int,
    blur_px: int,
    mask: NDArray[np.uint8] | None = None,
) -> tuple[float, Floats] | None:
    """Return the correlation coefficient and the warp; None if it does not converge."""
    mask = np.full(one.shape, 255, np.uint8) if mask is None else mask
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-3)
    try:
        found, refined = cv2.findTransformECC(
            one, other, warp.copy(), cv2.MOTION_AFFINE, criteria, mask, blur_px
        )
    except cv2.error:  # no overlap is left, or nothing in it has contrast
        return None
    return float(found), refined.astype(np.float32, copy=False)


def _covered(blocks: "_Blocks", warp: Floats) -> float:
    """Return which part of one thumbnail the other shows: of that which is shown more fully."""
    return max(blocks.overlap, blocks.overlap * abs(float(np.linalg.det(warp[:, :2]))))


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The comparison of two aligned thumbnails, by block; arrays of ``_PER_SIDE ** 2``."""

    ncc: Floats
    """Normalized cross-correlation, -1 to 1."""
    is_used: _Flags
    """Whether the block is in both pictures and shows something."""
    is_inside: _Flags
    overlap: float
    """The part of the first thumbnail that the second shows, 0 to 1."""


def _compare_blocks(one: Thumbnail, other: Thumbnail, warp: Floats) -> _Blocks:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (SIDE_PX, SIDE_PX)
    warped = cv2.warpAffine(other.astype(np.float32), warp, size, flags=flags)
    ones = np.ones(size, np.float32)
    inside = cv2.warpAffine(ones, warp, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    first, second = (
        _blocks(cv2.GaussianBlur(each.astype(np.float32), (0, 0), 1)) for each in (one, warped)
    )
    is_inside = _blocks(inside).mean(axis=1) > 0.9
    means = np.stack([first.mean(axis=1), second.mean(axis=1)])
    first, second = first - means[0][:, None], second - means[1][:, None]
    deviations = np.sqrt(np.stack([(first**2).mean(axis=1), (second**2).mean(axis=1)]))
    ncc = (first * second).mean(axis=1) / (deviations[0] * deviations[1] + 4)
    is_textured = deviations.max(axis=0) > _TEXTURED
    is_clipped = (means.min(axis=0) < _DARKEST) | (means.max(axis=0) > _BRIGHTEST)
    is_lost = is_clipped & (deviations.min(axis=0) < _TEXTURED)
    return _Blocks(
        ncc.astype(np.float32), is_inside & is_textured & ~is_lost, is_inside, float(inside.mean())
    )


def _blocks(pixels: NDArray[Any]) -> Floats:
    """Cut a thumbnail into blocks: (number, pixels)."""
    shape = (_PER_SIDE, _BLOCK_PX, _PER_SIDE, _BLOCK_PX)
    blocks = pixels.reshape(shape).transpose(0, 2, 1, 3)
    return blocks.reshape(_PER_SIDE**2, _BLOCK_PX**2).astype(np.float32, copy=False)


def _has_moved(
    one: Thumbnail, other: Thumbnail, warp: Floats, blocks: _Blocks, contradicting: _Flags
) -> bool:
    """Return whether what differs is the same object, a little farther or nearer.

    The background of a fixed camera is the same on every photograph, so that alone proves nothing.
    """
    if not contradicting.any():
        return False
    mask = cv2.resize(
        contradicting.reshape(_PER_SIDE, _PER_SIDE).astype(np.uint8) * 255,
        (SIDE_PX, SIDE_PX),
        interpolation=cv2.INTER_NEAREST,
    ).astype(np.uint8, copy=False)
    first, second = normalize_contrast(one), normalize_contrast(other)
    start = _find_object(first, second, warp, mask)
    found = start is not None and _ecc(first, second, start, steps=20, blur_px=5, mask=mask)
    if not found:
        return False
    moved = _compare_blocks(one, other, found[1])
    compared = contradicting & moved.is_inside
    if not compared.any() or np.median(moved.ncc[compared]) < _MOVED_OBJECT_NCC:
        return False
    left = contradicting & ~(compared & (moved.ncc > _EXPLAINED))
    return bool(np.count_nonzero(left) <= _MOVED_CONTRADICTING * np.count_nonzero(blocks.is_used))


def _find_object(
    one: Floats, other: Floats, warp: Floats, mask: NDArray[np.uint8]
) -> Floats | None:
    """Search ``other``, aligned, for the masked part of ``one``; return the warp to it."""
    left, top, width, height = cv2.boundingRect(mask)
    part, part_mask = (
        each[top : top + height, left : left + width] for each in (one, (mask > 0) * 1.0)
    )
    size = (SIDE_PX, SIDE_PX)
    aligned = cv2.warpAffine(other, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    border = cv2.copyMakeBorder(aligned, *4 * (_FARTHEST_PX,), cv2.BORDER_CONSTANT)
    best: tuple[float, Floats] | None = None
    for scale in _SCALES:
        scaled = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if max(scaled.shape) > SIDE_PX:
            continue
        scaled_mask = cv2.resize(
            part_mask.astype(np.float32), scaled.shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        scores = cv2.matchTemplate(border, scaled, cv2.TM_CCORR_NORMED, mask=scaled_mask)
        _, score, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(scores, posinf=0, neginf=0))
        if best is None or score > best[0]:
            x0, y0 = x - _FARTHEST_PX - left * scale, y - _FARTHEST_PX - top * scale
            shift = np.array([[scale, 0, x0], [0, scale, y0], [0, 0, 1]], np.float32)
            best = score, warp @ shift
    return None if best is None else best[1]
