"""Frames of videos: every Nth, or those where the scene changes; read one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from container_doors.core.errors import SourceError
from container_doors.data.sources import Source

_JPEG_QUALITY = 95
_MOST_FRAMES = 2_000_000
_CHANGE = 0.35
"""Of the histogram of a frame, this part differs from that of the frame before at a cut."""

_FEWEST_BETWEEN = 5
"""Frames between two changes: flashes and fades are one."""


USUAL_EVERY = 30
"""About one frame a second: doors move slowly, and near-duplicates teach nothing."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames of a video are taken."""

    every: int | None = None
    """Every Nth; None: as usual."""
    at_scene_changes: bool = False
    """The first frame of each scene instead."""


class VideoFrames:
    """Reads frames of one video, in the order of their numbers, from 0."""

    def __init__(self, source: Source, member: str) -> None:
        """Store the video; it is opened when the first frame is read."""
        self._source, self._member = source, member
        self._frames: Iterator[tuple[int, Any]] | None = None
        self._at: tuple[int, Any] = (-1, None)

    def read(self, number: int) -> bytes:
        """Return a frame as JPEG; numbers that go back begin at the start again.

        Raises:
            SourceError: If the video cannot be decoded, or has no such frame.
        """
        if self._frames is None or number < self._at[0]:
            self._frames = self._decoded()
            self._at = (-1, None)
        while self._at[0] < number:
            found = next(self._frames, None)
            if found is None:
                raise SourceError(
                    f"{self._source.where(self._member)}: expected a frame {number}, found an end "
                    f"after {self._at[0] + 1}",
                    hint="check that it is the whole video that was labelled",
                )
            self._at = found
        return _encoded(self._at[1])

    def chosen(self, sampling: Sampling) -> list[int]:
        """Return the numbers of the frames that are taken."""
        if sampling.at_scene_changes:
            return self._changes()
        count = sum(1 for _ in self._decoded(pixels=False))
        return list(range(0, count, sampling.every or USUAL_EVERY))

    def _changes(self) -> list[int]:
        """Find the frames that begin a scene: the first one, and each after a cut."""
        found: list[int] = []
        before: Any = None
        for number, pixels in self._decoded():
            small = cv2.resize(pixels, (64, 36), interpolation=cv2.INTER_AREA)
            histogram = cv2.calcHist([small], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3) / (64 * 36)
            is_cut = before is None or float(np.abs(histogram - before).sum()) / 2 > _CHANGE
            if is_cut and (not found or number - found[-1] >= _FEWEST_BETWEEN):
                found.append(number)
            before = histogram
        return found

    def _decoded(self, *, pixels: bool = True) -> Iterator[tuple[int, Any]]:
        with _opened(self._source.on_disk(self._member)) as video:
            for number in range(_MOST_FRAMES):
                if not video.grab():
                    if number == 0:
                        raise SourceError(
                            f"{self._source.where(self._member)}: expected a video, found nothing "
                            "that can be decoded",
                            hint="convert it: ffmpeg -i VIDEO -c:v libx264 video.mp4",
                        )
                    return
                frame = video.retrieve()[1] if pixels else None
                yield number, frame


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    video = cv2.VideoCapture(str(path))
    try:
        yield video
    finally:
        video.release()


def _encoded(pixels: Any) -> bytes:  # noqa: ANN401 - an array
    is_done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not is_done:
        raise SourceError("a frame that cannot be encoded", hint="convert the video: ffmpeg -i "
                          "VIDEO -c:v libx264 video.mp4")  # fmt: skip
    return bytes(data)
