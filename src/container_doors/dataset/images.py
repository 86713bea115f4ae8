"""A photograph read in full: every byte, the way that the trainer will read it.

JPEGs are decoded at an eighth of their size. That reads the whole of the compressed data and
skips the arithmetic that makes pixels of it, which cannot fail; other formats are decoded whole.

Damage inside of a JPEG that keeps its end marker shows as a warning of libjpeg's on the error
stream, when the decoder loses its way and does not end where the data does. In 166 photographs
overwritten at a random place that was so for 100 % where 4096 bytes were zeroed, 93 % of 512, and
44 % where a single byte was changed: the code finds its way back by itself after small damage,
and what is left is a stripe of wrong colour that only eyes can see.
"""

import functools
import hashlib
import io
import os
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from container_doors.dataset.faults import Fault
from container_doors.dataset.layout import PICTURE_SUFFIXES

SMALLEST_PX = 10
"""Ultralytics drops pictures of fewer."""

_FORMATS = {
    "avif": {"AVIF"},
    "bmp": {"BMP", "DIB"},
    "dng": {"TIFF"},
    "heic": {"HEIF"},
    "heif": {"HEIF"},
    "jp2": {"JPEG2000"},
    "jpeg": {"JPEG", "MPO"},
    "jpg": {"JPEG", "MPO"},
    "mpo": {"JPEG", "MPO"},
    "png": {"PNG"},
    "tif": {"TIFF"},
    "tiff": {"TIFF"},
    "webp": {"WEBP"},
}
_READABLE = PICTURE_SUFFIXES | {"jpeg2000"}
_ORIENTATION_TAG = 274
_SIDEWAYS = {5, 6, 7, 8}
_JPEG_END = b"\xff\xd9"

# What Pillow's readers raise on bytes that are not what they promise; found by feeding them noise.
_DECODER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)

# libjpeg's warnings (jerror.h) about data, and not those about a marker that nothing depends on.
_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a photograph's file."""

    sha256: str | None
    """None where the file cannot be read at all."""
    size_px: tuple[int, int] | None
    """Width and height of the upright picture, as the trainer sees it."""
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoders made of a file; the rules judge it."""

    data: bytes
    suffix: str
    format: str
    size_px: tuple[int, int]
    orientation: object
    """The EXIF tag: an absent one is None, a wrong one can be anything."""
    frames: int
    broken: str
    """Why Ultralytics' own scan would drop the file; empty if it would not."""
    is_decoded: bool
    complaint: str
    """libjpeg's warning about damage; empty without one."""


def read_picture(path: Path) -> Picture:
    """Read a photograph's file to its last byte."""
    try:
        if not path.is_file():
            return Picture(None, None, (_not_a_file(path),))
        data = path.read_bytes()
    except OSError as error:
        found = error.strerror or type(error).__name__
        fault = _dropped("image-unreadable", "a file that can be read", found, "mend its access")
        return Picture(None, None, (fault,))
    size_px, faults = examine(data, suffix=path.name.rpartition(".")[2].lower())
    return Picture(hashlib.sha256(data).hexdigest(), size_px, tuple(faults))


def examine(data: bytes, *, suffix: str) -> tuple[tuple[int, int] | None, list[Fault]]:
    """Find every fault in the bytes of a photograph.

    Returns:
        Width and height of the upright picture, None if it cannot be told; and the faults.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata and large pictures
        decoded = _decode(data, suffix)
        if isinstance(decoded, Fault):
            return None, [decoded]
        return decoded.size_px, [fault for rule in IMAGE_RULES if (fault := rule(decoded))]


def _not_a_file(path: Path) -> Fault:
    if path.is_symlink() and not path.exists():
        found, remedy = f"a link to {path.readlink()}, which is not there", "run: dvc checkout"
        return _dropped("image-broken-link", "a picture", found, remedy)
    found = "a folder" if path.is_dir() else "no ordinary file"
    return _dropped("image-not-a-file", "a picture", found, "move it elsewhere")


def _dropped(rule: str, expected: str, found: str, remedy: str) -> Fault:
    return Fault(rule, expected, found, remedy, dropped=True)


def _decode(data: bytes, suffix: str) -> Decoded | Fault:
    """Read the header with Pillow, as Ultralytics' scan does, and the rest as its loader does."""
    if not data:
        return _dropped("image-empty", "a picture", "0 bytes", _REPLACE)
    try:
        header = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        found = f"more than {_most_pixels() * 2 / 1e6:.0f} megapixels"
        return _dropped("image-too-large", _size_expected(), found, "make it smaller")
    except _DECODER_ERRORS:
        found = _content(data)
        return _dropped("image-not-an-image", "a picture", found, _REPLACE)
    with header:
        return _decode_opened(data, suffix, header)


