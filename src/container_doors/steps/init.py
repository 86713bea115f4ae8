"""Make a workspace: git, DVC, parameters, scripts, a README with the next steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from container_doors.core.errors import VersioningError
from container_doors.core.files import replace_text
from container_doors.core.ports import Hook


@dataclass(frozen=True, slots=True)
class Workspace:
    """What :func:`init_workspace` did; all paths are relative to the workspace."""

    folder: Path
    made: list[Path] = field(default_factory=list)
    """Written now."""
    kept: list[Path] = field(default_factory=list)
    """There before, and different from this release's: the person's own."""
    begun: list[str] = field(default_factory=list)
    """What was set up: git, DVC."""
    commit: str | None = None
    """The first commit; None if the repository was there before, or git has no name for commits."""
    hook: Hook | None = None


class Tools(Protocol):
    """git and DVC, as a workspace needs them."""

    def enclosing_repository(self, folder: Path) -> Path | None:
        """Return the root of the git repository that a folder is in; None if it is in none."""

    def begin(self, folder: Path) -> list[str]:
        """Set up git and DVC where they are not yet; return what was set up."""

    def first_commit(self, folder: Path, paths: list[Path]) -> str | None:
        """Commit files in a new repository; None if git has no name for the commit."""

    def write_hook(self, folder: Path, text: str) -> Hook:
        """Have git run a script before each commit, without replacing a hook of the person."""


def init_workspace(
    folder: Path, files: Mapping[Path, str], *, hook: str, tools: Tools
) -> Workspace:
    """Make ``folder`` a workspace; run again, change nothing that is there.

    A clone has no hooks, so that running it again there writes the check before each commit.

    Args:
        folder: A new folder, an empty one, or the root of a git repository.
        files: The content of each file, by its path in the workspace.
        hook: The script that git runs before each commit.
        tools: git and DVC.

    Raises:
        VersioningError: If the folder is a file, or inside of another repository.
        MissingToolError: If git or DVC is not installed.
    """
    if folder.exists() and not folder.is_dir():
        raise VersioningError(
            f"{folder} is a file, and a workspace is a folder", hint="doors init ANOTHER_NAME"
        )
    root = tools.enclosing_repository(folder)
    if root is not None and root.resolve() != folder.resolve():
        raise VersioningError(
            f"{folder} is inside of the git repository {root}, and a workspace is one of its own",
            hint=f"choose a folder outside of it; or make that repository one: doors init {root}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    done = Workspace(folder, begun=tools.begin(folder))
    for name, content in files.items():
        path = folder / name
        if path.is_symlink() or path.exists():
            if not path.is_file() or path.read_bytes() != content.encode():
                done.kept.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, content)
        if name.suffix == ".sh":
            path.chmod(0o755)
        done.made.append(name)
    commit = tools.first_commit(folder, [*done.made, Path(".dvc")]) if root is None else None
    return replace(done, commit=commit, hook=tools.write_hook(folder, hook))
