"""Search the disk for folders of pictures and label files, to suggest remedies."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from container_doors.core.records import SPLITS
from container_doors.data.faults import fetch_hint

_SPELLINGS = {
    "train": r"(train|training|trn)",
    "val": r"(val|valid|validation|dev)",
    "test": r"(test|testing|tst)",
}
_MOST_FOLDERS = 2000
_DEEPEST = 6
_MOST_NAMES = 200_000


@dataclass(frozen=True, slots=True)
class _Folder:
    path: PurePosixPath
    """The path below the root."""
    pictures: frozenset[str]
    """Names of pictures without their suffix."""
    texts: frozenset[str]
    """Names of text files without their suffix."""


class Disk:
    """The folders below a data set's root, listed on first use."""

    def __init__(self, root: Path, picture_suffixes: frozenset[str]) -> None:
        """Store the root, and the suffixes of pictures, in lower case without the dot."""
        self.root = root
        self._suffixes = picture_suffixes

    def remedy(self, split: str, value: object) -> str:
        """Return how to write a split in ``data.yaml`` so that it is found.

        Args:
            split: ``train``, ``val`` or ``test``.
            value: The present value of its key.
        """
        if place := self.place(split, value):
            return f"write {split}: {place}"
        target = self._target(split)
        labels = f"their label files to {labels_of(target)}"
        write = f"write {split}: {target}"
        if unnamed := self._beside_images(split):
            return f"move the pictures of {unnamed} to {target} and {labels}, and {write}"
        if whole := self._undivided():
            return f"move a part of the pictures of {whole} to {target} and {labels}, and {write}"
        known = fetch_hint(self.root)
        by_hand = f"move photographs to {target} and {labels}, and {write}"
        return f"{known}; or {by_hand}" if known else by_hand

    def place(self, split: str, value: object) -> PurePosixPath | None:
        """Find the folder that is probably meant: by the end of the value, or by its name."""
        under_images = [one for one in self._prefixes() if "images" in one.parts]
        if isinstance(value, str):
            for end in _ends(value):
                if len(end.parts) > 1 and end in under_images:
                    return end
        return _shallowest(one for one in under_images if _names(split, one))

    def keys(self) -> str:
        """Return the keys of a ``data.yaml`` for the folders found; empty without a picture."""
        if not any(folder.pictures for folder in self._folders):
            return ""
        places = [f"{split}: {self.place(split, None) or self._target(split)}" for split in SPLITS]
        return "; ".join([*places, "nc: 1", "names: ['container_door']"])

    def labels_for(self, images: Path) -> str | None:
        """Find the folder with the label files of a folder's pictures; None if there is none."""
        pictures = next(
            (f.pictures for f in self._folders if f.path == _below(images, self.root)), None
        )
        if not pictures:
            return None
        of_others = {
            labels_of(folder.path)
            for folder in self._folders
            if folder.pictures and "images" in folder.path.parts
        }
        free = [folder for folder in self._folders if folder.path not in of_others]
        best = max(free, key=lambda folder: len(folder.texts & pictures))
        return str(best.path) if best.texts & pictures else None

    def folder_of(self, written: str) -> PurePosixPath | None:
        """Find the folder of a picture by its path or the end of it; None if there is none."""
        *folders, name = PurePosixPath(written.replace("\\", "/")).parts or ("",)
        names = {name, name.rpartition(".")[0]}
        for folder in self._folders:
            end = folder.path.parts[-len(folders) :] if folders else ()
            if names & folder.pictures and end == tuple(folders):
                return folder.path
        return None

    @property
    def has_labels(self) -> bool:
        """Whether any text file has the name of a picture."""
        pictures = frozenset().union(*(folder.pictures for folder in self._folders))
        return any(folder.texts & pictures for folder in self._folders)

    def labels_folder(self, stems: set[str]) -> PurePosixPath | None:
        """Return the labels folder for the pictures that have most of these names."""
        best = max(self._folders, key=lambda folder: len(folder.pictures & stems), default=None)
        if best is None or not best.pictures & stems or "images" not in best.path.parts:
            return None
        return labels_of(best.path)

    def _target(self, split: str) -> PurePosixPath:
        """Return a folder name for a missing split, in the style of the existing folders."""
        if unnamed := self._beside_images(split):
            return unnamed / "images"
        for other in SPLITS:
            if place := self.place(other, None):
                parts = [split if _is(other, part) else part for part in place.parts]
                return PurePosixPath(*parts)
        return PurePosixPath("images", split)

    def _beside_images(self, split: str) -> PurePosixPath | None:
        """Find a folder that has a split's name and is not in a folder named ``images``."""
        return _shallowest(
            one for one in self._prefixes() if _names(split, one) and "images" not in one.parts
        )

    def _undivided(self) -> PurePosixPath | None:
        """Find pictures in a folder that is not named after a split."""
        loose = [
            folder
            for folder in self._folders
            if folder.pictures and not any(_names(split, folder.path) for split in SPLITS)
        ]
        return max(loose, key=lambda folder: len(folder.pictures)).path if loose else None

    def _prefixes(self) -> list[PurePosixPath]:
        """List the folders with pictures, and their parents."""
        found: dict[PurePosixPath, None] = {}
        for folder in self._folders:
            if folder.pictures:
                for length in range(1, len(folder.path.parts) + 1):
                    found[PurePosixPath(*folder.path.parts[:length])] = None
        return list(found)

    @cached_property
    def _folders(self) -> list[_Folder]:
        return list(self._walk())

    def _walk(self) -> Iterator[_Folder]:
        names = 0
        for count, (parent, folders, files) in enumerate(os.walk(self.root)):
            below = PurePosixPath(Path(parent).relative_to(self.root).as_posix())
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if len(below.parts) >= _DEEPEST:
                folders.clear()
            names += len(files)
            if count > _MOST_FOLDERS or names > _MOST_NAMES:
                return
            visible = [name for name in files if "." in name and not name.startswith(".")]
            split = [
                (stem, suffix.lower()) for stem, _, suffix in (n.rpartition(".") for n in visible)
            ]
            yield _Folder(
                below,
                frozenset(stem for stem, suffix in split if suffix in self._suffixes),
                frozenset(stem for stem, suffix in split if suffix == "txt"),
            )


