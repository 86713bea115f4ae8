"""Decode a photograph to exactly the pixels that Ultralytics' prediction sees, without it.

The evaluation measured the model on those pixels; a decoder of its own would move boxes. What
Ultralytics cannot read (HEIC under another name, a GIF where OpenCV has no decoder) is decoded by
Pillow or pi-heif, upright. Nothing is decoded before its header was found to be within bounds.
"""

import functools
import io
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from container_doors.core.predictions import Orientation
from container_doors.core.printable import one_line, shortened
from container_doors.data.convert_pictures import UnreadablePictureError, is_heif
from container_doors.data.decoding import DAMAGE, DECODER_ERRORS, JPEG_END, is_padding

__all__ = ["MOST_BYTES", "MOST_PIXELS", "Picture", "UnreadablePictureError", "decode"]

MOST_PIXELS = 200_000_000
"""The largest photographs of phones (16320 x 12240) are a little smaller; 600 MB when decoded."""

MOST_BYTES = 1 << 29

_MOST_SCANS = 500
"""A progressive JPEG has about ten; each takes as long as a full decoding."""

_JPEG_SCAN = b"\xff\xda"
_TURBO_COLOURS = {"YCbCr", "Gray"}
"""How a JPEG stores colours, where OpenCV has no formula of its own."""

_TRANSPOSED, _FLIPPED_LEFT_RIGHT, _FLIPPED_UP_DOWN = {5, 6, 7, 8}, {2, 3, 6, 7}, {3, 4, 7, 8}
"""EXIF orientations."""
_ORIENTATION = 274
_BY_PILLOW = ("avif", "heic", "heif")
"""Suffixes that Ultralytics (8.4.190, utils/patches.py) decodes by Pillow."""

_NOT_OPENCVS = {"HEIF", "AVIF", "GIF"}
"""Formats that Pillow or pi-heif decodes where OpenCV, or this build of it, does not."""

_PLUGINS = {
    "JPEG": JpegImagePlugin, "PNG": PngImagePlugin, "WEBP": WebPImagePlugin,
    "TIFF": TiffImagePlugin, "AVIF": AvifImagePlugin, "BMP": BmpImagePlugin,
    "GIF": GifImagePlugin, "JPEG2000": Jpeg2KImagePlugin, "PPM": PpmImagePlugin,
}  # fmt: skip
"""The formats that are read. Each plugin registers its reader with Pillow when it is imported."""


class _Quiet:
    """Ignores warnings, which are Pillow's about odd metadata, while any thread is inside.

    Python's filters are those of the whole process: threads that each changed and restored them
    would leave them changed.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded photograph."""

    bgr: NDArray[np.uint8]
    """Shape (height, width, 3), blue first as in OpenCV."""
    orientation: Orientation


class _Header(NamedTuple):
    kind: str
    """Pillow's name, or HEIF."""
    size_wh: tuple[int, int]
    orientation: int | None


def decode(data: bytes, *, name: str, most_pixels: int = MOST_PIXELS) -> Picture:
    """Decode a file's bytes.

    Args:
        data: All of the file.
        name: The file's name; as in Ultralytics, its suffix chooses the decoder.
        most_pixels: A picture that has more is refused.

    Raises:
        UnreadablePictureError: If it is no picture, damaged, or too large; the message is short.
    """
    if len(data) > MOST_BYTES:
        raise UnreadablePictureError(f"{len(data)} bytes, and at most {MOST_BYTES} are read")
    with _quiet:
        header = _header(data)
        width, height = header.size_wh
        if width * height > most_pixels:
            raise UnreadablePictureError(
                f"its header announces {width} x {height} pixels, and at most "
                f"{most_pixels / 1e6:g} million are decoded"
            )
        if header.kind == "JPEG":
            _refuse_damage(data)
        suffix = name.rpartition(".")[2].lower() if "." in name else ""
        try:
            pixels, is_turned = _decode(data, suffix, header)
        except MemoryError:
            raise UnreadablePictureError(f"no memory for {width} x {height} pixels") from None
    is_applied = (header.orientation or 1) == 1 or is_turned
    return Picture(pixels, Orientation(exif=header.orientation, is_applied=is_applied))


