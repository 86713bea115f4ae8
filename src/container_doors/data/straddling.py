"""Find scenes that are in more than one split already, and whether scenes are known at all."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from container_doors.core.records import SPLITS
from container_doors.data.duplicates import Pair
from container_doors.data.photographs import Photograph
from container_doors.data.split import join

COPIES = "near-duplicates"


@dataclass(frozen=True, slots=True)
class Column:
    """What one way of grouping says of each photograph."""

    kind: str
    """``name``, ``folder``, ``time``, ``attributes`` or ``video``."""
    labels: Sequence[str | None]
    """Photographs with the same label belong together; None with no other."""


@dataclass(frozen=True, slots=True)
class Joins:
    """What joins the photographs of a data set, by their positions."""

    columns: Sequence[Column]
    pairs: Sequence[Pair]
    same_bytes: Sequence[tuple[int, int]]
    count: int

    def scenes(self) -> list[int]:
        """Return for each photograph the position of the first of its scene."""
        links = [link for column in self.columns for link in links_of(column.labels)]
        return join(self.count, [*links, *self._alike()])

    def is_more_than_alike(self) -> bool:
        """Return whether anything but their looks joins photographs."""
        return len(set(self.scenes())) < len(set(join(self.count, self._alike())))

    def is_known(self, index: int) -> bool:
        """Return whether a photograph is in a group, even if it is the only one of it."""
        return any(column.labels[index] is not None for column in self.columns)

    def copies(self) -> list[tuple[int, int]]:
        """Return the pairs that are one picture, changed or not."""
        changed = [(one.one, one.other) for one in self.pairs if one.relation == "copy"]
        return [*changed, *self.same_bytes]

    def _alike(self) -> list[tuple[int, int]]:
        return [*((pair.one, pair.other) for pair in self.pairs), *self.same_bytes]


@dataclass(frozen=True, slots=True)
class Straddle:
    """A group of photographs that is in more than one split."""

    name: str
    kind: str
    """What joins them: the kind of a column, or ``near-duplicates``."""
    members: dict[str, list[int]] = field(default_factory=dict)
    """By split, in the order of the splits."""

    def positions(self) -> list[int]:
        """Return all members."""
        return [one for members in self.members.values() for one in members]


def links_of(labels: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Link each photograph that has a label with the first that has the same."""
    first: dict[str, int] = {}
    for index, label in enumerate(labels):
        if label is not None:
            yield first.setdefault(label, index), index


def straddles(photographs: Sequence[Photograph], joins: Joins) -> list[Straddle]:
    """Return the groups that are in more than one split, each set of photographs once.

    Pairs that are only perhaps of one scene are no proof: :func:`doubtful_pairs`.
    """
    groups = [*_of_columns(joins), *_of_copies(photographs, joins)]
    found: dict[tuple[int, ...], Straddle] = {}
    for kind, name, group in groups:
        members = {
            split: [one for one in group if photographs[one].split == split] for split in SPLITS
        }
        members = {split: inside for split, inside in members.items() if inside}
        if len(members) > 1:
            straddle = Straddle(name, kind, members)
            found.setdefault(tuple(sorted(straddle.positions())), straddle)
    return list(found.values())


def doubtful_pairs(photographs: Sequence[Photograph], joins: Joins) -> list[Pair]:
    """Return the pairs in two splits that are perhaps of one scene."""
    return [
        pair
        for pair in joins.pairs
        if pair.relation != "copy"
        and len({photographs[pair.one].split, photographs[pair.other].split} & set(SPLITS)) > 1
    ]


def _of_columns(joins: Joins) -> Iterator[tuple[str, str, list[int]]]:
    for column in joins.columns:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, label in enumerate(column.labels):
            if label is not None:
                groups[label].append(index)
        for label, group in groups.items():
            yield column.kind, " ".join(filter(None, label.split("\0"))), group


def _of_copies(
    photographs: Sequence[Photograph], joins: Joins
) -> Iterator[tuple[str, str, list[int]]]:
    """Join copies, without those in no split: what connects them is not placed yet."""
    placed = {index for index, each in enumerate(photographs) if each.split in SPLITS}
    links = [link for link in joins.copies() if placed.issuperset(link)]
    groups: dict[int, list[int]] = defaultdict(list)
    for index, first in enumerate(join(joins.count, links)):
        groups[first].append(index)
    for first, group in groups.items():
        if len(group) > 1:
            yield COPIES, photographs[first].image.as_posix(), group
