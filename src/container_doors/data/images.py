"""What can be wrong with a photograph's file, one rule per function.

Damage inside of a JPEG that keeps its end marker shows as a warning of libjpeg's, when the decoder
loses its way and does not end where the data does. In 166 photographs, each overwritten twice at
random places, that was so for 99 % with 4096 zeroed bytes, 92 % with 512, 63 % with 16 and 43 %
with one changed byte. After small damage the decoder finds its way back by itself, and what is
left, a stripe of wrong colour, only eyes can see.
"""

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.core.parsing import ParsingError, read_bounded
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

FEWEST_LEVELS = 20
"""A camera's twelve bits, of which the trainer keeps eight of sixteen, are 16; no real photograph
here has fewer than 70."""

_MOST_BYTES = 512 * 1024**2
"""Cameras' largest TIFFs have a half of that."""

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
    "sips -s format jpeg {0} --out {1}; docs/data.md does it for a whole folder"
)
_FRAMES = "save those of its frames that you label: ffmpeg -i {0} -vf fps=1 {2}_%04d.jpg"
_SIGNS = (
    (b"<!doctype html", "a web page", _REPLACE),
    (b"<html", "a web page", _REPLACE),
    (b"<svg", "a drawing (SVG)", _REPLACE),
    (b"<?xml", "XML", _REPLACE),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch what it names: git lfs pull"),
    (b"outs:", "a pointer of DVC", "fetch what it names: dvc pull"),
    (b"{", "JSON", _REPLACE),
    (b"%pdf", "a PDF", "save its picture as JPEG: pdfimages -j {0} {2}"),
    (b"pk\x03\x04", "a ZIP archive", "unpack it: python3 -m zipfile -e {0} FOLDER"),
    (b"\xff\xd8", "a JPEG without a picture in it", _REPLACE),
    (b"\x89png", "a damaged PNG", _REPLACE),
    (b"riff", "a damaged WebP, or sound or film", _REPLACE),
    (b"gif8", "a damaged GIF", _REPLACE),
    (b"\xff\x0a", "JPEG XL", "save it as JPEG or PNG: djxl {0} {1}"),
    (b"\x00\x00\x00\x0cjxl", "JPEG XL", "save it as JPEG or PNG: djxl {0} {1}"),
)
"""How a file begins that is no picture, what it then is, and the remedy.

``{0}`` is its path, ``{1}`` that of a JPEG to be made of it, ``{2}`` without a suffix.
"""

_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevc": "HEIC",
    b"hevx": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
"""Of the file format that photographs of phones share with films."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a photograph's file."""

    sha256: str | None
    """None where the file cannot be read at all."""
    size_px: tuple[int, int] | None
    """Width and height of the upright picture, as the trainer sees it; None where unknown."""
    faults: tuple[Fault, ...]


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
        fault = _dropped("image-unreadable", "a file that can be read", found, "mend its access")
        return Picture(None, None, (fault,))
    size_px, faults = examine(data, suffix=path.name.rpartition(".")[2].lower(), name=str(path))
    return Picture(hashlib.sha256(data).hexdigest(), size_px, tuple(faults))


def examine(
    data: bytes, *, suffix: str, name: str = "FILE"
) -> tuple[tuple[int, int] | None, list[Fault]]:
    """Find every fault in the bytes of a photograph.

    Returns:
        Width and height of the upright picture, None if they cannot be told; and the faults.
    """
    if not data:
        return None, [_dropped("image-empty", "a picture", "0 bytes", _REPLACE)]
    try:
        decoded = decode(data, suffix=suffix)
    except NotAPictureError:
        found, remedy = _content(data)
        stem = name.rpartition(".")[0] or name
        jpeg = f"{stem}.{'jpeg' if suffix == 'jpg' else 'jpg'}"
        remedy = remedy.format(*map(shlex.quote, (name, jpeg, stem)))
        return None, [_dropped("image-not-an-image", "a picture", found, remedy)]
    except TooManyPixelsError:
        found = f"more than {2 * most_pixels() / 1e6:.0f}"
        return None, [_dropped("image-too-large", _fewer_pixels(), found, "make it smaller")]
    return decoded.size_px, [fault for rule in IMAGE_RULES if (fault := rule(decoded))]


def is_rewritten(data: bytes) -> bool:
    """Tell whether Ultralytics would write this JPEG anew, in place; it goes by two bytes."""
    return data.startswith(b"\xff\xd8") and not data.endswith(JPEG_END)


def _dropped(rule: str, expected: str, found: str, remedy: str) -> Fault:
    return Fault(rule, expected, found, remedy, dropped=True)


def _not_a_file(path: Path) -> Fault:
    if path.is_symlink() and not path.exists():
        found, remedy = f"a link to {path.readlink()}, which is not there", "run: dvc checkout"
        return _dropped("image-broken-link", "a picture", found, remedy)
    found = "a folder" if path.is_dir() else "no ordinary file"
    return _dropped("image-not-a-file", "a picture", found, "move it elsewhere")


def _content(data: bytes) -> tuple[str, str]:
    """Guess what a file is that is no picture, by its first bytes, and what to do about it."""
    if data[4:8] == b"ftyp":
        brand = _BRANDS.get(data[8:12])
        if brand is None:
            return "a film", _FRAMES
        if brand == "HEIC":
            return "HEIC, as phones save it, which cannot be read here", _AS_JPEG
        return f"a damaged {brand}, or one that cannot be read here", _REPLACE
    start = data[:512].lstrip().lower()
    return next(
        ((name, remedy) for sign, name, remedy in _SIGNS if start.startswith(sign)),
        ("bytes of no known picture format", _REPLACE),
    )


