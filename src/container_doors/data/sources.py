"""Opens what photographs and labels come in: a folder, a zip or a file, never to write to it.

Everything is read within budgets. A zip may contain a terabyte of zeros, names outside of its
folder, or an end that is missing; whatever it is, nothing is unpacked to the disk but a video.
"""

import os
import shlex
import shutil
import tempfile
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

from container_doors.core.archives import MOST_MEMBERS, name_fault
from container_doors.core.errors import SourceError
from container_doors.core.parsing import ParsingError, listed, parse_json
from container_doors.core.printable import shortened

MOST_LABEL_BYTES = 256 * 1024**2
"""A label file; COCO's own annotations of 120,000 photographs, without masks, have a fifth."""

MOST_PICTURE_BYTES = 512 * 1024**2
"""The largest TIFFs of cameras have half of that."""

_MOST_RATIO, _ALWAYS_ALLOWED_BYTES = 50, 1024**3
"""A zip may unpack to a gigabyte, or to fifty times its size; photographs barely shrink."""

_CHUNK_BYTES = 1024**2
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises for damaged, encrypted or unknown content."""

_OTHER_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".7z", ".rar")
_OF_THE_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini"}
_UNREADABLE = "check that the file is complete and readable, or export it again"


class NotAFileError(SourceError):
    """A name in a folder leads to no regular file."""


class DamagedZipError(SourceError):
    """It is no zip, or not all of one."""


class Source(ABC):
    """Where photographs and labels come from: names of files, and their content."""

    def __init__(self, path: Path, picked: str | None = None) -> None:
        """Store where it is.

        Args:
            path: The folder or zip.
            picked: The only label file to read, if one was named.
        """
        self.path, self.picked = path, picked
        self._open = ExitStack()

    @property
    def name(self) -> str:
        """The name that the source is remembered by: no folder of this machine is in it."""
        return self.picked or self.path.resolve().name

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The files, as paths below the source with ``/``, sorted."""
        return tuple(sorted(self._names()))

    @abstractmethod
    def _names(self) -> Iterator[str]: ...

    @abstractmethod
    def read(self, member: str, most_bytes: int = MOST_PICTURE_BYTES) -> bytes:
        """Read a file.

        Raises:
            SourceError: If it cannot be read, or is larger.
        """

    def where(self, member: str) -> str:
        """Return a file's place for a message."""
        return f"{self.path}/{member}"

    def labels(self, *suffixes: str) -> list[str]:
        """List the files with one of these suffixes; only the picked one if one was named."""
        names = self.members if self.picked is None else (self.picked,)
        return [name for name in names if name.lower().endswith(suffixes)]

    def json(self, member: str) -> Any:  # noqa: ANN401 - JSON can hold anything
        """Parse a JSON file; the newest one is remembered, because it is recognised and then read.

        Raises:
            SourceError: If it is not JSON, or too large.
        """
        known = self.__dict__.get("_json")
        if known is None or known[0] != member:
            try:
                value = parse_json(self.read(member, MOST_LABEL_BYTES), MOST_LABEL_BYTES)
            except ParsingError as error:
                line = f":{error.line}" if error.line else ""
                raise SourceError(
                    f"{self.where(member)}{line}: {error}", hint=_UNREADABLE
                ) from None
            known = self.__dict__["_json"] = (member, value)
        return known[1]

    def start(self, member: str, size_bytes: int = 65536) -> bytes:
        """Read the first bytes of a file, to recognise it."""
        return self.read(member, MOST_LABEL_BYTES)[:size_bytes]

    def _within(self, data: bytes, member: str, most_bytes: int) -> bytes:
        if len(data) > most_bytes:
            problem = f"{self.where(member)}: expected at most {_size(most_bytes)}, found more"
            raise SourceError(problem, hint=_split_hint(most_bytes))
        return data

    @abstractmethod
    def on_disk(self, member: str) -> Path:
        """Return the path of a large file, such as a video; it stays until the source is closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


class FolderSource(Source):
    """A folder, read as it is."""

    def _names(self) -> Iterator[str]:
        entered: set[str] = set()
        count = 0
        for parent, folders, files in os.walk(self.path, followlinks=True):
            real = os.path.realpath(parent)
            if real in entered:  # a link back to a parent would loop
                folders.clear()
                continue
            entered.add(real)
            folders[:] = sorted(name for name in folders if not _is_quiet(name))
            below = Path(parent).relative_to(self.path)
            for name in files:
                if not _is_quiet(name):
                    count += 1
                    yield (below / name).as_posix()
            if count > MOST_MEMBERS:
                raise SourceError(
                    f"{self.path}: expected at most {MOST_MEMBERS} files, found more",
                    hint="name the folder of the photographs: --images DIR",
                )

    def read(self, member: str, most_bytes: int = MOST_PICTURE_BYTES) -> bytes:
        """Read a file; see :meth:`Source.read`."""
        path = self.path / member
        try:
            if not path.is_file():
                raise NotAFileError(
                    f"{path}: expected a file, found {_instead(path)}", hint=_UNREADABLE
                )
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size  # a buffer of the budget's size takes 3 ms
                data = file.read(min(size, most_bytes) + 1)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror or error}", hint=_UNREADABLE) from None
        return self._within(data, member, most_bytes)

    def start(self, member: str, size_bytes: int = 65536) -> bytes:
        """Read the first bytes of a file; see :meth:`Source.start`."""
        try:
            if not (self.path / member).is_file():  # opening a pipe would block
                return b""
            with (self.path / member).open("rb") as file:
                return file.read(size_bytes)
        except OSError as error:
            where = self.where(member)
            raise SourceError(f"{where}: {error.strerror or error}", hint=_UNREADABLE) from None

    def on_disk(self, member: str) -> Path:
        """Return the path of the file itself."""
        return self.path / member


class ZipSource(Source):
    """A zip, of which only what is asked for is unpacked, into memory."""

    def __init__(self, path: Path) -> None:
        """Open it and check every member.

        Raises:
            SourceError: If it is damaged, encrypted, or would unpack to too much.
        """
        super().__init__(path)
        try:
            self._zip = self._open.enter_context(zipfile.ZipFile(path))
        except _DAMAGE as error:
            raise self._damaged(error) from None
        self._infos = self._checked()
        self._copies: dict[str, Path] = {}

    def _names(self) -> Iterator[str]:
        return iter(self._infos)

    def read(self, member: str, most_bytes: int = MOST_PICTURE_BYTES) -> bytes:
        """Read a file; see :meth:`Source.read`."""
        with self._member(member) as file:
            try:
                data: bytes = file.read(most_bytes + 1)
            except _DAMAGE as error:
                raise self._damaged(error, member) from None
        return self._within(data, member, most_bytes)

    def start(self, member: str, size_bytes: int = 65536) -> bytes:
        """Read the first bytes of a file; see :meth:`Source.start`."""
        with self._member(member) as file:
            try:
                return bytes(file.read(size_bytes))
            except _DAMAGE as error:
                raise self._damaged(error, member) from None

    def on_disk(self, member: str) -> Path:
        """Return the path of a copy, which is written piece by piece, and once."""
        if member not in self._copies:
            folder = tempfile.TemporaryDirectory(prefix="doors-import-")
            path = Path(self._open.enter_context(folder)) / f"a{PurePosixPath(member).suffix}"
            with self._member(member) as file, path.open("wb") as output:
                try:
                    shutil.copyfileobj(file, output, _CHUNK_BYTES)
                except _DAMAGE as error:
                    raise self._damaged(error, member) from None
            self._copies[member] = path
        return self._copies[member]

    def _member(self, member: str) -> Any:  # noqa: ANN401 - zipfile's own type has no stable name
        try:
            return self._zip.open(self._infos[member])
        except (KeyError, *_DAMAGE) as error:
            raise self._damaged(error, member) from None

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        if len(infos) > MOST_MEMBERS:
            found = f"{len(infos)}"
            raise self._refused(f"expected at most {MOST_MEMBERS} files, found {found}")
        allowed = max(_ALWAYS_ALLOWED_BYTES, _MOST_RATIO * self.path.stat().st_size)
        total = sum(info.file_size for info in infos)
        if total > allowed:
            problem = f"expected files of at most {_size(allowed)} together, found {_size(total)}"
            raise self._refused(problem)
        named = {}
        for info in infos:
            name = info.filename.replace("\\", "/").removeprefix("./")
            if fault := name_fault(name):
                raise self._refused(f"the member {shortened(ascii(info.filename), 100)} {fault}")
            if info.flag_bits & 1:
                raise self._refused(f"the member {shortened(ascii(name), 100)} is encrypted")
            if not any(_is_quiet(part) for part in PurePosixPath(name).parts):
                named[name] = info
        return named

    def _refused(self, problem: str) -> SourceError:
        unpack = f"python3 -m zipfile -e {shlex.quote(str(self.path))} FOLDER"
        return SourceError(
            f"{self.path}: {problem}",
            hint=f"if you trust it, unpack it yourself ({unpack}) and import the folder",
        )

    def _damaged(self, error: Exception, member: str = "") -> DamagedZipError:
        what = f"the member {shortened(ascii(member), 100)}" if member else "it"
        problem = f"{self.path}: expected a whole zip; {what} is damaged: {shortened(str(error))}"
        return DamagedZipError(problem, hint="download or export it again, and compare its size")


def _instead(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    return "a pipe or a device" if path.exists() else "none"


def open_pictures(path: Path) -> Source:
    """Open a folder or a zip of photographs.

    Raises:
        SourceError: If it is neither.
    """
    source = open_source(path)
    if source.picked is not None:
        problem = f"--images {path}: expected a folder or a zip of photographs, found another file"
        raise SourceError(
            problem, hint=f"name its folder: --images {shlex.quote(str(path.parent))}"
        )
    return source


def open_source(path: Path) -> Source:
    """Open a folder, a zip, or the folder of a label file or video.

    Raises:
        SourceError: If there is nothing, or nothing that can be opened.
    """
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise SourceError(f"{path}: expected a folder, a zip or a label file, found nothing",
                          hint="check the path")  # fmt: skip
    if not path.is_file():
        raise SourceError(f"{path}: expected a regular file", hint="check the path")
    if path.name.lower().endswith(_OTHER_ARCHIVES):
        tar = f"mkdir FOLDER && tar -xf {shlex.quote(str(path))} -C FOLDER"
        unpack = tar if ".t" in path.name.lower() else f"7z x {shlex.quote(str(path))} -oFOLDER"
        raise SourceError(
            f"{path}: expected a folder, a zip or a label file, found another archive",
            hint=f"unpack it ({unpack}), and import the folder",
        )
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return ZipSource(path)
    return FolderSource(path.parent, picked=path.name)


class PictureIndex:
    r"""Finds a source's file by the name that a label file has for it.

    Label files name pictures by paths of other machines, with ``\\``, in other case, in another
    form of Unicode; of several files with the same last part, that with the longest common end of
    the path is meant.
    """

    def __init__(self, members: Sequence[str]) -> None:
        """Index the names."""
        self._exact = frozenset(members)
        self._by_end: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for member in members:
            end = _plain(member).rpartition("/")[2]
            self._by_end[end].append(member)
            self._by_stem[end.rpartition(".")[0]].append(member)

    def find(self, written: str, folder: str = "") -> list[str]:
        """Return the files that a name can mean: none, one, or several.

        Args:
            written: The name in the label file.
            folder: The folder of the label file, below the source.
        """
        for exact in (_joined(folder, written), _joined("", written)):
            if exact in self._exact:
                return [exact]
        plain = _plain(_joined(folder, written) or written)
        end = plain.rpartition("/")[2]
        for index, key in ((self._by_end, end), (self._by_stem, end)):
            if candidates := index.get(key):
                return _nearest(plain, _plain(folder), candidates)
        return []


def _nearest(plain: str, folder: str, candidates: Sequence[str]) -> list[str]:
    """Choose by the longest common end; of equal ones, by the label file's own folder."""
    common = {
        one: (_common_end(plain, _plain(one)), _common_start(folder, _plain(one)))
        for one in candidates
    }
    most = max(common.values())
    return [one for one, parts in common.items() if parts == most]


