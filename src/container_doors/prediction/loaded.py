"""A photograph or a frame in memory, or why it could not be read."""

import hashlib
from dataclasses import dataclass
from time import perf_counter

from container_doors.core.predictions import Frame
from container_doors.core.printable import printable, shortened
from container_doors.prediction.pictures import (
    MOST_PIXELS,
    Picture,
    UnreadablePictureError,
    decode,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A photograph or a frame in memory, or why it could not be read."""

    name: str
    picture: Picture | None = None
    """None if it could not be read."""
    problem: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    frame: Frame | None = None
    read_ms: float = 0.0


def load_bytes(data: bytes, *, name: str, started: float, most_pixels: int = MOST_PIXELS) -> Loaded:
    """Decode the bytes of a photograph.

    Args:
        data: All of the file.
        name: The file's name, which may have folders before it.
        started: When its reading began, as ``perf_counter`` tells it.
        most_pixels: A photograph that has more is not read.
    """
    try:
        picture = decode(data, name=name.rpartition("/")[2], most_pixels=most_pixels)
    except UnreadablePictureError as error:
        return Loaded(name, problem=shortened(printable(error)), size_bytes=len(data))
    read_ms = (perf_counter() - started) * 1000
    sha256 = hashlib.sha256(data).hexdigest()
    return Loaded(name, picture, sha256=sha256, size_bytes=len(data), read_ms=read_ms)
