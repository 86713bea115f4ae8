"""Lock a run for one process at a time, and never overwrite an earlier run."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from container_doors.core.errors import RunError
from container_doors.core.files import force_name_to_disk, make_folder, open_lock, try_lock
from container_doors.core.records import RunRecord
from container_doors.core.run import Run

_OUTLIVE_S = 15.0
"""How long the child processes of a killed training may outlive it and hold its lock: a loader
checks for its parent every 5 s (PyTorch's MP_STATUS_CHECK_INTERVAL)."""


@contextmanager
def claim(run: Run) -> Iterator[None]:
    """Lock ``run`` until the block ends; the system releases the lock if the process is killed.

    Wait for the child processes of a killed training.

    Raises:
        RunError: If another process trains this run now.
    """
    make_folder(run.root)
    until = monotonic() + _OUTLIVE_S
    with open_lock(run.lock) as file:
        while not try_lock(file):
            if _is_alive(file) or monotonic() > until:
                raise RunError(
                    f"{run.directory} is being trained or sent by another process",
                    hint="wait until it ends, then run this again",
                )
            sleep(0.1)
        with suppress(OSError):  # full disk: the next process then takes this one for alive
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


def _is_alive(file: IO[str]) -> bool:
    """Check whether the process that holds the lock is alive; without a process id, assume so."""
    file.seek(0)
    try:
        os.kill(int(file.read()), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True


def earlier_record(run: Run) -> RunRecord | None:
    """Read the record of an earlier run of the same name; None if there is none.

    Raises:
        RunError: If its record is damaged, or missing while its copy exists.
    """
    return RunRecord.read(run.record) if run.has_record else None


def is_finished(run: Run) -> bool:
    """Check whether a run of this name has been trained and published on this machine."""
    record = earlier_record(run)
    return record is not None and record.status == "finished"


def refuse_finished(run: Run, record: RunRecord | None) -> None:
    """Refuse to train a finished run again.

    Raises:
        RunError: If it is finished; the hint names what to do instead.
    """
    if record is not None and record.status == "finished":
        raise RunError(
            f"the experiment {run.name!r} is finished already ({run.directory})",
            hint=f"doors publish {run.label} puts its model in place if it is better; or choose "
            f"another name, or train it again with --replace, which keeps this run as {run.name}~1",
        )


def rename_earlier(run: Run) -> Path | None:
    """Rename an earlier attempt to ``NAME~1``, ``NAME~2``, ...; return None if there is none.

    An experiment's name cannot contain '~', so the new name never belongs to another experiment.
    The pooled scores of a cross-validation are no attempt: they are there before its last model.
    """
    pooled = {run.crossval, run.out_of_fold.parent}
    if not run.directory.exists() or {*run.directory.iterdir()} <= pooled:
        return None
    renamed = next(
        path
        for number in itertools.count(1)
        if not (path := run.root / f"{run.name}~{number}").exists()
    )
    run.directory.rename(renamed)
    force_name_to_disk(renamed)
    return renamed
