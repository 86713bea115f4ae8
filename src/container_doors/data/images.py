"""Rules for a photograph's file, one per function.

Damage inside a JPEG with an intact end marker is detected by a warning of libjpeg, when the decoder
loses synchronisation and does not end where the data does. In 166 photographs, each overwritten
twice at random places, it was detected for 99 % with 4096 zeroed bytes, 92 % with 512, 63 % with 16
and 43 % with one changed byte. After small damage the decoder resynchronises by itself, and only a
person can see the stripe of wrong colour that is left.
"""

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.data.capture import NOTHING_KNOWN, Capture
from container_doors.data.decoding import (
    JPEG_END,
    MOST_FRAMES,
    READABLE,
    SMALLEST_PX,
    Decoded,
    NotAPictureError,
    TooManyPixelsError,
    decode,
    is_padding,
    most_pixels,
)
from container_doors.data.faults import Fault
from container_doors.data.strip_gps import without_gps
from container_doors.data.thumbnails import Thumbnail

FEWEST_LEVELS = 20
"""A camera's twelve bits give 16 levels, because the trainer keeps eight of sixteen bits; no real
photograph here has fewer than 70."""

_MOST_BYTES = 512 * 1024**2
"""The largest TIFFs of cameras have half of that."""

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
_REPLACE = "replace it by the original photograph, or remove it and its label file"
_AS_JPEG = (
    "make a JPEG of it, then remove it: heif-convert {0} {1}, or on a Mac "
    "sips -s format jpeg {0} --out {1}; doors data import does it for a whole folder"
)
_FRAMES = "save those of its frames that you label: ffmpeg -i {0} -vf fps=1 {2}_%04d.jpg"
_SIGNS = (
    (b"<!doctype html", "a web page", _REPLACE),
    (b"<html", "a web page", _REPLACE),
    (b"<svg", "a drawing (SVG)", _REPLACE),
    (b"<?xml", "XML", _REPLACE),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file: git lfs pull"),
    (b"outs:", "a pointer of DVC", "fetch the file: dvc pull"),
    (b"{", "JSON", _REPLACE),
    (b"%pdf", "a PDF", "save its picture as JPEG: pdfimages -j {0} {2}"),
    (b"pk\x03\x04", "a ZIP archive", "unpack it: python3 -m zipfile -e {0} FOLDER"),
    (b"\xff\xd8", "a JPEG without a picture in it", _REPLACE),
    (b"\x89png", "a damaged PNG", _REPLACE),
    (b"riff", "a damaged WebP, or audio or video", _REPLACE),
    (b"gif8", "a damaged GIF", _REPLACE),
    (b"\xff\x0a", "JPEG XL", "save it as JPEG or PNG: djxl {0} {1}"),
    (b"\x00\x00\x00\x0cjxl", "JPEG XL", "save it as JPEG or PNG: djxl {0} {1}"),
)
"""The first bytes of files that are not pictures, what they are, and the remedy.

``{0}`` is the path, ``{1}`` that of the JPEG to make, ``{2}`` the path without its suffix.
"""

_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevc": "HEIC",
    b"hevx": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
"""Brands of the file format that is used for both phones' photographs and videos."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The properties and faults of a photograph's file."""

    sha256: str | None
    """None if the file cannot be read at all."""
    size_px: tuple[int, int] | None
    """Width and height of the upright picture, as the trainer sees it; None if unknown."""
    faults: tuple[Fault, ...]
    thumbnail: Thumbnail | None = None
    """None if it cannot be decoded."""
    capture: Capture = NOTHING_KNOWN


def read_picture(path: Path) -> Picture:
    """Read a photograph's file to its last byte."""
    try:
        if not path.is_file():
            return Picture(None, None, (_not_a_file(path),))
        data = read_bounded(path, _MOST_BYTES)
    except ParsingError as error:
        fault = Fault("image-file-too-large", error.expected, error.found, "make it smaller")
        return Picture(None, None, (fault,))
    except OSError as error:
        found = error.strerror or type(error).__name__
        fault = _dropped_fault(
            "image-unreadable", "a file that can be read", found, "correct its permissions"
        )
        return Picture(None, None, (fault,))
    decoded, faults = _decode(data, suffix=path.name.rpartition(".")[2].lower(), name=str(path))
    sha256 = hashlib.sha256(data).hexdigest()
    if decoded is None:
        return Picture(sha256, None, tuple(faults))
    return Picture(sha256, decoded.size_px, tuple(faults), decoded.thumbnail, decoded.capture)


