"""One process at a time trains a run, and what an earlier one left is never overwritten."""

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
"""How long what a killed training began may outlive it, and hold its claim: a loader looks for its
parent every 5 s (PyTorch's MP_STATUS_CHECK_INTERVAL)."""


@contextmanager
def claim(run: Run) -> Iterator[None]:
    """Hold ``run`` until the block ends; the system lets go of it when the process is killed.

    What a killed process began is waited for.

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
        with suppress(OSError):  # of a full disk: the next one is refused at once then, as if alive
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


def _is_alive(file: IO[str]) -> bool:
    """Tell whether the process that claimed it lives; one that has not said who it is does."""
    file.seek(0)
    try:
        os.kill(int(file.read()), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True


def earlier_record(run: Run) -> RunRecord | None:
    """Read what an earlier run of the same name left, if there was one.

    Raises:
        RunError: If its record is damaged, or gone while its copy is there.
    """
    return RunRecord.read(run.record) if run.has_record else None


def is_finished(run: Run) -> bool:
    """Tell whether a run of this name has been trained and published here."""
    record = earlier_record(run)
    return record is not None and record.status == "finished"


def refuse_finished(run: Run, record: RunRecord | None) -> None:
    """Refuse to train a finished run again.

    Raises:
        RunError: Naming the ways on.
    """
    if record is not None and record.status == "finished":
        raise RunError(
            f"the experiment {run.name!r} is finished already ({run.directory})",
            hint=f"doors publish {run.label} puts its model in place if it is better; or choose "
            f"another name, or train it again with --replace, which keeps this run as {run.name}~1",
        )


def set_aside(run: Run) -> Path | None:
    """Move what an earlier attempt left to ``NAME~1``, ``NAME~2``, ...; None if there is nothing.

    A '~' cannot stand in an experiment's name, so nothing is ever in the way.
    """
    if not run.directory.exists():
        return None
    aside = next(
        path
        for number in itertools.count(1)
        if not (path := run.root / f"{run.name}~{number}").exists()
    )
    run.directory.rename(aside)
    force_name_to_disk(aside)
    return aside