def _decode_opened(data: bytes, suffix: str, header: Image.Image) -> Decoded:
    kind = header.format or ""
    orientation = _orientation(header)
    frames = _frames(header)
    size_px = header.size[::-1] if orientation in _SIDEWAYS else header.size
    broken = _broken(data, header)
    is_jpeg = kind in {"JPEG", "MPO"}
    decoded, complaint = None, ""
    if min(size_px) >= SMALLEST_PX:
        if is_jpeg and suffix not in _DECODED_ELSEWHERE:
            decoded, complaint = _decode_jpeg(data)
        else:
            decoded = _decode_whole(data, suffix)
            size_px = decoded.shape[1::-1] if decoded is not None else size_px
    is_decoded = decoded is not None
    return Decoded(data, suffix, kind, size_px, orientation, frames, broken, is_decoded, complaint)


def _orientation(header: Image.Image) -> object:
    try:
        return header.getexif().get(_ORIENTATION_TAG)
    except _DECODER_ERRORS:
        return None


def _frames(header: Image.Image) -> int:
    try:
        return int(getattr(header, "n_frames", 1))
    except _DECODER_ERRORS:
        return 1


def _broken(data: bytes, header: Image.Image) -> str:
    """Do what Ultralytics' scan does, and return what would make it drop the file."""
    try:
        with Image.open(io.BytesIO(data)) as fresh:  # verify() wants a file that nobody has read
            fresh.verify()
        if header.format == "JPEG" and not data.endswith(_JPEG_END):
            with Image.open(io.BytesIO(data)) as again:
                again.load()
    except _DECODER_ERRORS as error:
        return str(error) or type(error).__name__
    return ""


def _decode_jpeg(data: bytes) -> tuple[np.ndarray | None, str]:
    with _error_stream() as text:
        decoded = _imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)
        complaints = [
            line for line in text().splitlines() if any(damage in line for damage in _DAMAGE)
        ]
    return decoded, complaints[0].strip() if complaints else ""


_DECODED_ELSEWHERE = {"tif", "tiff", "avif", "heic", "heif"}
"""Suffixes for which Ultralytics takes another way than ``cv2.imdecode``."""


def _decode_whole(data: bytes, suffix: str) -> np.ndarray | None:
    """Decode as ``ultralytics.utils.patches.imread`` does, which goes by the suffix."""
    decoded = None
    with _error_stream():
        if suffix in {"tif", "tiff"}:
            pages = _pages(data)
            decoded = pages[0] if pages and pages[0].ndim == 3 else None
        elif suffix in _DECODED_ELSEWHERE:
            decoded = _decode_with_pillow(data)
        return decoded if decoded is not None else _imdecode(data, cv2.IMREAD_COLOR)


def _pages(data: bytes) -> tuple[np.ndarray, ...]:
    try:
        is_decoded, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return ()
    return tuple(pages) if is_decoded else ()


def _decode_with_pillow(data: bytes) -> np.ndarray | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except _DECODER_ERRORS:
        return None


def _imdecode(data: bytes, flags: int) -> np.ndarray | None:
    try:
        decoded: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return decoded


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
    file = tempfile.TemporaryFile(mode="ab+", buffering=0)  # noqa: SIM115 - kept by the process
    return os.dup(file.fileno())


def _most_pixels() -> int:
    return Image.MAX_IMAGE_PIXELS or 1 << 30


def _content(data: bytes) -> str:
    """Guess what a file is that is no picture, by its first bytes."""
    start = data[:512].lstrip().lower()
    for sign, name in _SIGNS:
        if start.startswith(sign):
            return name
    return "bytes of no known picture format"


_SIGNS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "a drawing (SVG)"),
    (b"<?xml", "XML"),
    (b"version https://git-lfs", "a pointer of Git LFS"),
    (b"outs:", "a pointer of DVC"),
    (b"{", "JSON"),
    (b"%pdf", "a PDF"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"\xff\xd8", "the beginning of a JPEG, and nothing that could be shown"),
    (b"\0\0\0", "bytes of no known picture format (HEIC of an iPhone?)"),
)
_REPLACE = "replace it by the original photograph, or remove it and its label file"


