"""Find the run that made a model, by content, because names and folders can be reused."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.core.run import RUNS, Run, runs_in
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.pointers import pointer_name


def find_run(weights_dir: Path, runs_root: Path) -> RunRecord:
    """Find the run whose ``best.pt`` is in ``weights_dir``; if there are several, the latest.

    Raises:
        RunError: If there is no ``best.pt``, or no run under ``runs_root`` made it.
    """
    weights = weights_dir / "best.pt"
    if not weights.is_file():
        pointer = weights.with_name(pointer_name(weights.name))
        fetch = shlex.join(["dvc", "pull", str(pointer)])
        publish = "train (doors train), or publish a finished run (doors publish NAME)"
        raise RunError(
            f"no best.pt in {weights_dir}",
            hint=f"fetch it: {fetch}" if pointer.is_file() else publish,
        )
    wanted = file_sha256(weights)
    made_it = [
        record
        for record in _records(runs_root)
        if (made := record.artifacts.get("best.pt")) and made.sha256 == wanted
    ]
    if not made_it:
        raise RunError(
            f"no run in {runs_root} made {weights} (sha256 {wanted[:12]}...)",
            hint="work on the machine that trained it, or copy its runs/ folder here",
        )
    return max(made_it, key=lambda record: record.started_at)


def run_of(run_id: str, experiment: str, root: Path = RUNS) -> Run:
    """Find the folder of the run that made a model; it may have been renamed since.

    Returns:
        The present run of that name, if no folder is of this run.
    """
    present = Run(experiment, root)
    same_name = [run for run in runs_in(root) if run.name == experiment]
    return next((run for run in same_name if is_record_of(run, run_id)), present)


def is_record_of(run: Run, run_id: str | None) -> bool:
    """Return whether a folder has the record of this run; False if the record is damaged."""
    try:
        return run.record.exists() and RunRecord.read(run.record).run_id == run_id
    except (RunError, OSError):
        return False


def _records(runs_root: Path) -> Iterator[RunRecord]:
    """Read every run's record; skip those that cannot be read."""
    for path in sorted(runs_root.glob("*/run.json")):
        try:
            yield RunRecord.read(path)
        except (RunError, OSError):
            continue
