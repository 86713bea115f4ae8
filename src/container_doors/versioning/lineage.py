"""Which run made a model: found by content, because names and folders can be reused."""

from collections.abc import Iterator
from pathlib import Path

from container_doors.errors import RunError
from container_doors.records import RunRecord
from container_doors.versioning.hashing import file_sha256


def find_run(weights_dir: Path, runs_root: Path) -> RunRecord:
    """Find the run whose ``best.pt`` lies in ``weights_dir``; of several, the latest.

    Raises:
        RunError: If there is no ``best.pt``, or no run under ``runs_root`` made it.
    """
    weights = weights_dir / "best.pt"
    if not weights.is_file():
        raise RunError(
            f"no best.pt in {weights_dir}", hint="train (doors train) or fetch it (dvc pull)"
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


def _records(runs_root: Path) -> Iterator[RunRecord]:
    """Read every run's record; one that cannot be read cannot claim a model."""
    for path in sorted(runs_root.glob("*/run.json")):
        try:
            yield RunRecord.read(path)
        except (RunError, OSError):
            continue
