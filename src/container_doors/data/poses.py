"""Tell poses from polygons in YOLO rows: a row alone may be either, the rows of a data set are not.

A pose is a box, then x, y and perhaps 0, 1 or 2 (visibility) per point; a polygon is points alone.
Source: https://docs.ultralytics.com/datasets/pose/
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Poses = Mapping[int, int]
"""The points of a pose by the number of values after the class; other rows are no poses."""

_SLACK = 0.02

_FEWEST_VALUES = 6
"""A polygon has three points; a pose of one point has as many values, or one more."""

_CERTAIN, _POSSIBLE, _FEWEST_ROWS = 0.2, 0.8, 5
"""Proportions of the rows of one length. In sets drawn from 138 real boxes, poses had at least 0.2
that can only be poses, or all could be poses; of quadrilaterals and ellipses at most 0.02 could."""

_FAR_APART = 0.1
"""Where all could be poses: the proportion whose second point would lie far from all others. None
of the quadrilaterals had one, not even those of a camera that has each door in its middle."""


def find_poses(labels: Iterable[bytes], shape: tuple[int, int] | None) -> Poses:
    """Return which rows of a data set are poses: one verdict for all rows of the same length.

    Args:
        labels: The bytes of each label file.
        shape: ``kpt_shape``: the points of a pose, and the numbers of each; None if not stated.
    """
    lengths: dict[int, _Length] = defaultdict(_Length)
    for data in labels:
        for values in _long_rows(data):
            lengths[len(values)].add(values)
    total = sum(one.rows for one in lengths.values())
    found = {count: one.points(count, total) for count, one in lengths.items()}
    stated = {4 + shape[0] * shape[1]: shape[0]} if shape else {}
    return {count: points for count, points in found.items() if points} | stated


@dataclass(slots=True)
class _Length:
    """What the rows of one length have in common."""

    rows: int = 0
    with_visibility: int = 0
    possible: int = 0
    far_apart: int = 0
    votes: Counter[int] = field(default_factory=Counter)
    """Rows that can only be poses, by their number of points."""

    def add(self, values: Sequence[float]) -> None:
        """Take one row into account."""
        self.rows += 1
        if points := pose_points(values):
            self.votes[points] += 1
        self.with_visibility += _has_visibility(values)
        if len(values) % 2 == 0 and _holds_its_points(values):
            self.possible += 1
            self.far_apart += _is_second_far(values)

    def points(self, count: int, total: int) -> int:
        """Return the points of a pose of ``count`` values; 0 if these rows are polygons.

        Args:
            count: The number of values of these rows.
            total: The rows of all lengths: poses of one data set have the same.
        """
        if self.rows < _CERTAIN * total and self.with_visibility < _CERTAIN * self.rows:
            return 0
        if sum(self.votes.values()) >= _CERTAIN * self.rows:
            return self.votes.most_common(1)[0][0]
        are_possible = self.rows >= _FEWEST_ROWS and self.possible >= _POSSIBLE * self.rows
        if are_possible and self.far_apart >= _FAR_APART * self.rows:
            return (count - 4) // 2
        return 0


def _long_rows(data: bytes) -> Iterator[list[float]]:
    for line in data.decode("utf-8-sig", "replace").splitlines():
        fields = line.split()[1:]
        if len(fields) < _FEWEST_VALUES:
            continue
        try:
            yield [float(value) for value in fields]
        except ValueError:
            continue


def pose_points(values: Sequence[float]) -> int:
    """Count the points of a row that can only be a pose; 0 if it can be a polygon.

    A polygon is not counted: its first two points are not a box that its other points fill.

    >>> pose_points([0.5, 0.5, 0.4, 0.4, 0.3, 0.3, 2, 0.7, 0.7, 1])
    2
    >>> pose_points([0.3, 0.3, 0.7, 0.3, 0.7, 0.7, 0.3, 0.7])
    0
    """
    numbers = values[4:]
    if _has_visibility(values):
        return len(numbers) // 3
    if len(values) < _FEWEST_VALUES or not _is_box(values):
        return 0
    if len(numbers) % 3 == 0 and {0, 1, 2}.issuperset(numbers[2::3]):
        triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        visible = [(left, top) for left, top, is_visible in triples if is_visible]
        if all(_is_within(point, values) for point in visible):
            return len(numbers) // 3
    if len(numbers) % 2 == 0:
        visible = _visible(values)
        if all(_is_within(point, values) for point in visible) and _fill(visible, values):
            return len(numbers) // 2
    return 0


def _has_visibility(values: Sequence[float]) -> bool:
    """Return whether there is a 2 where a visibility is, which is no coordinate of a polygon."""
    kinds = values[6::3]
    return len(values) % 3 == 1 and 2 in kinds and {0, 1, 2}.issuperset(kinds)


def _is_box(values: Sequence[float]) -> bool:
    x, y, width, height = values[:4]
    inside = min(x - width / 2, y - height / 2) >= -_SLACK
    inside = inside and max(x + width / 2, y + height / 2) <= 1 + _SLACK
    return inside and min(width, height) > 0


def _holds_its_points(values: Sequence[float]) -> bool:
    visible = _visible(values)
    return bool(visible) and _is_box(values) and all(_is_within(one, values) for one in visible)


def _visible(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the points after the box; those that were not labelled are at 0, 0."""
    points = zip(values[4::2], values[5::2], strict=True)
    return [point for point in points if any(point)]


def _is_second_far(values: Sequence[float]) -> bool:
    """Return whether a polygon's second point would be far from all others, which a size often is.

    Far is more than the diagonal of the box around the others.
    """
    others = [(values[0], values[1]), *_visible(values)]
    spans = [max(ends) - min(ends) for ends in zip(*others, strict=True)]
    second = values[2], values[3]
    return min(math.dist(second, other) for other in others) > math.hypot(*spans)


def _is_within(point: tuple[float, float], box: Sequence[float]) -> bool:
    x, y, width, height = box[:4]
    return abs(point[0] - x) <= width * 0.6 and abs(point[1] - y) <= height * 0.6


def _fill(points: Sequence[tuple[float, float]], box: Sequence[float]) -> bool:
    """Return whether points are around a box's middle, and spread over half of it or more."""
    if len(points) < 2:
        return False
    for axis in (0, 1):
        ends = [point[axis] for point in points]
        middle, size = (min(ends) + max(ends)) / 2, max(ends) - min(ends)
        if abs(middle - box[axis]) > 0.15 * box[axis + 2] or size < 0.5 * box[axis + 2]:
            return False
    return True
