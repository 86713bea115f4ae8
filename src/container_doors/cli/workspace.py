"""Finds the workspace of a command from any folder below it, as git does.

Inside, all paths are relative to its root. Paths that a person types or reads are relative to the
person's folder.
"""

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from container_doors.cli.output import paths_relative_to
from container_doors.core.run import PUBLISHED, RUNS, WORKSPACE_MARKS

_WITHOUT_WORKSPACE = ("demo:demo", "completion:completion", "init:init")
"""The handlers that need no workspace."""

_OF_DOORS = ("params.yaml", ".dvc")
_RESULTS = (RUNS, PUBLISHED.parent, "kaggle_output", "doors-demo")
"""What doors makes; git alone does not make a folder a workspace of ours."""


def workspace_root() -> Path | None:
    """Return the nearest folder, from here upwards, that is a workspace; None if there is none."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted: code that needs it raises an error
        return None
    folders = (here, *here.parents)
    return next((one for one in folders if any(map(os.path.exists, _marks(one)))), None)


def _marks(folder: Path) -> list[str]:
    return [os.path.join(folder, mark) for mark in WORKSPACE_MARKS]  # noqa: PTH118 - no error


def typed_path(text: str) -> Path:
    """Read a path that a person has typed, relative to their folder.

    Returns:
        The same path, relative to the root of the workspace. It is absolute if that would be a
        single word, which could not be distinguished from other words in the output.
    """
    path = typed_folder(text)
    return Path(path) if path == text or {"/", "."} & {*path} else Path(text).absolute()


def typed_folder(text: str) -> str:
    """Read a folder, relative as :func:`typed_path`; an address or ``~`` stays unchanged."""
    root = workspace_root()
    is_relative = text.strip("- ") and "://" not in text and not text.startswith(("/", "~"))
    if root is None or root == Path.cwd() or not is_relative:
        return text
    return os.path.relpath(text, root)


def typed_file_or_value(text: str) -> str:
    """Read the name of a file; any other value stays unchanged."""
    try:
        return typed_folder(text) if Path(text).is_file() else text
    except OSError:  # too long for a name
        return text


@contextlib.contextmanager
def in_workspace(arguments: argparse.Namespace) -> Iterator[None]:
    """Work in the root of the workspace, and print paths relative to the person's folder.

    Git ignores there what the command makes, before it is made.
    """
    root = workspace_root()
    with _excluded_from_git(root), _in_root(root, arguments):
        yield


@contextlib.contextmanager
def _excluded_from_git(root: Path | None) -> Iterator[None]:
    """Make git ignore the results of a workspace; of a folder without them, afterwards."""
    if root is None:
        yield
        return
    from container_doors.adapters.git.exclude import exclude_results

    if any((root / mark).exists() for mark in _OF_DOORS):
        exclude_results(root)
    try:
        yield
    finally:
        if any((root / name).exists() for name in _RESULTS):
            exclude_results(root)


@contextlib.contextmanager
def _in_root(root: Path | None, arguments: argparse.Namespace) -> Iterator[None]:
    if root is None or root == Path.cwd() or arguments.handler in _WITHOUT_WORKSPACE:
        yield
        return
    typed = [
        str(path)
        for value in vars(arguments).values()
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path)
    ]
    with paths_relative_to(Path.cwd(), root, typed), contextlib.chdir(root):
        yield
