"""Reading ahead and writing behind."""

import threading
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from threading import Event

import pytest

from container_doors.prediction.loaded import Loaded
from container_doors.prediction.overlap import ReadAhead, WriteBehind
from container_doors.prediction.sources import Item
from tests.predicting import painted
from tests.prediction.finding import picture_of


def item(number: int, *, size: tuple[int, int] = (8, 8), is_live: bool = False) -> Item:
    def load() -> Loaded:
        return Loaded(str(number), picture_of(painted(number % 200, size=size)))

    return Item(load, is_live=is_live)


def slow_first(number: int, loading: list[int]) -> Loaded:
    loading.append(number)
    time.sleep(0.05 if number % 3 == 0 else 0)
    return Loaded(str(number))


def test_items_keep_their_order_whichever_is_loaded_first():
    loading: list[int] = []
    items = (Item(partial(slow_first, number, loading)) for number in range(12))
    with ReadAhead(items, stop=Event(), threads=3) as ahead:
        names = [one.name for one in ahead.loaded()]

    assert names == [str(number) for number in range(12)]


def test_no_more_than_a_few_are_loaded_before_they_are_asked_for():
    loading: list[int] = []
    items = (Item(partial(slow_first, number, loading)) for number in range(100))
    with ReadAhead(items, stop=Event(), threads=2) as ahead:
        time.sleep(0.5)
        assert len(loading) <= 4
        next(ahead.loaded())
    assert not [one for one in threading.enumerate() if one.name.startswith(("load", "read ah"))]


def test_an_error_in_the_sources_is_raised_where_they_are_asked_for():
    def items() -> Iterator[Item]:
        yield item(0)
        raise OSError(5, "Input/output error")

    with ReadAhead(items(), stop=Event(), threads=2) as ahead:
        loaded = ahead.loaded()
        assert next(loaded).name == "0"
        with pytest.raises(OSError, match="Input/output error"):
            next(loaded)


def test_live_frames_for_which_there_is_no_time_are_left_out():
    shown = Event()

    def items() -> Iterator[Item]:
        yield from (item(number, is_live=True) for number in range(100))
        shown.set()

    with ReadAhead(items(), stop=Event(), threads=1) as ahead:
        assert shown.wait(10), "nothing waits for a slow network"
        names = [one.name for one in ahead.loaded()]
    assert names[0] == "0"
    assert len(names) + ahead.left_out == 100
    assert ahead.left_out > 50


def test_all_is_written_in_order_before_it_ends():
    written: list[int] = []

    def write(number: int) -> None:
        time.sleep(0.01)
        written.append(number)

    with WriteBehind(write) as writer:
        for number in range(10):
            writer.put(number)

    assert written == list(range(10))


def test_an_error_while_writing_reaches_the_one_who_hands_over():
    def write(number: int) -> None:
        if number == 3:
            raise OSError(28, "No space left on device")

    def hand_over() -> None:
        with WriteBehind(write) as writer:
            for number in range(100):
                writer.put(number)

    with pytest.raises(OSError, match="No space left"):
        hand_over()


def test_an_error_in_the_last_one_is_not_lost():
    def write(number: int) -> None:
        raise OSError(28, "No space left on device")

    def hand_over() -> None:
        with WriteBehind(write) as writer:
            writer.put(1)

    with pytest.raises(OSError, match="No space left"):
        hand_over()


def test_memory_is_flat_over_thousands_of_frames():
    size = (320, 240)
    frame_bytes = size[0] * size[1] * 3
    items = (item(number, size=size) for number in range(6000))
    peaks: list[int] = []
    tracemalloc.start()
    try:
        with (
            WriteBehind[Loaded](lambda _: None) as writer,
            ReadAhead(items, stop=Event(), threads=2) as ahead,
        ):
            for number, one in enumerate(ahead.loaded()):
                writer.put(one)
                if number % 2000 == 1999:
                    peaks.append(tracemalloc.get_traced_memory()[1])
                    tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()

    assert peaks[-1] < 12 * frame_bytes
    assert peaks[-1] < peaks[0] + 2 * frame_bytes
