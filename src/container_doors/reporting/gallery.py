"""The pictures of a report, in a folder beside it, so that both can be moved together."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from container_doors.core.errors import RunError
from container_doors.core.files import force_name_to_disk, force_to_disk
from container_doors.reporting.escaping import escaped

_OURS = re.compile(r"(curves|val_\w+|test_\w+|prediction_\d+)\.(png|jpg)")
"""The files of a report's folder; a folder with any other file is never replaced."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a report."""

    caption: str
    link: str
    """Relative to the report, percent-encoded."""

    @property
    def markdown(self) -> Markup:
        """Return the Markdown that embeds it."""
        return Markup("![{}]({})").format(escaped(self.caption), Markup(self.link))  # noqa: S704 - percent-encoded


@dataclass(frozen=True, slots=True)
class Gallery:
    """The folder of a report's pictures while the report is written."""

    staged: Path
    name: str
    """The folder's final name."""

    def add(self, original: Path, *, name: str, caption: str) -> Picture:
        """Copy a picture into the folder."""
        shutil.copyfile(original, self.staged / name)
        return self.picture(name, caption=caption)

    def picture(self, name: str, *, caption: str) -> Picture:
        """Return a picture that is in the folder."""
        return Picture(caption, f"{quote(self.name)}/{name}")


@contextmanager
def rebuild(folder: Path) -> Iterator[Gallery]:
    """Yield a new folder to fill; it replaces ``folder`` unless an error is raised.

    Raises:
        RunError: If ``folder`` has a file that is not a report's.
    """
    _refuse_another_folder(folder)
    staged = folder.with_name(f".{folder.name}.{os.getpid()}")
    earlier = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(staged, ignore_errors=True)  # left by a process that was killed
    staged.mkdir()
    try:
        yield Gallery(staged, folder.name)
        force_to_disk(staged)
        if folder.exists():
            folder.rename(earlier)
        staged.rename(folder)
        force_name_to_disk(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(earlier, ignore_errors=True)


def pick_evenly(paths: list[Path], most: int) -> list[Path]:
    """Pick up to ``most`` paths, evenly spaced, with the first and the last.

    >>> [path.name for path in pick_evenly([Path(str(number)) for number in range(9)], 3)]
    ['0', '4', '8']
    """
    if len(paths) <= most:
        return paths
    return [paths[round(index * (len(paths) - 1) / (most - 1))] for index in range(most)]


def _refuse_another_folder(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RunError(
            f"{folder} is a file or a link, and the report needs a folder of this name",
            hint="move it, or choose another --output",
        )
    foreign = [path.name for path in sorted(folder.glob("*")) if not _OURS.fullmatch(path.name)]
    if foreign:
        raise RunError(
            f"{folder} would be replaced, but holds {foreign[0]!r}, which is not a report's",
            hint="move it, or choose another --output",
        )
