"""The data set as the trainer is given it: links, so that it cannot write to the real one."""

import os
import shutil
import tempfile
from pathlib import Path

import yaml

from container_doors.dataset.data_yaml import DATA_YAML
from container_doors.dataset.images import is_rewritten
from container_doors.dataset.layout import Layout, SplitFiles, label_of, view_name
from container_doors.errors import DatasetError
from container_doors.files import link_or_copy, replace_text

_MARK = "# A view of links, made anew for every run; change the data set itself instead.\n"


def link_view(layout: Layout, directory: Path) -> Path:
    """Build the view, in place of an earlier one.

    Ultralytics keeps a cache beside the label files, which are therefore copied, and writes
    JPEGs with trailing bytes anew, which are copied too. Other pictures are links.

    Args:
        layout: Where the real files are.
        directory: The view's folder; an earlier view in it is removed.

    Returns:
        The view's ``data.yaml``. Its paths are absolute, so it cannot be moved.

    Raises:
        DatasetError: If ``directory`` holds anything but a view, or the data set itself.
    """
    directory = directory.absolute()
    _refuse_to_overwrite(layout, directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its place and moved there whole: an interrupted build leaves the earlier view.
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".view-") as beside:
        building = Path(beside) / "view"
        building.mkdir()
        document = {
            "path": str(directory),
            **{split: f"images/{split}" for split in layout.splits},
            "names": dict(enumerate(layout.class_names)),
        }
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        replace_text(building / DATA_YAML, _MARK + text)  # first: whatever is cut off, it is ours
        for files in layout.splits.values():
            _link_split(files, building)
        if directory.exists():  # deleted beside its place: a kill leaves no half of it there
            directory.rename(Path(beside) / "earlier")
        building.rename(directory)
    return directory / DATA_YAML


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
            f"{directory} is in the way: it is no view made by an earlier run",
            hint="move it elsewhere, or remove it",
        )


def _link_split(files: SplitFiles, building: Path) -> None:
    (building / "images" / files.name).mkdir(parents=True)
    (building / "labels" / files.name).mkdir(parents=True)
    for image in files.images:
        if image.is_dir():
            continue
        linked = building / view_name(files, image)
        linked.parent.mkdir(parents=True, exist_ok=True)
        real = Path(os.path.realpath(image))
        if _is_rewritten(real):
            shutil.copyfile(real, linked)
        else:
            link_or_copy(real, linked)
        label, copied = label_of(image), label_of(linked)
        if label.is_file():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(label, copied)


def _is_rewritten(path: Path) -> bool:
    """Look at both ends of the file only."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(-2, os.SEEK_END)
            return is_rewritten(start + file.read(2))
    except OSError:  # absent, unreadable, or of less than two bytes: the trainer sees it as it is
        return False
