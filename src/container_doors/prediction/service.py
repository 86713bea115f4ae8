"""Finds doors in photographs that several people send at once: bounded, and one network for all.

Photographs are decoded and described in a few threads; the network, which is not thread-safe, runs
in one thread of its own.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter
from typing import NamedTuple, TypeVar

from container_doors.core.config import QualityLimits
from container_doors.core.ports import Network
from container_doors.core.predictions import PhotographResult, UsedModel
from container_doors.core.printable import shortened
from container_doors.prediction.finding import find_boxes, result_of
from container_doors.prediction.keeping import Keep
from container_doors.prediction.loaded import Loaded, load_bytes
from container_doors.prediction.pictures import Picture

Value = TypeVar("Value")

_MOST_NAME = 255
_DEFAULT_QUALITY = QualityLimits()
_FIRST_GUESS_S = 0.1
"""How long a photograph takes, before one has been seen."""

_MOST_WAIT = 0.5
"""Of a request's time: what would wait for longer is asked to come again, and not begun in vain."""


class BusyError(Exception):
    """As many photographs are waiting as may wait."""

    def __init__(self, retry_after_s: int) -> None:
        """Say after how many seconds there is likely to be room."""
        super().__init__(f"too many photographs are waiting; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class StoppingError(Exception):
    """The service finishes what it has taken, and takes nothing new."""


class TooLateError(Exception):
    """A photograph waited longer than a request may take."""


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What is accepted at most."""

    file_bytes: int = 25_000_000
    pixels: int = 100_000_000
    """Of one photograph; 100 million take 300 MB when decoded."""
    files: int = 8
    """In one request."""
    seconds: float = 30.0
    """For one request, from its last byte on."""
    queue: int = 32
    """Photographs that wait or are looked at."""

    @property
    def request_bytes(self) -> int:
        """Of one request."""
        return self.files * self.file_bytes


class Upload(NamedTuple):
    """A file as it was sent."""

    name: str
    data: bytes


class Asked(NamedTuple):
    """What a client asks for; None: as the model was tested."""

    conf: float | None = None
    max_detections: int | None = None


Show = Callable[[PhotographResult, Picture | None], Value]

_AS_TESTED = Asked()


def only_result(result: PhotographResult, _: Picture | None) -> PhotographResult:
    """Return the result alone: the pixels are let go."""
    return result


class Service:
    """Looks at photographs, a bounded number at a time."""

    def __init__(
        self,
        network: Network,
        used: UsedModel,
        *,
        limits: ServiceLimits,
        quality: QualityLimits = _DEFAULT_QUALITY,
        keep: Keep | None = None,
        threads: int = 2,
    ) -> None:
        """Start the threads.

        Args:
            network: One thread uses it.
            used: The model, and its settings.
            limits: What is accepted.
            quality: What the next step would refuse.
            keep: Where photographs are kept; None: nowhere.
            threads: How many photographs are decoded at a time, and so in memory.
        """
        self.used, self.limits, self.keep = used, limits, keep
        self._network, self._quality = network, quality
        self._work = ThreadPoolExecutor(threads, thread_name_prefix="photograph")
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._lock = threading.Lock()
        self._taken, self._is_stopping = 0, False
        self._each_s, self._finished = _FIRST_GUESS_S, 0.0

    @property
    def taken(self) -> int:
        """How many photographs wait or are looked at."""
        return self._taken

    @property
    def is_stopping(self) -> bool:
        """Whether nothing new is taken."""
        return self._is_stopping

    def submit(
        self, uploads: Sequence[Upload], show: Show[Value], asked: Asked = _AS_TESTED
    ) -> list[Future[Value]]:
        """Take photographs, all or none, and look at them in other threads.

        Args:
            uploads: The photographs.
            show: Makes the answer of a result and its picture, which is None if it could not be
                read. It is called in the thread that has decoded it.
            asked: With which settings.

        Returns:
            The answer of each; it raises TooLateError if it was not begun in time.

        Raises:
            BusyError: If too many photographs are waiting.
            StoppingError: If the service is stopping.
        """
        self._take(len(uploads))
        until = monotonic() + self.limits.seconds
        futures = []
        for upload in uploads:
            future = self._work.submit(partial(self._look, upload, show, asked, until))
            future.add_done_callback(self._give_back)
            futures.append(future)
        return futures

    def stop(self) -> None:
        """Take nothing new; what was taken is finished."""
        self._is_stopping = True

    def close(self) -> None:
        """Wait until what was taken is finished, and end the threads."""
        self.stop()
        self._work.shutdown()
        self._looking.shutdown()
        if self.keep is not None:
            self.keep.close()

    def _take(self, number: int) -> None:
        with self._lock:
            if self._is_stopping:
                raise StoppingError
            wait_s = self._taken * self._each_s
            is_full = self._taken + number > self.limits.queue
            if is_full or wait_s > _MOST_WAIT * self.limits.seconds:
                raise BusyError(max(1, math.ceil(wait_s)))
            self._taken += number

    def _give_back(self, _: object) -> None:
        with self._lock:
            self._taken -= 1

    def _look(self, upload: Upload, show: Show[Value], asked: Asked, until: float) -> Value:
        if monotonic() > until:
            raise TooLateError
        started = perf_counter()
        loaded = load_bytes(
            upload.data,
            name=shortened(upload.name, _MOST_NAME),
            started=started,
            most_pixels=self.limits.pixels,
        )
        result = self._result(loaded, asked)
        if self.keep is not None and result.status == "SUCCESS":
            self.keep.add(upload.data, upload.name, narrowed(result, self.used))
        shown = show(narrowed(result, _settings(self.used, asked)), loaded.picture)
        self._note_duration(started)
        return shown

    def _note_duration(self, started: float) -> None:
        """Keep the mean time between two photographs while there is work for all threads."""
        with self._lock:
            now = perf_counter()
            each_s = now - max(started, self._finished)
            self._each_s += (each_s - self._each_s) / 10
            self._finished = now

    def _result(self, loaded: Loaded, asked: Asked) -> PhotographResult:
        """Look with the lower of two thresholds: boxes above the other are the same."""
        asked_for = _settings(self.used, asked)
        widest = self.used.model_copy(
            update={
                "conf_threshold": min(asked_for.conf_threshold, self.used.conf_threshold),
                "max_detections": max(asked_for.max_detections, self.used.max_detections),
            }
        )
        found = None
        if loaded.picture is not None:
            looking = self._looking.submit(find_boxes, self._network, loaded.picture, widest)
            found = looking.result()
        return result_of(loaded, found, used=widest, limits=self._quality)


def _settings(used: UsedModel, asked: Asked) -> UsedModel:
    given = {"conf_threshold": asked.conf, "max_detections": asked.max_detections}
    return used.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def narrowed(result: PhotographResult, used: UsedModel) -> PhotographResult:
    """Return what a model finds with a higher threshold or fewer detections.

    Suppression goes from the most confident box on, so less confident ones change nothing.
    """
    if result.model == used:
        return result
    doors = [one for one in result.detections if one.confidence > used.conf_threshold]
    return result.model_copy(
        update={"detections": doors[: used.max_detections], "model": used},
    )
