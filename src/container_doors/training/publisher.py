"""Sends a run's newest checkpoint away while it trains, so that it outlives the machine.

A thread looks at the folder of the checkpoint, packs what is there and hands it to the remote;
the training neither waits for it nor knows of it. What became old in the meantime is not sent.
Two whole checkpoints of a run stay there; an older one goes when two were read back. Of other
runs nothing goes.
"""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.errors import DoorsError, VersioningError
from container_doors.core.ports import CheckpointRemote
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.bundle import (
    CheckpointBundle,
    finished_name,
    pack,
    parcel,
    replaces_name,
    short_id,
    snapshot,
)
from container_doors.training.known_runs import known_runs
from container_doors.training.logbook import LOG

_LOOK_S = 1.0
_PATIENCE_S = 120.0
"""How long the end of a training waits for the last checkpoint to arrive."""

_KEPT = 2
"""Whole checkpoints that stay on the remote."""


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
        self._names: list[str] | None = None
        self._whole: set[str] = set()
        """Names on the remote that were read back, and agreed."""
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

    def _work(self) -> None:
        began: float | None = None
        while not self._is_over.wait(_LOOK_S):
            if began is not None and time.monotonic() - began < self._every_s:
                continue
            if self._try_to_publish() is not False:
                began = time.monotonic()
        self._try_to_publish()

    def _try_to_publish(self) -> bool | None:
        """Tell whether something was sent; None if that failed."""
        try:
            return self._publish()
        except DoorsError as error:
            self._complain(error)
        except OSError as error:
            LOG.warning("the checkpoint is not published: %s", error)
        return None

    def _publish(self) -> bool:
        """Send the newest checkpoint if it has not been sent; tell whether it was."""
        there = self._run.directory / ".publishing"
        try:
            epoch = snapshot(self._run, there / "checkpoint")
            if epoch is None or epoch <= self._published:
                return False
            began = time.monotonic()
            record = RunRecord.read(there / "checkpoint" / "run.json")
            names = self._say_whom_it_replaces(record)
            if self._is_there(names, record, epoch):
                self._published = epoch
                return False
            packed = pack(there / "checkpoint", record, epoch, there)
            self._names = self._remote.put(packed, self._run.name)
            self._whole.add(packed.name)
            self._published = epoch
            self._make_room(record)
            LOG.info(
                "published the checkpoint of epoch %d: %.0f MB in %.1f s",
                epoch, packed.stat().st_size / 1e6, time.monotonic() - began,
            )  # fmt: skip
        finally:
            shutil.rmtree(there, ignore_errors=True)
        return True

    def _say_whom_it_replaces(self, record: RunRecord) -> list[str]:
        """Leave a mark for each run that this one replaces; returns what is on the remote."""
        if self._names is None:
            names = self._remote.names(self._run.name)
            for other in record.replaces:
                name = replaces_name(record, other)
                if name not in names:
                    names = _put_mark(name, self._run.name, self._remote)
            self._names = names
        return self._names

    def _is_there(self, names: list[str], record: RunRecord, epoch: int) -> bool:
        """Tell whether an earlier process has sent this epoch, whole."""
        copies = known_runs(names).copies.get(short_id(record), [])
        return any(self._is_whole(one) for one in copies if one.epoch == epoch)

    def _is_whole(self, one: CheckpointBundle) -> bool:
        if one.name not in self._whole:
            try:
                found = self._remote.sha256(one.name, self._run.name)
            except VersioningError as error:
                LOG.warning("%s cannot be read back: %s", one.name, error)
                return False
            if not found.startswith(one.sha256 or "-"):
                LOG.warning("%s is damaged: its sha256 is %s", one.name, found)
                return False
            self._whole.add(one.name)
        return True

    def _make_room(self, record: RunRecord) -> None:
        """Remove what is older than two whole checkpoints, and uploads of this run cut off."""
        names = self._names or []
        copies = known_runs(names).copies.get(short_id(record), [])
        copies.sort(key=lambda one: (-(one.epoch or 0), one.name not in self._whole))
        whole: list[CheckpointBundle] = []
        for one in copies:
            if len(whole) < _KEPT and self._is_whole(one):
                whole.append(one)
        if len(whole) == _KEPT:
            old = [one.name for one in copies if one not in whole]
            old += [name for name in names if _is_cut_off(name, record)]
            self._remote.remove(old, self._run.name)
            self._names = [name for name in names if name not in old]

    def _complain(self, error: DoorsError) -> None:
        LOG.warning("the checkpoint is not published: %s", error)
        if not self._complained:
            self._complained = True
            self._say(
                f"checkpoints are kept here only, for now: {error.problem}; {error.hint}; "
                "it is tried again"
            )


def _is_cut_off(name: str, record: RunRecord) -> bool:
    one = parcel(name.removesuffix(".part")) if name.endswith(".part") else None
    return one is not None and one.run == short_id(record)


def _put_mark(name: str, experiment: str, remote: CheckpointRemote) -> list[str]:
    with TemporaryDirectory() as folder:
        mark = Path(folder) / name
        mark.write_text(f"{name.rpartition('-')[2]}\n", encoding="utf-8")
        return remote.put(mark, experiment)


def mark_finished(run: Run, remote: CheckpointRemote) -> None:
    """Leave a mark in the place of a run's checkpoints, once its model is kept elsewhere.

    Not before: until then the last checkpoints are all that another machine would have of it.
    What it replaces goes as well; runs that it knows nothing of stay.

    Raises:
        VersioningError: If the remote cannot be used.
    """
    record = RunRecord.read(run.record)
    names = _put_mark(finished_name(record), run.name, remote)
    known = known_runs(names, record)
    over = {short_id(record), *known.replaced_by(short_id(record))}
    gone = [one.name for run_id in over for one in known.copies.get(run_id, [])]
    gone += [
        name
        for name, of in known.marks.items()
        if of in known.replaced_by(short_id(record)) and name.endswith("-finished")
    ]
    remote.remove(gone, run.name)
