"""How what has changed comes back: the command that works here and now, as it is to be typed."""

from pathlib import Path

from container_doors.errors import RunError
from container_doors.records import RunRecord
from container_doors.run import PUBLISHED, Run
from container_doors.versioning.hashing import file_sha256, prefix_of_sha256
from container_doors.versioning.pointers import TRACKED, is_pointed_to, pointer_name
from container_doors.versioning.publication import LOG_NAME, METADATA, published_sources

FETCHED = "dvc pull --force {}"


def weights_back(name: str, sha256: str, folder: Path, run: Run) -> str:
    """Bring back a published file, from the first copy that is what it should be."""
    path = folder / name
    for copy in (folder / Path(name).name, folder / "weights" / name, _source(name, run)):
        if copy is not None and copy != path and copy.is_file() and file_sha256(copy) == sha256:
            return f"cp {copy} {path}"
    if name == LOG_NAME and run.train_log.is_file():  # it went on after the publication
        size = prefix_of_sha256(run.train_log, sha256)
        if size is not None:
            return f"head -c {size} {run.train_log} > {path}"
    base = Path(name).name
    if base in TRACKED and (folder / pointer_name(base)).is_file():
        fetched = FETCHED.format(folder / pointer_name(base))
        return fetched if base == name else f"{fetched} && cp {folder / base} {path}"
    return f"neither git nor DVC keeps it: copy it from {run.directory} where it was trained"


def refuse_other_weights(record: RunRecord, run: Run) -> None:
    """See, before a run's ``best.pt`` is opened, that it is the one that was trained.

    Nothing is known of one that is still in training.

    Raises:
        RunError: If it is another; it names what brings it back.
    """
    best = record.artifacts.get(run.best_weights.name)
    if best is None or (found := file_sha256(run.best_weights)) == best.sha256:
        return
    published = PUBLISHED / run.best_weights.name
    is_there = published.is_file() and file_sha256(published) == best.sha256
    raise RunError(
        f"{run.best_weights} is not what {run.name} trained: expected sha256 {best.sha256[:12]}, "
        f"found {found[:12]}; it was not opened",
        hint=f"cp {published} {run.best_weights}"
        if is_there
        else f"put that file back, or train again: doors train --experiment {run.name} --replace",
    )


def metadata_back(folder: Path, run: Run) -> str:
    """Bring back ``metadata.json``."""
    if (folder / pointer_name(METADATA)).is_file():
        return FETCHED.format(folder / pointer_name(METADATA))
    if run.metadata.is_file():
        return f"cp {run.metadata} {folder / METADATA}"
    return f"rm {folder / METADATA} && doors metadata --weights-dir {folder}"


def run_metadata_back(folder: Path, run: Run) -> str | None:
    """Bring back what the run keeps of it; None unless the published one is what was versioned."""
    return f"cp {folder / METADATA} {run.metadata}" if is_pointed_to(folder / METADATA) else None


def pointer_back(path: Path, committed: str | None, otherwise: str) -> str:
    """Bring back a pointer: from git where it is there, else by making it anew."""
    return f"git checkout HEAD -- {path}" if committed is not None else otherwise


def _source(name: str, run: Run) -> Path | None:
    return published_sources(run).get(name)
