"""Makes of a picture what a trainer reads; what it can read loses only its place (GPS).

HEIC, AVIF, TIFF, 16-bit, CMYK, palette and transparent pictures are decoded, turned upright and
encoded anew: photographs of phones as JPEG of quality 95, others as PNG without any loss.
"""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from container_doors.core.printable import shortened
from container_doors.data.decoding import DECODER_ERRORS, JPEG_END
from container_doors.data.images import content_of
from container_doors.data.strip_gps import without_gps

_ORIENTATION, _MAKE, _MODEL, _DATE = 274, 271, 272, 306
_EXIF_IFD, _GPS_IFD, _DATE_TAKEN = 0x8769, 0x8825, 0x9003
_START_BYTES = 512
_SIDEWAYS = {5, 6, 7, 8}
_JPEG_QUALITY = 95
_KEPT = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "BMP": "bmp", "WEBP": "webp"}
"""Formats that the trainer reads as they are, and their suffixes."""

_LOSSY = {"HEIF", "AVIF", "JPEG", "JPEG2000", "WEBP", "MPO"}
_TURNED = "TIFF"
"""Pillow turns it upright when it is loaded, and states its size so."""

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_DEEP_MODES = ("I", "F")
_DATE_FORM = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d)")


class UnreadablePictureError(ValueError):
    """The bytes are no picture that can be read; the message, what they are, is short."""

    def __init__(self, found: str, expected: str = "a picture") -> None:
        """Make the error."""
        super().__init__(found)
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as the trainer gets it."""

    data: bytes
    suffix: str
    """That of its content, without the dot."""
    stored_wh: tuple[int, int]
    """Width and height of the pixels as the source stores them."""
    upright_wh: tuple[int, int]
    orientation: int
    """The source's EXIF orientation; 1 if it has none, or if its format turns by itself."""
    converted_from: str
    """What it was, if it was encoded anew; else empty."""
    has_lost_place: bool
    """Whether GPS was removed, or lost with the conversion."""
    has_place: bool
    """Whether GPS is still there, though it was to be removed."""
    date_taken: str
    """ISO 8601, without a zone; empty if unknown."""
    camera: str


def prepare(data: bytes, *, keep_gps: bool = False) -> Prepared:
    """Read a picture's header, and decode and encode it only if the trainer could not read it.

    Raises:
        UnreadablePictureError: If it is no picture, or too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about odd metadata and large pictures
        try:
            with _opened(data) as picture:
                return _prepared(data, picture, keep_gps=keep_gps)
        except (Image.DecompressionBombError, *DECODER_ERRORS) as error:
            raise _unreadable(error, data) from None


def upright_size(path: Path) -> tuple[int, int]:
    """Return a picture's width and height, turned as its EXIF says.

    Raises:
        UnreadablePictureError: If it is no picture.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as picture:
                size = picture.size
                is_sideways = _exif(picture).get(_ORIENTATION, 1) in _SIDEWAYS
                turned = is_sideways and picture.format != _TURNED
        except (Image.DecompressionBombError, *DECODER_ERRORS) as error:
            raise _unreadable(error, _start(path)) from None
    return size[::-1] if turned else size


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_START_BYTES)
    except OSError:
        return b""


def _unreadable(error: Exception, data: bytes) -> UnreadablePictureError:
    if isinstance(error, Image.DecompressionBombError):
        return UnreadablePictureError("a picture of too many pixels")
    if isinstance(error, UnidentifiedImageError):
        return UnreadablePictureError(content_of(data)[0] if data else "0 bytes")
    # Without what differs between two runs: <_io.BytesIO object at 0x7f...>.
    said = re.sub(r"<_io\.BytesIO[^>]*>", "the file", str(error) or type(error).__name__)
    return UnreadablePictureError(f"a damaged one: {shortened(said, 90)}", "a complete picture")


