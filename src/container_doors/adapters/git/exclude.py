"""Keeps what runs make out of git where no ``.gitignore`` does, by the clone's own exclude list.

``.git/info/exclude`` changes no file of the working directory, so it is no uncommitted change, and
every ``.gitignore`` takes precedence over it: https://git-scm.com/docs/gitignore
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = (
    "/runs/",
    "/reports/.*.lock",
    "/weights/detection/?*",
    "!/weights/detection/.gitignore",
    "!/weights/detection/*.dvc",
    "!/weights/detection/metadata.json.sig",
    "/weights/pretrained/",
    "/weights/.detection.lock",
    "/weights/.detection.previous/",
    "/weights/.detection.staged/*",
    "!/weights/.detection.staged/*.dvc",
    "/data/processed/.*.staged/",
    "/summary_*.md",
    "/summary_*.html",
    "/summary_*/",
    "/predictions/",
    "/prelabelled_*",
    "/label_review*.html",
    "/label_decisions*.json",
    "/kaggle_output/",
    "/doors-demo/",
)
"""Lines of this project's own ``.gitignore``; git still sees pointers, signatures and reports."""

_MOST_BYTES = 1024**2
_SPECIAL = re.compile(r"[\\*?\[]")


def exclude_results(workspace: Path) -> None:
    """Make git ignore what runs make in a workspace, unless it does already.

    Without a repository, or where its folder cannot be read or written, nothing is done: no
    command fails for this.
    """
    with contextlib.suppress(OSError, ValueError):
        if not _missing(RESULTS, workspace / ".gitignore"):
            return
        found = _repository(workspace.resolve())
        if found is None:
            return
        root, git_folder = found
        exclude = git_folder / "info" / "exclude"
        lines = _below(RESULTS, workspace.resolve().relative_to(root))
        if _missing(lines, exclude):
            exclude.parent.mkdir(exist_ok=True)
            with exclude.open("a", encoding="utf-8") as file:
                file.write("\n# What the runs of doors make\n" + "".join(f"{x}\n" for x in lines))


def _missing(lines: Sequence[str], path: Path) -> bool:
    text = _text(path) if path.is_file() else ""
    return not set(lines) <= set(text.splitlines())


def _repository(folder: Path) -> tuple[Path, Path] | None:
    """Find a repository's root and its folder; worktrees share the list of their repository.

    https://git-scm.com/docs/gitrepository-layout
    """
    for root in (folder, *folder.parents):
        path = root / ".git"
        if path.is_file():
            named = _text(path).removeprefix("gitdir:").strip()
            path = root / named
            shared = path / "commondir"
            return root, path / _text(shared).strip() if shared.is_file() else path
        if path.is_dir():
            return root, path
    return None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(path)
    return text.decode(errors="surrogateescape")


def _below(lines: Sequence[str], folder: Path) -> list[str]:
    r"""Anchor patterns to a folder of the repository.

    >>> _below(["/runs/", "!/a/*.dvc"], Path("ml[1]"))
    ['/ml\\[1]/runs/', '!/ml\\[1]/a/*.dvc']
    """
    prefix = "" if folder == Path() else "/" + _SPECIAL.sub(r"\\\g<0>", folder.as_posix())
    return [re.sub("^(!?)", lambda mark: mark[1] + prefix, line) for line in lines]
