"""Whether a published model has another copy: a file without one is never replaced."""

from pathlib import Path

from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, runs_in
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.pointers import TRACKED, is_pointed_to
from container_doors.publishing.publication import METADATA


def paths_without_copy(published: Metadata | None) -> list[Path]:
    """List the published files that would be lost if another model replaced them.

    Args:
        published: The contents of ``metadata.json``; None if it cannot be read.

    Raises:
        VersioningError: If a pointer cannot be read.
    """
    paths = [PUBLISHED / name for name in TRACKED]
    return [path for path in paths if path.is_file() and not has_copy(path, published)]


def has_copy(path: Path, published: Metadata | None) -> bool:
    """Return whether a published file is in DVC or in a run of this clone, or is damaged."""
    if is_pointed_to(path):
        return True
    if path.name == METADATA:
        if published is None:
            return True
        run = run_of(published.run_id, published.experiment_name)
        return is_record_of(run, published.run_id)
    sha256 = file_sha256(path)
    described = published.artifacts.get(path.name) if published else None
    if described is not None and described.sha256 != sha256:
        return True
    size = path.stat().st_size
    return any(
        weights.is_file() and weights.stat().st_size == size and file_sha256(weights) == sha256
        for run in runs_in()
        for weights in (run.best_weights, run.last_weights)
    )
