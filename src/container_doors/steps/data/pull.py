"""Fetch a data set: from its archives, or file by file."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from container_doors.core.errors import (
    DatasetError,
    DoorsError,
    MissingContentError,
    VersioningError,
)
from container_doors.core.ports import ArtifactStore, Progress
from container_doors.data.shards import pack_again, read_shards, tracked_shards
from container_doors.publishing.pointers import md5_of


def pull_data(
    folder: Path, *, store: ArtifactStore, progress: Progress, force: bool = False
) -> str:
    """Fetch a data set: from its archives if they are of the same version, or else as a folder.

    Its pointer never changes, and archives that are damaged, or that have other files than the
    pointer names, replace nothing.

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
        _check_archives(tars, folder, store)
        in_the_way = read_shards(
            tars,
            folder,
            is_expected=lambda files: store.content_with(files) == wanted,
            force=force,
            on_progress=lambda *at: progress.step("unpacking", *at),
        )
    except (MissingContentError, DatasetError) as unusable:
        progress.say(f"{unusable.problem}: fetching the folder")
        return _pull_folder(folder, store=store, force=force, instead_of=unusable)
    if in_the_way is not None:
        progress.say(f"{in_the_way} is of another version: DVC decides whether to replace it")
        return _pull_folder(folder, store=store, force=force)
    store.adopt(folder)  # then DVC has it as if it had been fetched file by file
    return "archives"


def _check_archives(tars: Sequence[Path], folder: Path, store: ArtifactStore) -> None:
    """Check each archive against its pointer before it is opened: DVC trusts its cache.

    Raises:
        DatasetError: If one differs.
    """
    pointer = shlex.quote(f"{folder}.dvc")
    for tar in tars:
        expected, found = store.content_of(tar) or "", md5_of(tar)
        if found != expected:
            in_cache = (
                f'"$(dvc cache dir)"/{shlex.quote(f"files/md5/{expected[:2]}/{expected[2:]}")}'
            )
            raise DatasetError(
                f"{tar}: expected md5 {expected}, as its pointer says, found {found}",
                hint=f"rm -f {shlex.quote(str(tar))} {in_cache}, then run this again; if that does "
                f"not help, where the data set is complete: dvc push {pointer}",
            )


def _pull_folder(
    folder: Path,
    *,
    store: ArtifactStore,
    force: bool,
    instead_of: DoorsError | None = None,
) -> str:
    """Fetch a data set file by file; if neither form can be used, the error names both."""
    try:
        store.pull([folder], force=force)
    except MissingContentError as lost:
        problem = f"{instead_of.problem}; {lost.problem}" if instead_of else lost.problem
        hint = pack_again(folder)
        if isinstance(instead_of, DatasetError):
            hint = instead_of.hint
        raise MissingContentError(problem, hint=hint) from None
    except VersioningError as error:
        if force or "--force" not in error.hint:  # nothing here would be overwritten
            raise
        raise VersioningError(
            error.problem,
            hint=f"{error.hint}; or doors data pull --force, which discards local changes",
        ) from None
    return "folder"
