"""Commands that restore changed files, ready to be typed."""

import shlex
from contextlib import suppress
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.files import copy_of
from container_doors.core.records import Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.hashing import file_sha256, prefix_of_sha256
from container_doors.publishing.pointers import TRACKED, is_pointed_to, pointer_name
from container_doors.publishing.provenance import record_sha256
from container_doors.publishing.publication import LOG_NAME, METADATA, published_sources

DVC_PULL = "dvc pull --force {}"
NO_COPY = "restore it from a copy; if there is none, nothing supports the figures"


def weights_back(name: str, sha256: str, folder: Path, run: Run) -> str:
    """Return the command that restores a published file from the first matching copy."""
    path = folder / name
    for copy in (folder / Path(name).name, folder / "weights" / name, _source(name, run)):
        if copy is not None and copy != path and copy.is_file() and file_sha256(copy) == sha256:
            return f"cp {copy} {path}"
    if name == LOG_NAME and run.train_log.is_file():  # it grew after the publication
        size = prefix_of_sha256(run.train_log, sha256)
        if size is not None:
            return f"head -c {size} {run.train_log} > {path}"
    base = Path(name).name
    if base in TRACKED and (folder / pointer_name(base)).is_file():
        pull = DVC_PULL.format(folder / pointer_name(base))
        return pull if base == name else f"{pull} && cp {folder / base} {path}"
    return f"it is neither in git nor in DVC: copy it from {run.directory} where it was trained"


def refuse_other_weights(record: RunRecord, run: Run) -> None:
    """Check a run's ``best.pt`` before it is opened: it must be the file that was trained.

    If the run is still training, there is no hash to compare with.

    Raises:
        RunError: If it is another file; the hint has the command that restores it.
    """
    error = other_weights(record, run, run.best_weights)
    if error is not None:
        raise error


def other_weights(record: RunRecord, run: Run, path: Path) -> RunError | None:
    """Return an error if weights are not those that the run trained; None if equal or unknown.

    Args:
        record: The run's record.
        run: The run of the weights.
        path: Its ``best.pt`` or ``last.pt``.
    """
    trained = record.artifacts.get(path.name)
    if trained is None:
        return None
    found = file_sha256(path) if path.is_file() else "no file"
    if found == trained.sha256:
        return None
    return RunError(
        f"{path} is not what {run.label} trained: expected sha256 {trained.sha256[:12]}, "
        f"found {found[:12]}; it was not opened",
        hint=_trained_back(path, trained.sha256, record, run),
    )


def _trained_back(path: Path, sha256: str, record: RunRecord, run: Run) -> str:
    published = PUBLISHED / path.name
    for copy in (published, PUBLISHED / "weights" / path.name):
        if copy.is_file() and file_sha256(copy) == sha256:
            return shlex.join(["cp", str(copy), str(path)])
    with suppress(RunError):
        described = Metadata.read(PUBLISHED / METADATA).artifacts.get(path.name)
        if described is not None and described.sha256 == sha256:
            copy_command = shlex.join(["cp", str(published), str(path)])
            return f"doors verify {run.name} names what restores {published}; then: {copy_command}"
    if record.status == "trained" and run.aside is None:
        return f"make it again from the checkpoint: doors train --experiment {run.name}"
    return f"put that file back, or train again: doors train --experiment {run.name} --replace"


def metadata_back(folder: Path, run: Run) -> str:
    """Return the command that restores ``metadata.json``."""
    if (folder / pointer_name(METADATA)).is_file():
        return DVC_PULL.format(folder / pointer_name(METADATA))
    if is_readable(run.metadata):
        return f"cp {run.metadata} {folder / METADATA}"
    return f"rm {folder / METADATA} && doors metadata --weights-dir {folder}"


def is_readable(path: Path) -> bool:
    """Return whether a ``metadata.json`` exists and is valid."""
    try:
        Metadata.read(path)
    except RunError:
        return False
    return True


def record_back(path: Path, sha256: str, run: Run) -> str:
    """Return the command that restores a run's record from the first matching copy."""
    hash_of = record_sha256 if path == run.record else file_sha256
    folders = (run.resumable.parent, run.previous_checkpoint)
    for copy in (copy_of(path), *(folder / path.name for folder in folders)):
        with suppress(OSError, ValueError, TypeError, RecursionError):
            if hash_of(copy) == sha256:
                return shlex.join(["cp", str(copy), str(path)])
    return NO_COPY


def read_scores(record: RunRecord, run: Run) -> Evaluation:
    """Read a run's scores; those of a finished run must be what they were when it ended.

    Raises:
        RunError: If they are absent or damaged, or if they or the run's record have changed since.
    """
    evaluation = Evaluation.read(run.scores)
    if record.status == "finished" and is_readable(run.metadata):  # else nothing to compare with
        refuse_changed_records(Metadata.read(run.metadata), run)
    return evaluation


def refuse_changed_records(metadata: Metadata, run: Run) -> None:
    """Check that a finished run's record and scores are those that its metadata was made of.

    Raises:
        RunError: If one has changed; the hint has the command that restores it.
    """
    for path, hash_of in ((run.record, record_sha256), (run.scores, file_sha256)):
        expected = metadata.records.get(path.name)
        found = hash_of(path) if path.is_file() else "no file"
        if expected is not None and found != expected:
            raise RunError(
                f"{path} has changed since {run.label} ended: expected sha256 {expected[:12]}, "
                f"found {found[:12]}",
                hint=record_back(path, expected, run),
            )


def run_metadata_back(folder: Path, run: Run) -> str | None:
    """Return the command that restores the run's copy; None if the published one has changed."""
    return f"cp {folder / METADATA} {run.metadata}" if is_pointed_to(folder / METADATA) else None


def pointer_back(path: Path, committed: str | None, otherwise: str) -> str:
    """Return the command that restores a pointer: from git if possible, or else ``otherwise``."""
    return f"git checkout HEAD -- {path}" if committed is not None else otherwise


def _source(name: str, run: Run) -> Path | None:
    return published_sources(run).get(name)
