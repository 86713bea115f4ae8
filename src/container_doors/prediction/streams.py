"""Frames of videos and cameras, one after the other; a stream that breaks is opened again."""

import functools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic, perf_counter
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.core.predictions import Frame
from container_doors.data.convert_pictures import UnreadablePictureError
from container_doors.prediction.pictures import MOST_PIXELS

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https")
"""The addresses that are opened; FFmpeg knows others, which read files of this machine."""

DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)
"""The pauses before a broken stream is opened again; a frame that arrives begins them anew."""

_TIMEOUT_MS = 10_000
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(r"([?&;](?:[^=&;]*(?:pass|pwd|pw|token|key|secret|auth|sig)[^=&;]*)=)[^&;#]*",
                     re.IGNORECASE)  # fmt: skip


class StreamLostError(Exception):
    """A stream could not be opened again; the message is for people."""


@dataclass(frozen=True, slots=True, eq=False)
class TakenFrame:
    """One decoded frame."""

    bgr: NDArray[np.uint8]
    """Shape (height, width, 3), upright."""
    frame: Frame
    read_ms: float = 0.0
    """How long reading and decoding it took."""
    is_live: bool = False
    """Whether there is a newer one if this one has to wait."""


def scheme_of(text: str) -> str | None:
    """Return the scheme of an address, in lower case; None if the text is none."""
    found = _URL.match(text)
    return found[1].lower() if found else None


def masked(address: str) -> str:
    """Hide the password, and each value of the query that may be one, of an address.

    >>> masked("rtsp://admin:s3cret@10.0.0.5:554/live?token=abc&size=2")
    'rtsp://admin:***@10.0.0.5:554/live?token=***&size=2'
    >>> masked("rtsp://admin:a/b@c@10.0.0.5/live")
    'rtsp://admin:***@10.0.0.5/live'
    """
    found = _URL.match(address)
    if found is None:
        return address
    # A password may have an @, a slash or a question mark that is not escaped: all up to the last @
    # may be of it, and is hidden, even if it is an address with an @ in its path.
    login, at, host = found[2].rpartition("@")
    user, colon, _ = login.partition(":")
    rest = f"{user}:***@{host}" if colon else f"{login}{at}{host}"
    return f"{found[1]}://" + _SECRET.sub(r"\1***", rest)


def file_name_of(address: str) -> str:
    """Return the last part of an address' path; empty if it has none."""
    try:
        return urlsplit(address).path.rpartition("/")[2]
    except ValueError:
        return ""


def frame_count(path: Path) -> int | None:
    """Return the number of frames that a video announces; None if it is not known."""
    with _opened(path) as video:
        return _announced(video)


def video_frames(path: Path, *, every: int, after: int = -1) -> Iterator[TakenFrame]:
    """Decode every Nth frame of a video, beginning with the first.

    Args:
        path: The file.
        every: N.
        after: The last frame that is not wanted any more; the first is 0.

    Raises:
        UnreadablePictureError: If it is no video, or ends before its announced end.
    """
    with _opened(path) as video:
        number = -1
        for number, time_s, started in _grabbed(video):
            if number > after and number % every == 0:
                yield _taken(video, Frame(index=number, time_s=time_s), started)
        if number < 0:
            raise UnreadablePictureError("expected a video, found nothing that can be decoded")
        announced, per_second = _announced(video), video.get(cv2.CAP_PROP_FPS)
        slack = max(per_second if np.isfinite(per_second) else 0, 2)  # the number is an estimate
        if announced is not None and number + 1 + slack < announced:
            raise UnreadablePictureError(
                f"it can be decoded up to frame {number}, and announces {announced} frames"
            )


