"""Which disk is full, and what of ours could go from it."""

import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
_NEARLY_NOTHING = 2**20
_MOST_NAMED = 3


def is_full(error: BaseException) -> bool:
    """Tell whether a disk or a quota had no room."""
    return isinstance(error, OSError) and error.errno in FULL


def what_is_full(error: OSError) -> str:
    """Name the file system that had no room, how large it is, and what was written.

    An error of a write has no path: then it is whichever of ours has next to nothing free, or
    none of them, such as where the output goes.
    """
    path = _place(error)
    if path is None:
        return f"{error.strerror}: not on the disk of this folder, perhaps where the output goes"
    of_files = "" if _free_files(path) else ", and it can hold no further file"
    usage = shutil.disk_usage(path)
    sizes = f"{_size(usage.free)} free of {_size(usage.total)}{of_files}"
    what = f" (writing {error.filename})" if error.filename else ""
    return f"{_mount_of(path)} is full: {error.strerror}, {sizes}{what}"


def how_to_free(error: OSError) -> str:
    """Name what is on that disk and could go, the largest first."""
    path = _place(error)
    if path is None:
        return "send the output elsewhere, or free space there, then run the same command again"
    what = "your quota" if error.errno == errno.EDQUOT else "space"
    spare = sorted(_spare(path), key=lambda one: -one[0])[:_MOST_NAMED]
    if not spare:
        return f"free some {what} there, then run the same command again"
    named = shlex.join(str(one) for _, one in spare)
    sizes = ", ".join(_size(size) for size, _ in spare)
    return (
        f"free some {what} there, then run the same command again; earlier attempts could go: "
        f"rm -r {named} ({sizes})"
    )


def _place(error: OSError) -> Path | None:
    if error.filename is not None:
        path = Path(os.fsdecode(error.filename)).absolute()
        return next(one for one in (path, *path.parents) if one.exists())
    ours = [Path.cwd(), Path(tempfile.gettempdir())]
    full = [one for one in ours if shutil.disk_usage(one).free < _NEARLY_NOTHING]
    return full[0] if full else ours[0] if error.errno == errno.EDQUOT else None


def _mount_of(path: Path) -> Path:
    resolved = path.resolve()
    return next(one for one in (resolved, *resolved.parents) if one.is_mount())


def _free_files(path: Path) -> bool:
    status = os.statvfs(path)
    return status.f_files == 0 or status.f_favail > 0


def _spare(path: Path) -> Iterator[tuple[int, Path]]:
    """Yield the runs that were set aside there, with their sizes."""
    device = path.stat().st_dev
    for folder in Path("runs").glob("*~[0-9]*"):
        if folder.is_dir() and folder.stat().st_dev == device:
            files = [one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]
            yield sum(one.stat().st_size for one in files), folder


def _size(size_bytes: int) -> str:
    """Write a size with the unit that a person would choose.

    >>> _size(0), _size(1_500_000), _size(36 * 2**20), _size(2 * 10**11)
    ('0 bytes', '1.5 MB', '37.7 MB', '200.0 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f} {name}"
    return f"{size_bytes} bytes"
