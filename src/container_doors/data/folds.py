"""Other splits of the same photographs: one fold as test, or train and val together.

``doors data split --folds`` writes ``folds.csv``. No file is moved: a run's view of the data
(:mod:`data.view`) has the photographs under ``images/SPLIT/WHERE THEY ARE/...``.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from container_doors.core.config import Data
from container_doors.core.errors import DatasetError
from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.core.printable import shortened
from container_doors.data.layout import FOLDS_CSV, Layout, SplitFiles, label_of, view_name
from container_doors.data.spreadsheet import MOST_BYTES, read_table

FEWEST_FOLDS = 3
"""Folds: a run needs one to test, one to validate and one to train on."""


def layout_for(data: Data, layout: Layout) -> Layout:
    """Return the splits that a run uses: those of data.yaml, those of a fold, or train and val.

    Raises:
        DatasetError: As :func:`read_folds`, or if there is no such fold.
    """
    if data.trains_on == "all":
        return _with_val_in_train(layout)
    if data.fold is not None:
        return _fold_layout(layout, data.fold)
    return layout


def read_folds(layout: Layout) -> dict[Path, int]:
    """Read the fold, from 1, of each photograph of train and val.

    Raises:
        DatasetError: If there are no folds, fewer than three, or a photograph has none.
    """
    path = layout.data_yaml.parent / FOLDS_CSV
    again = f"doors data split --path {layout.data_yaml.parent}"
    try:
        table, faults = read_table(read_bounded(path, MOST_BYTES), required="image")
    except FileNotFoundError:
        raise DatasetError(f"no folds: there is no {path}", hint=f"{again} --folds 5") from None
    except ParsingError as error:
        raise DatasetError(
            f"{path}: expected {error.expected}, found {error.found}", hint=f"{again} --folds 5"
        ) from None
    rows = table.rows if table and not faults else ()
    written = {row.cells.get("image", ""): row.cells.get("fold", "") for row in rows}
    numbers = {name: int(fold) for name, fold in written.items() if fold.isdecimal()}
    count = len(set(numbers.values()))
    if set(numbers.values()) != set(range(1, count + 1)) or len(numbers) < len(written) or not rows:
        known = ", ".join(map(str, sorted(set(numbers.values())))) or "no line"
        other = next((repr(fold) for name, fold in written.items() if name not in numbers), known)
        raise DatasetError(
            f"{path}: expected a fold from 1 to K for each image, found {shortened(other)}",
            hint=f"{again} --folds {max(count, FEWEST_FOLDS)}",
        )
    if count < FEWEST_FOLDS:
        raise DatasetError(
            f"{path}: expected {FEWEST_FOLDS} folds or more (test, val and train), found {count}",
            hint=f"{again} --folds {FEWEST_FOLDS}",
        )
    images = [image for split in ("train", "val") for image in _images(layout, split)]
    names = {image: image.relative_to(layout.root).as_posix() for image in images}
    without = [name for name in names.values() if name not in numbers]
    if without:
        raise DatasetError(
            f"{path}: expected a fold for each photograph of train and val, found none for "
            f"{len(without)}, the first {without[0]}",
            hint=f"{again} --folds {count}: those that have a fold keep it",
        )
    return {image: numbers[name] for image, name in names.items()}


def whole_name(name: str) -> str:
    """Return the name in the splits of data.yaml of a photograph of a fold.

    >>> whole_name("images/test/train/yard/1.jpg")
    'images/train/yard/1.jpg'
    """
    images, _, below = name.split("/", maxsplit=2)
    return f"{images}/{below}"


def _fold_layout(layout: Layout, fold: int) -> Layout:
    folds = read_folds(layout)
    count = max(folds.values())
    if fold > count:
        raise DatasetError(
            f"detection.data.fold: expected 1 to {count}, found {fold}",
            hint=f"doors data split --path {layout.data_yaml.parent} --folds {fold} makes as many",
        )
    of_split = {fold: "test", fold % count + 1: "val"}
    members: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
    for image, number in folds.items():
        members[of_split.get(number, "train")].append(image)
    splits = {split: _split_of(layout, split, images) for split, images in members.items()}
    return replace(layout, splits=splits, whole=layout)


def _with_val_in_train(layout: Layout) -> Layout:
    images = [image for split in ("train", "val") for image in _images(layout, split)]
    return replace(
        layout,
        splits={**layout.splits, "train": _split_of(layout, "train", images)},
        whole=layout,
    )


def _split_of(layout: Layout, split: str, images: Sequence[Path]) -> SplitFiles:
    """Make a split of photographs from several folders."""
    wanted = set(images)
    names = {
        image: f"images/{split}/{view_name(files, image).removeprefix('images/')}"
        for files in layout.splits.values()
        for image in files.images
        if image in wanted
    }
    labels = [path for path in map(label_of, images) if path.is_file()]
    train = layout.splits["train"]
    return SplitFiles(
        split, train.images_dir, train.labels_dir, tuple(sorted(images, key=str)), tuple(labels),
        names=names,
    )  # fmt: skip


def _images(layout: Layout, split: str) -> Sequence[Path]:
    files = layout.splits.get(split)
    return files.images if files else ()
