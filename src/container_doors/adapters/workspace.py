"""A working directory from nothing: git, DVC, and a folder as the remote."""

from collections.abc import Mapping
from pathlib import Path

from container_doors.adapters.dvc_store import DVC_ENVIRONMENT, INSTALL_DVC, find_dvc
from container_doors.adapters.shell import Finished, call
from container_doors.errors import VersioningError

REMOTE = "remote-storage"
"""The folder that stands in for Google Drive; git ignores it."""


def create_workspace(directory: Path, *, files: Mapping[str, str]) -> None:
    """Make ``directory`` a git and DVC repository that holds ``files``, and commit them.

    Args:
        directory: Absent or empty.
        files: Relative path to text.

    Raises:
        MissingToolError: If git or dvc is not installed.
        VersioningError: If one of them refuses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    _git(directory, "init", "--quiet", "--initial-branch", "main")
    for key, value in (("user.name", "Container Doors"), ("user.email", "doors@localhost")):
        if not _git(directory, "config", "--get", key, may_fail=True).stdout:
            _git(directory, "config", key, value)
    _dvc(directory, "init", "--quiet")
    (directory / ".dvcignore").write_text(files.get(".dvcignore", ""), encoding="utf-8")
    _dvc(directory, "remote", "add", "--default", "storage", str((directory / REMOTE).resolve()))
    _dvc(directory, "remote", "modify", "storage", "verify", "true")
    commit(directory, "Begin")


def track(directory: Path, path: Path) -> None:
    """Give a file or folder to DVC, and push it."""
    _dvc(directory, "add", str(path))  # --quiet would hide what went wrong
    _dvc(directory, "push", f"{path}.dvc")


def commit(directory: Path, message: str) -> None:
    """Commit everything that git does not ignore; nothing new is no error."""
    _git(directory, "add", "--all")
    if _git(directory, "diff", "--cached", "--quiet", may_fail=True).exit_code:
        _git(directory, "commit", "--quiet", "--message", message)


def _git(directory: Path, *arguments: str, may_fail: bool = False) -> Finished:
    done = call(["git", *arguments], cwd=directory, hint="install git: https://git-scm.com")
    return _expect_success("git", arguments, done, may_fail=may_fail)


def _dvc(directory: Path, *arguments: str) -> Finished:
    done = call(
        [find_dvc(), *arguments], cwd=directory, hint=INSTALL_DVC, environment=DVC_ENVIRONMENT
    )
    return _expect_success("dvc", arguments, done, may_fail=False)


def _expect_success(
    program: str, arguments: tuple[str, ...], done: Finished, *, may_fail: bool
) -> Finished:
    if done.exit_code and not may_fail:
        raise VersioningError(
            f"{program} {arguments[0]} failed: {done.complaint}",
            hint="see that the folder can be written and is not inside of another DVC repository",
        )
    return done