def labels_of(images: PurePosixPath) -> PurePosixPath:
    """Return the labels folder for a folder of pictures: the last ``images`` becomes ``labels``.

    >>> str(labels_of(PurePosixPath("train/images"))), str(labels_of(PurePosixPath("images/val")))
    ('train/labels', 'labels/val')
    """
    parts = list(images.parts)
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return PurePosixPath(*parts)


def _shallowest(paths: Iterable[PurePosixPath]) -> PurePosixPath | None:
    return min(paths, key=lambda one: (len(one.parts), str(one)), default=None)


def _ends(value: str) -> Iterator[PurePosixPath]:
    """Yield the ends of a path, the longest first.

    >>> [str(end) for end in _ends("../train/images")]
    ['train/images', 'images']
    """
    parts = [part for part in re.split(r"[\\/]+", value) if part not in {"", ".", ".."}]
    return (PurePosixPath(*parts[start:]) for start in range(len(parts)))


def _names(split: str, path: PurePosixPath) -> bool:
    """Return whether a path has the name of this split and of no other."""
    return {one for one in SPLITS if any(_is(one, part) for part in path.parts)} == {split}


def split_in(path: PurePosixPath, *, within_names: bool = False) -> str | None:
    """Return the split that a path of a source names; None if it names none, or several.

    Args:
        path: Of which a part is a split's name, perhaps with a year.
        within_names: Whether one word of a part is enough: ``instances_train2017``.

    >>> split_in(PurePosixPath("valid/a")), split_in(PurePosixPath("test_drive/a"))
    ('val', None)
    >>> split_in(PurePosixPath("instances_train2017"), within_names=True)
    'train'
    """
    words = [
        word
        for part in path.parts
        for word in (re.split(r"[\W_]+", part) if within_names else [part])
    ]
    found = {
        split
        for split, spelling in _SPELLINGS.items()
        if any(re.fullmatch(spelling + r"\d*", word.lower()) for word in words)
    }
    return found.pop() if len(found) == 1 else None


def _is(split: str, part: str) -> bool:
    """Return whether a folder's name is that of a split, or starts with it: ``val2017``.

    >>> _is("val", "valid"), _is("train", "train2017"), _is("test", "testimony")
    (True, True, False)
    """
    return re.fullmatch(_SPELLINGS[split] + r"([\W_\d].*)?", part.lower()) is not None


def _below(path: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(os.path.relpath(path, root))
