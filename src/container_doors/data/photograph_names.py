"""Find the photograph for a name that a person wrote on any system."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from container_doors.data.layout import PICTURE_SUFFIXES, Layout, view_name

_MOST_STORED = 20
"""Photographs stored for one short name: a few are enough to show that it is ambiguous."""

_Spelling = Callable[[str], str]


def _as_written(name: str) -> str:
    return name


def _of_any_system(name: str) -> str:
    r"""Undo the spelling of Windows (``\``) and of macOS (accents)."""
    return PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))).as_posix()


def _of_any_case(name: str) -> str:
    return _of_any_system(name).casefold()


_SPELLINGS: tuple[_Spelling, ...] = (_as_written, _of_any_system, _of_any_case)


class PhotographNames:
    r"""The photographs of a data set, by their paths and by the ends of their paths.

    ``images/test/a/img_1.jpg`` is found by its whole path, and by ``test/a/img_1.jpg``,
    ``a/img_1.jpg``, ``img_1.jpg`` and ``img_1`` unless another path has the same end. An exact
    match comes before the spellings of other systems: with ``\``, in another normal form of
    Unicode, in other case.
    """

    def __init__(self, layout: Layout) -> None:
        """Store the photographs of every split."""
        self._paths = {
            image.relative_to(layout.root).as_posix(): (split, view_name(files, image))
            for split, files in layout.splits.items()
            for image in files.images
        }
        self._indices: dict[tuple[_Spelling, bool], Mapping[str, list[str]]] = {}

    @property
    def paths(self) -> list[str]:
        """All paths, relative to the data set's folder."""
        return list(self._paths)

    def find(self, written: str, split: str = "") -> list[str]:
        """Find the paths, relative to the data set's folder, that match a name.

        Args:
            written: The name as a person wrote it.
            split: The split to prefer if there are several matches.
        """
        if written in self._paths:
            return [written]
        for spelling in _SPELLINGS:
            for has_suffix in (True, False):
                found = self._index(spelling, has_suffix=has_suffix).get(spelling(written), [])
                if found:
                    return [path for path in found if self.split_of(path) == split] or found
        return []

    def with_other_suffix(self, written: str) -> list[str]:
        """Find the paths that match a name but for its suffix, as after a conversion."""
        stem, dot, suffix = written.rpartition(".")
        if not (dot and suffix.casefold() in PICTURE_SUFFIXES):
            return []
        for spelling in _SPELLINGS:
            if found := self._index(spelling, has_suffix=False).get(spelling(stem)):
                return found
        return []

    def split_of(self, path: str) -> str:
        """Return the split of a path."""
        return self._paths[path][0]

    def key_of(self, path: str) -> str:
        """Return a path's name in measurements: ``images/test/a/img_1.jpg``."""
        return self._paths[path][1]

    def _index(self, spelling: _Spelling, *, has_suffix: bool) -> Mapping[str, list[str]]:
        """Return the paths by each of their ends; built on first use."""
        index = self._indices.get((spelling, has_suffix))
        if index is None:
            ends: defaultdict[str, list[str]] = defaultdict(list)
            for path in self._paths:
                name = spelling(path if has_suffix else str(PurePosixPath(path).with_suffix("")))
                for end in _ends(name):
                    if len(ends[end]) < _MOST_STORED:
                        ends[end].append(path)
            index = self._indices[spelling, has_suffix] = dict(ends)
        return index


def _ends(path: str) -> list[str]:
    """List a path and each of its ends.

    >>> _ends("test/a/1.jpg")
    ['test/a/1.jpg', 'a/1.jpg', '1.jpg']
    """
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]
