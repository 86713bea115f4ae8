"""The folder that a command works in, found from any below it, as git does.

Everything in it is named from its root. What a person types is named from where they stand, and so
is what they read.
"""

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from container_doors.cli.output import named_from
from container_doors.core.run import WORKSPACE_MARKS

_WHERE_ONE_STANDS = ("demo:demo", "completion:completion")
"""The handlers that need no workspace."""


def workspace_root() -> Path | None:
    """Find the next folder, from here upwards, that is a workspace; None if there is none."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted: whatever needs it says so
        return None
    folders = (here, *here.parents)
    return next((one for one in folders if any(map(os.path.exists, _marks(one)))), None)


def _marks(folder: Path) -> list[str]:
    return [os.path.join(folder, mark) for mark in WORKSPACE_MARKS]  # noqa: PTH118 - no error


def typed_path(text: str) -> Path:
    """Read a path that a person has typed, which says it from where they stand.

    Returns:
        The same place, from the root of the workspace; absolute where that would be a bare word,
        which could not be told from any other in what is printed.
    """
    path = typed_folder(text)
    return Path(path) if path == text or {"/", "."} & {*path} else Path(text).absolute()


def typed_folder(text: str) -> str:
    """Read what may be an address instead (``s3://...``), or a folder of somebody's (``~``)."""
    root = workspace_root()
    is_relative = text.strip("- ") and "://" not in text and not text.startswith(("/", "~"))
    if root is None or root == Path.cwd() or not is_relative:
        return text
    return os.path.relpath(text, root)


def typed_file_or_value(text: str) -> str:
    """Read the name of a file, or else a value, which is left as it is."""
    try:
        return typed_folder(text) if Path(text).is_file() else text
    except OSError:  # too long for a name
        return text


@contextlib.contextmanager
def in_workspace(arguments: argparse.Namespace) -> Iterator[None]:
    """Work at the root of the workspace, and name its files from where the person stands."""
    root = workspace_root()
    if root is None or root == Path.cwd() or arguments.handler in _WHERE_ONE_STANDS:
        yield
        return
    typed = [str(value) for value in vars(arguments).values() if isinstance(value, Path)]
    with named_from(Path.cwd(), root, typed), contextlib.chdir(root):
        yield
