"""The console command: parse, call one function of the pipeline, print, set the exit code.

Exit codes: 0 done; 1 the step ran and found faults; 2 the user must change something; 130 the
user stopped it. Any other error is a bug and keeps its traceback.
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
from container_doors.core.child_environment import NETWORK, hide_secrets
from container_doors.core.disk import how_to_free, is_full, what_is_full
from container_doors.core.errors import DoorsError, MissingToolError, NoRunError
from container_doors.core.installation import extra_of, install_command, missing_in
from container_doors.core.printable import AsTyped, shortened

DONE, FOUND_FAULTS, USER_ERROR, STOPPED = 0, 1, 2, 130

_DISK = {
    errno.EBUSY: "it is a mount point, or in use: name a folder below it, or another one",
    errno.EROFS: "choose a folder that is not read-only",
    errno.EACCES: "change the permissions of that path, or run as its owner",
    errno.EPERM: "change the permissions of that path, or run as its owner",
}


_UNSUPPORTED = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EXDEV)

_ANY_PATH = "check that this path exists and can be read and written"


def program(argv: Sequence[str] | None = None) -> int:
    """Run one command as a program: first remove variables of other programs from the environment.

    Args:
        argv: See :func:`main`.
    """
    dropped = forget_inherited()
    launcher = [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK") if name in dropped]
    if launcher:
        prepare_streams()
        complain(
            f"{', '.join(launcher)}: set by another program's launcher, and ignored; for several "
            "GPUs set detection.training.device"
        )
    return main(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments after the program's name; by default those of the process.
    """
    prepare_streams()
    arguments = build_parser().parse_args(argv)
    with in_workspace(arguments):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    try:
        # Handlers are names: a command imports only what it needs, and --help imports nothing.
        module, _, function = arguments.handler.partition(":")
        _require_extra(arguments.handler)
        with hide_secrets(but=NETWORK):  # Matplotlib, imported, runs fc-list once
            handler = getattr(importlib.import_module(f"container_doors.cli.{module}"), function)
        code = int(handler(arguments))
        sys.stdout.flush()
        return code
    except DoorsError as error:
        spelled = AsTyped if error.paths_are_as_typed else str
        return _complain(_with_version(error).lines(), USER_ERROR, spelled=spelled)
    except KeyboardInterrupt:
        return _complain(
            ["stopped; finished work is kept, and the same command can be run again"], STOPPED
        )
    except BrokenPipeError:  # the reader of a pipe has left: `doors ... | head`
        leave_pipe()
        return STOPPED
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("container_doors"):
            raise
        hint = install_command(extra_of(error.name or ""))
        return _complain([f"{error.name} is not installed", f"  hint: {hint}"], USER_ERROR)
    except OSError as error:
        if error.errno is None:
            raise
        return _complain(_explained(error), USER_ERROR)


_NEED_TRAIN = ("demo:demo", "train:train", "crossval:crossval", "evaluate:evaluate",
               "compare:compare", "robustness:robustness", "latency:latency", "export:export",
               "data_prelabel:draw_boxes")  # fmt: skip
"""What computes with a model; every other command works without the extra `train`."""

_NEEDED = {**dict.fromkeys(_NEED_TRAIN, ("train",)), "sweep:sweep": ("train", "sweep")}


def _require_extra(handler: str) -> None:
    """Stop before any work if the command needs an extra that is not installed.

    Raises:
        MissingToolError: If it is not.
    """
    for extra in _NEEDED.get(handler, ()):
        missing = missing_in(extra)
        if missing is not None:
            raise MissingToolError(
                f"this command needs the extra {extra!r}: {missing} is not installed",
                hint=install_command(extra),
            )


def _with_version(error: DoorsError) -> DoorsError:
    """Name the version that a missing run made, if there is one."""
    if not isinstance(error, NoRunError):
        return error
    from container_doors.cli.publish import with_version

    try:
        return with_version(error)
    except DoorsError:  # about another problem than the user's
        return error


def _explained(error: OSError) -> list[str]:
    if is_full(error):
        return [what_is_full(error), f"  hint: {how_to_free(error)}"]
    # Of two names, the second is the one to be made; the first may have no fault.
    where = Path(os.fsdecode(error.filename2 or error.filename or Path.cwd()))
    hint = _DISK.get(error.errno or 0) or _of_file_system(error.errno or 0, where)
    return [f"{shortened(str(where))}: {error.strerror}", f"  hint: {hint}"]


def _of_file_system(code: int, path: Path) -> str:
    """Return a hint; it names the file system if that does not support the operation."""
    if code not in _UNSUPPORTED:
        return _ANY_PATH
    import psutil

    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    of_path = [mount for mount in mounts if path.absolute().is_relative_to(mount)]
    kind = mounts[max(of_path, key=lambda mount: len(mount.parts))] if of_path else "unknown"
    return (
        f"its file system ({kind}) cannot do this: work in a folder on this machine's own disk, "
        "and copy the needed files there"
    )


def _complain(lines: Sequence[str], exit_code: int, *, spelled: type[str] = str) -> int:
    first, *rest = lines
    first = f"error: {first}" if exit_code == USER_ERROR else first
    complain(*map(spelled, [first, *rest]))
    return exit_code
