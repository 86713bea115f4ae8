"""Names the disk that is full, and which of our files could be deleted."""

import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE = 200 * 2**20
"""More than a checkpoint needs: what could not be written is deleted again before this looks."""
_MOST_NAMED = 3


def is_full(error: BaseException) -> bool:
    """Return whether an error is a full disk or an exhausted quota."""
    return isinstance(error, OSError) and error.errno in FULL


def what_is_full(error: OSError) -> str:
    """Return which file system is full, its size, and what was being written.

    A failed write has no path. Then it is that of our disks that has the least space left, if that
    is little; or none of them: the output may go to another disk.
    """
    path = _place(error)
    if path is None:
        return f"{error.strerror}: not on the disk of this folder, perhaps where the output goes"
    no_inodes = "" if _free_files(path) else ", and no free inode for another file"
    usage = shutil.disk_usage(path)
    sizes = f"{size_text(usage.free)} free of {size_text(usage.total)}{no_inodes}"
    what = f" (writing {error.filename})" if error.filename else ""
    return f"{_mount_of(path)} is full: {error.strerror}, {sizes}{what}"


def how_to_free(error: OSError) -> str:
    """Return a hint: what on that disk could be deleted, the largest first."""
    path = _place(error)
    if path is None:
        return "send the output elsewhere, or free space there, then run the same command again"
    what = "your quota" if error.errno == errno.EDQUOT else "space"
    earlier = sorted(_earlier_runs(path), key=lambda one: -one[0])[:_MOST_NAMED]
    if not earlier:
        return f"free some {what} there, then run the same command again"
    folders = shlex.join(str(one) for _, one in earlier)
    sizes = ", ".join(size_text(size) for size, _ in earlier)
    return (
        f"free some {what} there, then run the same command again; earlier runs could be deleted: "
        f"rm -r {folders} ({sizes})"
    )


def _place(error: OSError) -> Path | None:
    if error.filename is not None:
        path = Path(os.fsdecode(error.filename)).absolute()
        return next(one for one in (path, *path.parents) if one.exists())
    here = Path.cwd()
    runs = Path("runs")  # it, or one of them, may be on a disk of its own
    ours = [here, Path(tempfile.gettempdir()), runs, *runs.glob("*")]
    fullest = min(filter(Path.exists, ours), key=lambda one: shutil.disk_usage(one).free)
    if shutil.disk_usage(fullest).free < _LITTLE:
        return fullest
    return here if error.errno == errno.EDQUOT else None


def _mount_of(path: Path) -> Path:
    resolved = path.resolve()
    return next(one for one in (resolved, *resolved.parents) if one.is_mount())


def _free_files(path: Path) -> bool:
    status = os.statvfs(path)
    return status.f_files == 0 or status.f_favail > 0


def _earlier_runs(path: Path) -> Iterator[tuple[int, Path]]:
    """Yield the earlier runs (``NAME~1``) on that disk, with their sizes."""
    device = path.stat().st_dev
    for folder in Path("runs").glob("*~[0-9]*"):
        if folder.is_dir() and folder.stat().st_dev == device:
            files = [one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]
            yield sum(one.stat().st_size for one in files), folder


def size_text(size_bytes: int) -> str:
    """Write a size with a readable unit.

    >>> size_text(0), size_text(1_500_000), size_text(36 * 2**20), size_text(2 * 10**11)
    ('0 bytes', '1.5 MB', '37.7 MB', '200.0 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f} {name}"
    return f"{size_bytes} bytes"
