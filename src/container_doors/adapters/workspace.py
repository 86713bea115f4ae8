"""Create a working directory with git, DVC, and a folder as the remote."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from container_doors.adapters.dvc.command import DVC_ENVIRONMENT, INSTALL_DVC, find_dvc
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import run_git
from container_doors.adapters.shell import Finished, call
from container_doors.core.errors import VersioningError
from container_doors.core.files import replace_text
from container_doors.core.ports import Hook

_UNATTENDED = (f"core.hooksPath={os.devnull}", "core.autocrlf=false", "core.safecrlf=false")
"""The person's global hooks and line-end settings are for their own work, not for this."""

_HOOK, _WRITTEN_BY, _MOST_HOOK_BYTES = "pre-commit", "Written by `doors init`", 2**16

REMOTE = "remote-storage"
"""The folder that replaces Google Drive; git ignores it."""


def create_workspace(directory: Path, *, files: Mapping[str, str | Path]) -> None:
    """Make ``directory`` a git and DVC repository with ``files``, and commit them.

    The remote's path is relative to the workspace, so the workspace can be moved.

    Args:
        directory: A new or empty folder.
        files: By relative path, the text, or a file to copy.

    Raises:
        MissingToolError: If git or dvc is not installed.
        VersioningError: If one of them fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _git(directory, "init", "--quiet", "--initial-branch", "main", "--template", "")
    for key, value in (("user.name", "Container Doors"), ("user.email", "doors@localhost")):
        if _git(directory, "config", "--get", key, may_fail=True).exit_code:
            _git(directory, "config", key, value)
    _dvc(directory, "init")  # --quiet would hide errors
    for name, content in files.items():  # after DVC, which writes a .dvcignore of comments
        _place(content, directory / name)
    (directory / REMOTE).mkdir(exist_ok=True)
    _dvc(directory, "remote", "add", "--default", "storage", REMOTE)
    _dvc(directory, "remote", "modify", "storage", "verify", "true")
    _ignore_remote(directory / ".gitignore")
    commit(directory, "Begin")


class GitAndDvc:
    """git and DVC for a person's own workspace, behind :class:`container_doors.steps.init.Tools`.

    Unlike :func:`create_workspace`, it invents no name for commits and no storage.
    """

    def enclosing_repository(self, folder: Path) -> Path | None:
        """See :class:`container_doors.steps.init.Tools`."""
        nearest = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
        done = run_git(nearest, "rev-parse", "--show-toplevel")
        return Path(done.stdout.rstrip("\n")) if done.exit_code == 0 else None

    def begin(self, folder: Path) -> list[str]:
        """See :class:`container_doors.steps.init.Tools`."""
        begun = []
        if not (folder / ".git").exists():
            _git(folder, "init", "--quiet", "--initial-branch", "main")
            begun.append("git")
        if not (folder / ".dvc").exists():
            _dvc(folder, "init")
            (folder / ".dvcignore").unlink(missing_ok=True)  # of comments alone; ours follows
            begun.append("DVC")
        return begun

    def first_commit(self, folder: Path, paths: list[Path]) -> str | None:
        """See :class:`container_doors.steps.init.Tools`."""
        for key in ("user.name", "user.email"):
            if _git(folder, "config", "--get", key, may_fail=True).exit_code:
                return None
        _git(folder, "add", "--", *map(str, paths))
        if run_git(folder, "commit", "--quiet", "--message", "Begin a workspace").exit_code:
            return None  # a hook or a signature refuses: the person commits
        return run_git(folder, "rev-parse", "HEAD").stdout.strip()

    def write_hook(self, folder: Path, text: str) -> Hook:
        """See :class:`container_doors.steps.init.Tools`.

        Hooks in another folder (``core.hooksPath``) may be those of all repositories.
        """
        looked_for = _git_path(folder, "--git-path", f"hooks/{_HOOK}")
        hooks = _git_path(folder, "--git-common-dir") / "hooks"
        there = _text_of(looked_for)
        is_free = there is None or _WRITTEN_BY in there
        if looked_for.parent.resolve() == hooks.resolve() and is_free:
            path, instead_of = looked_for, None
        else:
            path = hooks / f"{_HOOK}-doors"
            instead_of = None if path.name in (there or "") else looked_for
        has_changed = _text_of(path) != text
        if has_changed:
            replace_text(path, text)
            path.chmod(0o755)
        return Hook(path, has_changed, instead_of)


def track(directory: Path, path: Path) -> Path:
    """Add a file or folder to DVC and push it; return its pointer.

    Args:
        directory: The workspace.
        path: Relative to it.
    """
    store = DvcStore(directory)
    pointers = store.add([path])
    store.push(pointers)
    return pointers[0]


def commit(directory: Path, message: str) -> None:
    """Commit everything that git does not ignore; without changes, do nothing.

    It is not signed and runs no hooks: a key may ask for a passphrase, and the person's global
    hooks are for their own work.
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
    """Make git ignore the remote; otherwise it commits every model twice."""
    line = f"/{REMOTE}/"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in text.splitlines():
        newline = "" if not text or text.endswith("\n") else "\n"
        path.write_text(f"{text}{newline}{line}\n", encoding="utf-8")


def _git_path(folder: Path, *arguments: str) -> Path:
    """Ask git for a path; the person's settings tell where it looks for hooks."""
    done = _expect_success("git", ("rev-parse",), run_git(folder, "rev-parse", *arguments))
    return folder / done.stdout.removesuffix("\n")


def _text_of(path: Path) -> str | None:
    """Return what a hook contains, of a program its beginning; None if there is none."""
    if not path.is_symlink() and not path.exists():
        return None
    try:
        with path.open("rb") as file:
            return file.read(_MOST_HOOK_BYTES).decode(errors="replace")
    except OSError:
        return ""


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
