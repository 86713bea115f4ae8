"""Send a run to trackers, and draw its curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from container_doors.core.epochs import EpochReader
from container_doors.core.errors import TrackingError
from container_doors.core.ports import Follower, Progress, Remote, Results, Tracker, TrackingServer
from container_doors.core.records import Epoch, RunRecord
from container_doors.core.run import Run
from container_doors.reporting.curves import draw_curves
from container_doors.reporting.which_run import read_record
from container_doors.steps.runs import with_present_status
from container_doors.steps.train import FAILED, INTERRUPTED, KILLED
from container_doors.tracking.follow import PollExit, Say, follow, send_run
from container_doors.tracking.results import gather_results
from container_doors.training.claim import claim
from container_doors.training.history import (
    best_epoch,
    history_warnings,
    read_epochs,
    read_history,
)


def follow_run(run: Run, trackers: Mapping[str, Tracker], *, poll_exit: PollExit, say: Say) -> None:
    """Send a run to trackers while another process trains it, until it has ended."""
    follow(
        RunRecord.read(run.record),
        trackers,
        epochs=EpochReader(run.metrics_jsonl).read,
        results=lambda: gather_results(run),
        poll_exit=poll_exit,
        say=say,
    )


def sync_tracking(
    run: Run, *, server: TrackingServer, follower: Follower, progress: Progress
) -> tuple[Remote | None, Remote]:
    """Send what a tracking server lacks of a run that is not being trained now.

    Returns:
        What it had before, None if it did not know the run; and what it has now.

    Raises:
        RunError: If the run is being trained, or was never started.
        TrackingError: If the server cannot be used; sending again continues from there.
    """
    with claim(run):
        record = read_record(run)
        follower.settle(run, progress=progress)
        for line in history_warnings(run, record):
            progress.say(line)
        if record.epochs_finished:
            read_history(run.metrics_jsonl, record)  # raises an error if all epochs are lost
        before = server.ask(record)
        server.send_recordings(after_epoch=before.last_epoch if before else 0)
        now = server.ask(record)
        epochs, results = read_epochs(run.metrics_jsonl), gather_results(run)
        if now is None or not _has_all(now, epochs, results):
            send_run(
                server.tracker(record), record, epochs, results,
                exit_code=_EXIT_CODES.get(record.status, KILLED),
            )  # fmt: skip
            now = server.ask(record)
        if now is None:
            raise TrackingError(
                f"the server accepted {run.name}, but does not know it", hint="try it again later"
            )
    return before, now


def show_run(run: Run, *, picture: Path | None) -> tuple[RunRecord, list[Epoch], int | None]:
    """Read a run's epochs so far, and draw their curves.

    Args:
        run: The run; trained, in training, or failed.
        picture: The file to draw; nothing is drawn before the first epoch, or if this is None.

    Returns:
        The record, all finished epochs, and the number of the best one, None before the first.

    Raises:
        RunError: If there is no such run; the message names runs with similar names.
    """
    record, history = with_present_status(run, read_record(run)), read_epochs(run.metrics_jsonl)
    best = best_epoch(history).number if history else None
    if picture is not None and history:
        draw_curves(history, best, picture)
    return record, history, best


_EXIT_CODES = {"finished": 0, "stopped": 0, "failed": FAILED, "interrupted": INTERRUPTED}


def _has_all(remote: Remote, epochs: Sequence[Epoch], results: Results | None) -> bool:
    of = results.metadata.artifacts["best.pt"].sha256 if results else None
    last = epochs[-1].number if epochs else 0
    return remote.last_epoch >= last and remote.results_of == of and remote.is_over
