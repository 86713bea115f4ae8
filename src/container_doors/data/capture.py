"""When a photograph was taken and by which camera, as its EXIF says."""

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta

from PIL import Image

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MAKE, _MODEL, _CHANGED_AT = 0x010F, 0x0110, 0x0132
_TAKEN_AT, _SUBSECOND = 0x9003, 0x9291
_SERIAL, _SERIAL_DNG = 0xA431, 0xC62F
_FORM = "%Y:%m:%d %H:%M:%S"
_UNSET = "0000"
"""How a camera whose clock is not set writes the year."""

_LONGEST = 100

_EXIF_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What Pillow raises on invalid EXIF."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What EXIF says of how a photograph was taken."""

    camera: str | None = None
    """Make, model and serial number; None without a serial number, which a model does not have."""
    model: str | None = None
    """Make and model; cameras of one model share it."""
    taken_at: datetime | None = None
    """In the camera's local time, without a zone; None if it is absent or cannot be read."""
    unreadable_time: str | None = None
    """What stands there instead, if it is no time."""
    has_place: bool = False
    """Whether EXIF has the place (GPS)."""


NOTHING_KNOWN = Capture()


def read_capture(header: Image.Image) -> Capture:
    """Read camera and time of an opened picture; nothing in it can stop the reading."""
    try:
        exif = header.getexif()
        tags = {**exif, **exif.get_ifd(_EXIF_IFD)} if exif else {}
        has_place = bool(exif and exif.get_ifd(_GPS_IFD))
    except _EXIF_ERRORS:
        return NOTHING_KNOWN
    model = " ".join(filter(None, (_text(tags.get(tag)) for tag in (_MAKE, _MODEL)))) or None
    serial = _text(tags.get(_SERIAL)) or _text(tags.get(_SERIAL_DNG))
    written = _text(tags.get(_TAKEN_AT)) or _text(tags.get(_CHANGED_AT))
    taken_at = _time(written, _text(tags.get(_SUBSECOND)))
    return Capture(
        camera=f"{model or 'camera'} {serial}" if serial else None,
        model=model,
        taken_at=taken_at,
        unreadable_time=written if written and taken_at is None else None,
        has_place=has_place,
    )


def _text(value: object) -> str:
    """Return a tag's text; empty if it is absent or none."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return " ".join(value.replace("\0", " ").split())[:_LONGEST] if isinstance(value, str) else ""


def _time(written: str, subsecond: str) -> datetime | None:
    """Parse a time as EXIF writes it, or as ISO 8601, which some programs write there.

    >>> _time("2026:03:01 10:11:12", "25"), _time("0000:00:00 00:00:00", "")
    (datetime.datetime(2026, 3, 1, 10, 11, 12, 250000), None)
    """
    if not written or written.startswith(_UNSET):
        return None
    try:
        whole = datetime.strptime(written[:19], _FORM)  # noqa: DTZ007 - EXIF has no zone here
    except ValueError:
        try:
            whole = datetime.fromisoformat(written).replace(tzinfo=None)
        except ValueError:
            return None
    digits = subsecond[:6]
    is_number = digits.isascii() and digits.isdigit()
    return whole + timedelta(seconds=float(f"0.{digits}")) if is_number else whole
