"""Gives photographs names that every system takes: DVC, git, Kaggle, Windows, macOS.

Letters of other scripts are written in ASCII, so that a person still knows the photograph; the
original name is in ``sources.csv``.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import count

from text_unidecode import unidecode

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 100
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, with any suffix."""


def safe_stem(name: str) -> str:
    r"""Return a safe name without its suffix.

    >>> safe_stem("Tür 7 (links).JPG"), safe_stem("南门.jpg"), safe_stem("nul.png")
    ('Tur_7_links', 'Nan_Men', 'nul_')
    >>> safe_stem("..."), safe_stem("a.b.jpg"), safe_stem("=1+1.jpg")
    ('photograph', 'a.b', '1_1')
    """
    stem = name.rpartition(".")[0] or name
    plain = _UNSAFE.sub("_", unidecode(stem)).strip("._-")[:_LONGEST].rstrip("._-")
    if not plain:
        return "photograph"
    return f"{plain}_" if _RESERVED.fullmatch(plain) else plain


class Names:
    """The names that are taken in a data set, in any of its splits."""

    def __init__(self, taken: Iterable[str]) -> None:
        """Store them: names of files, with or without a suffix."""
        self._taken = {_key(name) for name in taken}

    def new(self, original: str, suffix: str, folder: str = "") -> str:
        """Choose a name that is not taken, and take it.

        Args:
            original: The name in the source.
            suffix: That of the content, without the dot.
            folder: The source's folder, which makes a name unique that occurs in several.
        """
        stem = next(one for one in self._stems(safe_stem(original), folder) if self._is_free(one))
        self._taken.add(_key(f"{stem}.{suffix}"))
        return f"{stem}.{suffix}"

    def _is_free(self, stem: str) -> bool:
        return stem.casefold() not in self._taken

    @staticmethod
    def _stems(stem: str, folder: str) -> Iterator[str]:
        yield stem
        parent = safe_stem(f"{folder}.") if folder.strip("./") else ""
        if parent:
            yield f"{parent}_{stem}"[-_LONGEST:].lstrip("._-")
        yield from (f"{stem}_{number}" for number in count(2))


def _key(name: str) -> str:
    """Return what makes two names the same: label files have the name without the suffix."""
    return (name.rpartition(".")[0] or name).casefold()
