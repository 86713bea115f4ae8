"""Check, fetch and pack a data set, or draw a synthetic one."""

from collections.abc import Mapping
from pathlib import Path

from container_doors.core.config import Data, Params, warnings
from container_doors.core.errors import DatasetError, MissingContentError, VersioningError
from container_doors.core.ports import ArtifactStore, Progress
from container_doors.core.records import DatasetFacts, DatasetFiles
from container_doors.core.run import Run
from container_doors.data.checks import Report, check
from container_doors.data.facts import dataset_facts
from container_doors.data.layout import Layout
from container_doors.data.shards import read_shards, shards_of, tracked_shards, write_shards
from container_doors.scenes import draw_sample


def draw_samples(
    out: Path,
    *,
    counts: Mapping[str, int],
    seed: int,
    progress: Progress,
    image_size_px: tuple[int, int] = (640, 480),
    is_plain: bool = False,
) -> None:
    """Draw a data set of rendered doors, for use before there are photographs."""
    draw_sample(
        out,
        counts=counts,
        seed=seed,
        image_size_px=image_size_px,
        is_plain=is_plain,
        on_progress=lambda *at: progress.step("drawing", *at),
    )


def check_data(dataset: Path, minimums: Data, *, progress: Progress) -> Report:
    """Check the data set for everything that would spoil a training run."""
    return check(
        dataset,
        min_train_images=minimums.min_train_images,
        min_val_images=minimums.min_val_images,
        on_progress=lambda *at: progress.step("checking", *at),
    )


def pack_data(folder: Path, *, store: ArtifactStore, progress: Progress) -> list[Path]:
    """Write a data set's archives beside it, and push them; return the new pointers, for git.

    Raises:
        DatasetError: If there is no data set, or it does not match its pointer.
        VersioningError: If there is no repository or no remote, or the push fails.
    """
    if not folder.is_dir():
        raise DatasetError(f"no data set in {folder}", hint="doors data pack --path DIR")
    store.check_ready()
    pointers = store.add([folder]) if store.content_of(folder) is None else []
    tars = write_shards(
        folder,
        store.files_of(folder),
        shards_of(folder),
        on_progress=lambda *at: progress.step("packing", *at),
    )
    packed = store.add(tars)
    store.annotate(packed, store.content_of(folder) or "")
    store.push(packed)
    return pointers + packed


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


def fit_data(params: Params, *, progress: Progress) -> Report:
    """Check params and data before GPU time is spent on them.

    Raises:
        DatasetError: If the data set has an error.
    """
    for warning in warnings(params):
        progress.say(f"warning: {warning}")
    report = check_data(Path(params.data.path), params.data, progress=progress)
    if report.errors:
        raise DatasetError(
            f"{params.data.path} has {len(report.errors)} error(s), the first: {report.errors[0]}",
            hint=f"see them all: doors data validate --path {params.data.path}",
        )
    if report.warnings:
        progress.say(
            f"warning: {params.data.path} has {len(report.warnings)} warning(s), the first: "
            f"{report.warnings[0]}; all of them: doors data validate --path {params.data.path}"
        )
    return report


def facts_of(report: Report) -> DatasetFacts:
    """Summarise a data set without errors: its hash and its counts."""
    return dataset_facts(layout_of(report), report)


def list_files(report: Report, run: Run) -> None:
    """Write the list of files that are trained on, so that later changes can be named."""
    files = {path.as_posix(): digest for path, digest in report.digests.items()}
    DatasetFiles(files=files).write(run.dataset)


def layout_of(report: Report) -> Layout:
    """Return the layout of a data set without errors."""
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    return report.layout
