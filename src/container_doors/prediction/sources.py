"""What ``doors predict`` looks at: photographs, folders, globs, zips, lists, videos, cameras.

All of it is checked before anything is opened; then it is read piece by piece. A file that cannot
be read is a :class:`Loaded` with its problem, never an error.
"""

import glob
import os
import re
import shlex
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from threading import Event
from time import perf_counter
from typing import IO, Protocol

from container_doors.core.errors import SourceError
from container_doors.core.files import open_file
from container_doors.core.predictions import Frame, Orientation, as_text
from container_doors.core.printable import AsTyped, printable, shortened
from container_doors.data.photograph_suffixes import is_picture, is_video
from container_doors.data.sources import DamagedZipError, FolderSource, ZipSource
from container_doors.prediction.loaded import Loaded, load_bytes
from container_doors.prediction.pictures import MOST_BYTES, Picture, UnreadablePictureError
from container_doors.prediction.streams import (
    STREAM_SCHEMES,
    StreamLostError,
    TakenFrame,
    file_name_of,
    frame_count,
    masked,
    scheme_of,
    stream_frames,
    video_frames,
)

STANDARD_INPUT = "-"
RESULTS_MARK = "predictions.jsonl"
"""Is in each folder of results, which a search for photographs does not enter."""

_MOST_LINES, _MOST_LINE_BYTES = 1_000_000, 8192
_MOST_VIDEOS_COUNTED = 50
"""Counting the frames of a video takes some milliseconds."""