def stream_frames(
    address: str | int,
    *,
    every: int,
    after: Frame | None,
    stop: Event,
    say: Callable[[str], None],
    delays_s: Sequence[float] | None = None,
) -> Iterator[TakenFrame]:
    """Decode every Nth frame of a camera or a stream, until it ends or is stopped.

    A video of known length at an address ends; anything else is live, and opened again if it
    breaks.

    Args:
        address: A URL, or the number of a camera of this machine.
        every: N.
        after: The last frame of an earlier attempt, which this one goes on from.
        stop: Ends it.
        say: Receives a line when the stream breaks.
        delays_s: The pauses before it is opened again; by default :data:`DELAYS_S`.

    Raises:
        StreamLostError: If it cannot be opened again.
    """
    name = masked(str(address)) if isinstance(address, str) else f"camera {address}"
    clock, attempt, delays_s = _Clock(after), 0, DELAYS_S if delays_s is None else delays_s
    while not stop.is_set():
        with _opened(address) as video:
            length = _announced(video) if isinstance(address, str) else None
            for number, time_s, started in _grabbed(video):
                attempt = 0
                if stop.is_set():
                    return
                if length is not None and number <= clock.index:
                    continue  # a video that is opened again begins at its beginning
                frame = clock.next(time_s if length is not None else None)
                if frame.index % every == 0:
                    with suppress(UnreadablePictureError):  # noise on the line: the next is whole
                        yield _taken(video, frame, started, is_live=length is None)
            if length is not None and clock.index + 2 >= length:
                return
        if attempt == len(delays_s):
            raise StreamLostError(f"it cannot be opened after {attempt} more attempts")
        delay_s, attempt = delays_s[attempt], attempt + 1
        say(f"{name}: no frame arrives; opening it again in {delay_s:g} s "
            f"(attempt {attempt} of {len(delays_s)})")  # fmt: skip
        stop.wait(delay_s)


class _Clock:
    """Numbers the frames of a stream, also over the times when it was broken."""

    def __init__(self, after: Frame | None) -> None:
        self.index = -1 if after is None else after.index
        self._earlier_s = 0.0 if after is None else after.time_s
        self._began_s: float | None = None

    def next(self, time_s: float | None) -> Frame:
        """Return the next frame; without a time of its own it has that of its arrival."""
        self.index += 1
        if time_s is None:
            now = monotonic()
            self._began_s = now if self._began_s is None else self._began_s
            time_s = self._earlier_s + now - self._began_s
        return Frame(index=self.index, time_s=time_s)


def _grabbed(video: Any) -> Iterator[tuple[int, float, float]]:  # noqa: ANN401 - OpenCV's types
    """Go from frame to frame.

    Yields:
        Its number, the seconds since the first one, and when its reading began.
    """
    number, first_ms, started = 0, 0.0, perf_counter()
    while video.grab():
        milliseconds = video.get(cv2.CAP_PROP_POS_MSEC)
        if not np.isfinite(milliseconds):
            milliseconds = first_ms
        first_ms = milliseconds if number == 0 else first_ms
        yield number, max(0.0, milliseconds - first_ms) / 1000, started
        number, started = number + 1, perf_counter()


def _taken(video: Any, frame: Frame, started: float, *, is_live: bool = False) -> TakenFrame:  # noqa: ANN401
    is_decoded, pixels = video.retrieve()
    if not is_decoded or pixels is None or pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise UnreadablePictureError(f"frame {frame.index} cannot be decoded")
    return TakenFrame(pixels, frame, (perf_counter() - started) * 1000, is_live)


def _announced(video: Any) -> int | None:  # noqa: ANN401
    count = video.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if np.isfinite(count) and 0 < count < 1e9 else None


@contextmanager
def _opened(where: Path | str | int) -> Iterator[Any]:
    """Open a file, an address or a camera; an address with a password is never logged.

    Of all readers of OpenCV only FFmpeg is asked: another would take the name for a pattern of
    files, and complain with the whole address.
    """
    descriptor = None
    _quieten()
    if isinstance(where, int):
        video = cv2.VideoCapture(where)
    elif isinstance(where, Path):
        name = str(where.absolute())
        if not name.isascii():  # OpenCV takes UTF-8 alone
            descriptor = os.open(name, os.O_RDONLY)
            name = f"/dev/fd/{descriptor}"
        video = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS,
                  cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]  # fmt: skip
        video = cv2.VideoCapture(where, cv2.CAP_FFMPEG, limits)
    try:
        _refuse_huge(video)
        yield video
    finally:
        video.release()
        if descriptor is not None:
            os.close(descriptor)


@functools.cache
def _quieten() -> None:
    """Let OpenCV and FFmpeg log nothing: their lines may have an address with its password."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when the first file is opened


def _refuse_huge(video: Any) -> None:  # noqa: ANN401
    width, height = (video.get(one) for one in (cv2.CAP_PROP_FRAME_WIDTH,
                                                cv2.CAP_PROP_FRAME_HEIGHT))  # fmt: skip
    if width * height > MOST_PIXELS:
        raise UnreadablePictureError(
            f"it announces frames of {width:.0f} x {height:.0f} pixels, and at most "
            f"{MOST_PIXELS // 1_000_000} million are decoded"
        )
