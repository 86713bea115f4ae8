"""Find the run that the user names, or list the existing runs."""

from difflib import get_close_matches
from pathlib import Path

from container_doors.core.errors import NoRunError, RunError
from container_doors.core.records import RunRecord
from container_doors.core.run import RUNS, Run, runs_in

_MOST_NAMES = 5


def read_record(run: Run) -> RunRecord:
    """Read a run's record.

    Raises:
        NoRunError: If there is no such run, naming those with a similar name, or else the newest.
        RunError: If its record is damaged.
    """
    if run.has_record:
        return RunRecord.read(run.record)
    if run.crossval.exists():
        raise NoRunError(
            f"{run.label} is a cross-validation without a last model",
            hint=f"doors crossval --experiment {run.name} trains it",
            run_name=run.label,
        )
    if run.sweep.exists():
        raise NoRunError(
            f"{run.label} is a sweep, and no run",
            hint=f"name one of its trials, such as {run.name}-trial000, the baseline",
            run_name=run.label,
        )
    raise NoRunError(f"no run {run.label!r} in {run.root}", hint=_hint(run), run_name=run.label)


def named_or_only(name: str | None, command: str, root: Path = RUNS) -> Run:
    """Return the run that the user names, or the only run.

    Args:
        name: The given name, also ``NAME~1`` of an earlier run; or None.
        command: The command before the name, for the hint: ``evaluate --experiment``.
        root: The folder of the runs.

    Raises:
        RunError: If no name is given, and there is no run, or more than one.
    """
    if name is not None:
        return Run.named(name, root)
    names = newest_runs(root)
    if len(names) == 1:
        return Run(names[0], root)
    if not names:
        raise RunError(f"no run in {root}", hint="train one: doors train")
    raise RunError(
        f"which run? There are {len(names)} in {root}, the newest first: {', '.join(names)}",
        hint=f"say which: doors {command} {names[0]}",
    )


def newest_runs(root: Path = RUNS) -> list[str]:
    """Return the names of all runs, the newest first, without earlier runs kept as NAME~1."""
    runs = [run for run in runs_in(root) if run.aside is None]
    return [run.name for run in sorted(runs, key=lambda run: -run.record.stat().st_mtime)]


def _hint(run: Run) -> str:
    names = newest_runs(run.root)
    similar = get_close_matches(run.name, names, n=_MOST_NAMES)
    if similar:
        return f"did you mean {' or '.join(similar)}?"
    if names:
        return f"the newest runs: {', '.join(names[:_MOST_NAMES])}"
    return f"train it: doors train --experiment {run.name}"