_POLL_S = 1.0
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Item:
    """A photograph or a frame to look at."""

    load: Callable[[], Loaded]
    """Reads and decodes it; may be called in any thread."""
    is_live: bool = False
    """Whether it may be left out if the network is busy: there will be a newer one."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier start has looked at."""

    names: set[str] = field(default_factory=set)
    """Photographs, and videos and streams that could not be read to their end."""
    frames: dict[str, Frame] = field(default_factory=dict)
    """The last frame of each video and stream."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read."""

    every: int
    """Of videos and cameras every Nth frame."""
    done: Done
    stop: Event
    """Ends what has no end: a camera, a folder that is watched."""
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of the sources, for one of several machines."""

    number: int
    """From 1."""
    of: int

    def of_total(self, total: int) -> slice:
        """Return which positions it has of so many; all shards together have each once, in order.

        >>> [Shard(number, 3).of_total(7) for number in (1, 2, 3)]
        [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
        """
        return slice(total * (self.number - 1) // self.of, total * self.number // self.of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Unit:
    """A photograph or a video in a file or a zip; it can be sent to another process."""

    name: str
    """As in the results."""
    path: Path
    member: str | None = None
    """Of the zip that ``path`` is."""

    @property
    def is_video(self) -> bool:
        """Whether it is no photograph."""
        return is_video(self.member or self.path.name)

    def load(self) -> Loaded:
        """Read and decode a photograph."""
        if self.member is None:
            return _load_file(_File(self.name, self.path))
        started = perf_counter()
        try:
            with ZipSource(self.path) as source:
                data = source.read(self.member, MOST_BYTES)
        except (SourceError, OSError) as error:
            return Loaded(self.name, problem=_reason(error))
        return load_bytes(data, name=self.name, started=started)


class Part(Protocol):
    """One or several of the things that were typed."""

    @property
    def is_endless(self) -> bool:
        """Whether it may never end by itself."""

    def items(self, reading: Reading) -> Iterator[Item]:
        """Go through it, in its order, without what is done."""

    def count(self, every: int) -> int | None:
        """Return how many items it has, those that are done too; None if that is not known."""

    def units(self) -> Sequence[Unit]:
        """List its files, in its order; none if it is endless."""

    def cut(self, which: slice) -> "Part":
        """Return the part with some of its units alone."""


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    """As in the results."""
    path: Path


@dataclass(frozen=True, slots=True)
class Files:
    """Photographs and videos in files."""

    files: Sequence[_File]
    is_endless: bool = False

    def items(self, reading: Reading) -> Iterator[Item]:
        """See :meth:`Part.items`."""
        for file in self.files:
            yield from _file_items(file, reading)

    def count(self, every: int) -> int | None:
        """See :meth:`Part.count`."""
        videos = [one.path for one in self.files if is_video(one.path.name)]
        counts = [frame_count(path) for path in videos] if _are_few(videos) else [None]
        frames = [-(-count // every) for count in counts if count is not None]
        is_known = len(frames) == len(videos)
        return len(self.files) - len(videos) + sum(frames) if is_known else None

    def units(self) -> Sequence[Unit]:
        """See :meth:`Part.units`."""
        return [Unit(one.name, one.path) for one in self.files]

    def cut(self, which: slice) -> Part:
        """See :meth:`Part.cut`."""
        return Files(self.files[which])


@dataclass(frozen=True, slots=True)
class Zip:
    """Photographs and videos in a zip; only a video is unpacked, into a temporary folder."""

    file: _File
    members: Sequence[str]
    is_endless: bool = False

    def items(self, reading: Reading) -> Iterator[Item]:
        """See :meth:`Part.items`."""
        with ZipSource(self.file.path) as source:
            for member in self.members:
                name = f"{self.file.name}/{member}"
                if name not in reading.done.names:
                    yield from self._member_items(source, member, name, reading)

    def count(self, every: int) -> int | None:  # noqa: ARG002
        """See :meth:`Part.count`."""
        return None if any(map(is_video, self.members)) else len(self.members)

    def units(self) -> Sequence[Unit]:
        """See :meth:`Part.units`."""
        path = self.file.path
        return [Unit(f"{self.file.name}/{member}", path, member) for member in self.members]

    def cut(self, which: slice) -> Part:
        """See :meth:`Part.cut`."""
        return Zip(self.file, self.members[which])

    def _member_items(
        self, source: ZipSource, member: str, name: str, reading: Reading
    ) -> Iterator[Item]:
        try:
            if is_video(member):
                yield from _video_items(_File(name, source.on_disk(member)), reading)
                return
            started = perf_counter()
            data = source.read(member, MOST_BYTES)  # in one thread: members share a file
            yield Item(partial(load_bytes, data, name=name, started=started))
        except (SourceError, OSError) as error:
            yield _failed(name, _reason(error))


@dataclass(frozen=True, slots=True)
class Stream:
    """A camera, or the address of a stream."""

    name: str
    """Without its password."""
    address: str | int
    is_endless: bool = True

    def items(self, reading: Reading) -> Iterator[Item]:
        """See :meth:`Part.items`."""
        if self.name in reading.done.names:
            return
        try:
            for taken in stream_frames(
                self.address,
                every=reading.every,
                after=reading.done.frames.get(self.name),
                stop=reading.stop,
                say=reading.say,
            ):
                yield _frame_item(self.name, taken)
        except (StreamLostError, UnreadablePictureError, OSError) as error:
            yield _failed(self.name, _reason(error))

    def count(self, every: int) -> int | None:  # noqa: ARG002 - as all parts
        """See :meth:`Part.count`."""
        return None

    def units(self) -> Sequence[Unit]:
        """See :meth:`Part.units`."""
        return []

    def cut(self, which: slice) -> Part:  # noqa: ARG002
        """See :meth:`Part.cut`."""
        return self


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder whose files are taken when they have arrived, and again when they have changed.

    A file has arrived if neither its size nor its time changes from one look to the next: one whose
    copying pauses for longer is read too early, and is read again when it is whole.
    """

    name: str
    path: Path
    is_endless: bool = True

    def items(self, reading: Reading) -> Iterator[Item]:
        """See :meth:`Part.items`."""
        taken: dict[str, tuple[int, int]] = {}
        unopened: set[str] = set()
        sizes: dict[str, tuple[int, int]] = {}
        is_there = True
        while not reading.stop.is_set():
            started = perf_counter()
            if is_there != (is_there := self.path.is_dir()):
                change = "is there again" if is_there else "is not there"
                reading.say(AsTyped(f"{self.name}: {change}"))
            members, zips = _inside(_File(self.name, self.path))
            for name in sorted(set(zips) - unopened):
                reading.say(_unopened([_below(self.name, name)]))
            unopened |= set(zips)
            now = {name: size for name in members
                   if (size := _size_of(self.path / name)) is not None
                   and taken.get(name) != size}  # fmt: skip
            arrived = [name for name, size in now.items() if size[0] and sizes.get(name) == size]
            sizes = now
            for name in arrived:
                file = _File(_below(self.name, name), self.path / name)
                is_again, taken[name] = name in taken, now[name]
                if is_again:
                    reading.say(AsTyped(f"{file.name}: it has changed, and is looked at again"))
                yield from _file_items(file, replace(reading, done=Done()) if is_again else reading)
            reading.stop.wait(max(_POLL_S, 2 * (perf_counter() - started)))

    def count(self, every: int) -> int | None:  # noqa: ARG002
        """See :meth:`Part.count`."""
        return None

    def units(self) -> Sequence[Unit]:
        """See :meth:`Part.units`."""
        return []

    def cut(self, which: slice) -> Part:  # noqa: ARG002
        """See :meth:`Part.cut`."""
        return self


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is looked at, in order."""

    parts: Sequence[Part]
    relative_to: str | None = None
    """The folder that names in the results are relative to; None if none is relative."""
    before: Sequence[str] = ()
    """The names of what earlier shards have, in order."""
    left_out: str | None = None
    """What is not looked at, though it was near: zips in folders, and how to look at them."""

    @property
    def is_endless(self) -> bool:
        """Whether it may never end by itself."""
        return any(part.is_endless for part in self.parts)

    def items(self, reading: Reading) -> Iterator[Item]:
        """Go through all parts."""
        for part in self.parts:
            yield from part.items(reading)

    def count(self, every: int) -> int | None:
        """Return how many items there are in all; None if that is not known."""
        total = 0
        for part in self.parts:
            count = part.count(every)
            if count is None:
                return None
            total += count
        return total

    def units(self) -> list[Unit]:
        """List all files, in order.

        Raises:
            SourceError: If it is endless: it has no such list.
        """
        if self.is_endless:
            raise SourceError(
                "expected files, folders and zips, found a source that has no end",
                hint="give several machines files: cameras, streams and --watch are for one",
            )
        return [unit for part in self.parts for unit in part.units()]

    def shard(self, shard: Shard) -> "Plan":
        """Return one of several parts of it, by the position of each file.

        Raises:
            SourceError: If it is endless.
        """
        names = [unit.name for unit in self.units()]
        wanted = shard.of_total(len(names))
        parts, start = list[Part](), 0
        for part in self.parts:
            size = len(part.units())
            which = slice(max(0, wanted.start - start), max(0, wanted.stop - start))
            parts.append(part.cut(which))
            start += size
        return replace(self, parts=parts, before=names[: wanted.start])


def plan(
    typed: Sequence[str], *, here: Path, standard_input: IO[bytes], watch: str | None = None
) -> Plan:
    """Find out what was typed, and that it is there.

    Args:
        typed: The sources.
        here: The folder that paths are relative to.
        standard_input: The list of paths, if one of the sources is ``-``.
        watch: A folder to watch afterwards.

    Raises:
        SourceError: If one of them is not there, or cannot be used.
    """
    if not typed and watch is None:
        raise SourceError("no source was named", hint="doors predict photos/, or: --watch DIR")
    if len(set(typed)) < len(typed) and typed.count(STANDARD_INPUT) > 1:
        raise SourceError("standard input was named twice", hint="name it once: doors predict -")
    finder = _Finder(here, standard_input)
    parts = [part for text in typed for part in finder.parts(text)]
    if watch is not None:
        parts.append(_watched(watch, here))
    endless = [part for part in parts[:-1] if part.is_endless]
    if endless:
        raise SourceError(
            "expected one camera, stream or watched folder, as the last source: what follows it "
            "would never begin",
            hint="run doors predict once for each of them",
        )
    names = [*typed, *([] if watch is None else [watch])]
    is_relative = any(not Path(one).is_absolute() and scheme_of(one) is None for one in names)
    zips = finder.unopened()
    return Plan(
        parts,
        as_text(str(here)) if is_relative else None,
        left_out=_unopened(zips) if zips else None,
    )


class _Finder:
    """Finds sources, each file once."""

    def __init__(self, here: Path, standard_input: IO[bytes]) -> None:
        self._here, self._input = here, standard_input
        self._found: set[str] = set()
        self._zips: list[_File] = []

    def unopened(self) -> list[str]:
        """Return the names of zips in folders, without those that were named themselves."""
        named = {file.name: None for file in self._new(self._zips)}
        return list(named)

    def parts(self, text: str) -> Iterator[Part]:
        if text == STANDARD_INPUT:
            yield from self._listed()
        elif (scheme := scheme_of(text)) is not None:
            yield _stream(text, scheme)
        elif (kind := _kind(self._here / text)) is not None:
            yield from self._path(text, kind)
        elif re.fullmatch(r"[0-9]{1,3}", text):
            yield Stream(text, _camera(int(text)))
        elif glob.has_magic(text):
            yield from self._matching(text)
        else:
            raise SourceError(
                f"{_said(text)}: expected a photograph, a folder, a zip, a video or a camera, "
                "found nothing",
                hint="check the path: it is relative to the folder where you are",
            )

    def _path(self, text: str, kind: str) -> Iterator[Part]:
        file = _File(as_text(str(PurePath(text))), self._here / text)
        if kind == "folder":
            yield self._folder(file)
        elif kind != "file":
            raise SourceError(f"{_said(text)}: expected a file, found {kind}",
                              hint="name a photograph, a folder, a zip or a video")  # fmt: skip
        elif _is_zip(file.path.name):
            yield from self._zip(file)
        else:
            yield Files(self._new([file]))

    def _folder(self, file: _File) -> Part:
        pictures, zips = (
            [_File(_below(file.name, name), file.path / name) for name in names]
            for names in _inside(file)
        )
        if not pictures:
            found = f"{len(zips)} zip{'s' * (len(zips) != 1)}" if zips else "none"
            hint = f"a zip is named itself: {_named(zips[0].name)}" if zips else "check the path"
            raise SourceError(
                f"{_said(file.name)}: expected photographs or videos, found {found}", hint=hint
            )
        self._zips += zips
        return Files(self._new(pictures))

    def _zip(self, file: _File) -> Iterator[Part]:
        if not self._new([file]):
            return
        try:
            with ZipSource(file.path) as source:
                members = sorted(filter(_is_wanted, source.members), key=_natural)
        except DamagedZipError:
            yield Files([file])  # a failed line, as of any other damaged file
            return
        except SourceError as error:
            unpack = shlex.join(["python3", "-m", "zipfile", "-e", str(file.path), "FOLDER"])
            hint = f"if you trust it, unpack it yourself: {unpack}; then: doors predict FOLDER"
            raise SourceError(error.problem, hint=hint) from None
        if not members:
            raise SourceError(f"{_said(file.name)}: expected photographs or videos, found none",
                              hint="check the path; zips in a zip are not opened")  # fmt: skip
        yield Zip(file, members)

    def _matching(self, pattern: str) -> Iterator[Part]:
        expanded = str(Path(pattern).expanduser())
        found = glob.glob(expanded, root_dir=self._here, recursive=True)  # noqa: PTH207 - relative
        known = [(text, kind) for text in sorted(found, key=_natural)
                 if (kind := _kind(self._here / text)) in {"file", "folder"}]  # fmt: skip
        # With ** there is each folder, and each file in it.
        wanted = [
            one for one in known if one[1] == "folder" or _is_wanted(one[0]) or _is_zip(one[0])
        ]
        if all(kind == "file" for _, kind in wanted) or "**" not in pattern:
            parts = [part for text, kind in wanted for part in self._path_if_any(text, kind)]
        else:
            parts = [part for text, kind in wanted if kind == "file"
                     for part in self._path(text, kind)]  # fmt: skip
        if not parts:
            raise SourceError(f"{_said(pattern)}: expected photographs or videos, found none "
                              "of that name", hint="check the pattern")  # fmt: skip
        yield from parts

    def _path_if_any(self, text: str, kind: str) -> list[Part]:
        if kind == "folder" and not _inside(_File(text, self._here / text))[0]:
            return []
        return list(self._path(text, kind))

    def _listed(self) -> Iterator[Part]:
        missing, parts = list[str](), list[Part]()
        for number, text in enumerate(_lines(self._input), start=1):
            kind = _kind(self._here / text)
            if kind in {"file", "folder"}:
                parts += self._path(text, kind)
            elif text.strip():
                missing.append(f"line {number}: {_said(text)}: found {kind or 'nothing'}")
        if missing:
            raise SourceError(
                f"standard input: expected the path of a file or folder in each line; "
                f"{len(missing)} are not there",
                hint="check the list: the paths are relative to the folder where you are",
                faults=missing[:_MOST_NAMED],
            )
        if not parts:
            raise SourceError("standard input: expected a path in each line, found none",
                              hint="find photos -name '*.jpg' | doors predict -")  # fmt: skip
        yield from _joined(parts)

    def _new(self, files: Sequence[_File]) -> list[_File]:
        """Return those that were not found before."""
        new = []
        for file in files:
            key = os.path.abspath(file.path)  # noqa: PTH100 - links stay links
            if key not in self._found:
                self._found.add(key)
                new.append(file)
        return new


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """Join parts of one file each."""
    files: list[_File] = []
    for part in parts:
        if isinstance(part, Files):
            files += part.files
            continue
        if files:
            yield Files(files)
            files = []
        yield part
    if files:
        yield Files(files)


def _lines(file: IO[bytes]) -> Iterator[str]:
    for number in range(1, _MOST_LINES + 2):
        line = file.readline(_MOST_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > _MOST_LINE_BYTES or number > _MOST_LINES:
            raise SourceError(
                f"standard input: expected at most {_MOST_LINES} lines of at most "
                f"{_MOST_LINE_BYTES} bytes, found more",
                hint="one path a line; or name the folder",
            )
        yield os.fsdecode(line.rstrip(b"\r\n"))


def _stream(text: str, scheme: str) -> Stream:
    name = masked(text)
    if scheme not in STREAM_SCHEMES:
        raise SourceError(
            f"{_said(name)}: expected {'://, '.join(STREAM_SCHEMES)}://, found {scheme}://",
            hint="download it, and name the file",
        )
    if is_picture(file_name_of(text)):
        raise SourceError(
            f"{_said(name)}: expected a stream or a video, found the address of a photograph",
            hint="download it, and name the file: curl -O ADDRESS",
        )
    return Stream(as_text(name), text)


def _camera(number: int) -> int:
    if sys.platform == "linux" and not Path(f"/dev/video{number}").exists():
        there = sorted((path.name for path in Path("/dev").glob("video*")), key=_natural)
        named = [name.removeprefix("video") for name in there[:_MOST_NAMED]]
        found = f"only {', '.join(named)}" if named else "none on this machine"
        raise SourceError(
            f"{number}: expected a photograph of that name, or a camera, found {found}",
            hint="connect the camera; for a file or folder check the path",
        )
    return number


def _watched(text: str, here: Path) -> Watched:
    path = here / text
    kind = _kind(path)
    if kind != "folder":
        raise SourceError(
            f"{_said(text)}: expected a folder to watch, found {kind or 'nothing'}",
            hint=f"make it first: mkdir -p {shlex.quote(text)}"
            if kind is None
            else "name the folder that files arrive in",
        )
    return Watched(as_text(str(PurePath(text))), path)


def _file_items(file: _File, reading: Reading) -> Iterator[Item]:
    if file.name in reading.done.names:
        return
    if is_video(file.path.name):
        yield from _video_items(file, reading)
    else:
        yield Item(partial(_load_file, file))


def _video_items(file: _File, reading: Reading) -> Iterator[Item]:
    last = reading.done.frames.get(file.name)
    after = -1 if last is None else last.index
    try:
        for taken in video_frames(file.path, every=reading.every, after=after):
            yield _frame_item(file.name, taken)
    except (UnreadablePictureError, OSError) as error:
        yield _failed(file.name, _reason(error))


def _frame_item(name: str, taken: TakenFrame) -> Item:
    picture = Picture(taken.bgr, Orientation(exif=None, is_applied=True))
    loaded = Loaded(name, picture, frame=taken.frame, read_ms=taken.read_ms)
    return Item(lambda: loaded, is_live=taken.is_live)


def _failed(name: str, problem: str) -> Item:
    loaded = Loaded(name, problem=problem)
    return Item(lambda: loaded)


def _load_file(file: _File) -> Loaded:
    if _is_zip(file.path.name):
        return Loaded(file.name, problem="a damaged zip: copy or download it again")
    started = perf_counter()
    try:
        with open_file(file.path) as opened:
            size = os.fstat(opened.fileno()).st_size
            data = opened.read(min(size, MOST_BYTES) + 1)
    except OSError as error:
        return Loaded(file.name, problem=_reason(error))
    return load_bytes(data, name=file.name, started=started)


def _reason(error: Exception) -> str:
    """Return why a file could not be read, on one line, without its name."""
    if isinstance(error, SourceError):
        return shortened(printable(error.problem))
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shortened(printable(text))


def _inside(folder: _File) -> tuple[list[str], list[str]]:
    """List the photographs and videos below a folder, and the zips; no results of ours.

    Both are in natural order.
    """
    try:
        members = FolderSource(folder.path).members
    except SourceError as error:
        raise SourceError(error.problem, hint="name the folders in it one by one") from None
    results = tuple(
        one.removesuffix(RESULTS_MARK) for one in members if one.endswith(f"/{RESULTS_MARK}")
    )
    others = [one for one in members if not (results and one.startswith(results))]
    pictures, zips = filter(_is_wanted, others), filter(_is_zip, others)
    return sorted(pictures, key=_natural), sorted(zips, key=_natural)


def _unopened(zips: Sequence[str]) -> AsTyped:
    more = f" and {len(zips) - 1} more" if len(zips) > 1 else ""
    are = "are zips, which are" if more else "is a zip, which is"
    return AsTyped(
        f"{_said(zips[0])}{more} {are} not opened in a folder; to look in: {_named(zips[0])}"
    )


def _named(name: str) -> str:
    """Spell the command that looks at it; a name that begins with a dash is no option."""
    return f"doors predict {_said(shlex.quote(f'./{name}' if name.startswith('-') else name))}"


def _is_wanted(name: str) -> bool:
    return is_picture(name) or is_video(name)


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _kind(path: Path) -> str | None:
    """Return ``file``, ``folder``, or what else is there; None if there is nothing."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a broken link" if path.is_symlink() else None
    except OSError as error:
        return f"no way to it ({error.strerror})"
    except ValueError:  # a NUL byte
        return None
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "a pipe or a device"


def _size_of(path: Path) -> tuple[int, int] | None:
    """Return size and time of change; None if it is not there any more."""
    with suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return None


def _are_few(videos: Sequence[Path]) -> bool:
    return len(videos) <= _MOST_VIDEOS_COUNTED


def _below(folder: str, member: str) -> str:
    return as_text(str(PurePath(folder) / member))


def _said(name: str) -> str:
    return shortened(printable(name), 300)


def _natural(name: str) -> list[tuple[tuple[int, int | str], ...]]:
    """Return the key of the order in which people count: a2 is before a10.

    >>> sorted(["b/a10.jpg", "b/a2.jpg", "B.jpg", "b1/x"], key=_natural)
    ['b/a2.jpg', 'b/a10.jpg', 'b1/x', 'B.jpg']
    """
    return [_natural_part(part) for part in name.split("/")] + [((2, name),)]


def _natural_part(text: str) -> tuple[tuple[int, int | str], ...]:
    pieces = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(one)) if one[:1].isdecimal() and one.isascii() else (1, one)
                 for one in pieces if one)  # fmt: skip
