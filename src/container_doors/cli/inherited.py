"""Removes inherited environment variables that were set for other programs.

A scheduler's job, a notebook's kernel, a launcher of several processes and a shell with settings
for one program pass their variables to every child process. Those that our libraries would read
are removed before any library is imported.
"""

import os
import re
import sys
import warnings
from collections.abc import MutableMapping
from pathlib import Path

_OTHERS = re.compile(
    # Of a launcher of several processes (torchrun, MPI): our processes are started by Ultralytics.
    r"(?:LOCAL_|GROUP_|ROLE_|NODE_)?(?:RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(?:ADDR|PORT)"
    r"|TORCHELASTIC_.*|PMI_.*|OMPI_COMM_WORLD_.*"
    # Of a run that another program tracks with W&B: another process, run or sweep.
    r"|WANDB_(?:SERVICE|_SERVICE.*|RUN_ID|RUN_PATH|RESUME.*|FORK_FROM|SWEEP_.*|LAUNCH.*"
    r"|X_(?:PRIMARY|LABEL)|DIR|NAME|PROJECT|CONSOLE)"
    # Settings of Ultralytics; ours are set where it is imported.
    r"|YOLO_.*"
    # A notebook kernel's own Matplotlib backend, which only the kernel has.
    r"|MPLBACKEND"
)

_FOLDERS = re.compile(r"HOME|TMPDIR|TEMP|TMP|XDG_(?:CACHE|CONFIG|DATA|STATE)_HOME|XDG_RUNTIME_DIR")
_NUMBERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def forget_inherited(environment: MutableMapping[str, str] | None = None) -> list[str]:
    """Remove variables of other programs; keep the working folder out of our processes' imports.

    Returns:
        The names of the removed variables.
    """
    environment = os.environ if environment is None else environment
    dropped = [name for name in environment if _OTHERS.fullmatch(name)]
    dropped += [name for name, value in environment.items() if not _is_valid(name, value)]
    for name in dropped:
        del environment[name]
    environment["MPLBACKEND"] = "agg"  # no window is ever opened
    environment["PYTHONSAFEPATH"] = "1"  # a random.py here is not the one that libraries import
    _keep_working_folder_out(environment)
    if environment.pop("PYTHONWARNINGS", None) is not None:
        dropped.append("PYTHONWARNINGS")  # 'error' would turn a library's deprecation into an error
        warnings.resetwarnings()
        if not sys.warnoptions:
            warnings.simplefilter("default")
    return dropped


def _keep_working_folder_out(environment: MutableMapping[str, str]) -> None:
    """Remove the empty entries of PYTHONPATH, which mean the working folder of a process."""
    value = environment.get("PYTHONPATH", "")
    entries = [entry for entry in value.split(os.pathsep) if entry]
    if environment is os.environ and value and len(entries) < len(value.split(os.pathsep)):
        sys.path[:] = [entry for entry in sys.path if entry not in {"", str(Path.cwd())}]
    if entries:
        environment["PYTHONPATH"] = os.pathsep.join(entries)
    else:
        environment.pop("PYTHONPATH", None)


def _is_valid(name: str, value: str) -> bool:
    """Return whether a number is a number, and a folder an absolute path.

    https://specifications.freedesktop.org/basedir-spec/latest: relative paths are to be ignored.
    """
    if name in _NUMBERS:
        return _is_count(value)
    if not _FOLDERS.fullmatch(name):
        return True
    is_temporary = name in {"TMPDIR", "TEMP", "TMP"}
    return Path(value).is_absolute() and (not is_temporary or Path(value).is_dir())


def _is_count(text: str) -> bool:
    """Return whether a library accepts it as a number of threads; OpenMP accepts a list of them.

    >>> _is_count("4"), _is_count("4,2"), _is_count("all"), _is_count("0"), _is_count("")
    (True, True, False, False, False)
    """
    return all(part.strip().isascii() and part.strip().isdigit() and int(part) > 0
               for part in text.split(","))  # fmt: skip
