"""The console command: parse, call one function of the pipeline, print, set the exit code.

Exit codes: 0 done; 1 the step ran and found faults; 2 the user must change something; 130 the
user stopped it. Anything else is a bug and keeps its traceback.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from container_doors.cli.inherited import forget_inherited
from container_doors.cli.output import complain, leave_pipe, prepare_streams
from container_doors.cli.parser import build_parser
from container_doors.cli.workspace import in_workspace
from container_doors.core.child_environment import NETWORK, secrets_put_away
from container_doors.core.disk import how_to_free, is_full, what_is_full
from container_doors.core.errors import DoorsError
from container_doors.doctor.health import set_up

DONE, FOUND_FAULTS, USER_ERROR, STOPPED = 0, 1, 2, 130

_DISK = {
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "change the permissions of that path, or run as its owner",
    errno.EPERM: "change the permissions of that path, or run as its owner",
}


_LACKING = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EXDEV)

_ANY_PATH = "see that this path exists and can be read and written"


def program(argv: Sequence[str] | None = None) -> int:
    """Run one command as a program of its own: what others left in the environment is dropped.

    Args:
        argv: See :func:`main`.
    """
    dropped = forget_inherited()
    of_a_launch = [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK") if name in dropped]
    if of_a_launch:
        prepare_streams()
        complain(
            f"{', '.join(of_a_launch)}: of another program's launch, and passed over; several GPUs "
            "are asked for by detection.training.device"
        )
    return main(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments after the program's name; the process's own by default.
    """
    prepare_streams()
    arguments = build_parser().parse_args(argv)
    with in_workspace(arguments):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    try:
        # Named, not imported: a command loads what it needs, and --help needs nothing.
        module, _, function = arguments.handler.partition(":")
        with secrets_put_away(but=NETWORK):  # Matplotlib, imported, runs fc-list once
            handler = getattr(importlib.import_module(f"container_doors.cli.{module}"), function)
        code = int(handler(arguments))
        sys.stdout.flush()
        return code
    except DoorsError as error:
        return _complain(error.lines(), USER_ERROR)
    except KeyboardInterrupt:
        return _complain(
            ["stopped; what was finished is kept, and the same command can be run again"], STOPPED
        )
    except BrokenPipeError:  # the reader of a pipe has left: `doors ... | head`
        leave_pipe()
        return STOPPED
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("container_doors"):
            raise
        return _complain([f"{error.name} is not installed", f"  hint: {set_up()}"], USER_ERROR)
    except OSError as error:
        if error.errno is None:
            raise
        return _complain(_explained(error), USER_ERROR)


def _explained(error: OSError) -> list[str]:
    if is_full(error):
        return [what_is_full(error), f"  hint: {how_to_free(error)}"]
    # Of two names, the second is the one that was to be made: the first may be sound.
    where = Path(os.fsdecode(error.filename2 or error.filename or Path.cwd()))
    hint = _DISK.get(error.errno or 0) or _of_file_system(error.errno or 0, where)
    return [f"{where}: {error.strerror}", f"  hint: {hint}"]


def _of_file_system(code: int, path: Path) -> str:
    """Name the file system, where it is what cannot do it."""
    if code not in _LACKING:
        return _ANY_PATH
    import psutil

    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    of_path = [mount for mount in mounts if path.absolute().is_relative_to(mount)]
    kind = mounts[max(of_path, key=lambda mount: len(mount.parts))] if of_path else "unknown"
    return (
        f"its file system ({kind}) cannot do this: work in a folder of this machine's own disk, "
        "and copy there what is needed"
    )


def _complain(lines: Sequence[str], exit_code: int) -> int:
    first, *rest = lines
    complain(f"error: {first}" if exit_code == USER_ERROR else first, *rest)
    return exit_code
