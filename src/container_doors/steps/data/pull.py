"""Fetch a data set: from its archives, or file by file."""

from pathlib import Path

from container_doors.core.errors import MissingContentError, VersioningError
from container_doors.core.ports import ArtifactStore, Progress
from container_doors.data.shards import read_shards, shards_of, tracked_shards


def pull_data(
    folder: Path, *, store: ArtifactStore, progress: Progress, force: bool = False
) -> str:
    """Fetch a data set: from its archives if they are of the same version, or else as a folder.

    Args:
        folder: The data set.
        store: The storage that has it.
        progress: Receives progress messages.
        force: Whether to replace files of another version, even without another copy.

    Returns:
        Which of the two: "archives" or "folder".

    Raises:
        VersioningError: If it is not tracked, cannot be fetched, or would overwrite files that have
            no other copy.
        DatasetError: If an archive is damaged.
    """
    wanted, tars = store.content_of(folder), tracked_shards(folder)
    if wanted is None:
        raise VersioningError(
            f"{folder} is not tracked by DVC here", hint=f"git pull, or: dvc add {folder}"
        )
    packed_of = {store.version_of(tar) for tar in tars}
    if packed_of != {wanted}:
        if packed_of:
            progress.say(f"the archives are of another version of {folder}: fetching the folder")
        return _pull_folder(folder, store=store, force=force)
    try:
        store.pull(tars, force=True)  # an archive that differs is damaged, or of an older pointer
    except MissingContentError as lost:
        progress.say(f"{lost.problem}: fetching the folder")
        return _pull_folder(folder, store=store, force=force, instead_of=lost)
    in_the_way = read_shards(
        tars, folder, force=force, on_progress=lambda *at: progress.step("unpacking", *at)
    )
    if in_the_way is not None:
        progress.say(f"{in_the_way} is of another version: DVC decides whether to replace it")
        return _pull_folder(folder, store=store, force=force)
    store.add([folder])  # then DVC has it as if it had been fetched file by file
    if store.content_of(folder) != wanted:
        raise VersioningError(
            f"{shards_of(folder)} does not match the pointer of {folder}",
            hint=f"git checkout {folder}.dvc, then: dvc pull {folder}.dvc",
        )
    return "archives"


def _pull_folder(
    folder: Path,
    *,
    store: ArtifactStore,
    force: bool,
    instead_of: MissingContentError | None = None,
) -> str:
    """Fetch a data set file by file; if both forms are lost, the error names both."""
    try:
        store.pull([folder], force=force)
    except MissingContentError as lost:
        problem = f"{instead_of.problem}; {lost.problem}" if instead_of else lost.problem
        raise MissingContentError(
            problem,
            hint=f"where the data set is complete: dvc push {folder}.dvc, or doors data pack",
        ) from None
    except VersioningError as error:
        if force:
            raise
        raise VersioningError(
            error.problem,
            hint=f"{error.hint}; or doors data pull --force, which discards local changes",
        ) from None
    return "folder"
