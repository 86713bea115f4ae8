"""What the decoders make of a file: Pillow's, by which Ultralytics' scan goes, and OpenCV's.

JPEGs are decoded at an eighth of their size. That reads the whole of the compressed data and
skips the arithmetic that makes pixels of it, which cannot fail; other formats are decoded whole.
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

from container_doors.data.layout import PICTURE_SUFFIXES

SMALLEST_PX = 10
"""Ultralytics drops pictures of fewer."""

JPEG_END, _JPEG_SCAN = b"\xff\xd9", b"\xff\xda"

READABLE = PICTURE_SUFFIXES | {"jpeg2000"}
"""Pillow's names, in lower case, of the formats that Ultralytics takes."""

MOST_FRAMES = 20
_NEAR = 64
"""Levels; the percentiles of an eighth of a picture are closer than those of the whole."""

_MOST_LOOKED_AT = 100_000
"""Pixels; their levels take a millisecond or two."""

_MOST_SCANS = 500
"""A progressive JPEG has about ten; each takes the time of a whole decoding."""

_ORIENTATION_TAG = 274
_SIDEWAYS = {5, 6, 7, 8}

# What Pillow's readers raise on bytes that are not what they promise.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,  # once Ultralytics is imported, Pillow looks for pi-heif before it gives up
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)

# libjpeg's warnings (jerror.h) of damaged data; it also warns of markers that nothing depends on.
_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")

_PADDING = re.compile(r": (\d+) extraneous bytes before marker 0xd9")
_MOST_PADDING = 16

# Suffixes for which Ultralytics does not begin with cv2.imdecode.
_DECODED_BY_PILLOW = {"avif", "heic", "heif"}


class NotAPictureError(ValueError):
    """No decoder knows the bytes."""


class TooManyPixelsError(ValueError):
    """A header that promises more pixels than fit into memory."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is known of a file that is a picture, whole or not."""

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
    """Whether the trainer can load it; None where its scan drops the file before."""
    complaint: str
    """libjpeg's word of damage; empty without one, and for every other format."""
    levels: tuple[int, int] | None
    """Between which of 0 to 255 all but a hundredth of the pixels are, as the trainer decodes them,
    in the channel that has most; None where they were not looked at."""
    bits: int
    """Of each colour, as stored."""
    has_alpha: bool


def most_pixels() -> int:
    """Above this Pillow warns; above twice this it refuses."""
    return Image.MAX_IMAGE_PIXELS or 1 << 30


def decode(data: bytes, *, suffix: str) -> Decoded:
    """Read a picture to its last byte.

    Raises:
        NotAPictureError: If it is none.
        TooManyPixelsError: If reading it could exhaust the memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata and large pictures
        try:
            header = Image.open(io.BytesIO(data))
        except Image.DecompressionBombError as error:
            raise TooManyPixelsError(str(error)) from None
        except _DECODER_ERRORS as error:
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
    is_decoded, complaint, levels = None, "", None
    if kind.lower() in READABLE and min(size_px) >= SMALLEST_PX and not broken:
        if kind in {"JPEG", "MPO"} and suffix not in _DECODED_BY_PILLOW:
            is_decoded, complaint, levels = _decode_jpeg(data)
        else:
            pixels = _decode_whole(data, suffix)
            is_decoded = pixels is not None
            size_px = size_px if pixels is None else (pixels.shape[1], pixels.shape[0])
            levels = None if pixels is None else _levels(pixels)
    has_alpha = "A" in header.getbands() or "transparency" in header.info
    return Decoded(
        data, suffix, kind, size_px, orientation, frames, broken, is_decoded, complaint, levels,
        _bits(data, header), has_alpha,
    )  # fmt: skip


def _orientation(header: Image.Image) -> object:
    try:
        return header.getexif().get(_ORIENTATION_TAG)
    except _DECODER_ERRORS:
        return None


def _is_sideways(orientation: object) -> bool:
    return isinstance(orientation, int) and orientation in _SIDEWAYS


def _frames(header: Image.Image) -> int:
    """Count frames, up to one more than is reported; in other formats it can take hours."""
    kind = (header.format or "").lower()
    try:
        if kind == "tiff":
            return _pages(header)
        return int(getattr(header, "n_frames", 1)) if kind in READABLE else 1
    except _DECODER_ERRORS:
        return 1


def _pages(header: Image.Image) -> int:
    """Turn the pages of a TIFF; Pillow's own count takes their number squared."""
    for page in range(1, MOST_FRAMES + 1):
        try:
            header.seek(page)
        except EOFError:
            return page
    return MOST_FRAMES + 1


