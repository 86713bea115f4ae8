"""Which photographs and labels a run was trained and measured on, as it recorded them."""

from collections.abc import Mapping
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.records import DatasetFiles
from container_doors.core.run import Run
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.facts import content_sha256
from container_doors.data.layout import Layout
from container_doors.publishing.hashing import file_sha256


def recorded_files(run: Run, dataset_sha256: str) -> Mapping[str, str] | None:
    """Read the sha256 of each file of a run's data set; None if they are lost or of another."""
    try:
        files = DatasetFiles.read(run.dataset).files
    except RunError:
        return None
    paths = {Path(name): digest for name, digest in files.items()}
    return files if content_sha256(paths) == dataset_sha256 else None


def files_of_split(files: Mapping[str, str], layout: Layout, split: str) -> dict[str, str] | None:
    """Return the files of one split; None if its folder may have been another one.

    Args:
        files: The recorded files of a data set.
        layout: The data set as it is today.
        split: ``train``, ``val`` or ``test``.
    """
    of_split = layout.splits.get(split)
    if of_split is None or files.get(DATA_YAML.name) != file_sha256(layout.data_yaml):
        return None
    images, labels = (
        folder.relative_to(layout.root).as_posix()
        for folder in (of_split.images_dir, of_split.labels_dir)
    )
    return _files_in(files, images, labels) or None


def sha256_of_split(files: Mapping[str, str], layout: Layout | None, split: str) -> str | None:
    """Hash the photographs and labels of a split, and ``data.yaml``; None if they are not found.

    Args:
        files: The recorded files of a data set.
        layout: The data set as it is today; None if it is not here.
        split: ``val`` or ``test``.
    """
    found = files_of_split(files, layout, split) if layout is not None else None
    found = found or _files_in(files, f"images/{split}", f"labels/{split}")
    if not found:
        return None
    named = {**found, DATA_YAML.name: files.get(DATA_YAML.name, "")}
    return content_sha256({Path(name): digest for name, digest in named.items()})


def _files_in(files: Mapping[str, str], *folders: str) -> dict[str, str]:
    within = tuple(f"{folder}/" for folder in folders)
    return {name: digest for name, digest in files.items() if name.startswith(within)}