def _common_start(one: str, other: str) -> int:
    return len(os.path.commonpath([f"/{one}", f"/{other}"]).split("/"))


def _common_end(one: str, other: str) -> int:
    """Count the parts that two paths have in common at their ends, without the suffix.

    >>> _common_end("a/b/c.jpg", "x/b/c.png")
    2
    """
    count = 0
    pairs = zip(reversed(_parts(one)), reversed(_parts(other)), strict=False)
    for left, right in pairs:
        if left != right:
            break
        count += 1
    return count


def _parts(path: str) -> tuple[str, ...]:
    pure = PurePosixPath(path)
    return (*pure.parent.parts, pure.stem)


def _plain(name: str) -> str:
    r"""Undo the spelling of systems.

    >>> _plain("Quay\\A.JPG")
    'quay/a.jpg'
    """
    return unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()


def _joined(folder: str, written: str) -> str:
    """Join a path to a folder without leaving the source; the empty string if it would.

    >>> _joined("a/b", "../c.jpg"), _joined("", "../c.jpg"), _joined("a", "./c.jpg")
    ('a/c.jpg', '', 'a/c.jpg')
    """
    path = written.replace("\\", "/")
    joined = os.path.normpath(f"{folder}/{path}" if folder else path)
    return "" if joined.startswith(("..", "/")) else joined


def one_of(found: Sequence[str]) -> str:
    """List several files for a message."""
    return listed(found, most=3)


def _is_quiet(name: str) -> bool:
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def _split_hint(most_bytes: int) -> str:
    if most_bytes >= MOST_PICTURE_BYTES:
        return "make the picture smaller"
    return "export it in parts, and import each: a second import adds to the first"


def _size(count: int) -> str:
    """Write a size.

    >>> _size(3 * 1024**3), _size(5 * 1024**2)
    ('3.0 GiB', '5.0 MiB')
    """
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"