def _fewer_pixels() -> str:
    return f"{most_pixels() / 1e6:.0f} megapixels or fewer"


def _unsupported(seen: Decoded) -> Fault | None:
    if seen.format.lower() in READABLE:
        return None
    return _dropped("image-format", "a JPEG or PNG", f"a {seen.format}", "convert it")


def _too_small(seen: Decoded) -> Fault | None:
    width_px, height_px = seen.size_px
    if min(width_px, height_px) >= SMALLEST_PX:
        return None
    expected = f"{SMALLEST_PX} pixels or more each way"
    return _dropped("image-too-small", expected, f"{width_px} x {height_px}", _REPLACE)


def _truncated(seen: Decoded) -> Fault | None:
    if not seen.broken:
        return None
    is_cut = seen.format == "JPEG" or "runcated" in seen.broken
    rule = "image-truncated" if is_cut else "image-damaged"
    return _dropped(rule, "a whole picture", seen.broken, _REPLACE)


def _undecodable(seen: Decoded) -> Fault | None:
    if seen.is_decoded is not False:
        return None
    found = f"a {seen.format} that OpenCV cannot decode, at which training would stop"
    whole = seen.format in {"HEIF", "AVIF"}  # which Pillow alone decodes, and only by the suffix
    remedy = "save it as JPEG, or give it the suffix of its format" if whole else _REPLACE
    return Fault("image-undecodable", "a whole picture", found, remedy)


def _damaged(seen: Decoded) -> Fault | None:
    if not seen.is_decoded or not seen.complaint:
        return None
    remedy = "look at it; if nothing is wrong to see, save it anew, else replace it"
    severity: Literal["error", "warning"] = "warning" if is_padding(seen.complaint) else "error"
    return Fault("image-damaged", "a whole picture", seen.complaint, remedy, severity=severity)


def _trailing_bytes(seen: Decoded) -> Fault | None:
    if seen.format != "JPEG" or seen.broken or not is_rewritten(seen.data):
        return None
    end = seen.data.rfind(JPEG_END) + len(JPEG_END)
    return Fault(
        "image-trailing-bytes",
        "a JPEG that ends at its end marker",
        f"{len(seen.data) - end} more bytes" if JPEG_END in seen.data else "none",
        "leave it, or save it anew: Ultralytics would rewrite it, and is given a copy",
        severity="warning",
    )


def _rotated(seen: Decoded) -> Fault | None:
    if seen.orientation not in range(2, 9):
        return None
    return Fault(
        "image-rotated",
        "pixels that are stored upright",
        f"EXIF orientation {seen.orientation}",
        "see that its boxes were drawn on the upright picture: so it is trained on",
        severity="warning",
    )


def _misoriented(seen: Decoded) -> Fault | None:
    if seen.orientation is None or seen.orientation in range(1, 9):
        return None
    return Fault(
        "image-orientation",
        "an EXIF orientation from 1 to 8",
        f"{seen.orientation!r}"[:40],
        "see that its boxes fit the pixels as stored: so it is trained on",
        severity="warning",
    )


def _other_suffix(seen: Decoded) -> Fault | None:
    if seen.format.lower() not in READABLE or seen.format in _FORMATS.get(seen.suffix, ()):
        return None
    return Fault(
        "image-suffix",
        f"{' or '.join(sorted(_FORMATS.get(seen.suffix, ())))}, as .{seen.suffix} says",
        seen.format,
        "rename it, or leave it: Ultralytics reads it all the same",
        severity="warning",
    )


def _frames_unused(seen: Decoded) -> Fault | None:
    if seen.frames == 1 or seen.format == "MPO":  # phones add a second picture for their own use
        return None
    more = "more than " * (seen.frames > MOST_FRAMES)
    found = f"{more}{min(seen.frames, MOST_FRAMES)} frames, of which the first is trained on"
    remedy = "save the frame that was labelled by itself"
    return Fault("image-frames", "one picture", found, remedy, severity="warning")


def _nearly_constant(seen: Decoded) -> Fault | None:
    if seen.levels is None or seen.levels[1] - seen.levels[0] > FEWEST_LEVELS:
        return None
    low, high = seen.levels
    span = f"from {low} to {high}" if high > low else f"at {low}"
    found = f"99 of 100 pixels {span}, as the trainer reads it"
    if seen.bits > 8:
        found += f": of its {seen.bits} bits it keeps the upper eight"
        remedy = "spread its levels over eight bits: docs/data.md has the line"
    elif seen.has_alpha:
        found += ": it drops transparency, where the picture may be"
        remedy = "put it on a white ground: docs/data.md has the line"
    else:
        remedy = "look at it: nothing can be learned where nothing is to be seen; " + _REPLACE
    return Fault(
        "image-nearly-constant",
        f"pixels over more than {FEWEST_LEVELS} of 256 levels",
        found,
        remedy,
        severity="warning",
    )


def _huge(seen: Decoded) -> Fault | None:
    width_px, height_px = seen.size_px
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
    _frames_unused,
    _nearly_constant,
    _huge,
)
"""Each is asked of every picture that can be opened at all."""
