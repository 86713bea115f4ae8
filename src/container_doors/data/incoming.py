"""Finds and reads the pictures that label files name."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from container_doors.core.errors import SourceError
from container_doors.data.convert_pictures import Prepared, UnreadablePictureError, prepare
from container_doors.data.formats.record import LabelledPhotograph, MalformedError
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.sources import NotAFileError, PictureIndex, Source, one_of

_CHUNK, _THREADS = 32, 4
"""Photographs in memory at once, and threads that read and hash them."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A picture that was read, or what is wrong with it."""

    labelled: LabelledPhotograph
    member: str
    sha256: str = ""
    picture: Prepared | None = None
    problem: str = ""
    is_no_file: bool = False
    """Whether the problem is that there is only a name: a dead link, or a pipe."""


class Reader:
    """Finds and reads the pictures of a source."""

    def __init__(
        self, source: Source, *, pictures: Source | None, reads_unlabelled: bool, keep_gps: bool
    ) -> None:
        """Store where to look.

        Args:
            source: The source.
            pictures: Where the photographs are, if that is another one.
            reads_unlabelled: Whether photographs are read that nobody has labelled.
            keep_gps: See :func:`~container_doors.data.convert_pictures.prepare`.
        """
        self._pictures = pictures or source
        self._reads_unlabelled, self._keep_gps = reads_unlabelled, keep_gps
        self._index: PictureIndex | None = None
        self._used: set[str] = set()

    def read(self, photographs: Iterable[LabelledPhotograph]) -> Iterator[Incoming]:
        """Read the pictures in order, several at a time."""
        pending = iter(photographs)
        with ThreadPoolExecutor(_THREADS) as pool:
            while chunk := list(islice(pending, _CHUNK)):
                wanted = [self._find(one) for one in chunk]
                # Frames of a video are decoded one after the other.
                is_video = any(one.video for one in chunk)
                yield from map(self._load, wanted) if is_video else pool.map(self._load, wanted)

    def unused(self) -> list[str]:
        """Return the pictures of the source that no label file names."""
        return [
            one for one in self._pictures.members if is_picture(one) and one not in self._used
        ] if self._index is not None else []  # fmt: skip

    def _find(self, labelled: LabelledPhotograph) -> tuple[Incoming, Callable[[], bytes] | None]:
        if labelled.video and labelled.embedded is not None:
            return Incoming(labelled, f"{labelled.video}/{labelled.picture}"), labelled.embedded
        if self._index is None:
            self._index = PictureIndex([one for one in self._pictures.members if is_picture(one)])
        names = (labelled.picture, *labelled.also)
        found = next(
            (one for name in names if (one := self._index.find(name, labelled.folder))), []
        )
        self._used.update(found)
        if len(found) == 1:
            member = found[0]
            return Incoming(labelled, member), lambda: self._pictures.read(member)
        if not found and labelled.embedded is not None:
            return Incoming(labelled, labelled.picture), labelled.embedded
        what = f"which can be {one_of(found)}" if found else "which is not there"
        found_instead = f"{labelled.picture!r}, {what}"
        problem = MalformedError(labelled.where, "a picture of the source", found_instead)
        return Incoming(labelled, labelled.picture, problem=str(problem)), None

    def _load(self, wanted: tuple[Incoming, Callable[[], bytes] | None]) -> Incoming:
        read, load = wanted
        if load is None or not (read.labelled.is_labelled or self._reads_unlabelled):
            return read
        try:
            data = load()
            picture = prepare(data, keep_gps=self._keep_gps)
        except SourceError as error:
            is_no_file = isinstance(error, NotAFileError)
            return replace(read, problem=error.problem, is_no_file=is_no_file)
        except UnreadablePictureError as error:
            is_inside = read.labelled.embedded is not None
            where = read.labelled.where if is_inside else self._pictures.where(read.member)
            return replace(read, problem=str(MalformedError(where, error.expected, str(error))))
        return replace(read, sha256=hashlib.sha256(data).hexdigest(), picture=picture)
