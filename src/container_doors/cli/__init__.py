"""The console command: parse, call one function of the pipeline, print, set the exit code.

Exit codes: 0 done; 1 the step ran and found faults; 2 the user must change something; 130 the
user stopped it. Anything else is a bug and keeps its traceback.
"""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from container_doors.cli.parser import build_parser
from container_doors.disk import how_to_free, is_full, what_is_full
from container_doors.errors import DoorsError

DONE, FOUND_FAULTS, USER_ERROR, STOPPED = 0, 1, 2, 130

_DISK = {
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "change the permissions of that path, or run as its owner",
    errno.EPERM: "change the permissions of that path, or run as its owner",
}


_ANY_PATH = "see that this path exists and can be read and written"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments after the program's name; the process's own by default.
    """
    arguments = build_parser().parse_args(argv)
    try:
        # Named, not imported: a command loads what it needs, and --help needs nothing.
        module, _, function = arguments.handler.partition(":")
        handler = getattr(importlib.import_module(f"container_doors.cli.{module}"), function)
        return int(handler(arguments))
    except DoorsError as error:
        return _complain(str(error), USER_ERROR)
    except KeyboardInterrupt:
        return _complain(
            "stopped; what was finished is kept, and the same command can be run again", STOPPED
        )
    except BrokenPipeError:  # the reader of a pipe has left: `doors ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("container_doors"):
            raise
        return _complain(f"{error.name} is not installed\n  hint: uv sync", USER_ERROR)
    except OSError as error:
        if error.errno is None:
            raise
        return _complain(_explained(error), USER_ERROR)


def _explained(error: OSError) -> str:
    if is_full(error):
        return f"{what_is_full(error)}\n  hint: {how_to_free(error)}"
    where, hint = error.filename or Path.cwd(), _DISK.get(error.errno or 0, _ANY_PATH)
    return f"{where}: {error.strerror}\n  hint: {hint}"


def _complain(text: str, exit_code: int) -> int:
    print(f"error: {text}" if exit_code == USER_ERROR else text, file=sys.stderr)
    return exit_code
