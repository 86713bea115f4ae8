"""Finds the run that a person names, or says which ones there are."""

from difflib import get_close_matches

from container_doors.errors import RunError
from container_doors.records import RunRecord
from container_doors.run import Run

_MOST_NAMES = 5


def read_record(run: Run) -> RunRecord:
    """Read what a run was asked.

    Raises:
        RunError: If there is no such run, naming those that are spelled alike, or else the
            newest; or if its record is damaged.
    """
    if run.has_record:
        return RunRecord.read(run.record)
    raise RunError(f"no run {run.name!r} in {run.root}", hint=_hint(run))


def _hint(run: Run) -> str:
    records = sorted(run.root.glob("*/run.json"), key=lambda path: -path.stat().st_mtime)
    names = [path.parent.name for path in records if "~" not in path.parent.name]
    alike = get_close_matches(run.name, names, n=_MOST_NAMES)
    if alike:
        return f"did you mean {' or '.join(alike)}?"
    if names:
        return f"the newest there: {', '.join(names[:_MOST_NAMES])}"
    return f"train it: doors train --experiment {run.name}"
