"""Writes files and folders atomically: no reader ever finds half of one.

A folder is replaced as a whole: the new one is made beside it, forced to the disk, and exchanged
with it by one system call (``renameat2`` with ``RENAME_EXCHANGE``, Linux 3.15). On a file system
without that call there are two renames instead; :func:`heal` repairs a kill between the two.
"""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""The errors of a kernel or file system without the call."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
"""The errors of file systems without links, and of Windows for users who are no administrator."""

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
"""The errors where this user cannot write."""

_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)
"""The errors of file systems that cannot force files, or folders, to the disk (CIFS, some FUSE)."""


_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


class NotAFileError(OSError):
    """A folder, a pipe, a socket or a device is where a file is expected."""

    def __init__(self, path: Path, kind: str) -> None:
        """Store the kind, such as ``pipe``."""
        super().__init__(errno.EINVAL, f"expected a file, found a {kind}", str(path))
        self.kind = kind


def open_file(path: Path) -> BufferedReader:
    """Open a file to read it; a pipe would wait for a writer, and a device may never end.

    Raises:
        NotAFileError: If it is no file.
        OSError: If it cannot be opened.
    """
    mode = path.stat().st_mode
    kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)
    if kind is not None:
        raise NotAFileError(path, kind)
    return open(path, "rb", opener=_open_at_once)  # Path.open() has no opener


def read_file(path: Path) -> bytes:
    """Read a file; raise what :func:`open_file` does."""
    with open_file(path) as file:
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # it may be a pipe by now


def home() -> Path | None:
    """Return the user's home folder; None if neither HOME nor the system has one."""
    try:
        found = Path.home()
    except RuntimeError:  # a user id without an entry in passwd, as in containers
        return None
    return found if found.is_absolute() and os.environ.get("HOME") != "" else None


def user_folder(variable: str, usual: str) -> Path | None:
    """Return the user's folder for settings, caches or state; None if there is no home folder.

    Args:
        variable: The variable with the folder, such as ``XDG_CACHE_HOME``; a relative path is
            ignored.
        usual: The folder below the home folder, if the variable is not set.
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    found = home()
    return None if found is None else found / usual


def json_fault(text: str) -> str | None:
    """Return why a text is no JSON, without quoting it: it may be a secret; None if it is JSON.

    >>> str(json_fault('{"key": "s3cret"')).partition(":")[0], json_fault("{}")
    ('line 1, column 17', None)
    """
    if text.startswith("\ufeff"):
        return "line 1: a byte order mark, which JSON does not allow"
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError):  # digits without end, or brackets
        return "it is nested too deep, or has a number that is too long"
    return None


def text_or_fault(path: Path) -> tuple[str | None, str | None]:
    """Read a small text file; return the text, or why it cannot be read, or neither if absent."""
    try:
        return path.read_text(encoding="utf-8"), None
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except UnicodeDecodeError as error:
        return None, f"byte {error.start + 1} is no UTF-8"
    except OSError as error:
        return None, error.strerror or type(error).__name__


def is_read_only(error: OSError) -> bool:
    """Return whether an error means that a place is read-only; a reader may continue then."""
    return error.errno in _READ_ONLY


@contextmanager
def unless_read_only(what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Write something optional; report it if the place is read-only.

    Args:
        what: The report, such as ``x is not saved``.
        say: Receives the line.
    """
    try:
        yield
    except OSError as error:
        if not is_read_only(error):
            raise
        say(f"{what}: {error.strerror}")


def open_lock(path: Path) -> IO[str]:
    """Open the file to lock; its content, such as the name of the holder, does not change."""
    return lock_place(path).open("a+", encoding="utf-8")


def lock_place(path: Path) -> Path:
    """Return the file to lock.

    On a file system without locks (some network drives and FUSE mounts) it is a substitute in the
    temporary folder: it still excludes the other processes of this machine.

    Raises:
        PermissionError: If others can write to that folder.
    """
    return path if _can_lock(path.parent) else _substitute(path)


def _can_lock(folder: Path) -> bool:
    """Try to lock a temporary file: another process may have the real lock at this moment."""
    try:
        with tempfile.TemporaryFile(dir=folder, mode="w") as probe:
            try_lock(probe)
    except OSError as error:  # a full disk, for example, is reported by the code that writes
        return error.errno not in _NO_LOCKS
    return True


def try_lock(file: IO[Any]) -> bool:
    """Lock an open file for this process, if it is free; the system frees it when we die."""
    return bool(_lock_descriptor(file.fileno(), blocking=False))


def wait_for_lock(file: IO[str]) -> None:
    """Lock an open file for this process, as soon as it is free."""
    _lock_descriptor(file.fileno())


def _lock_descriptor(descriptor: int, *, blocking: bool = True) -> bool:
    try:
        from filelock import lock_descriptor  # noqa: PLC0415 - see below
    except ImportError:  # filelock before 3.30, as in some machine images; not on Windows
        import fcntl  # noqa: PLC0415 - not on Windows

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
    return lock_descriptor(descriptor, blocking=blocking)


