"""``doors init``: make a workspace."""

import argparse
import os
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from container_doors.adapters.templates import template_path
from container_doors.adapters.workspace import GitAndDvc
from container_doors.cli.output import say
from container_doors.core.config import load_params
from container_doors.core.errors import ConfigError
from container_doors.steps.init import Workspace, init_workspace

_TEMPLATES = (
    ".gitignore",  # first: what must not be in git is ignored from the beginning
    ".dvcignore",
    "README.md",
    "params.yaml",
    "dvc.yaml",
    "scripts/run_training.sh",
    "scripts/setup_kaggle.sh",
    "scripts/finalize_training_kaggle.sh",
    "notebooks/kaggle_ssh_tunnel.ipynb",
)
_MOST_NAMED = 12
_README, _PARAMS = Path("README.md"), Path("params.yaml")


def init(arguments: argparse.Namespace) -> int:
    """Make a workspace, and print what was made and what comes next."""
    folder: Path = arguments.directory
    files = {Path(name): template_path(name).read_text(encoding="utf-8") for name in _TEMPLATES}
    files[Path("requirements.txt")] = _requirements()
    say(*_lines(init_workspace(folder, files, hook=_hook(), tools=GitAndDvc())))
    return 0


def _hook() -> str:
    """Return the check before each commit, which runs without a clone of the project."""
    script = template_path("pre-commit.sh").read_text(encoding="utf-8")
    return script.replace("@PYTHON@", shlex.quote(sys.executable))


def _requirements() -> str:
    return (
        "# The release that this workspace uses; to train here: container-doors[train]\n"
        f"container-doors=={version('container-doors')}\n"
    )


def _lines(done: Workspace) -> list[str]:
    lines = [f"set up {' and '.join(done.begun)} in {done.folder}"] if done.begun else []
    if done.made:
        lines.append(f"wrote {', '.join(map(str, done.made[:_MOST_NAMED]))}")
    if done.kept:
        lines.append(f"kept as they are, yours: {', '.join(map(str, done.kept[:_MOST_NAMED]))}")
    lines += _of_hook(done)
    unusable = _unusable_params(done)
    lines += unusable
    if not done.begun and not done.made:
        is_new = done.hook is not None and done.hook.is_written
        nothing_to_do = f"{done.folder} is a workspace already: nothing to do"
        return lines if unusable or is_new else [*lines, nothing_to_do]
    if done.commit is not None:
        lines.append(f"committed {done.commit[:12]}")
    else:
        names = " ".join(shlex.quote(str(path)) for path in [*done.made, Path(".dvc")])
        lines.append(f"next: git add {names} && git commit -m 'Begin'")
    enter = "" if done.folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(done.folder))}, "
    if _README in done.kept:  # which says nothing of this
        lines.append(f"next, {enter}for photographs: doors data import YOUR_PHOTOGRAPHS")
    else:
        lines.append(f"next, {enter}as README.md says: doors data import YOUR_PHOTOGRAPHS")
    return lines


def _of_hook(done: Workspace) -> list[str]:
    """Say what checks each commit, or what the person's own hook must run for it."""
    hook, root = done.hook, done.folder.resolve()
    if hook is None:
        return []
    path, own = (
        one and Path(os.path.relpath(one.resolve(), root)) for one in (hook.path, hook.instead_of)
    )
    if own is not None:
        return [
            f"the hook before each commit is yours, {own}: so that a commit that contains "
            f"credentials is refused, have it run: sh {shlex.quote(str(path))}"
        ]
    written = f"wrote {path}: git refuses a commit that contains credentials"
    return [written] if hook.is_written else []


def _unusable_params(done: Workspace) -> list[str]:
    """Say what a params.yaml lacks that was there before."""
    try:
        if _PARAMS in done.kept:
            load_params(done.folder / _PARAMS)
    except ConfigError as error:
        return ["no command can use this params.yaml yet:", *error.lines()]
    return []
