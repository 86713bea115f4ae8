"""Archives that others packed, unpacked so that nothing is written but plain files below a folder.

An archive may name files outside, links, devices, one file twice, or a terabyte of zeros. All of it
is judged before anything is written, and nothing is left of what is refused.
"""

import io
import re
import tarfile
import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from container_doors.core.parsing import shortened

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
"""What tarfile raises of bytes that are no archive."""

Refuse = Callable[[str], Exception]
"""Makes the error of a problem, with the caller's hint."""


def unpack_tar(
    archive: Path,
    folder: Path,
    *,
    refuse: Refuse,
    names: Collection[str] | None = None,
    may_differ_by_case: bool = False,
) -> list[str]:
    """Unpack a tar into a folder; of one that is refused nothing is left.

    It must not be compressed: so it holds what it unpacks to, and cannot write more than its size.

    Args:
        archive: The file.
        folder: Where to; it is made if there is none. Nobody else writes into it.
        refuse: Makes the error.
        names: The only files that it may hold; None: any.
        may_differ_by_case: Whether two names may, which some systems take for one.

    Returns:
        The names of the files, in the archive's order.
    """
    judge = _Judge(names, may_differ_by_case=may_differ_by_case)
    with archive.open("rb") as file, _nothing_left(archive, refuse) as made:
        size = file.seek(0, io.SEEK_END)
        members = []
        with (
            _Headers(io.FileIO(archive)) as headers,
            tarfile.open(fileobj=headers, mode="r:") as tar,
        ):
            for member in tar:
                why = judge.fault(member, size)
                if why is not None:
                    raise refuse(f"{archive}: the member {_shown(member.name)} {why}")
                members.append(member)
            end = tar.offset  # where tarfile stopped, also at what is no header
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no header, and no end, at byte {end}")
        for member in members:
            _write(file, member, folder, made)
    return [member.name for member in members if not member.isdir()]


class _Headers(io.BufferedReader):
    """A file from which no more is read at once than a header has.

    tarfile reads a header's text into memory, whatever length it gives, also a negative one.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


class _Judge:
    """Judges members one after the other: what one is may depend on those before."""

    def __init__(self, names: Collection[str] | None, *, may_differ_by_case: bool) -> None:
        self._names, self._may_differ_by_case = names, may_differ_by_case
        self._count = 0
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def fault(self, member: tarfile.TarInfo, archive_bytes: int) -> str | None:
        """Say why a member cannot be unpacked; None if it can."""
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
        key = member.name if self._may_differ_by_case else _on_any_system(member.name)
        parents = {parent.as_posix() for parent in PurePosixPath(key).parents}
        is_taken = key in self._files or (key in self._folders and not member.isdir())
        if is_taken or parents & self._files:
            return "has the place of another"
        (self._folders if member.isdir() else self._files).add(key)
        self._folders |= parents
        return None


def name_fault(name: str) -> str | None:
    """Say why a name is not that of a file below a folder, on any system."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or _DRIVE.match(name) or ".." in parts:
        return "would be written outside"
    if _UNPRINTABLE.search(name):
        return "has a name with control characters"
    if PurePosixPath(name).as_posix() != name or name == ".":
        return "has a name that can be written in another way"
    sizes = [len(part.encode(errors="surrogateescape")) for part in parts]
    if max(sizes) > _MOST_PART_BYTES or sum(sizes) > _MOST_NAME_BYTES or len(parts) > _MOST_PARTS:
        return "has a name that is too long"
    return None


def _on_any_system(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _shown(name: str) -> str:
    return shortened(ascii(name), 100)


@contextmanager
def _nothing_left(archive: Path, refuse: Refuse) -> Iterator[list[Path]]:
    """Collect what is made, and remove it again if anything goes wrong."""
    made: list[Path] = []
    try:
        yield made
    except BaseException as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, FileExistsError | NotADirectoryError):
            problem = f"{archive}: {_shown(str(error.filename))} is there already"
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
    with target.open("xb") as written:
        made.append(target)
        file.seek(member.offset_data)
        left = member.size
        while left:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise tarfile.ReadError("it ends within a file")
            written.write(chunk)
            left -= len(chunk)


def _make_folder(folder: Path, made: list[Path]) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)