def is_heif(data: bytes) -> bool:
    """Return whether a file's first bytes are those of HEIF, which phones write as HEIC."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def _opened(data: bytes) -> Image.Image:
    if is_heif(data):
        import pi_heif  # noqa: PLC0415 - few have such pictures

        # Not registered with Pillow: the gate would take HEIC for what the trainer reads.
        picture: Image.Image = pi_heif.open_heif(io.BytesIO(data)).to_pillow()
        picture.format = "HEIF"
        return picture
    return Image.open(io.BytesIO(data))


def _prepared(data: bytes, picture: Image.Image, *, keep_gps: bool) -> Prepared:
    kind = picture.format or ""
    exif = _exif(picture)
    # HEIF is decoded upright, by the format's own mark, which the EXIF tag only repeats.
    raw = 1 if kind == "HEIF" else exif.get(_ORIENTATION, 1)
    orientation = raw if isinstance(raw, int) and raw in range(1, 9) else 1
    stored = upright = picture.size
    if orientation in _SIDEWAYS:
        stored, upright = (upright[::-1], upright) if kind == _TURNED else (stored, stored[::-1])
    why = _why_converted(kind, picture, data)
    if why:
        has_lost_place, has_place = _has_place(exif), False
        result, suffix = _encoded(picture, data, orientation)
    else:
        _require_complete(data, kind)
        result = data if keep_gps else without_gps(data, kind)
        suffix, has_lost_place = _KEPT[kind], result is not data
        has_place = not keep_gps and _has_place(exif) and _still_has_place(result)
    return Prepared(
        result, suffix, stored, upright, orientation, why, has_lost_place, has_place,
        _date(exif), _camera(exif),
    )  # fmt: skip


def _require_complete(data: bytes, kind: str) -> None:
    """Read to the end what is not decoded here; an eighth of a JPEG's size takes all its bytes."""
    if kind in {"JPEG", "MPO"} and data.endswith(JPEG_END):
        return
    with Image.open(io.BytesIO(data)) as fresh:
        if kind == "PNG":
            fresh.verify()
        else:
            fresh.draft("L", (fresh.width // 8, fresh.height // 8))
            fresh.load()


def _has_place(exif: Any) -> bool:  # noqa: ANN401
    try:
        return bool(exif and exif.get_ifd(_GPS_IFD))
    except DECODER_ERRORS:
        return False


def _still_has_place(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as picture:
        return _has_place(_exif(picture))


def _exif(picture: Image.Image) -> Any:  # noqa: ANN401 - a mapping of whatever the file has
    try:
        exif = picture.getexif()
        if not exif and isinstance(raw := picture.info.get("exif"), bytes):
            exif.load(raw)
    except DECODER_ERRORS:
        return {}
    return exif


def _date(exif: Any) -> str:  # noqa: ANN401
    try:
        taken = exif.get_ifd(_EXIF_IFD).get(_DATE_TAKEN) or exif.get(_DATE)
    except (*DECODER_ERRORS,):
        return ""
    match = _DATE_FORM.search(str(taken or ""))
    return f"{match[1]}-{match[2]}-{match[3]}T{match[4]}" if match else ""


def _camera(exif: Any) -> str:  # noqa: ANN401
    make, model = (str(exif.get(tag) or "").strip(" \0") for tag in (_MAKE, _MODEL))
    return model if model.startswith(make) else f"{make} {model}".strip()


def _why_converted(kind: str, picture: Image.Image, data: bytes) -> str:
    """Name what the trainer cannot read; empty if there is nothing."""
    if kind not in _KEPT:
        return kind
    if picture.mode == "CMYK":
        return f"CMYK {kind}"
    if picture.mode.startswith(_DEEP_MODES) or _is_deep_png(kind, data):
        return f"16-bit {kind}"
    if kind != "JPEG" and ("A" in picture.getbands() or "transparency" in picture.info):
        return f"transparent {kind}"
    if picture.mode in {"P", "PA"}:
        return f"{kind} with a palette"
    return ""


def _is_deep_png(kind: str, data: bytes) -> bool:
    """Read the bits of a PNG's colours: Pillow opens 16-bit colour as if it had eight."""
    return kind == "PNG" and data[24] == 16


def _encoded(picture: Image.Image, data: bytes, orientation: int) -> tuple[bytes, str]:
    kind = picture.format or ""
    pixels = _opaque(_eight_bit(picture, data))
    if orientation != 1 and kind != _TURNED:
        pixels = ImageOps.exif_transpose(_with_orientation(pixels, orientation))
    output = io.BytesIO()
    if kind in _LOSSY:
        pixels.save(output, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return output.getvalue(), "jpg"
    pixels.save(output, "PNG", compress_level=3)
    return output.getvalue(), "png"


def _with_orientation(pixels: Image.Image, orientation: int) -> Image.Image:
    pixels.getexif()[_ORIENTATION] = orientation
    return pixels


def _eight_bit(picture: Image.Image, data: bytes) -> Image.Image:
    """Scale deep pixels by the bits that they use: a camera's 12 bits fill a quarter of a byte."""
    if picture.mode.startswith(_DEEP_MODES):
        values = np.asarray(picture, dtype=np.float64)
    elif _is_deep_png(picture.format or "", data):
        values = _deep_png(data)
    else:
        return picture
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(np.percentile(values[..., :3] if values.ndim == 3 else values, 99.9))
    most = 1.0 if 0 < highest <= 1 else float(2 ** max(8, int(max(highest, 1)).bit_length()) - 1)
    scaled = values * (255 / most)
    if values.ndim == 3 and values.shape[2] == 4:  # transparency is on the scale of the file
        scaled[..., 3] = values[..., 3] / 257
    return Image.fromarray(np.clip(scaled, 0, 255).round().astype(np.uint8))


def _deep_png(data: bytes) -> Any:  # noqa: ANN401 - an array
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("a damaged PNG")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return np.asarray(pixels, dtype=np.float64)


def _opaque(picture: Image.Image) -> Image.Image:
    """Put a transparent picture on white, and return red, green and blue."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    if picture.mode == "CMYK":
        return _from_cmyk(picture)
    return picture.convert("L" if picture.mode in {"L", "1"} else "RGB")


def _from_cmyk(picture: Image.Image) -> Image.Image:
    """Convert by the profile that the picture has; by the plain formula if it has none."""
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return picture.convert("RGB")


Turn = Callable[[float, float], tuple[float, float]]

TURNS: dict[int, Turn] = {
    1: lambda x, y: (x, y),
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}
"""By EXIF orientation: where a point of the stored picture is in the upright one, in fractions."""