def _unsupported(seen: Decoded) -> Fault | None:
    if seen.format.lower() in _READABLE:
        return None
    return _dropped(
        "image-format", "JPEG, PNG, WebP, TIFF or BMP", seen.format, "save it as JPEG or PNG"
    )


def _too_small(seen: Decoded) -> Fault | None:
    if min(seen.size_px) >= SMALLEST_PX:
        return None
    width, height = seen.size_px
    expected = f"{SMALLEST_PX} pixels or more each way"
    return _dropped("image-too-small", expected, f"{width} x {height}", _REPLACE)


def _damaged(seen: Decoded) -> Fault | None:
    """Tell truncation from other damage, and what is dropped from what trains as it is."""
    if seen.broken:
        is_cut = seen.format == "JPEG" or "truncated" in seen.broken
        rule = "image-truncated" if is_cut else "image-damaged"
        return _dropped(rule, "a whole picture", seen.broken, _REPLACE)
    if min(seen.size_px) < SMALLEST_PX:
        return None
    if not seen.is_decoded:
        found = f"a {seen.format} that OpenCV cannot decode, at which training would stop"
        return Fault("image-undecodable", "a whole picture", found, _REPLACE)
    if seen.complaint:
        return Fault("image-damaged", "a whole picture", seen.complaint, _REPLACE)
    return None


def _trailing_bytes(seen: Decoded) -> Fault | None:
    if not is_rewritten(seen.data) or seen.format != "JPEG" or seen.broken:
        return None
    count = len(seen.data) - seen.data.rfind(_JPEG_END) - len(_JPEG_END)
    return Fault(
        "image-trailing-bytes",
        "a JPEG that ends at its end marker",
        f"{count} more bytes",
        "nothing need be done: Ultralytics would rewrite the file, and is given a copy",
        severity="warning",
    )


def is_rewritten(data: bytes) -> bool:
    """Tell whether Ultralytics would write this file anew, in place; it judges by two bytes."""
    return data.startswith(b"\xff\xd8") and not data.endswith(_JPEG_END)


def _rotated(seen: Decoded) -> Fault | None:
    if seen.orientation in {None, 1}:
        return None
    if seen.orientation in set(range(2, 9)):
        return Fault(
            "image-rotated",
            "pixels that are stored upright",
            f"EXIF orientation {seen.orientation}",
            "see that its boxes were drawn on the upright picture: so it is trained on",
            severity="warning",
        )
    return Fault(
        "image-orientation",
        "an EXIF orientation from 1 to 8",
        f"{seen.orientation!r}"[:40],
        "see that its boxes fit the pixels as stored: so it is trained on",
        severity="warning",
    )


def _other_suffix(seen: Decoded) -> Fault | None:
    if seen.format in _FORMATS.get(seen.suffix, {seen.format}):
        return None
    return Fault(
        "image-suffix",
        f"{' or '.join(sorted(_FORMATS[seen.suffix]))}, as .{seen.suffix} says",
        seen.format,
        "rename it, or leave it: Ultralytics reads it all the same",
        severity="warning",
    )


def _frames_unused(seen: Decoded) -> Fault | None:
    if seen.frames == 1 or seen.format == "MPO":  # phones add a second picture for their own use
        return None
    found = f"{seen.frames} frames, of which the first is trained on"
    remedy = "save the frame that was labelled by itself"
    return Fault("image-frames", "one picture", found, remedy, severity="warning")


def _huge(seen: Decoded) -> Fault | None:
    width, height = seen.size_px
    if width * height <= _most_pixels():
        return None
    found = f"{width * height / 1e6:.0f} megapixels"
    return Fault("image-huge", _size_expected(), found, "make it smaller", severity="warning")


def _size_expected() -> str:
    return f"{_most_pixels() / 1e6:.0f} megapixels or fewer"


IMAGE_RULES: tuple[Callable[[Decoded], Fault | None], ...] = (
    _unsupported,
    _too_small,
    _damaged,
    _trailing_bytes,
    _rotated,
    _other_suffix,
    _frames_unused,
    _huge,
)
