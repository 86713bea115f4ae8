"""Whether a run that says ``running`` still has a process that runs it."""

from container_doors.core.files import lock_place, try_lock
from container_doors.core.records import RunRecord
from container_doors.core.run import Run


def is_claimed(run: Run) -> bool:
    """Tell whether a process trains or sends this run now; it is not disturbed."""
    try:
        with lock_place(run.lock).open("r") as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False
    except OSError:  # it cannot be looked at: nobody can tell
        return True


def as_it_stands(run: Run, record: RunRecord) -> RunRecord:
    """Correct a record whose process ended without a last word: a kill, a power cut, a full disk.

    The file stays as it is: whoever trains on writes it.
    """
    if record.status != "running" or is_claimed(run):
        return record
    return record.model_copy(
        update={
            "status": "interrupted",
            "message": "run.json says that it is running, and no process trains it: it was "
            "killed, or its disk was full; it goes on with: doors train --resume "
            f"--experiment {run.name}",
        }
    )