def examine(
    data: bytes, *, suffix: str, name: str = "FILE"
) -> tuple[tuple[int, int] | None, list[Fault]]:
    """Find every fault in the bytes of a photograph.

    Returns:
        Width and height of the upright picture, None if unknown; and the faults.
    """
    decoded, faults = _decode(data, suffix=suffix, name=name)
    return (None if decoded is None else decoded.size_px), faults


def _decode(data: bytes, *, suffix: str, name: str) -> tuple[Decoded | None, list[Fault]]:
    if not data:
        return None, [_dropped_fault("image-empty", "a picture", "0 bytes", _REPLACE)]
    try:
        decoded = decode(data, suffix=suffix)
    except NotAPictureError:
        found, remedy = content_of(data)
        stem = name.rpartition(".")[0] or name
        jpeg = f"{stem}.{'jpeg' if suffix == 'jpg' else 'jpg'}"
        remedy = remedy.format(*map(shlex.quote, (name, jpeg, stem)))
        return None, [_dropped_fault("image-not-an-image", "a picture", found, remedy)]
    except TooManyPixelsError:
        found = f"more than {2 * most_pixels() / 1e6:.0f}"
        return None, [_dropped_fault("image-too-large", _fewer_pixels(), found, "make it smaller")]
    return decoded, [fault for rule in IMAGE_RULES if (fault := rule(decoded))]


def is_rewritten(data: bytes) -> bool:
    """Return whether Ultralytics would rewrite this JPEG in place, which two bytes decide."""
    return data.startswith(b"\xff\xd8") and not data.endswith(JPEG_END)


def _dropped_fault(rule: str, expected: str, found: str, remedy: str) -> Fault:
    return Fault(rule, expected, found, remedy, dropped=True)


def _not_a_file(path: Path) -> Fault:
    if path.is_symlink() and not path.exists():
        found, remedy = f"a link to {path.readlink()}, which does not exist", "run: dvc checkout"
        return _dropped_fault("image-broken-link", "a picture", found, remedy)
    found = "a folder" if path.is_dir() else "not a regular file"
    return _dropped_fault("image-not-a-file", "a picture", found, "move it elsewhere")


def content_of(data: bytes) -> tuple[str, str]:
    """Guess from its first bytes what a file is that is not a picture, and name the remedy."""
    if data[4:8] == b"ftyp":
        brand = _BRANDS.get(data[8:12])
        if brand is None:
            return "a video", _FRAMES
        if brand == "HEIC":
            return "HEIC, as phones save it, which cannot be read here", _AS_JPEG
        return f"a damaged {brand}, or one that cannot be read here", _REPLACE
    start = data[:512].lstrip().lower()
    return next(
        ((name, remedy) for sign, name, remedy in _SIGNS if start.startswith(sign)),
        ("bytes of an unknown format", _REPLACE),
    )


def _fewer_pixels() -> str:
    return f"{most_pixels() / 1e6:.0f} megapixels or fewer"


def _unsupported(decoded: Decoded) -> Fault | None:
    if decoded.format.lower() in READABLE:
        return None
    return _dropped_fault("image-format", "a JPEG or PNG", f"a {decoded.format}", "convert it")


def _too_small(decoded: Decoded) -> Fault | None:
    width_px, height_px = decoded.size_px
    if min(width_px, height_px) >= SMALLEST_PX:
        return None
    expected = f"{SMALLEST_PX} pixels or more each way"
    return _dropped_fault("image-too-small", expected, f"{width_px} x {height_px}", _REPLACE)


def _truncated(decoded: Decoded) -> Fault | None:
    if not decoded.broken:
        return None
    is_cut = decoded.format == "JPEG" or "runcated" in decoded.broken
    rule = "image-truncated" if is_cut else "image-damaged"
    return _dropped_fault(rule, "a complete picture", decoded.broken, _REPLACE)


def _undecodable(decoded: Decoded) -> Fault | None:
    if decoded.is_decoded is not False:
        return None
    found = f"a {decoded.format} that OpenCV cannot decode, which would stop training"
    is_readable = decoded.format in {"HEIF", "AVIF"}  # only Pillow reads them, only by the suffix
    remedy = "save it as JPEG, or give it the suffix of its format" if is_readable else _REPLACE
    return Fault("image-undecodable", "a complete picture", found, remedy)


