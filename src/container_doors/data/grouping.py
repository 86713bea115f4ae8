"""Which photographs belong together, by what a person names: folders, names, times."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from container_doors.core.errors import DatasetError

CRITERIA = "attributes, folder, name:REGEX, time:GAP or video"
_GAP = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>s|min|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_LONGEST_NAME = 500
"""Characters of a name that a regular expression is tried on."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One way to know which photographs belong together."""

    kind: str
    pattern: re.Pattern[str] | None = None
    gap: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a photograph that can join it with others."""

    folder: str
    """Its folder in the split, or in what was imported; empty if it is in none."""
    name: str
    """The name that a person knows it by."""
    camera: str
    taken_at: datetime | None
    scene: str | None = None
    video: str | None = None


def parse_criterion(text: str) -> Criterion:
    """Read a criterion as it is typed.

    Raises:
        DatasetError: If it is none.
    """
    kind, _, value = text.partition(":")
    if kind in {"attributes", "folder", "video"} and not value:
        return Criterion(kind)
    if kind == "name" and value:
        try:
            return Criterion(kind, pattern=re.compile(value))
        except re.error as error:
            raise DatasetError(
                f"--group-by {text!r}: expected a regular expression, found {error}",
                hint="correct it; it is Python's: https://docs.python.org/3/library/re.html",
            ) from None
    gap = _GAP.fullmatch(value) if kind == "time" else None
    if gap is not None:
        seconds = float(gap["number"]) * _SECONDS[gap["unit"]]
        return Criterion(kind, gap=timedelta(seconds=seconds))
    example = {"time": "time:30s, time:5m or time:2h", "name": r"name:'^([A-Z]{4}\d{7})'"}
    raise DatasetError(
        f"--group-by {text!r}: expected {CRITERIA}",
        hint=f"for example --group-by {example.get(kind, 'folder')}",
    )


def labels_of(criterion: Criterion, known: Sequence[Known]) -> list[str | None]:
    """Return a label for each photograph; those with the same belong together, None with no other.

    Raises:
        DatasetError: If it joins nothing, because nothing is known, or nothing matches.
    """
    labels = _LABELS[criterion.kind](criterion, known)
    if known and not any(label is not None for label in labels):
        problem, hint = _NOTHING[criterion.kind]
        raise DatasetError(f"--group-by {criterion.kind}: {problem}", hint=hint)
    return labels


def _by_scene(_: Criterion, known: Sequence[Known]) -> list[str | None]:
    return [each.scene for each in known]


def _by_video(_: Criterion, known: Sequence[Known]) -> list[str | None]:
    return [each.video for each in known]


def _by_folder(_: Criterion, known: Sequence[Known]) -> list[str | None]:
    return [each.folder or None for each in known]


def _by_name(criterion: Criterion, known: Sequence[Known]) -> list[str | None]:
    """Return the groups of the expression, or the whole match if it has no groups."""
    assert criterion.pattern is not None  # noqa: S101 - parse_criterion
    labels: list[str | None] = []
    for each in known:
        match = criterion.pattern.search(each.name[:_LONGEST_NAME])
        parts = (match.groups("") or (match[0],)) if match else ()
        labels.append("\0".join(parts) if any(parts) else None)
    return labels


def _by_time(criterion: Criterion, known: Sequence[Known]) -> list[str | None]:
    """Join photographs of one camera, each taken within the gap after the one before."""
    assert criterion.gap is not None  # noqa: S101 - parse_criterion
    by_camera: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for index, each in enumerate(known):
        if each.taken_at is not None:
            by_camera[each.camera].append((each.taken_at, index))
    labels: list[str | None] = [None] * len(known)
    for camera, times in by_camera.items():
        times.sort()
        begun = before = times[0][0]
        for taken_at, index in times:
            if taken_at - before > criterion.gap:
                begun = taken_at
            before = taken_at
            labels[index] = f"{camera}\0{begun.isoformat()}"
    return labels


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A way to group photographs that would join some of them."""

    criterion: str
    """As it is typed."""
    scenes: int
    largest: int
    """Photographs."""


_SUGGESTED = ("folder", r"name:^(.*\D)\d+\D*\.\w+$", "time:5m")
"""The name's part before its last number: what cameras and downloads number."""

_FEWEST_SCENES = 3
"""One for each split."""


def suggestions(known: Sequence[Known]) -> list[Suggestion]:
    """Return ways to group that join some photographs, and leave scenes enough to divide.

    A scene of more than half of the photographs cannot be placed: names such as IMG_0001 say
    nothing of scenes.

    >>> shots = [Known("", f"gate{gate}_{n}.jpg", "", None) for gate in range(4) for n in range(2)]
    >>> suggestions(shots)[0].scenes, suggestions(shots[:2])
    (4, [])
    """
    found = []
    for text in _SUGGESTED:
        criterion = parse_criterion(text)
        labels = _LABELS[criterion.kind](criterion, known)
        sizes = Counter(label for label in labels if label is not None)
        scenes, largest = len(sizes) + labels.count(None), max(sizes.values(), default=0)
        if scenes >= _FEWEST_SCENES and 1 < largest <= len(known) / 2:
            found.append(Suggestion(text, scenes, largest))
    return found


def folder_of(place: PurePosixPath, member: str) -> str:
    """Return the folder of a photograph below its split, or else in what was imported.

    Args:
        place: The photograph's path below its split's folder.
        member: Its path in what was imported, which begins with that; empty if it was not.

    >>> folder_of(PurePosixPath("quay 4/a.jpg"), "x/b.jpg")
    'quay 4'
    >>> folder_of(PurePosixPath("a.jpg"), "x/y/a.jpg"), folder_of(PurePosixPath("a.jpg"), "x/a.jpg")
    ('x/y', '')
    """
    if len(place.parts) > 1:
        return str(place.parent)
    folder = PurePosixPath(member).parent
    return str(folder) if len(folder.parts) > 1 else ""


_LABELS = {
    "attributes": _by_scene,
    "video": _by_video,
    "folder": _by_folder,
    "name": _by_name,
    "time": _by_time,
}
_NOTHING = {
    "attributes": (
        "expected a column 'group' with scenes in attributes.csv, found none",
        "write it: image,group; or leave this option out",
    ),
    "video": (
        "expected photographs from a video in sources.csv, found none",
        "import the video: doors data import VIDEO; or leave this option out",
    ),
    "folder": (
        "expected photographs in folders, such as images/unsplit/quay_4/a.jpg, found none",
        "put each scene into a folder, or leave this option out",
    ),
    "name": (
        "the regular expression matches no name",
        "compare it with the names: column original_name of sources.csv, or the files' names",
    ),
    "time": (
        "expected the time of taking in EXIF, found it in no photograph",
        "group by something else: --group-by folder, or a column group in attributes.csv",
    ),
}
