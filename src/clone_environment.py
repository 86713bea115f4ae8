"""Takes a launcher that any Python has started into the clone's own environment.

Standard library alone, and nothing that an older Python could not read: it comes first.
"""

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_ENTERED = "CONTAINER_DOORS_ENTERED"
"""Set for the program that is started, and gone once it runs: no program enters twice."""

_GET_UV_AND_SYNC = 'pip install --target .uv uv && export PATH="$PWD/.uv/bin:$PATH" && uv sync'


def enter() -> None:
    """Start this program anew with the clone's Python, where this one lacks the project.

    A Python that the project is installed in is used as it is: on a Kaggle machine it is the
    image's own.
    """
    has_entered = os.environ.pop(_ENTERED, None) is not None
    environment = ROOT / (os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    is_here = Path(sys.prefix).resolve() == environment.resolve()
    if not (has_entered or is_here or _is_installed_here()) and os.access(str(python), os.X_OK):
        with suppress(OSError):  # of another machine, on a shared disk
            _start(python, environment)
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has typed `python`
        found = "{}.{}".format(*sys.version_info)
        sys.stderr.write(
            f"error: Python 3.11, 3.12 or 3.13 is needed, found {found} ({sys.executable})\n"
            f"  hint: cd {shlex.quote(str(ROOT))} && {_GET_UV_AND_SYNC}, "
            "which fetches one; then the same command again\n"
        )
        sys.exit(2)


def _is_installed_here() -> bool:
    try:
        from importlib.metadata import distribution

        distribution("container-doors")
    except ImportError:
        return False
    return True


def _start(python: Path, environment: Path) -> None:
    """Become that Python, as in a shell where the environment is activated."""
    seen = {name: value for name, value in os.environ.items() if name not in _OF_THIS_PYTHON}
    seen[_ENTERED] = "1"
    seen["VIRTUAL_ENV"] = str(environment)
    seen["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    command = [str(python), *sys.argv]
    if os.name == "nt":  # there, exec gives the prompt back while the program still runs
        sys.exit(subprocess.call(command, env=seen))
    sys.stdout.flush()
    os.execve(command[0], command, seen)  # noqa: S606 - our own Python, no shell


_OF_THIS_PYTHON = ("PYTHONHOME", "__PYVENV_LAUNCHER__")
