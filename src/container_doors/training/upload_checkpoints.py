"""Upload a run's newest checkpoint while it trains, so that it survives the loss of the machine.

A thread watches the checkpoint's folder, bundles the newest checkpoint and uploads it; the training
does not wait for it. Checkpoints that became old meanwhile are not sent. Two intact checkpoints of
a run stay on the remote; older ones are removed once two were read back. Nothing of other runs is
removed.
"""

import shutil
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.errors import DoorsError, VersioningError
from container_doors.core.ports import CheckpointRemote
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.bundle import (
    CheckpointBundle,
    finished_name,
    parse_bundle_name,
    replaces_name,
    short_id,
    snapshot,
    write_bundle,
)
from container_doors.training.known_runs import known_runs
from container_doors.training.logbook import LOG

_POLL_S = 1.0
_TIMEOUT_S = 120.0
"""How long the end of a training waits for the last upload."""

_KEEP = 2
"""Intact checkpoints that stay on the remote."""


class CheckpointUploader:
    """Uploads the checkpoints of one run, from :meth:`start` to :meth:`finish`."""

    def __init__(
        self,
        run: Run,
        remote: CheckpointRemote,
        *,
        every_s: float,
        say: Callable[[str], None],
        timeout_s: float = _TIMEOUT_S,
        refused: Collection[str] = (),
    ) -> None:
        """Prepare the thread.

        Args:
            run: The run, which is trained meanwhile.
            remote: The storage.
            every_s: Seconds between two uploads.
            say: Receives messages.
            timeout_s: How long the end of the training waits for the last upload.
            refused: File names there that are none of the two intact ones, whatever their hash.
                They stay: another release may be able to read them.
        """
        self._run = run
        self._remote = remote
        self._every_s = every_s
        self._say = say
        self._timeout_s = timeout_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._refused = frozenset(refused)
        self._names: list[str] | None = None
        self._intact: set[str] = set()
        """File names on the remote that were read back and have the right sha256."""
        self._uploaded_epoch = 0
        self._has_reported = False

    def start(self) -> None:
        """Start the thread; return at once."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until the newest checkpoint is uploaded, at most until the timeout."""
        self._is_over.set()
        self._thread.join(self._timeout_s)
        if self._thread.is_alive():
            self._say(f"the checkpoint did not reach {self._remote.where} in time; it is kept here")

    def _work(self) -> None:
        started_s: float | None = None
        while not self._is_over.wait(_POLL_S):
            if started_s is not None and time.monotonic() - started_s < self._every_s:
                continue
            if self._try_to_upload() is not False:
                started_s = time.monotonic()
        self._try_to_upload()

    def _try_to_upload(self) -> bool | None:
        """Upload, and return whether something was sent; None if that failed."""
        try:
            return self._upload()
        except DoorsError as error:
            self._report(error)
        except OSError as error:
            LOG.warning("the checkpoint is not uploaded: %s", error)
        return None

    def _upload(self) -> bool:
        """Send the newest checkpoint if it has not been sent; return whether it was sent."""
        staging = self._run.directory / ".uploading"
        try:
            epoch = snapshot(self._run, staging / "checkpoint")
            if epoch is None or epoch <= self._uploaded_epoch:
                return False
            started_s = time.monotonic()
            record = RunRecord.read(staging / "checkpoint" / "run.json")
            names = self._mark_replaced_runs(record)
            if self._is_uploaded(names, record, epoch):
                self._uploaded_epoch = epoch
                return False
            bundle = write_bundle(staging / "checkpoint", record, epoch, staging)
            self._names = self._remote.put(bundle, self._run.name)
            self._intact.add(bundle.name)
            self._uploaded_epoch = epoch
            self._remove_old(record)
            LOG.info(
                "uploaded the checkpoint of epoch %d: %.0f MB in %.1f s",
                epoch, bundle.stat().st_size / 1e6, time.monotonic() - started_s,
            )  # fmt: skip
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return True

    def _mark_replaced_runs(self, record: RunRecord) -> list[str]:
        """Put a mark on the remote for each run that this one replaces; return its file names."""
        if self._names is None:
            names = self._remote.names(self._run.name)
            for other in record.replaces:
                name = replaces_name(record, other)
                if name not in names:
                    names = _put_mark(name, self._run.name, self._remote)
            self._names = names
        return self._names

    def _is_uploaded(self, names: list[str], record: RunRecord, epoch: int) -> bool:
        """Check whether an earlier process has uploaded this epoch, and it is intact."""
        copies = known_runs(names).copies.get(short_id(record), [])
        return any(self._is_intact(one) for one in copies if one.epoch == epoch)

    def _is_intact(self, one: CheckpointBundle) -> bool:
        if one.name in self._refused:
            return False
        if one.name not in self._intact:
            try:
                found = self._remote.sha256(one.name, self._run.name)
            except VersioningError as error:
                LOG.warning("%s cannot be read back: %s", one.name, error)
                return False
            if not found.startswith(one.sha256 or "-"):
                LOG.warning("%s is damaged: its sha256 is %s", one.name, found)
                return False
            self._intact.add(one.name)
        return True

    def _remove_old(self, record: RunRecord) -> None:
        """Remove checkpoints older than two intact ones, and interrupted uploads of this run."""
        names = self._names or []
        copies = known_runs(names).copies.get(short_id(record), [])
        copies.sort(key=lambda one: (-(one.epoch or 0), one.name not in self._intact))
        intact: list[CheckpointBundle] = []
        for one in copies:
            if len(intact) < _KEEP and self._is_intact(one):
                intact.append(one)
        if len(intact) == _KEEP:
            stay = {*self._refused, *(one.name for one in intact)}
            old = [one.name for one in copies if one.name not in stay]
            old += [name for name in names if _is_cut_off(name, record)]
            self._remote.remove(old, self._run.name)
            self._names = [name for name in names if name not in old]

    def _report(self, error: DoorsError) -> None:
        LOG.warning("the checkpoint is not uploaded: %s", error)
        if not self._has_reported:
            self._has_reported = True
            self._say(
                f"checkpoints are only on this machine for now: {error.problem}; {error.hint}; "
                "the upload is tried again"
            )


def _is_cut_off(name: str, record: RunRecord) -> bool:
    one = parse_bundle_name(name.removesuffix(".part")) if name.endswith(".part") else None
    return one is not None and one.run == short_id(record)


def _put_mark(name: str, experiment: str, remote: CheckpointRemote) -> list[str]:
    with TemporaryDirectory() as folder:
        mark = Path(folder) / name
        mark.write_text(f"{name.rpartition('-')[2]}\n", encoding="utf-8")
        return remote.put(mark, experiment)


def mark_finished(run: Run, remote: CheckpointRemote) -> None:
    """Replace a run's checkpoints on the remote by a mark, once its model is stored elsewhere.

    Not before: until then another machine has only the last checkpoints. Those of the runs that it
    replaces are removed as well; other runs stay.

    Raises:
        VersioningError: If the remote cannot be used.
    """
    record = RunRecord.read(run.record)
    names = _put_mark(finished_name(record), run.name, remote)
    known = known_runs(names, record)
    run_ids = {short_id(record), *known.replaced_by(short_id(record))}
    removable = [one.name for run_id in run_ids for one in known.copies.get(run_id, [])]
    removable += [
        name
        for name, of in known.marks.items()
        if of in known.replaced_by(short_id(record)) and name.endswith("-finished")
    ]
    remote.remove(removable, run.name)