def _header(data: bytes) -> _Header:
    """Read the format, the size and the orientation; decode nothing.

    Pillow's ``Image.open`` would refuse the largest photographs of phones, and once Ultralytics is
    imported it tries to install packages; the same readers are called without it.
    """
    if is_heif(data):
        return _heif_header(data)
    for kind in _PLUGINS:
        picture = _opened_as(kind, data)
        if picture is not None:
            return _Header(kind, picture.size, _orientation(kind, picture, data))
    raise UnreadablePictureError("it is no picture of a known format")


def _opened_as(kind: str, data: bytes) -> Image.Image | None:
    """Open with the reader of one format; None if it is of another, or damaged."""
    reader, is_of_format = Image.OPEN[kind]
    try:
        if is_of_format is not None and is_of_format(data[:16]) is not True:
            return None
        return reader(io.BytesIO(data), "")
    except Image.DecompressionBombError:
        raise UnreadablePictureError("its header announces more pixels than are decoded") from None
    except DECODER_ERRORS:
        return None


def _orientation(kind: str, picture: Image.Image, data: bytes) -> int | None:
    """Read the EXIF tag; Pillow's ``getexif`` would take one of XMP, which OpenCV does not see."""
    try:
        if kind == "TIFF":
            value = picture.tag_v2.get(_ORIENTATION)  # type: ignore[attr-defined]
        else:
            if kind == "PNG" and "exif" not in picture.info and b"eXIf" in data:
                picture.load()  # it is behind the pixels
            value = _exif_orientation(picture.info)
    except DECODER_ERRORS:
        return None
    return _in_range(value)


def _in_range(value: object) -> int | None:
    return value if isinstance(value, int) and value in range(1, 9) else None


def _exif_orientation(info: Mapping[Any, Any]) -> object:
    exif = Image.Exif()
    exif.load(info.get("exif") or b"")
    return exif.get(_ORIENTATION)


def _heif_header(data: bytes) -> _Header:
    import pi_heif  # noqa: PLC0415 - few have such pictures

    try:
        opened = pi_heif.open_heif(io.BytesIO(data))
        return _Header("HEIF", opened.size, _in_range(_exif_orientation(opened.info)))
    except DECODER_ERRORS as error:
        raise _unreadable(error) from None


