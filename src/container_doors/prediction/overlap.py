"""Reads ahead and writes behind, in threads, while the network runs; a few pictures at a time.

OpenCV, hashing and the network let other threads run, so two processors are busy.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Generic, Self, TypeVar

from container_doors.prediction.loaded import Loaded
from container_doors.prediction.sources import Item

Value = TypeVar("Value")

_LOOK_UP_S = 0.1
"""How often a thread that waits looks whether it shall stop."""

_END_S = 30.0
"""A stream that does not answer is given up after ten seconds."""


class ReadAhead:
    """Loads items in threads, a few ahead of what is asked for, in their order."""

    def __init__(
        self, items: Iterator[Item], *, stop: Event, threads: int, ahead: int | None = None
    ) -> None:
        """Start to read.

        Args:
            items: They are gone through in one thread.
            stop: Is set when this is closed; ``items`` should end then.
            threads: How many items are loaded at a time.
            ahead: The most that are loaded, or being loaded, and not yet asked for.
        """
        self.left_out = 0
        """Live frames for which there was no time."""
        self._items, self._stop = items, stop
        self._waiting: Queue[Future[Loaded] | BaseException | None] = Queue(ahead or threads + 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="load")
        self._thread = Thread(target=self._read, name="read ahead", daemon=True)
        self._thread.start()

    def loaded(self, *, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[Loaded]:
        """Yield each, in order, until all are there or it shall stop.

        Args:
            is_stopping: Asked before each, and while waiting.
        """
        while not is_stopping():
            try:
                entry = self._waiting.get(timeout=_LOOK_UP_S)
            except Empty:
                continue
            if entry is None:
                return
            if isinstance(entry, BaseException):
                raise entry
            yield entry.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():  # it may wait for room
            with suppress(Empty):
                self._waiting.get(timeout=_LOOK_UP_S)
            self._thread.join(timeout=0)
        self._pool.shutdown(cancel_futures=True)

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            for item in self._items:
                if item.is_live and self._waiting.full():
                    self.left_out += 1
                elif not self._put(self._pool.submit(item.load)):
                    return
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            end = error
        self._put(end)

    def _put(self, entry: Future[Loaded] | BaseException | None) -> bool:
        while not self._stop.is_set():
            with suppress(Full):
                self._waiting.put(entry, timeout=_LOOK_UP_S)
                return True
        return False


class WriteBehind(Generic[Value]):
    """Hands values to a function, in their order, in one thread of its own."""

    def __init__(self, write: Callable[[Value], None], *, behind: int = 2) -> None:
        """Start to wait for values.

        Args:
            write: What is done with each.
            behind: The most that wait for it.
        """
        self._write = write
        self._waiting: Queue[Any] = Queue(behind)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="write behind", daemon=True)
        self._thread.start()

    def put(self, value: Value) -> None:
        """Hand over a value; raise what the function raised for an earlier one."""
        while self._error is None:
            with suppress(Full):
                self._waiting.put((value,), timeout=_LOOK_UP_S)
                return
        raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Wait until all is written."""
        while self._thread.is_alive():
            with suppress(Full):
                self._waiting.put(None, timeout=_LOOK_UP_S)
                break
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _work(self) -> None:
        try:
            while (entry := self._waiting.get()) is not None:
                self._write(entry[0])
                del entry  # or its picture would stay until the next one comes
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
