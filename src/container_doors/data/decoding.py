"""Decode a file as Ultralytics does: with Pillow, as its scan does, and with OpenCV.

JPEGs are decoded at an eighth of their size. That reads all of the compressed data, and skips only
arithmetic that cannot fail. Other formats are decoded at full size.
"""

import functools
import io
import os
import re
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from container_doors.data.capture import Capture, read_capture
from container_doors.data.layout import PICTURE_SUFFIXES
from container_doors.data.thumbnails import SIDE_PX, Thumbnail, thumbnail_of

SMALLEST_PX = 10
"""Ultralytics drops pictures that are smaller."""

JPEG_END, _JPEG_SCAN = b"\xff\xd9", b"\xff\xda"

READABLE = PICTURE_SUFFIXES | {"jpeg2000"}
"""Pillow's names, in lower case, of the formats that Ultralytics reads."""

MOST_FRAMES = 20
_NEAR = 64
"""Levels; the percentiles of a picture at an eighth are closer than those at full size."""

_MOST_LOOKED_AT = 100_000
"""Pixels sampled to find the levels, which takes a millisecond or two."""

_SMALLEST_EIGHTH_PX = 80
"""A picture at an eighth that is a little smaller than a thumbnail still makes a good one."""

_REDUCED = ((2, cv2.IMREAD_REDUCED_GRAYSCALE_4), (4, cv2.IMREAD_REDUCED_GRAYSCALE_2))
_WHOLE = cv2.IMREAD_GRAYSCALE
"""How to decode a JPEG so many times larger than at an eighth; it costs little for small ones."""

_MOST_SCANS = 500
"""A progressive JPEG has about ten; each takes as long as a full decoding."""

_ORIENTATION_TAG = 274
_SIDEWAYS = {5, 6, 7, 8}

# What Pillow's readers raise on invalid bytes.
DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,  # once Ultralytics is imported, Pillow tries to import pi-heif before it fails
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)

DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
"""How libjpeg's warnings (jerror.h) of damaged data begin; others are about markers that do not
matter."""

_PADDING = re.compile(r": (\d+) extraneous bytes before marker 0xd9")
_MOST_PADDING = 16

# Suffixes for which Ultralytics does not begin with cv2.imdecode.
_DECODED_BY_PILLOW = {"avif", "heic", "heif"}


class NotAPictureError(ValueError):
    """No decoder recognises the bytes."""


class TooManyPixelsError(ValueError):
    """The header announces more pixels than fit into memory."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The properties of a picture file, complete or damaged."""

    data: bytes
    suffix: str
    """In lower case, without the dot."""
    format: str
    """Pillow's name: ``JPEG``."""
    size_px: tuple[int, int]
    """Width and height of the upright picture."""
    orientation: object
    """The EXIF tag: an absent one is None, a wrong one can be anything."""
    frames: int
    broken: str
    """Why Ultralytics' own scan would drop the file; empty if it would not."""
    is_decoded: bool | None
    """Whether the trainer can load it; None if its scan drops the file before."""
    damage: str
    """libjpeg's warning of damage; empty if there is none, and for every other format."""
    levels: tuple[int, int] | None
    """The 1st and 99th percentile, of 0 to 255, of the channel with the widest range, as the
    trainer decodes it; None if it was not measured."""
    bits: int
    """Bits per colour that the decoded file needs, 8 or more; 8 if it has many levels."""
    has_alpha: bool
    thumbnail: Thumbnail | None
    """None if it was not decoded."""
    capture: Capture


def most_pixels() -> int:
    """Return the size above which Pillow warns; above twice this it refuses."""
    return Image.MAX_IMAGE_PIXELS or 1 << 30


def decode(data: bytes, *, suffix: str) -> Decoded:
    """Read a picture to its last byte.

    Raises:
        NotAPictureError: If it is not a picture.
        TooManyPixelsError: If reading it could exhaust the memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about odd metadata and large pictures
        try:
            header = Image.open(io.BytesIO(data))
        except Image.DecompressionBombError as error:
            raise TooManyPixelsError(str(error)) from None
        except DECODER_ERRORS as error:
            raise NotAPictureError(str(error)) from None
        with header:
            return _decode_opened(data, suffix, header)


def _decode_opened(data: bytes, suffix: str, header: Image.Image) -> Decoded:
    orientation = _orientation(header)
    size_px = (header.width, header.height)
    size_px = size_px[::-1] if _is_sideways(orientation) else size_px
    kind = header.format or ""
    frames = _frames(header)
    broken = _broken(data, kind)
    is_decoded, damage, levels, thumbnail = None, "", None, None
    if kind.lower() in READABLE and min(size_px) >= SMALLEST_PX and not broken:
        if kind in {"JPEG", "MPO"} and suffix not in _DECODED_BY_PILLOW:
            is_decoded, damage, levels, thumbnail = _decode_jpeg(data)
        else:
            pixels = _decode_whole(data, suffix)
            is_decoded = pixels is not None
            size_px = size_px if pixels is None else (pixels.shape[1], pixels.shape[0])
            levels = None if pixels is None else _levels(pixels)
            thumbnail = None if pixels is None else thumbnail_of(pixels)
    has_alpha = "A" in header.getbands() or "transparency" in header.info
    return Decoded(
        data, suffix, kind, size_px, orientation, frames, broken, is_decoded, damage, levels,
        _bits(data, levels), has_alpha, thumbnail, read_capture(header),
    )  # fmt: skip


def _orientation(header: Image.Image) -> object:
    try:
        return header.getexif().get(_ORIENTATION_TAG)
    except DECODER_ERRORS:
        return None


def _is_sideways(orientation: object) -> bool:
    return isinstance(orientation, int) and orientation in _SIDEWAYS


def _frames(header: Image.Image) -> int:
    """Count frames, at most one more than is reported; counting them all can take hours."""
    kind = (header.format or "").lower()
    try:
        if kind == "tiff":
            return _pages(header)
        return int(getattr(header, "n_frames", 1)) if kind in READABLE else 1
    except DECODER_ERRORS:
        return 1


def _pages(header: Image.Image) -> int:
    """Count the pages of a TIFF; Pillow's own count takes quadratic time."""
    for page in range(1, MOST_FRAMES + 1):
        try:
            header.seek(page)
        except EOFError:
            return page
    return MOST_FRAMES + 1