def _refuse_damage(data: bytes) -> None:
    """Refuse a JPEG that is cut off, of which OpenCV 4 shows the rest in grey, and a bomb.

    Raises:
        UnreadablePictureError: If it is one of these.
    """
    scans = data.count(_JPEG_SCAN)
    if scans > _MOST_SCANS:
        raise UnreadablePictureError(f"{scans} scans, and at most {_MOST_SCANS} are decoded")
    if data.endswith(JPEG_END):
        return
    try:
        with Image.OPEN["JPEG"][0](io.BytesIO(data), "") as picture:
            picture.draft("L", (picture.width // 8, picture.height // 8))  # all bytes, few pixels
            picture.load()
    except DECODER_ERRORS as error:
        raise _unreadable(error) from None


def _decode(data: bytes, suffix: str, header: _Header) -> tuple[NDArray[np.uint8], bool]:
    """Decode as ``ultralytics.utils.patches.imread``; else as Pillow can.

    Returns:
        The pixels, and whether the EXIF orientation is applied to them.
    """
    if suffix in {"tif", "tiff"} and (pixels := _first_page_in_colour(data)) is not None:
        return _three_channels(pixels), _turns(header.kind, is_page=True)
    if suffix in _BY_PILLOW and (pixels := _by_pillow(data, header)) is not None:
        return pixels, True
    if header.kind == "JPEG" and (pixels := _by_turbo(data)) is not None:
        return _turned(pixels, header.orientation), True
    if (pixels := _by_opencv(data)) is not None:
        return _three_channels(pixels), _turns(header.kind, is_page=False)
    pixels = _by_pillow(data, header, must=True)
    if header.kind not in _NOT_OPENCVS:
        raise UnreadablePictureError(
            f"a {header.kind} that OpenCV, and so the trainer, cannot read"
        )
    return pixels, True


def _first_page_in_colour(data: bytes) -> NDArray[Any] | None:
    """Decode the first page; None if it is grey. Further pages could fill the memory."""
    try:
        is_read, pages = cv2.imdecodemulti(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(0, 1)
        )
    except cv2.error:
        return None
    return pages[0][..., :3] if is_read and pages[0].ndim == 3 else None


def _by_turbo(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a JPEG with the library that OpenCV uses too, but that says what is damaged.

    OpenCV prints it, for all threads together, and shows the rest in grey.

    Returns:
        The pixels that OpenCV decodes, not turned; None if OpenCV must decode it.

    Raises:
        UnreadablePictureError: If data are lost in the middle.
    """
    if not _is_like_opencv():
        return None
    try:
        return _turbo(data, is_strict=True)
    except ValueError as error:
        damage = str(error)
        if damage.startswith(DAMAGE) and not is_padding(damage):
            raise _unreadable(error) from None
    except KeyError:  # a subsampling that it has no name for
        return None
    try:
        return _turbo(data, is_strict=False)
    except (ValueError, KeyError):
        return None


def _turbo(data: bytes, *, is_strict: bool) -> NDArray[np.uint8] | None:
    _, _, colours, _ = simplejpeg.decode_jpeg_header(data, strict=is_strict)
    if colours not in _TURBO_COLOURS:
        return None
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=is_strict)
    return pixels


@functools.cache
def _is_like_opencv() -> bool:
    """Try whether the installed OpenCV decodes to the same pixels: releases differ in the last bit.

    Of noise in full and in quarter colour, every pixel would show another method.
    """
    noise = np.random.default_rng(0).integers(0, 256, (67, 93, 3), dtype=np.uint8)
    for subsampling in ("444", "420"):
        data = simplejpeg.encode_jpeg(noise, quality=80, colorsubsampling=subsampling)
        expected = _by_opencv(data)
        if expected is None or not np.array_equal(
            expected, simplejpeg.decode_jpeg(data, colorspace="BGR")
        ):
            return False
    return True


def _turned(pixels: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    """Turn pixels upright by the EXIF tag."""
    if orientation in _TRANSPOSED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in _FLIPPED_LEFT_RIGHT:
        pixels = pixels[:, ::-1]
    if orientation in _FLIPPED_UP_DOWN:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _by_opencv(data: bytes) -> NDArray[Any] | None:
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return pixels


def _by_pillow(data: bytes, header: _Header, *, must: bool = False) -> Any:  # noqa: ANN401
    """Decode by Pillow or pi-heif, upright; None if they cannot, an error if they must."""
    try:
        picture = _opened_by_pillow(data, header.kind)
        upright = ImageOps.exif_transpose(picture)
        return cv2.cvtColor(np.asarray(upright.convert("RGB")), cv2.COLOR_RGB2BGR)
    except DECODER_ERRORS as error:
        if must:
            raise _unreadable(error) from None
        return None


def _opened_by_pillow(data: bytes, kind: str) -> Image.Image:
    if kind == "HEIF":
        import pi_heif  # noqa: PLC0415

        picture: Image.Image = pi_heif.open_heif(io.BytesIO(data)).to_pillow()
        return picture
    return Image.OPEN[kind][0](io.BytesIO(data), "")


def _three_channels(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnreadablePictureError(
            f"expected three colours of 8 or 16 bits, found {pixels.shape[2:] or (1,)} of "
            f"{pixels.dtype}"
        )
    return np.ascontiguousarray(pixels)


@functools.cache
def _turns(kind: str, *, is_page: bool) -> bool:
    """Try whether the installed OpenCV turns a format's pictures upright: releases differ."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[_ORIENTATION] = 6
    try:
        Image.new("RGB", (16, 8)).save(file, kind, exif=exif)
    except (KeyError, *DECODER_ERRORS):
        return False
    data = file.getvalue()
    pixels = _first_page_in_colour(data) if is_page else _by_opencv(data)
    return pixels is not None and pixels.shape[:2] == (16, 8)


def _unreadable(error: Exception) -> UnreadablePictureError:
    found = one_line(str(error) or type(error).__name__)
    return UnreadablePictureError(shortened(found.partition(": <_io.")[0], 100))
