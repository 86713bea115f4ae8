"""Hash the records that a model's figures depend on; stored when it is published."""

import json
from pathlib import Path

from container_doors.core.files import read_file
from container_doors.core.run import Run
from container_doors.publishing.hashing import file_sha256, text_sha256
from container_doors.publishing.publication import published_sources

_SPLITS = ("val", "test")


def record_hashes(run: Run) -> dict[str, str]:
    """Return the hashes of a run's records, by path in its folder; missing ones are left out."""
    hashes = {
        path.relative_to(run.directory).as_posix(): file_sha256(path)
        for path in record_paths(run)
        if path.is_file()
    }
    if run.record.is_file():
        hashes[run.record.name] = record_sha256(run.record)
    return hashes


def record_paths(run: Run) -> list[Path]:
    """List the records that no longer change after a run is evaluated."""
    predictions = [run.predictions_json(split) for split in _SPLITS]
    return [run.dataset, run.materials, run.metrics_jsonl, run.scores, *predictions]


def record_sha256(path: Path) -> str:
    """Hash ``run.json`` as it was after training: publication changes its status.

    The document is hashed as it is, not as this release would write it: a later one may add fields.
    """
    try:
        document = json.loads(read_file(path))
        return text_sha256(json.dumps({**document, "status": "trained"}, sort_keys=True))
    except RecursionError:  # it was changed: doors nests nothing so deep
        return file_sha256(path)


def file_hashes(run: Run) -> dict[str, str]:
    """Return the hashes of the files published beside the weights, by published name."""
    return {
        name: file_sha256(path)
        for name, path in published_sources(run).items()
        if path.suffix != ".pt"
    }
