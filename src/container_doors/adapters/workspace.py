"""A working directory from nothing: git, DVC, and a folder as the remote."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from container_doors.adapters.dvc.command import DVC_ENVIRONMENT, INSTALL_DVC, find_dvc
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import run_git
from container_doors.adapters.shell import Finished, call
from container_doors.core.errors import VersioningError

_UNATTENDED = (f"core.hooksPath={os.devnull}", "core.autocrlf=false", "core.safecrlf=false")
"""Hooks that a person has for all repositories, and the line ends, are for their own work."""

REMOTE = "remote-storage"
"""The folder that stands in for Google Drive; git ignores it."""


def create_workspace(directory: Path, *, files: Mapping[str, str | Path]) -> None:
    """Make ``directory`` a git and DVC repository that holds ``files``, and commit them.

    The remote is known by its path relative to the workspace, which may be moved as a whole.

    Args:
        directory: Absent or empty.
        files: Relative path to text, or to a file that is copied.

    Raises:
        MissingToolError: If git or dvc is not installed.
        VersioningError: If one of them refuses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _git(directory, "init", "--quiet", "--initial-branch", "main", "--template", "")
    for key, value in (("user.name", "Container Doors"), ("user.email", "doors@localhost")):
        if _git(directory, "config", "--get", key, may_fail=True).exit_code:
            _git(directory, "config", key, value)
    _dvc(directory, "init")  # --quiet would hide what went wrong
    for name, content in files.items():  # after DVC, which leaves a .dvcignore of comments
        _place(content, directory / name)
    (directory / REMOTE).mkdir(exist_ok=True)
    _dvc(directory, "remote", "add", "--default", "storage", REMOTE)
    _dvc(directory, "remote", "modify", "storage", "verify", "true")
    _ignore_remote(directory / ".gitignore")
    commit(directory, "Begin")


def track(directory: Path, path: Path) -> Path:
    """Give a file or folder to DVC, and push it; returns its pointer.

    Args:
        directory: The workspace.
        path: Relative to it.
    """
    store = DvcStore(directory)
    pointers = store.add([path])
    store.push(pointers)
    return pointers[0]


def commit(directory: Path, message: str) -> None:
    """Commit everything that git does not ignore; nothing new is no error.

    Neither signed nor checked by hooks: a key may ask for a passphrase, and hooks that a person
    has for all repositories are for their own work.
    """
    _git(directory, "add", "--all")
    if _git(directory, "diff", "--cached", "--quiet", may_fail=True).exit_code:
        unattended = ("--quiet", "--no-gpg-sign", "--no-verify")
        _git(directory, "commit", *unattended, "--message", message)


def _place(content: str | Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, target)
    else:
        target.write_text(content, encoding="utf-8")


def _ignore_remote(path: Path) -> None:
    """Without this line git would commit every model twice, once as the remote's object."""
    line = f"/{REMOTE}/"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in text.splitlines():
        newline = "" if not text or text.endswith("\n") else "\n"
        path.write_text(f"{text}{newline}{line}\n", encoding="utf-8")


def _git(directory: Path, *arguments: str, may_fail: bool = False) -> Finished:
    done = run_git(directory, *arguments, settings=_UNATTENDED)
    return done if may_fail else _expect_success("git", arguments, done)


def _dvc(directory: Path, *arguments: str) -> Finished:
    done = call(
        [find_dvc(), *arguments],
        cwd=directory,
        hint=INSTALL_DVC,
        environment=DVC_ENVIRONMENT,
        tool="dvc",
    )
    return _expect_success("dvc", arguments, done)


def _expect_success(program: str, arguments: tuple[str, ...], done: Finished) -> Finished:
    if done.exit_code:
        raise VersioningError(
            f"{program} {arguments[0]} failed: {done.complaint}",
            hint="choose an empty folder that can be written",
        )
    return done
