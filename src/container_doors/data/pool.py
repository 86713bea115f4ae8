"""Run work in several processes, which end with it, when interrupted, or with their parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from container_doors.core.child_environment import hide_secrets
from container_doors.core.errors import DatasetError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16
"""Items per task: few enough that an interrupted pool ends within half a second."""

FEWEST = 300
"""With fewer items, starting processes takes longer (1 to 2 s) than they save."""


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None,
    on_progress: Callable[[int, int], None],
) -> list[Result]:
    """Apply ``work``, an importable function, to every item; the results keep the order.

    Args:
        work: The function; an error in it stops everything.
        items: Its arguments.
        workers: The number of processes. None: one per processor, but none for a few items.
            1: none, the work is done in this process.
        on_progress: Receives the numbers of items done and in total.

    Raises:
        DatasetError: If a process was killed.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if len(items) >= FEWEST else 1
    if workers == 1:
        return list(_one_by_one(work, items, on_progress))
    try:
        return _in_processes(work, items, workers, on_progress)
    except BrokenProcessPool:
        raise DatasetError(
            "a process that read photographs was killed",
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
    # Not by fork: PyTorch's threads, if they run, would be copied in an undefined state.
    context = multiprocessing.get_context("spawn")
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    order: dict[Future[list[Result]], int] = {}
    results: list[list[Result]] = [[] for _ in chunks]
    with (
        hide_secrets(),
        ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool,
    ):
        try:
            with _interrupts_blocked():
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
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for processes started meanwhile: only the parent receives it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work_through(work: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [work(item) for item in chunk]


def _end_with_parent() -> None:
    """End this worker when its parent is killed; otherwise it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent.join,), daemon=True).start()


def _wait_for(wait_for_parent: Callable[[], None]) -> None:
    wait_for_parent()
    os._exit(1)
