"""Files and folders, written so that no reader ever finds half of one.

A folder is replaced whole: the next one is made beside it, forced to the disk, and exchanged
with it by one system call (``renameat2`` with ``RENAME_EXCHANGE``, Linux 3.15). A file system
without that call gets two renames instead; a kill between the two is mended by :func:`heal`.
"""

import ctypes
import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""What a kernel or file system without the call answers."""

_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)
"""What a file system answers that forces nothing, or no folder, to the disk (CIFS, some FUSE)."""


def try_lock(file: IO[str]) -> bool:
    """Lock an open file for this process, if nobody has it; the system lets go when it dies."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_text(path: Path, text: str) -> None:
    """Replace a text file as one step, on the disk: whoever looks finds the old or the new.

    Its folder is made if there is none. Line ends are written as they are given.
    """
    make_folder(path.parent)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with staged.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        put_in_place(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def replace_secret(path: Path, text: str) -> None:
    """Replace a file that its owner alone may read, as one step; so from its first moment on."""
    make_folder(path.parent, mode=0o700)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.unlink(missing_ok=True)
    try:
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        put_in_place(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def replace_copy(source: Path, path: Path) -> None:
    """Replace ``path`` by a copy of ``source`` as one step, on the disk."""
    make_folder(path.parent)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, staged)
        put_in_place(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder's files, folders and links into an empty one.

    Unlike ``shutil.copytree`` it ends at the first file that cannot be copied, with that error.
    """
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            (target / path.name).mkdir()
            copy_folder(path, target / path.name)
        else:
            shutil.copy2(path, target / path.name, follow_symlinks=False)


def put_in_place(staged: Path, path: Path) -> None:
    """Rename a file that is whole onto ``path``, its content and its new name on the disk.

    What it makes superfluous may be deleted afterwards: no power cut takes both.
    """
    _fsync(staged)
    staged.replace(path)
    _fsync(path.parent)


def force_name_to_disk(path: Path) -> None:
    """Force to the disk that a name is new in its folder, or gone from there."""
    _fsync(path.parent)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and those above it, where there are none, their names on the disk."""
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    for one in absent:
        _fsync(one.parent)


def staged_for(folder: Path) -> Path:
    """Name the place where the next ``folder`` is made; after an exchange the old one is there."""
    return folder.with_name(f".{folder.name}.staged")


def previous_of(folder: Path) -> Path:
    """Name the place of the old folder between two renames, where there is no exchange."""
    return folder.with_name(f".{folder.name}.previous")


def force_to_disk(folder: Path) -> None:
    """Force every file, then every folder, as a power cut must not leave names without content."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _fsync(path)


def replace_folder(folder: Path) -> None:
    """Put what was made in :func:`staged_for` in the place of ``folder``, as one step.

    The old one is left beside it until :func:`heal`.
    """
    staged, previous = staged_for(folder), previous_of(folder)
    if not folder.exists():
        staged.rename(folder)
    elif not _exchange(staged, folder):
        folder.rename(previous)
        staged.rename(folder)
        _fsync(folder.parent)
        _discard(previous)
    _fsync(folder.parent)


def replace_and_keep(folder: Path, previous: Path) -> None:
    """Replace ``folder`` as :func:`replace_folder` does; what was there becomes ``previous``.

    What was ``previous`` is left where :func:`heal` finds it. Killed at any moment, ``folder`` is
    there, or :func:`heal` brings it back, and the second newest is ``previous`` or where
    :func:`heal` looks.
    """
    staged, aside = staged_for(folder), previous_of(folder)
    if not folder.exists():
        staged.rename(folder)
    elif _exchange(staged, folder):
        _fsync(folder.parent)
        _put_in_place_of(staged, previous)
    else:
        folder.rename(aside)
        staged.rename(folder)
        _fsync(folder.parent)
        _put_in_place_of(aside, previous)
    _fsync(folder.parent)


def swap_folders(folder: Path, other: Path) -> None:
    """Exchange two folders; killed at any moment, :func:`heal` finds ``folder`` or makes it one."""
    if not folder.exists():
        other.rename(folder)
    elif not _exchange(folder, other):
        aside = previous_of(folder)
        folder.rename(aside)
        other.rename(folder)
        aside.rename(other)
    _fsync(folder.parent)


def _put_in_place_of(source: Path, target: Path) -> None:
    """Move a folder to another's place, and that one to the first's, if it is there."""
    if not target.exists():
        source.rename(target)
    elif not _exchange(source, target):
        spare = target.with_name(f".{target.name}.old")
        _discard(spare)
        target.rename(spare)
        source.rename(target)
        _discard(spare)


def heal(folder: Path) -> None:
    """Remove what a replacement left, whole or cut off by a kill; the folder is there afterwards.

    No other process may be replacing it at the same time.
    """
    previous = previous_of(folder)
    if previous.exists():
        if folder.exists():
            _discard(previous)
        else:
            previous.rename(folder)
            _fsync(folder.parent)
    _discard(staged_for(folder))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders as one step; False where the system cannot.

    https://man7.org/linux/man-pages/man2/rename.2.html
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # glibc before 2.28, musl, macOS
        return False
    failed = libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _discard(folder: Path) -> None:
    """Delete what is no longer needed; if that fails, the next replacement tries again."""
    shutil.rmtree(folder, ignore_errors=True)