def _substitute(path: Path) -> Path:
    temporary = temporary_folder()
    if temporary is None:
        where = str(_temporary_path())
        raise PermissionError(errno.EACCES, "others can write to this folder of locks", where)
    folder = temporary / "locks"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}.lock"


def temporary_folder() -> Path | None:
    """Make our folder in the temporary one, the same for all processes of this user.

    Returns:
        None if another user made it or can write to it: it may contain anything, such as links to
        files of ours.
    """
    folder = _temporary_path()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not hasattr(os, "getuid"):  # Windows, where each user has an own temporary folder
        return folder
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if is_ours and not status.st_mode & 0o022 else None


def _temporary_path() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"container-doors-{user}"


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a symbolic link to ``source``, or a hard link, or a copy.

    Cloud drives, exFAT and some mounts have no links of either kind; there it is a copy.
    """
    try:
        target.symlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            os.link(source, target)
        except OSError as other:
            if other.errno not in (*_NO_LINKS, errno.EXDEV, errno.EMLINK):
                raise
            shutil.copyfile(source, target)


def link_file(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy; a symbolic link stays one."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (*_NO_LINKS, errno.EXDEV, errno.EMLINK):
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def replace_text(path: Path, text: str) -> None:
    """Replace a text file as one step, forced to the disk: a reader finds the old or the new text.

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
    """Replace a file as one step; from the start only its owner may read it."""
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
    """Replace ``path`` by a copy of ``source`` as one step, forced to the disk."""
    make_folder(path.parent)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, staged)
        put_in_place(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def copy_of(path: Path) -> Path:
    """Return the path of a document's copy, which restores a damaged document."""
    return path.parent / "copies" / path.name


def replace_text_twice(path: Path, text: str) -> None:
    """Replace a document and its copy (:func:`copy_of`)."""
    for one in (path, copy_of(path)):
        replace_text(one, text)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder's files, folders and links into an empty one.

    Unlike ``shutil.copytree`` it stops at the first file that cannot be copied, with its error.
    """
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            (target / path.name).mkdir()
            copy_folder(path, target / path.name)
        else:
            shutil.copy2(path, target / path.name, follow_symlinks=False)


def put_in_place(staged: Path, path: Path) -> None:
    """Rename a complete file to ``path``, and force its content and its name to the disk.

    Files that it replaces may be deleted afterwards: after a power cut one of both exists.
    """
    _fsync(staged)
    staged.replace(path)
    _fsync(path.parent)


def force_name_to_disk(path: Path) -> None:
    """Force a new or a deleted name in a folder to the disk."""
    _fsync(path.parent)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and its parents, if they are absent, and force their names to the disk."""
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    for one in absent:
        _fsync(one.parent)


def staged_for(folder: Path) -> Path:
    """Return where the next ``folder`` is made; after an exchange the old one is there."""
    return folder.with_name(f".{folder.name}.staged")


def previous_of(folder: Path) -> Path:
    """Return where the old folder is between two renames, if there is no exchange."""
    return folder.with_name(f".{folder.name}.previous")


def force_to_disk(folder: Path) -> None:
    """Force every file, then every folder: a power cut must not leave names without content."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _fsync(path)


def force_file_system_to_disk(folder: Path) -> None:
    """Force all files of a folder's file system at once: for thousands of files much faster.

    https://man7.org/linux/man-pages/man2/sync.2.html
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not hasattr(libc, "syncfs") or libc.syncfs(descriptor):
            os.sync()
    finally:
        os.close(descriptor)


def replace_folder(folder: Path) -> None:
    """Replace ``folder`` by the one in :func:`staged_for`, as one step.

    The old one stays beside it until :func:`heal`.
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
    """Replace ``folder`` as :func:`replace_folder` does; the old one becomes ``previous``.

    The old ``previous`` stays where :func:`heal` finds it. After a kill at any moment ``folder``
    exists, or :func:`heal` restores it, and the second newest is ``previous`` or where
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
    """Exchange two folders; after a kill ``folder`` exists, or :func:`heal` restores it."""
    if not folder.exists():
        other.rename(folder)
    elif not _exchange(folder, other):
        aside = previous_of(folder)
        folder.rename(aside)
        other.rename(folder)
        aside.rename(other)
    _fsync(folder.parent)


def _put_in_place_of(source: Path, target: Path) -> None:
    """Move a folder to ``target``; if that exists, exchange the two."""
    if not target.exists():
        source.rename(target)
    elif not _exchange(source, target):
        spare = target.with_name(f".{target.name}.old")
        _discard(spare)
        target.rename(spare)
        source.rename(target)
        _discard(spare)


def heal(folder: Path) -> None:
    """Remove the remains of a replacement, even of a killed one; the folder exists afterwards.

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
    """Exchange two folders as one step; return False if the system cannot.

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
    """Delete a folder; if that fails, the next replacement tries again."""
    shutil.rmtree(folder, ignore_errors=True)
