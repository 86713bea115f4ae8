"""Find a data set's splits from its ``data.yaml``, and list their files."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.core.records import SPLITS, Finding
from container_doors.data.data_yaml import (
    CLASS_NAME,
    DATA_YAML,
    YAML_RULES,
    class_names,
    keypoint_shape,
    read_yaml,
)
from container_doors.data.faults import Fault, fetch_hint, fold
from container_doors.data.foreign import archive_form, find_form
from container_doors.data.nearby import Disk

PICTURE_SUFFIXES = frozenset(
    {"avif", "bmp", "dng", "heic", "heif", "jp2", "jpeg", "jpg", "mpo", "png", "tif", "tiff"}
    | {"webp"}
)
"""Ultralytics' IMG_FORMATS, in lower case and without the dot; it ignores every other file."""

UNSPLIT, UNLABELLED = "unsplit", "unlabelled"
"""Folders of ``images/`` for photographs that are in no split yet, and for those to be labelled."""

FOLDS_CSV = "folds.csv"
"""Beside ``data.yaml``: the fold of each photograph of train and val."""

_OF_THE_SYSTEM = {"thumbs.db", "desktop.ini"}
_OF_LABELLING_TOOLS = {"classes.txt", "data.yaml"}


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files of one split on disk, sorted."""

    name: str
    images_dir: Path
    labels_dir: Path
    images: tuple[Path, ...]
    """Everything that Ultralytics would read as a picture, according to its suffix."""
    labels: tuple[Path, ...]
    ignored: tuple[Path, ...] = ()
    """Files of both folders that Ultralytics ignores; hidden ones are not listed."""
    names: Mapping[Path, str] | None = None
    """The name of each photograph, if they are from several folders (:mod:`data.folds`)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A data set's folders; a split that cannot be found is absent.

    Paths start with the path that was given for the data set, so that no record of a run has the
    name of a home folder.
    """

    root: Path
    data_yaml: Path
    splits: Mapping[str, SplitFiles]
    class_names: tuple[str, ...]
    keypoint_shape: tuple[int, int] | None = None
    """The points of each label and the numbers of each point, if ``data.yaml`` says poses."""
    whole: "Layout | None" = None
    """The splits of ``data.yaml``, if these are others made of them (:mod:`data.folds`)."""


def label_of(image: Path) -> Path:
    """Return the label file of a picture: the last folder ``images`` becomes ``labels``.

    >>> label_of(Path("set/images/train/quay.4/a.b.JPG")).as_posix()
    'set/labels/train/quay.4/a.b.txt'
    """
    *folders, name = image.parts
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders, f"{name.rpartition('.')[0]}.txt")


def view_name(files: SplitFiles, image: Path) -> str:
    """Return a photograph's name: its split and its path below the split's folder.

    This name is used everywhere: in a run's view, in measurements, and for attributes. The file's
    name alone may be used several times.
    """
    if files.names is not None:
        return files.names[image]
    return f"images/{files.name}/{image.relative_to(files.images_dir).as_posix()}"


def read_layout(dataset: Path) -> tuple[Layout | None, list[Finding]]:
    """Read ``data.yaml`` and list the files of every split.

    Returns:
        The layout, with the splits that could be found, and every fault. No layout if
        ``data.yaml`` cannot be read.

    Raises:
        DatasetError: If there is no such folder.
    """
    _require_folder(dataset)
    disk = Disk(dataset, PICTURE_SUFFIXES)
    document, unreadable = read_yaml(dataset / DATA_YAML, disk)
    if unreadable is not None:
        return None, [unreadable]
    findings = fold(((None, fault) for rule in YAML_RULES for fault in rule(document)), DATA_YAML)
    root, root_faults = _root(dataset, document.get("path"))
    findings += [fault.at(DATA_YAML) for fault in root_faults]
    yaml_disk, disk = disk, disk if root == dataset else Disk(root, PICTURE_SUFFIXES)
    splits: dict[str, SplitFiles] = {}
    of_splits: list[tuple[Path, Fault]] = []
    unsplit = _unsplit(root)
    findings += [fault.at(path) for path, fault in unsplit]
    for name in SPLITS:
        folder, fault = _folder(disk, name, document.get(name), yaml_disk=yaml_disk)
        if unsplit and fault is not None and fault.rule == "split-folder-missing":
            continue  # the command that places them makes it
        fault = fault or _overlap(folder, name, splits, disk)
        if fault is not None:
            findings.append(fault.at(DATA_YAML))
            continue
        splits[name], faults = _list_split(name, folder, disk)
        of_splits += [(path.relative_to(root), fault) for path, fault in faults]
    findings += [fault.at(path) for path, fault in _once(of_splits)]
    names = class_names(document.get("names")) or [CLASS_NAME]
    shape = keypoint_shape(document.get("kpt_shape"))
    return Layout(root, dataset / DATA_YAML, splits, tuple(names), shape), findings


def unsplit_files(root: Path) -> SplitFiles:
    """List the photographs that were imported and are in no split yet."""
    return list_files(UNSPLIT, root / "images" / UNSPLIT, root)


def list_files(name: str, images_dir: Path, root: Path) -> SplitFiles:
    """List the files of a split in a folder that may be absent."""
    files, _ = _list_split(name, images_dir, Disk(root, PICTURE_SUFFIXES))
    return files


def _unsplit(root: Path) -> list[tuple[Path, Fault]]:
    """Find photographs that were imported, and are in no split yet."""
    folder = Path("images", UNSPLIT)
    images, _, _ = _walk(root / folder, _is_named_as_a_picture)
    if not images:
        return []
    path = shlex.quote(str(root))
    fault = Fault(
        "photographs-not-split",
        "every photograph in train, val or test",
        f"{len(images)} in no split yet",
        f"place them by scene: doors data split --path {path}",
    )
    return [(folder, fault)]


def _require_folder(dataset: Path) -> None:
    if dataset.is_dir():
        return
    archive = archive_form(dataset, dataset.with_suffix("")) if dataset.is_file() else None
    if archive:
        raise DatasetError(
            f"{dataset} is an archive; expected the folder with data.yaml, images and labels",
            hint=archive.remedy,
        )
    if dataset.exists():
        raise DatasetError(
            f"{dataset} is a file; expected the folder with data.yaml, images and labels",
            hint=f"give the folder itself, perhaps {dataset.parent}",
        )
    form = find_form(dataset, Disk(dataset, PICTURE_SUFFIXES))
    known = fetch_hint(dataset) or "import your photographs: doors data import SOURCE"
    sample = f"doors data sample --out {shlex.quote(str(dataset))}"
    raise DatasetError(
        f"no data set at {dataset}" + (f", but {form.path} is beside it" if form else ""),
        hint=form.remedy if form else f"{known}; or draw a sample: {sample}",
    )


def _root(dataset: Path, path: object) -> tuple[Path, list[Fault]]:
    """Find the folder that the splits are relative to; never relative to the working directory."""
    if path is None:
        return dataset, []
    if isinstance(path, str) and path and os.path.isdir(dataset / path):  # noqa: PTH112 - Path raises where a name is too long
        return dataset / path, []
    fault = Fault(
        "data-yaml-path",
        "path: a folder that exists, or no such key",
        repr(path),
        "remove the key; the folder of data.yaml is used instead",
        severity="warning",
    )
    return dataset, [fault]


def _folder(disk: Disk, split: str, value: object, *, yaml_disk: Disk) -> tuple[Path, Fault | None]:
    """Find a split; ``yaml_disk`` is the folder of ``data.yaml``, regardless of its ``path``."""
    root = disk.root
    expected = f"{split}: a folder of pictures such as images/{split}"

    def failure(rule: str, found: str) -> tuple[Path, Fault]:
        place = disk.place(split, value) or yaml_disk.place(split, value)
        if place and not disk.place(split, value):
            remedy = f"remove the key path, and write {split}: {place}"
        else:
            remedy = disk.remedy(split, value)
        return root, Fault(rule, expected, found, remedy)

    if value is None:
        return failure("split-missing", "no such key")
    if not isinstance(value, str) or not value:
        return failure("split-not-a-folder", repr(value))
    inside = Path(os.path.relpath(root / value, root))
    folder = root / inside
    if inside.parts[:1] == (os.pardir,):
        return failure("split-outside", f"{value!r}, outside of the data set")
    if "images" not in inside.parts:
        found = f"{value!r}, which is not in a folder named images, so its labels are not found"
        return failure("split-not-under-images", found)
    if not os.path.isdir(folder):  # noqa: PTH112
        found = f"{value!r}, which is {'a file' if os.path.exists(folder) else 'missing'}"  # noqa: PTH110
        return failure("split-folder-missing", found)
    return folder, None


def _overlap(
    folder: Path, split: str, others: Mapping[str, SplitFiles], disk: Disk
) -> Fault | None:
    for name, files in others.items():
        if _share(folder, files.images_dir):
            place = disk.place(split, None)
            is_free = place and not any(
                _share(disk.root / place, one.images_dir) for one in others.values()
            )
            return Fault(
                "split-overlap",
                "a folder of its own for every split",
                f"{folder.name}, which shares pictures with {name}",
                f"write {split}: {place}"
                if is_free
                else "separate them: scores on photographs that were trained on mean nothing",
            )
    return None


def _share(one: Path, other: Path) -> bool:
    real, other_real = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return real.is_relative_to(other_real) or other_real.is_relative_to(real)


_NESTED_IMAGES = Fault(
    "nested-images-folder",
    "no folder named images inside of a split",
    "one, so its labels are expected elsewhere",
    "rename the folder",
)


def _list_split(
    name: str, images_dir: Path, disk: Disk
) -> tuple[SplitFiles, list[tuple[Path, Fault]]]:
    labels_dir = label_of(images_dir / "any.jpg").parent
    images, beside_images, faults = _walk(images_dir, _is_named_as_a_picture)
    labels, beside_labels, more_faults = _walk(labels_dir, _is_named_as_a_label)
    faults += more_faults
    parents = {path.parent for path in images}
    faults += [
        (parent, _NESTED_IMAGES)
        for parent in sorted(parents)
        if "images" in parent.relative_to(images_dir).parts
    ]
    if images and not labels_dir.is_dir():
        faults.append((labels_dir, _no_labels_folder(images_dir, labels_dir, disk)))
    ignored = tuple(sorted(beside_images + beside_labels))
    files = SplitFiles(name, images_dir, labels_dir, tuple(images), tuple(labels), ignored)
    return files, faults


_NO_LABELS = "labels-folder-missing"


def _no_labels_folder(images_dir: Path, labels_dir: Path, disk: Disk) -> Fault:
    elsewhere = disk.labels_for(images_dir)
    below = labels_dir.relative_to(disk.root)
    form = None if elsewhere else find_form(disk.root, disk)
    return Fault(
        _NO_LABELS,
        "a folder of label files",
        "none, so every picture would train as background" + (f"; there is {form}" if form else ""),
        f"move the label files of {elsewhere} to {below}"
        if elsewhere
        else form.remedy
        if form
        else fetch_hint(disk.root)
        or f"label the photographs, and put the label files into {below}",
    )


def _once(faults: Sequence[tuple[Path, Fault]]) -> Iterator[tuple[Path, Fault]]:
    """Join the faults of several label folders that have the same remedy."""
    places: dict[Fault, list[Path]] = {}
    for path, fault in faults:
        if fault.rule == _NO_LABELS:
            places.setdefault(fault, []).append(path)
    for path, fault in faults:
        if fault.rule != _NO_LABELS or len(paths := places[fault]) == 1:
            yield path, fault
        elif path == paths[0]:
            named = f"{', '.join(map(str, paths[:-1]))} and {paths[-1]}"
            yield path, replace(fault, expected=f"the folders of label files {named}")


def _is_named_as_a_picture(name: str) -> bool:
    return "." in name and name.rpartition(".")[2].lower() in PICTURE_SUFFIXES


def _is_named_as_a_label(name: str) -> bool:
    return name.endswith(".txt") and name not in _OF_LABELLING_TOOLS


def _walk(
    folder: Path, is_wanted: Callable[[str], bool]
) -> tuple[list[Path], list[Path], list[tuple[Path, Fault]]]:
    """List the files below a folder as Ultralytics' ``glob("**/*.*")`` does.

    Links are followed, hidden names are skipped, and a folder named like a picture is listed.

    Returns:
        The wanted files, the others, and the folders that cannot be listed.
    """
    wanted: list[Path] = []
    others: list[Path] = []
    faults: list[tuple[Path, Fault]] = []
    entered = set()

    def unreadable(error: OSError) -> None:
        found = error.strerror or type(error).__name__
        fault = Fault(
            "folder-unreadable", "a folder that can be listed", found, "correct its permissions"
        )
        faults.append((Path(error.filename), fault))

    for parent, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        wanted += [Path(parent, name) for name in folders if is_wanted(name)]
        for name in files:
            if not _is_quiet(name):
                (wanted if is_wanted(name) else others).append(Path(parent, name))
        entered.add(os.path.realpath(parent))  # a link back to a parent would loop
        folders[:] = [n for n in folders if os.path.realpath(Path(parent, n)) not in entered]
    missing = [pair for pair in faults if pair[0] == folder and not folder.is_dir()]
    return sorted(wanted, key=str), others, [pair for pair in faults if pair not in missing]


def _is_quiet(name: str) -> bool:
    """Return whether a file is a by-product of the system, a labelling tool or Ultralytics."""
    return (
        name.startswith(".")
        or name.lower() in _OF_THE_SYSTEM
        or name in _OF_LABELLING_TOOLS
        or name.endswith(".cache")
    )
