"""The pictures of a report, in a folder of their own beside it, so that both can be moved."""

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
"""What a report's folder may hold; one that holds anything else is somebody's, and is kept."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a report."""

    caption: str
    link: str
    """Relative to the report, percent-encoded."""

    @property
    def markdown(self) -> Markup:
        """Embed it."""
        return Markup("![{}]({})").format(escaped(self.caption), Markup(self.link))  # noqa: S704 - percent-encoded


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where a report's pictures are put while it is being written."""

    staged: Path
    name: str
    """What the folder will be called."""

    def add(self, original: Path, *, name: str, caption: str) -> Picture:
        """Copy a picture in."""
        shutil.copyfile(original, self.staged / name)
        return self.picture(name, caption=caption)

    def picture(self, name: str, *, caption: str) -> Picture:
        """Refer to a picture that is in the folder."""
        return Picture(caption, f"{quote(self.name)}/{name}")


@contextmanager
def rebuilt(folder: Path) -> Iterator[Gallery]:
    """Fill a new folder, which takes the place of ``folder`` if nothing is raised.

    Raises:
        RunError: If ``folder`` holds what no report puts there.
    """
    _refuse_what_is_not_ours(folder)
    staged = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(staged, ignore_errors=True)  # of a process that was killed
    staged.mkdir()
    try:
        yield Gallery(staged, folder.name)
        force_to_disk(staged)
        if folder.exists():
            folder.rename(aside)
        staged.rename(folder)
        force_name_to_disk(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def evenly(paths: list[Path], most: int) -> list[Path]:
    """Pick up to ``most`` paths, the first and the last among them, spread evenly.

    >>> [path.name for path in evenly([Path(str(number)) for number in range(9)], 3)]
    ['0', '4', '8']
    """
    if len(paths) <= most:
        return paths
    return [paths[round(index * (len(paths) - 1) / (most - 1))] for index in range(most)]


def _refuse_what_is_not_ours(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RunError(
            f"{folder} is in the way: a report keeps its pictures in a folder of this name",
            hint="move it, or choose another --output",
        )
    foreign = [path.name for path in sorted(folder.glob("*")) if not _OURS.fullmatch(path.name)]
    if foreign:
        raise RunError(
            f"{folder} would be replaced, and holds {foreign[0]!r}, which is no report's",
            hint="move it, or choose another --output",
        )
