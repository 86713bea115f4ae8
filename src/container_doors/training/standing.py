"""Check whether a run with the status ``running`` still has a process that trains it."""

from container_doors.core.files import lock_place, open_file, try_lock
from container_doors.core.records import RunRecord
from container_doors.core.run import Run


def is_claimed(run: Run) -> bool:
    """Check whether a process trains or sends this run now, without disturbing it."""
    try:
        with open_file(lock_place(run.lock)) as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False
    except OSError:  # it cannot be checked, so assume that it is
        return True


def correct_status(run: Run, record: RunRecord) -> RunRecord:
    """Return a record with its real status, if its process was killed, lost power or disk space.

    The file is not changed: the process that resumes the run writes it.
    """
    if record.status != "running" or is_claimed(run):
        return record
    message = "its status is running, but no process trains it: it was killed, or its disk was full"
    if run.aside is None:
        message += f"; resume it with: doors train --resume --experiment {run.name}"
    return record.model_copy(update={"status": "interrupted", "message": message})
