"""Finds photographs that nobody has labelled yet, and reads each to its last byte."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.data.images import Picture, read_picture
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.pool import spread


@dataclass(frozen=True, slots=True)
class Whole:
    """A photograph without a fault."""

    path: Path
    size_wh: tuple[int, int]
    """Width and height of the upright picture, in pixels."""
    sha256: str


def whole_photographs(
    folder: Path, on_progress: Callable[[int, int], None]
) -> tuple[list[Whole], list[str]]:
    """Read every photograph below a folder.

    Args:
        folder: The folder; hidden files and folders in it are skipped.
        on_progress: Receives the numbers of photographs read and in total.

    Returns:
        The photographs that a model can read, sorted by path; and what is wrong with the others.

    Raises:
        DatasetError: If there is no such folder, or no photograph that can be read in it.
    """
    paths = photographs_below(folder)
    whole, problems = read_whole(paths, on_progress)
    if not whole:
        raise DatasetError(
            f"{folder}: expected photographs that can be read, found {len(problems)} damaged, the "
            f"first: {problems[0]}",
            hint="replace them by the originals",
        )
    return whole, problems


def photographs_below(folder: Path) -> list[Path]:
    """List the pictures below a folder, sorted.

    Raises:
        DatasetError: If there is none, or no such folder.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise DatasetError(
            f"{folder}: expected a folder of photographs, found {found}",
            hint="name the folder: --unlabelled DIR; photographs that doors data import "
            "SOURCE --unlabelled brings are in images/unlabelled of the data set",
        )
    paths = sorted(_pictures(folder))
    if not paths:
        raise DatasetError(
            f"{folder}: expected photographs, found none",
            hint="name another folder: --unlabelled DIR",
        )
    return paths


def read_whole(
    paths: Sequence[Path], on_progress: Callable[[int, int], None]
) -> tuple[list[Whole], list[str]]:
    """Read photographs; return those without a fault, and what is wrong with the others."""
    whole: list[Whole] = []
    problems: list[str] = []
    pictures = spread(read_picture, paths, workers=None, on_progress=on_progress)
    for path, picture in zip(paths, pictures, strict=True):
        problem = _problem(path, picture)
        if problem is not None:
            problems.append(problem)
        elif picture.size_px is not None and picture.sha256 is not None:
            whole.append(Whole(path, picture.size_px, picture.sha256))
    return whole, problems


def _problem(path: Path, picture: Picture) -> str | None:
    fault = next((one for one in picture.faults if one.severity == "error"), None)
    return None if fault is None else str(fault.at(path))


def _pictures(folder: Path) -> list[Path]:
    found: list[Path] = []
    entered: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in entered else [n for n in folders if not n.startswith(".")]
        if real not in entered:
            found += [Path(parent, n) for n in files if is_picture(n) and not n.startswith(".")]
        entered.add(real)
    return found
