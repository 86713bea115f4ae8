"""Sends a run's newest checkpoint away while it trains, so that it outlives the machine.

A thread looks at the folder of the checkpoint, packs what is there and hands it to the remote;
the training neither waits for it nor knows of it. What became old in the meantime is not sent.
"""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.errors import DoorsError, RunError
from container_doors.ports import CheckpointRemote
from container_doors.records import RunRecord
from container_doors.run import Run
from container_doors.training.checkpoint import damaged, resumable_epoch
from container_doors.training.claim import set_aside
from container_doors.training.logbook import LOG
from container_doors.training.parcel import (
    Parcel,
    finished_name,
    is_newer,
    pack,
    parcel,
    snapshot,
    unpack,
)

_LOOK_S = 1.0
_PATIENCE_S = 120.0
"""How long the end of a training waits for the last checkpoint to arrive."""


class Publisher:
    """Publishes the checkpoints of one run, from :meth:`start` to :meth:`finish`."""

    def __init__(
        self,
        run: Run,
        remote: CheckpointRemote,
        *,
        every_s: float,
        say: Callable[[str], None],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._run = run
        self._remote = remote
        self._every_s = every_s
        self._say = say
        self._patience_s = patience_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._published = 0
        self._complained = False

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def finish(self) -> None:
        """Wait, not for ever, until the newest is there."""
        self._is_over.set()
        self._thread.join(self._patience_s)
        if self._thread.is_alive():
            self._say(f"the checkpoint did not reach {self._remote.where} in time; it is kept here")
            return
        try:
            self._publish()
        except DoorsError as error:
            self._complain(error)

    def _work(self) -> None:
        began = time.monotonic()
        while not self._is_over.wait(_LOOK_S):
            if time.monotonic() - began < self._every_s and self._published:
                continue
            try:
                if self._publish():
                    began = time.monotonic()
            except DoorsError as error:
                began = time.monotonic()
                self._complain(error)

    def _publish(self) -> bool:
        """Send the newest checkpoint if it has not been sent; tell whether it was."""
        there = self._run.directory / ".publishing"
        try:
            epoch = snapshot(self._run, there / "checkpoint")
            if epoch is None or epoch <= self._published:
                return False
            began = time.monotonic()
            record = RunRecord.read(there / "checkpoint" / "run.json")
            packed = pack(there / "checkpoint", record, epoch, there)
            self._remote.put(packed, self._run.name)
            self._published = epoch
            _remove_older(packed.name, self._run.name, self._remote)
            LOG.info(
                "published the checkpoint of epoch %d: %.0f MB in %.1f s",
                epoch, packed.stat().st_size / 1e6, time.monotonic() - began,
            )  # fmt: skip
        except OSError as error:
            LOG.warning("the checkpoint is not published: %s", error)
            return False
        finally:
            shutil.rmtree(there, ignore_errors=True)
        return True

    def _complain(self, error: DoorsError) -> None:
        LOG.warning("the checkpoint is not published: %s", error)
        if not self._complained:
            self._complained = True
            self._say(
                f"checkpoints are kept here only, for now: {error.problem}; {error.hint}; "
                "it is tried again"
            )


def mark_finished(run: Run, remote: CheckpointRemote) -> None:
    """Leave a mark in the place of a run's checkpoints, once its model is kept elsewhere.

    Not before: until then the last checkpoint is all that another machine would have of it.

    Raises:
        VersioningError: If the remote cannot be used.
    """
    with TemporaryDirectory() as folder:
        mark = Path(folder) / finished_name(RunRecord.read(run.record))
        mark.write_bytes(b"finished\n")
        remote.put(mark, run.name)
    _remove_older(mark.name, run.name, remote)


def _remove_older(name: str, experiment: str, remote: CheckpointRemote) -> None:
    """Make room; what goes is older or of the same epoch, and the newest has arrived."""
    newest = parcel(name)
    others = [one for one in parcels(remote, experiment) if one.name != name]
    old = [one.name for one in others if newest is not None and one.age <= newest.age]
    remote.remove(old, experiment)


def parcels(remote: CheckpointRemote, experiment: str) -> list[Parcel]:
    """List what the remote has of an experiment, the oldest first."""
    return sorted(one for name in remote.names(experiment) if (one := parcel(name)) is not None)


def fetch_newer(
    run: Run, record: RunRecord | None, remote: CheckpointRemote, say: Callable[[str], None]
) -> bool:
    """Bring the newest checkpoint here, if the remote has one that goes further than ours.

    Returns:
        Whether something was fetched: ``run.json`` and the checkpoint are those of the remote.

    Raises:
        RunError: If the run has been finished elsewhere, or what the remote has is damaged.
        VersioningError: If the remote cannot be used.
    """
    every = parcels(remote, run.name)
    if not every or not is_newer(every[-1], record, _sound_epoch(run) if record else None):
        return False
    newest = every[-1]
    if newest.is_finished:
        raise _finished_elsewhere(run, remote)
    say(f"fetching the checkpoint of epoch {newest.epoch} from {remote.where}")
    fetched = run.root / f".{run.name}.fetched"
    try:
        remote.get(newest.name, run.name, fetched)
        _make_way(run, record, newest)
        unpack(fetched / newest.name, run)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)
    return True


def _sound_epoch(run: Run) -> int | None:
    """Name the epoch of the checkpoint here; one that is damaged is as good as none."""
    return None if damaged(run) else resumable_epoch(run)


def _make_way(run: Run, record: RunRecord | None, newest: Parcel) -> None:
    """Set aside what is here, unless it is an earlier state of the same run."""
    if record is None or record.run_id[:8] != newest.run:
        set_aside(run)


def _finished_elsewhere(run: Run, remote: CheckpointRemote) -> RunError:
    return RunError(
        f"the experiment {run.name!r} has been finished on another machine, says {remote.where}",
        hint="bring its model here: doors sync; or train it again: "
        f"doors train --experiment {run.name} --replace",
    )
