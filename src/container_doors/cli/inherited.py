"""What other programs left in the environment, and is not meant for us.

A scheduler's job, a notebook's kernel, a launcher of several processes and a shell with settings
for one program hand their variables to whatever is started there. Those that our libraries would
take for their own are dropped before any of them is imported.
"""

import os
import re
import sys
import warnings
from collections.abc import MutableMapping
from pathlib import Path

_OTHERS = re.compile(
    # Of a launcher of several processes (torchrun, MPI): ours are started by Ultralytics.
    r"(?:LOCAL_|GROUP_|ROLE_|NODE_)?(?:RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(?:ADDR|PORT)"
    r"|TORCHELASTIC_.*|PMI_.*|OMPI_COMM_WORLD_.*"
    # Of a run that another program shows to W&B: another process, run or sweep.
    r"|WANDB_(?:SERVICE|_SERVICE.*|RUN_ID|RUN_PATH|RESUME.*|FORK_FROM|SWEEP_.*|LAUNCH.*"
    r"|X_(?:PRIMARY|LABEL)|DIR|NAME|PROJECT|CONSOLE)"
    # Of Ultralytics on its own; what it needs to hear from us is set where it is imported.
    r"|YOLO_.*"
    # A kernel's own drawing board, which only the kernel has.
    r"|MPLBACKEND"
)

_FOLDERS = re.compile(r"HOME|TMPDIR|TEMP|TMP|XDG_(?:CACHE|CONFIG|DATA|STATE)_HOME|XDG_RUNTIME_DIR")
_NUMBERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def forget_inherited(environment: MutableMapping[str, str] | None = None) -> list[str]:
    """Drop what is not meant for us, and keep the working folder out of our own processes' imports.

    Returns:
        The names of what was dropped.
    """
    environment = os.environ if environment is None else environment
    dropped = [name for name in environment if _OTHERS.fullmatch(name)]
    dropped += [name for name, value in environment.items() if not _makes_sense(name, value)]
    for name in dropped:
        del environment[name]
    environment["MPLBACKEND"] = "agg"  # no window is ever opened
    environment["PYTHONSAFEPATH"] = "1"  # a random.py here is not the one that libraries import
    _keep_working_folder_out(environment)
    if environment.pop("PYTHONWARNINGS", None) is not None:
        dropped.append("PYTHONWARNINGS")  # 'error' would make a failure of a library's deprecation
        warnings.resetwarnings()
        if not sys.warnoptions:
            warnings.simplefilter("default")
    return dropped


def _keep_working_folder_out(environment: MutableMapping[str, str]) -> None:
    """Drop the empty entries of PYTHONPATH, which name whatever folder a process is in."""
    named = environment.get("PYTHONPATH", "")
    entries = [entry for entry in named.split(os.pathsep) if entry]
    if environment is os.environ and named and len(entries) < len(named.split(os.pathsep)):
        sys.path[:] = [entry for entry in sys.path if entry not in {"", str(Path.cwd())}]
    if entries:
        environment["PYTHONPATH"] = os.pathsep.join(entries)
    else:
        environment.pop("PYTHONPATH", None)


def _makes_sense(name: str, value: str) -> bool:
    """Tell whether a number is one, and a folder one whatever the working folder is.

    https://specifications.freedesktop.org/basedir-spec/latest asks to ignore relative ones.
    """
    if name in _NUMBERS:
        return _is_count(value)
    if not _FOLDERS.fullmatch(name):
        return True
    is_temporary = name in {"TMPDIR", "TEMP", "TMP"}
    return Path(value).is_absolute() and (not is_temporary or Path(value).is_dir())


def _is_count(text: str) -> bool:
    """Tell whether a library would take it for a number of threads; OpenMP takes a list of them.

    >>> _is_count("4"), _is_count("4,2"), _is_count("all"), _is_count("0"), _is_count("")
    (True, True, False, False, False)
    """
    return all(part.strip().isascii() and part.strip().isdigit() and int(part) > 0
               for part in text.split(","))  # fmt: skip