def _damaged(decoded: Decoded) -> Fault | None:
    if not decoded.is_decoded or not decoded.damage:
        return None
    remedy = "look at it; if nothing looks wrong, save it again, else replace it"
    severity: Literal["error", "warning"] = "warning" if is_padding(decoded.damage) else "error"
    return Fault("image-damaged", "a complete picture", decoded.damage, remedy, severity=severity)


def _trailing_bytes(decoded: Decoded) -> Fault | None:
    if decoded.format != "JPEG" or decoded.broken or not is_rewritten(decoded.data):
        return None
    end = decoded.data.rfind(JPEG_END) + len(JPEG_END)
    return Fault(
        "image-trailing-bytes",
        "a JPEG that ends at its end marker",
        f"{len(decoded.data) - end} more bytes" if JPEG_END in decoded.data else "none",
        "leave it, or save it again: Ultralytics would rewrite it, so it gets a copy",
        severity="warning",
    )


def _rotated(decoded: Decoded) -> Fault | None:
    if decoded.orientation not in range(2, 9):
        return None
    return Fault(
        "image-rotated",
        "pixels that are stored upright",
        f"EXIF orientation {decoded.orientation}",
        "check that its boxes were drawn on the upright picture, which is what training uses",
        severity="warning",
    )


def _misoriented(decoded: Decoded) -> Fault | None:
    if decoded.orientation is None or decoded.orientation in range(1, 9):
        return None
    return Fault(
        "image-orientation",
        "an EXIF orientation from 1 to 8",
        f"{decoded.orientation!r}"[:40],
        "check that its boxes fit the pixels as stored, which is what training uses",
        severity="warning",
    )


def _other_suffix(decoded: Decoded) -> Fault | None:
    if decoded.format.lower() not in READABLE or decoded.format in _FORMATS.get(decoded.suffix, ()):
        return None
    return Fault(
        "image-suffix",
        f"{' or '.join(sorted(_FORMATS.get(decoded.suffix, ())))}, as .{decoded.suffix} says",
        decoded.format,
        "rename it, or leave it: Ultralytics can read it anyway",
        severity="warning",
    )


def _located(decoded: Decoded) -> Fault | None:
    has_place = decoded.capture.has_place
    if not has_place and without_gps(decoded.data, decoded.format) is decoded.data:
        return None
    return Fault(
        "image-place",
        "a photograph without its place",
        "GPS in its metadata, which goes wherever the data set goes",
        "leave it, or remove it: exiftool '-gps*=' FILE; doors data import does it for new ones",
        severity="warning",
    )


def _frames_unused(decoded: Decoded) -> Fault | None:
    if (
        decoded.frames == 1 or decoded.format == "MPO"
    ):  # phones add a second picture that is not for people
        return None
    more = "more than " * (decoded.frames > MOST_FRAMES)
    found = f"{more}{min(decoded.frames, MOST_FRAMES)} frames, and training uses only the first"
    remedy = "save the labelled frame as a file of its own"
    return Fault("image-frames", "one picture", found, remedy, severity="warning")


def _nearly_constant(decoded: Decoded) -> Fault | None:
    if decoded.levels is None or decoded.levels[1] - decoded.levels[0] > FEWEST_LEVELS:
        return None
    low, high = decoded.levels
    span = f"from {low} to {high}" if high > low else f"at {low}"
    found = f"99 of 100 pixels {span}, as the trainer reads them"
    if decoded.bits > 8:
        found += f": of its {decoded.bits} bits it keeps the upper eight"
        remedy = "spread its levels over eight bits: docs/data.md has the line"
    elif decoded.has_alpha:
        found += ": it drops transparency, where the picture may be"
        remedy = "put it on a white background: docs/data.md has the line"
    else:
        remedy = "look at it: nothing can be learned from an empty picture; " + _REPLACE
    return Fault(
        "image-nearly-constant",
        f"pixels over more than {FEWEST_LEVELS} of 256 levels",
        found,
        remedy,
        severity="warning",
    )


def _huge(decoded: Decoded) -> Fault | None:
    width_px, height_px = decoded.size_px
    if width_px * height_px <= most_pixels():
        return None
    found = f"{width_px * height_px / 1e6:.0f}"
    return Fault("image-huge", _fewer_pixels(), found, "make it smaller", severity="warning")


IMAGE_RULES: tuple[Callable[[Decoded], Fault | None], ...] = (
    _unsupported,
    _too_small,
    _truncated,
    _undecodable,
    _damaged,
    _trailing_bytes,
    _rotated,
    _misoriented,
    _other_suffix,
    _located,
    _frames_unused,
    _nearly_constant,
    _huge,
)
"""All of them are applied to every picture that can be opened."""