def _broken(data: bytes, kind: str) -> str:
    """Return why ``ultralytics.data.utils.check_image`` would drop the file; empty if not."""
    try:
        with Image.open(io.BytesIO(data)) as fresh:  # verify() needs a file that was not read yet
            fresh.verify()
        if kind == "JPEG" and not data.endswith(JPEG_END):
            with Image.open(io.BytesIO(data)) as fresh:
                fresh.load()
    except DECODER_ERRORS as error:
        return str(error) or type(error).__name__
    return ""


def _decode_jpeg(
    data: bytes,
) -> tuple[bool, str, tuple[int, int] | None, Thumbnail | None]:
    scans = data.count(_JPEG_SCAN)
    if scans > _MOST_SCANS:
        return True, f"Corrupt JPEG data: {scans} scans, each decoded separately", None, None
    with _error_stream() as text:
        pixels = _imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)
        damages = [
            line.strip() for line in text().splitlines() if any(sign in line for sign in DAMAGE)
        ]
    damages.sort(key=is_padding)  # the most serious first
    levels = None if pixels is None else _levels(pixels)
    if (
        levels and levels[1] - levels[0] < _NEAR
    ):  # at an eighth of its size it is smoother than at full size
        with _error_stream():
            whole = _imdecode(data, cv2.IMREAD_COLOR)
        levels = None if whole is None else _levels(whole)
    thumbnail = None if pixels is None else _thumbnail(data, pixels)
    return pixels is not None, damages[0] if damages else "", levels, thumbnail


def _thumbnail(data: bytes, eighth: NDArray[Any]) -> Thumbnail:
    """Make the thumbnail of a JPEG; a small one is decoded again, at no less than its size."""
    shortest_px = min(eighth.shape[:2])
    if shortest_px >= _SMALLEST_EIGHTH_PX:
        return thumbnail_of(eighth)
    flag = next((flag for times, flag in _REDUCED if shortest_px * times >= SIDE_PX), _WHOLE)
    with _error_stream():
        pixels = _imdecode(data, flag)
    return thumbnail_of(eighth if pixels is None else pixels)


def _levels(pixels: NDArray[Any]) -> tuple[int, int]:
    """Return the 1st and 99th percentile of the channel with the widest range."""
    flat = pixels.reshape(-1, pixels.shape[2] if pixels.ndim == 3 else 1)
    step = max(1, len(flat) // _MOST_LOOKED_AT)
    low, high = np.percentile(flat[::step], (1, 99), axis=0, method="nearest")
    widest = int(np.argmax(high - low))
    return int(low[widest]), int(high[widest])


def _bits(data: bytes, levels: tuple[int, int] | None) -> int:
    """Return the bits per colour; Pillow's mode does not tell them (RGB for 3 x 16).

    Only a picture of few levels is decoded for it: of sixteen, the trainer keeps the upper eight.
    """
    if levels is None or levels[1] - levels[0] >= _NEAR:
        return 8
    with _error_stream():
        pixels = _imdecode(data, cv2.IMREAD_UNCHANGED)
    return 8 if pixels is None else 8 * pixels.itemsize


def _decode_whole(data: bytes, suffix: str) -> NDArray[Any] | None:
    """Decode as ``ultralytics.utils.patches.imread`` does, according to the suffix."""
    pixels = None
    with _error_stream():
        if suffix in _DECODED_BY_PILLOW:
            pixels = _decode_with_pillow(data)
        return pixels if pixels is not None else _imdecode(data, cv2.IMREAD_COLOR)


def _decode_with_pillow(data: bytes) -> NDArray[Any] | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except DECODER_ERRORS:
        return None


def _imdecode(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return pixels


def is_padding(damage: str) -> bool:
    """Return whether the damage is only a few bytes after the last pixel, as some cameras write.

    >>> is_padding("Corrupt JPEG data: 4 extraneous bytes before marker 0xd9")
    True
    >>> is_padding("Corrupt JPEG data: 4312 extraneous bytes before marker 0xd9")
    False
    """
    padding = _PADDING.search(damage)
    return padding is not None and int(padding[1]) <= _MOST_PADDING


@contextmanager
def _error_stream() -> Iterator[Callable[[], str]]:
    """Capture what C libraries write to the process's standard error, outside of Python."""
    sink = _sink()
    original = os.dup(2)
    os.dup2(sink, 2)
    try:
        yield lambda: os.pread(sink, os.fstat(sink).st_size, 0).decode(errors="replace")
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.ftruncate(sink, 0)
        os.lseek(sink, 0, os.SEEK_SET)  # else the next message stands behind as many zeros


@functools.cache
def _sink() -> int:
    with tempfile.TemporaryFile(mode="ab+") as file:
        return os.dup(file.fileno())
