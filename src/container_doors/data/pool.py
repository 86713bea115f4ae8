"""Work spread over processes, which end when it ends, is interrupted, or loses its parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from container_doors.core.child_environment import secrets_put_away
from container_doors.core.errors import DatasetError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16
"""Items for a process at a time: few enough that an interrupted pool ends within half a second."""

FEWEST = 300
"""Below so many items, starting processes takes longer (1 to 2 s) than they save."""


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None,
    on_progress: Callable[[int, int], None],
) -> list[Result]:
    """Apply ``work``, a function that can be imported, to every item; results keep the order.

    Args:
        work: What is done; an error in it ends everything.
        items: What it is done to.
        workers: How many processes. None: one for each processor, and none of them for a few
            items. 1: none, the work is done here.
        on_progress: Hears how many of how many are done.

    Raises:
        DatasetError: If the system ended a process.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if len(items) >= FEWEST else 1
    if workers == 1:
        return list(_one_by_one(work, items, on_progress))
    try:
        return _in_processes(work, items, workers, on_progress)
    except BrokenProcessPool:
        raise DatasetError(
            "a process that read photographs was ended from outside",
            hint="most likely memory ran out; close other programs, or read with one worker",
        ) from None


def _one_by_one(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    on_progress: Callable[[int, int], None],
) -> Iterator[Result]:
    for done, item in enumerate(items, start=1):
        yield work(item)
        on_progress(done, len(items))


def _in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    on_progress: Callable[[int, int], None],
) -> list[Result]:
    # Not by fork: PyTorch's threads, if they run, would be copied in whatever state they are.
    context = multiprocessing.get_context("spawn")
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    order: dict[Future[list[Result]], int] = {}
    results: list[list[Result]] = [[] for _ in chunks]
    with (
        secrets_put_away(),
        ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool,
    ):
        try:
            with _interrupts_held_back():
                for number, chunk in enumerate(chunks):
                    order[pool.submit(_work_through, work, chunk)] = number
            done = 0
            for future in as_completed(order):
                results[order[future]] = future.result()
                done += len(chunks[order[future]])
                on_progress(done, len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [result for chunk in results for result in chunk]


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep Ctrl-C for the parent: processes started meanwhile never hear of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work_through(work: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [work(item) for item in chunk]


def _end_with_parent() -> None:
    """A parent that is killed cannot say so; without this its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent.join,), daemon=True).start()


def _wait_for(parent_has_ended: Callable[[], None]) -> None:
    parent_has_ended()
    os._exit(1)