def _broken(data: bytes, kind: str) -> str:
    """Do what ``ultralytics.data.utils.check_image`` does; return why it would drop the file."""
    try:
        with Image.open(io.BytesIO(data)) as fresh:  # verify() wants a file that nobody has read
            fresh.verify()
        if kind == "JPEG" and not data.endswith(JPEG_END):
            with Image.open(io.BytesIO(data)) as fresh:
                fresh.load()
    except _DECODER_ERRORS as error:
        return str(error) or type(error).__name__
    return ""


def _decode_jpeg(data: bytes) -> tuple[bool, str, tuple[int, int] | None]:
    scans = data.count(_JPEG_SCAN)
    if scans > _MOST_SCANS:
        return True, f"Corrupt JPEG data: {scans} scans, of which each is decoded by itself", None
    with _error_stream() as text:
        pixels = _imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)
        complaints = [
            line.strip()
            for line in text().splitlines()
            if any(damage in line for damage in _DAMAGE)
        ]
    complaints.sort(key=is_padding)  # the gravest first
    levels = None if pixels is None else _levels(pixels)
    if levels and levels[1] - levels[0] < _NEAR:  # an eighth of its size is smoother than it is
        with _error_stream():
            whole = _imdecode(data, cv2.IMREAD_COLOR)
        levels = None if whole is None else _levels(whole)
    return pixels is not None, complaints[0] if complaints else "", levels


def _levels(pixels: NDArray[Any]) -> tuple[int, int]:
    """Give the levels of the channel that has most, without a hundredth at either end."""
    flat = pixels.reshape(-1, pixels.shape[2] if pixels.ndim == 3 else 1)
    step = max(1, len(flat) // _MOST_LOOKED_AT)
    low, high = np.percentile(flat[::step], (1, 99), axis=0, method="nearest")
    widest = int(np.argmax(high - low))
    return int(low[widest]), int(high[widest])


def _bits(data: bytes, header: Image.Image) -> int:
    """Tell sixteen bits a colour, which the trainer keeps the upper eight of."""
    if header.format == "PNG":
        return data[24]
    return 16 if header.mode.startswith(("I", "F")) else 8


def _decode_whole(data: bytes, suffix: str) -> NDArray[Any] | None:
    """Decode as ``ultralytics.utils.patches.imread`` does, which goes by the suffix."""
    pixels = None
    with _error_stream():
        if suffix in _DECODED_BY_PILLOW:
            pixels = _decode_with_pillow(data)
        return pixels if pixels is not None else _imdecode(data, cv2.IMREAD_COLOR)


def _decode_with_pillow(data: bytes) -> NDArray[Any] | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except _DECODER_ERRORS:
        return None


def _imdecode(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return pixels


def is_padding(complaint: str) -> bool:
    """Tell whether it is of a few bytes after the last pixel, which some cameras write.

    >>> is_padding("Corrupt JPEG data: 4 extraneous bytes before marker 0xd9")
    True
    >>> is_padding("Corrupt JPEG data: 4312 extraneous bytes before marker 0xd9")
    False
    """
    padding = _PADDING.search(complaint)
    return padding is not None and int(padding[1]) <= _MOST_PADDING


@contextmanager
def _error_stream() -> Iterator[Callable[[], str]]:
    """Catch what C libraries write to the process's error stream; Python never sees it."""
    sink = _sink()
    kept = os.dup(2)
    os.dup2(sink, 2)
    try:
        yield lambda: os.pread(sink, os.fstat(sink).st_size, 0).decode(errors="replace")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.ftruncate(sink, 0)


@functools.cache
def _sink() -> int:
    with tempfile.TemporaryFile(mode="ab+") as file:
        return os.dup(file.fileno())
