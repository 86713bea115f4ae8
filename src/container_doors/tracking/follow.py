"""Reads a run's record as it grows, and tells trackers: the disk is first, everybody else hears.

The record may be cut back when a training is resumed; an epoch that was told is not told again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from container_doors.core.errors import TrackingError
from container_doors.core.ports import Results, Tracker
from container_doors.core.records import FITNESS, Epoch, RunRecord

Say = Callable[[str], None]
Ended = Callable[[], int | None]
"""Waits a moment; then the exit code of the run, or None while it goes on."""


@dataclass(slots=True)
class _Listener:
    """A tracker, and how far it has come."""

    name: str
    tracker: Tracker
    last_epoch: int = 0


def follow(
    record: RunRecord,
    trackers: Mapping[str, Tracker],
    *,
    epochs: Callable[[], Sequence[Epoch]],
    results: Callable[[], Results | None],
    ended: Ended,
    say: Say,
) -> None:
    """Tell every tracker every epoch, then the results if the run ended well, then the end.

    A tracker that fails is dropped with one line; the others hear on.

    Args:
        record: The run.
        trackers: By the name that people know them under.
        epochs: Every epoch that is on disk by now, in order.
        results: What the run has to show, once it has ended well; None if that is nothing.
        ended: Whether there is more to come.
        say: Tells the person one line.
    """
    listeners = [_Listener(name, tracker) for name, tracker in trackers.items()]
    listeners = list(_each(listeners, lambda hears: _start(hears, record), say))
    exit_code = None
    while exit_code is None and listeners:
        exit_code = ended()  # before reading, so that nothing written before the end is missed
        told = list(epochs())
        listeners = list(_each(listeners, lambda hears: _tell(hears, told), say))  # noqa: B023
    if exit_code is None:
        return
    code, shown = exit_code, results() if exit_code == 0 else None
    list(_each(listeners, lambda hears: _conclude(hears, shown, code), say))


def tell(
    tracker: Tracker,
    record: RunRecord,
    epochs: Sequence[Epoch],
    results: Results | None,
    *,
    exit_code: int,
) -> None:
    """Tell one tracker all there is of a run that has ended.

    Raises:
        TrackingError: As the tracker does.
    """
    listener = _Listener("", tracker)
    _start(listener, record)
    _tell(listener, epochs)
    _conclude(listener, results, exit_code)


def _each(
    listeners: Sequence[_Listener], action: Callable[[_Listener], None], say: Say
) -> Iterator[_Listener]:
    """Do it with each listener; yield those with whom it went well."""
    for listener in listeners:
        try:
            action(listener)
        except TrackingError as error:
            say(f"{listener.name}: {error.problem}; {error.hint}")
        else:
            yield listener


def _start(listener: _Listener, record: RunRecord) -> None:
    listener.last_epoch = listener.tracker.start(record)


def _tell(listener: _Listener, epochs: Sequence[Epoch]) -> None:
    best = -1.0
    for epoch in epochs:
        fitness = epoch.metrics.get(FITNESS, -1.0)
        is_best, best = fitness >= best, max(best, fitness)
        if epoch.number > listener.last_epoch:
            listener.tracker.log_epoch(epoch, is_best=is_best)
            listener.last_epoch = epoch.number


def _conclude(listener: _Listener, results: Results | None, exit_code: int) -> None:
    try:
        if results is not None:
            listener.tracker.log_results(results)
    finally:  # whatever became of the results, the epochs are worth ending well
        listener.tracker.finish(exit_code=exit_code)
