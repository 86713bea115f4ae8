"""Unpacks archives from outside safely: only plain files below one folder are written.

An archive may contain files outside of the folder, links, devices, one file twice, or a terabyte of
zeros. Every member is checked before anything is written; of a refused archive nothing stays.
"""

import io
import re
import tarfile
import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from container_doors.core.printable import shortened

MOST_MEMBERS = 200_000
_MOST_NAME_BYTES, _MOST_PART_BYTES, _MOST_PARTS = 1024, 255, 64
_MOST_HEADER_BYTES = 8192
_CHUNK_BYTES = 1024**2

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DRIVE = re.compile(r"[A-Za-z]:([\\/]|$)")
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_DAMAGE = (
    tarfile.TarError,
    ArithmeticError,
    EOFError,
    LookupError,
    RecursionError,  # headers of headers of headers
    TypeError,
    ValueError,
)
"""What tarfile raises for bytes that are no archive."""

Refuse = Callable[[str], Exception]
"""Makes an error from a problem, with the caller's hint."""


def unpack_tar(
    archive: Path,
    folder: Path,
    *,
    refuse: Refuse,
    names: Collection[str] | None = None,
    may_differ_by_case: bool = False,
) -> list[str]:
    """Unpack a tar into a folder; of a refused one nothing stays.

    It must not be compressed: then it cannot write more bytes than its own size.

    Args:
        archive: The file.
        folder: The target; it is made if there is none. No other process may write into it.
        refuse: Makes the error.
        names: The only files that it may contain; None: any.
        may_differ_by_case: Whether two names may differ in case only: on some systems they are
            the same name.

    Returns:
        The names of the files, in the archive's order.
    """
    check = _MemberCheck(names, may_differ_by_case=may_differ_by_case)
    with archive.open("rb") as file, _undo_on_error(archive, refuse) as made:
        size = file.seek(0, io.SEEK_END)
        members = []
        with (
            _Headers(io.FileIO(archive)) as headers,
            tarfile.open(fileobj=headers, mode="r:") as tar,
        ):
            for member in tar:
                why = check.fault(member, size)
                if why is not None:
                    raise refuse(f"{archive}: the member {_printable(member.name)} {why}")
                members.append(member)
            end = tar.offset  # where tarfile stopped: perhaps at bytes that are no header
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no header, and no end, at byte {end}")
        for member in members:
            _write(file, member, folder, made)
    return [member.name for member in members if not member.isdir()]


class _Headers(io.BufferedReader):
    """A file that refuses to read more at once than a header needs.

    tarfile reads a header's text into memory, whatever length it states, even a negative one.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


class _MemberCheck:
    """Checks members one after the other, each also against those before it."""

    def __init__(self, names: Collection[str] | None, *, may_differ_by_case: bool) -> None:
        self._names, self._may_differ_by_case = names, may_differ_by_case
        self._count = 0
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def fault(self, member: tarfile.TarInfo, archive_bytes: int) -> str | None:
        """Return why a member cannot be unpacked; None if it can."""
        self._count += 1
        if self._count > MOST_MEMBERS:
            return f"is one more than {MOST_MEMBERS}"
        if member.type not in (*_PLAIN, tarfile.DIRTYPE) or member.sparse is not None:
            return "is neither a plain file nor a folder"
        if member.size < 0 or member.offset_data + member.size > archive_bytes:
            return f"has {member.size} bytes by its header, and the archive has fewer"
        if self._names is not None and (member.isdir() or member.name not in self._names):
            return "is not among the files that are expected"
        return name_fault(member.name) or self._clash(member)

    def _clash(self, member: tarfile.TarInfo) -> str | None:
        key = member.name if self._may_differ_by_case else _fold_name(member.name)
        parents = {parent.as_posix() for parent in PurePosixPath(key).parents}
        is_taken = key in self._files or (key in self._folders and not member.isdir())
        if is_taken or parents & self._files:
            return "has the same path as another member"
        (self._folders if member.isdir() else self._files).add(key)
        self._folders |= parents
        return None


def name_fault(name: str) -> str | None:
    """Return why a name is not valid for a file below a folder, on every system; None if it is."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or _DRIVE.match(name) or ".." in parts:
        return "would be written outside"
    if _UNPRINTABLE.search(name):
        return "has a name with control characters"
    if PurePosixPath(name).as_posix() != name or name == ".":
        return "has a name that is not in its shortest form"
    sizes = [len(part.encode(errors="surrogateescape")) for part in parts]
    if max(sizes) > _MOST_PART_BYTES or sum(sizes) > _MOST_NAME_BYTES or len(parts) > _MOST_PARTS:
        return "has a name that is too long"
    return None


def _fold_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _printable(name: str) -> str:
    return shortened(ascii(name), 100)


@contextmanager
def _undo_on_error(archive: Path, refuse: Refuse) -> Iterator[list[Path]]:
    """Yield a list for what is made; if an error is raised, delete what is in it."""
    made: list[Path] = []
    try:
        yield made
    except BaseException as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, FileExistsError | NotADirectoryError):
            problem = f"{archive}: {_printable(str(error.filename))} is there already"
            raise refuse(problem) from None
        if isinstance(error, _DAMAGE):
            problem = f"{archive} is damaged, or no tar: {shortened(ascii(str(error)))}"
            raise refuse(problem) from None
        raise


def _write(file: IO[bytes], member: tarfile.TarInfo, folder: Path, made: list[Path]) -> None:
    target = folder / member.name
    _make_folder(target if member.isdir() else target.parent, made)
    if member.isdir():
        return
    with target.open("xb") as output:
        made.append(target)
        file.seek(member.offset_data)
        left = member.size
        while left:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise tarfile.ReadError("it ends within a file")
            output.write(chunk)
            left -= len(chunk)


def _make_folder(folder: Path, made: list[Path]) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)
