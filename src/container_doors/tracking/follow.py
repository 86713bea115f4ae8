"""Read a run's record as it grows, and pass it on to trackers; they see only what is on disk.

The record may become shorter when a training is resumed; no epoch is sent twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from container_doors.core.errors import TrackingError
from container_doors.core.ports import Results, Tracker
from container_doors.core.records import FITNESS, Epoch, RunRecord

Say = Callable[[str], None]
PollExit = Callable[[], int | None]
"""Waits a moment, then returns the exit code of the run, or None while it continues."""


@dataclass(slots=True)
class _Listener:
    """A tracker, and the last epoch that it received."""

    name: str
    tracker: Tracker
    last_epoch: int = 0


def follow(
    record: RunRecord,
    trackers: Mapping[str, Tracker],
    *,
    epochs: Callable[[], Sequence[Epoch]],
    results: Callable[[], Results | None],
    poll_exit: PollExit,
    say: Say,
) -> None:
    """Send every epoch to every tracker, then the results if the run ended well, then the end.

    A tracker that fails is dropped with one message; the others continue.

    Args:
        record: The run.
        trackers: The trackers, by their display names.
        epochs: Returns all epochs that are on disk now, in order.
        results: Returns the results of a run that ended well; None if there are none.
        poll_exit: See :data:`PollExit`.
        say: Receives messages for the person, one line each.
    """
    listeners = [_Listener(name, tracker) for name, tracker in trackers.items()]
    listeners = list(_each(listeners, lambda listener: _start(listener, record), say))
    exit_code = None
    while exit_code is None and listeners:
        exit_code = poll_exit()  # before reading, so that nothing written before the end is missed
        written = list(epochs())
        listeners = list(_each(listeners, lambda listener: _send_epochs(listener, written), say))  # noqa: B023
    if exit_code is None:
        return
    code, shown_results = exit_code, results() if exit_code == 0 else None
    list(_each(listeners, lambda listener: _finish(listener, shown_results, code), say))


def send_run(
    tracker: Tracker,
    record: RunRecord,
    epochs: Sequence[Epoch],
    results: Results | None,
    *,
    exit_code: int,
) -> None:
    """Send one tracker everything of a run that has ended.

    Raises:
        TrackingError: If the tracker raises it.
    """
    listener = _Listener("", tracker)
    _start(listener, record)
    _send_epochs(listener, epochs)
    _finish(listener, results, exit_code)


def _each(
    listeners: Sequence[_Listener], action: Callable[[_Listener], None], say: Say
) -> Iterator[_Listener]:
    """Apply ``action`` to each listener; yield those that did not fail."""
    for listener in listeners:
        try:
            action(listener)
        except TrackingError as error:
            say(f"{listener.name}: {error.problem}; {error.hint}")
        else:
            yield listener


def _start(listener: _Listener, record: RunRecord) -> None:
    listener.last_epoch = listener.tracker.start(record)


def _send_epochs(listener: _Listener, epochs: Sequence[Epoch]) -> None:
    best = -1.0
    for epoch in epochs:
        fitness = epoch.metrics.get(FITNESS, -1.0)
        is_best, best = fitness >= best, max(best, fitness)
        if epoch.number > listener.last_epoch:
            listener.tracker.log_epoch(epoch, is_best=is_best)
            listener.last_epoch = epoch.number


def _finish(listener: _Listener, results: Results | None, exit_code: int) -> None:
    try:
        if results is not None:
            listener.tracker.log_results(results)
    finally:  # even without the results, the epochs need a proper end
        listener.tracker.finish(exit_code=exit_code)
