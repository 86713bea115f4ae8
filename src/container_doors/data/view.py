"""Build the trainer's view of a data set: links, so that it cannot write to the real files."""

import atexit
import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from container_doors.core.errors import DatasetError
from container_doors.core.files import is_read_only, link_or_copy, replace_text
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.images import is_rewritten
from container_doors.data.layout import Layout, SplitFiles, label_of, view_name

DRAWN_EACH_EPOCH = "drawn_each_epoch"
"""The key of a view's ``data.yaml``, which our trainer reads."""

_MARK = "# A view of links, made anew for every run; change the data set itself instead.\n"


@dataclass(frozen=True, slots=True)
class Mixed:
    """Drawn photographs that are trained on beside those of a data set."""

    files: SplitFiles
    each_epoch: int
    """How many of them each epoch gets."""


def link_view(layout: Layout, directory: Path, mixed: Mixed | None = None) -> Path:
    """Build the view, and replace an earlier one.

    Label files are copied, because Ultralytics writes a cache beside them. JPEGs with trailing
    bytes are copied too, because it rewrites them. Other pictures are links.

    Args:
        layout: The layout of the real files.
        directory: The view's folder; an earlier view in it is removed.
        mixed: Drawn photographs; ``data.yaml`` then has two folders to train on, and how many of
            the second each epoch gets.

    Returns:
        The view's ``data.yaml``. Its paths are absolute, so it cannot be moved.

    Raises:
        DatasetError: If ``directory`` contains anything but a view, or the data set itself.
    """
    directory = directory.absolute()
    _refuse_to_overwrite(layout, directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its place, then moved there: an interrupted build leaves the earlier view.
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".view-") as beside:
        building = Path(beside) / "view"
        building.mkdir()
        text = _data_yaml(layout, directory, mixed)
        replace_text(
            building / DATA_YAML, text
        )  # first: marks it as ours even if the build is interrupted
        for split in (*layout.splits.values(), *([mixed.files] if mixed else ())):
            _link_split(split, building)
        if directory.exists():  # deleted beside its place: a kill leaves no partial view there
            directory.rename(Path(beside) / "earlier")
        building.rename(directory)
    return directory / DATA_YAML


def ensure_view(layout: Layout, directory: Path) -> Path:
    """Build the view again, unless a complete view of the same files exists.

    The files of a view are not synced to disk, so a power cut may leave empty copies. A view that
    was moved with its run has wrong paths.

    Returns:
        The view's folder. Where ``directory`` cannot be written, it is a temporary one, which is
        deleted when the process ends.

    Raises:
        DatasetError: As :func:`link_view`.
    """
    directory = directory.absolute()
    if _is_complete(layout, directory):
        return directory
    try:
        return link_view(layout, directory).parent
    except OSError as error:
        if not is_read_only(error):
            raise
    temporary = _temporary_folder(directory) / "view"
    if not _is_complete(layout, temporary):
        link_view(layout, temporary)
    return temporary


@cache
def _temporary_folder(_directory: Path) -> Path:
    """Make a folder for one view; Ultralytics names pictures by real paths, so it is one."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="doors-view-")))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_complete(layout: Layout, view: Path) -> bool:
    try:
        if (view / DATA_YAML).read_text(encoding="utf-8") != _data_yaml(layout, view):
            return False
        files = [pair for split in layout.splits.values() for pair in _files(split, view)]
        images = {path for path in (view / "images").rglob("*") if not path.is_dir()}
        return images <= {target for _, target in files} and all(
            source.samefile(target) or filecmp.cmp(source, target, shallow=False)
            for source, target in files
        )
    except (OSError, ValueError):  # a file is missing, or (ValueError) is not UTF-8
        return False


def _data_yaml(layout: Layout, view: Path, mixed: Mixed | None = None) -> str:
    folders: dict[str, object] = {split: f"images/{split}" for split in layout.splits}
    if mixed is not None:
        folders["train"] = ["images/train", f"images/{mixed.files.name}"]
        folders[DRAWN_EACH_EPOCH] = mixed.each_epoch
    document = {
        "path": str(view),
        **folders,
        "names": dict(enumerate(layout.class_names)),
    }
    return _MARK + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _files(split: SplitFiles, view: Path) -> Iterator[tuple[Path, Path]]:
    """Pair each photograph and label file with its place in a view, the photograph first."""
    for image in split.images:
        if image.is_dir():
            continue
        link, label = view / view_name(split, image), label_of(image)
        yield image, link
        if label.is_file():
            yield label, label_of(link)


def _refuse_to_overwrite(layout: Layout, directory: Path) -> None:
    root, view = (Path(os.path.realpath(path)) for path in (layout.root, directory))
    if view.is_relative_to(root) or root.is_relative_to(view):
        raise DatasetError(
            f"a view in {directory} would change the data set in {layout.root}",
            hint="keep runs and data in folders apart",
        )
    if not directory.exists() or not any(directory.iterdir()):
        return
    data_yaml = directory / DATA_YAML
    if not data_yaml.is_file() or not data_yaml.read_text(encoding="utf-8").startswith(_MARK):
        raise DatasetError(
            f"{directory} is in the way: it is not a view made by an earlier run",
            hint="move it elsewhere, or remove it",
        )


def _link_split(split: SplitFiles, building: Path) -> None:
    for kind in ("images", "labels"):
        (building / kind / split.name).mkdir(parents=True)
    for source, target in _files(split, building):
        target.parent.mkdir(parents=True, exist_ok=True)
        real = Path(os.path.realpath(source))
        if target.is_relative_to(building / "labels") or _is_rewritten(real):
            shutil.copyfile(real, target)
        else:
            link_or_copy(real, target)


def _is_rewritten(path: Path) -> bool:
    """Read only both ends of the file."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(-2, os.SEEK_END)
            return is_rewritten(start + file.read(2))
    except OSError:  # missing, unreadable, or shorter than two bytes: the trainer gets it unchanged
        return False
