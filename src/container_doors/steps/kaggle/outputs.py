"""Downloads the output of any kernel: of a session by SSH, or of another clone's job."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from container_doors.core.archives import name_fault
from container_doors.core.errors import AbsentError, HostError
from container_doors.core.files import heal, make_folder, replace_folder, staged_for
from container_doors.core.ports import GpuHost, Progress

OUTPUTS = Path("kaggle_output")

LEFT_OUT = (".git", ".dvc", ".venv", "data", "__pycache__")
"""Folders of a clone that are here already, or come with git and DVC."""

_REF = re.compile(r"(?:https://www\.kaggle\.com/code/)?([\w-]+)/([\w-]+)/?")


def fetch_outputs(name: str, *, host: GpuHost, progress: Progress) -> tuple[Path, list[str]]:
    """Download a kernel's files into ``kaggle_output/<kernel>``, all of them or none.

    Args:
        name: ``USER/KERNEL``, or the address of its page.
        host: The host of the kernel.
        progress: Receives what is downloaded.

    Returns:
        The folder, and the files' names.

    Raises:
        HostError: If that is no kernel's name, or a file's name leads outside.
        AbsentError: If there is no such kernel, or it has no output.
    """
    match = _REF.fullmatch(name)
    if match is None:
        raise HostError(
            f"expected USER/KERNEL, as in its address, found {name}",
            hint="doors kaggle pull EXPERIMENT is for a job of this clone",
        )
    ref = f"{match[1]}/{match[2]}"
    names = _select_files(host.files(ref), ref, progress)
    folder = OUTPUTS / match[2]
    staged = staged_for(folder)
    heal(folder)
    make_folder(staged)
    try:
        for one in names:
            host.download(ref, one, staged / one, progress=progress)
        replace_folder(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        heal(folder)
    return folder, names


def _select_files(names: Sequence[str], ref: str, progress: Progress) -> list[str]:
    for name in names:
        fault = name_fault(name)
        if fault:
            raise HostError(
                f"{ref}: {name!a} {fault}", hint="download what you need in the browser"
            )
    selected = [name for name in names if not set(PurePosixPath(name).parts) & set(LEFT_OUT)]
    if len(selected) < len(names):
        progress.say(f"left out {len(names) - len(selected)} files in {', '.join(LEFT_OUT)}")
    if not selected:
        raise AbsentError(
            f"{ref} has no output files",
            hint="a notebook's output is that of its last saved version: Save Version there, "
            "with Save output; from a session that runs: doors sync --from DIR, after scp",
        )
    return selected
