"""Find near-duplicates: copies of one picture that are not equal byte for byte, and its moments.

Candidates come from descriptors of 12 x 12 values: the nearest ones of each photograph, also of its
mirror image and of its parts, so that a cropped copy is among them. :mod:`alignment` then compares
each candidate with it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from container_doors.data.alignment import (
    Floats,
    Relation,
    Window,
    compare,
    normalize_contrast,
    warp_between,
)
from container_doors.data.pool import spread
from container_doors.data.thumbnails import SIDE_PX, Thumbnail

_DESCRIPTOR_SIDE = 12
_NEAREST = 10
"""Candidates per photograph. In a burst of more frames each is paired with its nearest."""

_LEAST_SIMILARITY = 0.45
"""Of descriptors, as cosine: copies reach 0.55, and 99 of 100 pairs of photographs do not."""

_CUT, _MARGINS = 0.10, (0.05, 0.09)
_PANS = (0.10, 0.18)
_MOST_OF_A_SIDE = ((0.0, 1.0), (_CUT, 1.0), (0.0, 1 - _CUT))


def _window(left: float, top: float, right: float, bottom: float) -> Window:
    """Make a window from fractions of the side."""
    return Window(*(round(each * SIDE_PX) for each in (left, top, right, bottom)))


_WHOLE = _window(0, 0, 1, 1)
_PARTS = (
    *(
        _window(left, top, right, bottom)
        for left, right in _MOST_OF_A_SIDE
        for top, bottom in _MOST_OF_A_SIDE
    ),
    *(_window(margin, margin, 1 - margin, 1 - margin) for margin in _MARGINS),
)
"""The whole, and what is left if 10 % are cut off at a side or a corner, or 5 or 9 % all around.
Smaller cuts are near enough to one of them."""

_TURNED = tuple(
    pair
    for pan in _PANS
    for one, other in (
        (_window(pan, 0, 1, 1), _window(0, 0, 1 - pan, 1)),
        (_window(0, pan, 1, 1), _window(0, 0, 1, 1 - pan)),
    )
    for pair in ((one, other), (other, one))
)
"""What two photographs share between which the camera was turned a little."""

_VIEWS = (
    *((_WHOLE, part, is_mirrored) for is_mirrored in (False, True) for part in _PARTS),
    *((one, other, False) for one, other in _TURNED),
)
"""Which window of one photograph is compared with which of another, mirrored or not."""

_LEAST_CONTRAST = 4.0
"""Levels of standard deviation; an emptier picture is the near-duplicate of any other."""

_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photographs that are near-duplicates, by their positions; ``one`` is smaller."""

    one: int
    other: int
    relation: Relation


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Two photographs that look similar in one of the views."""

    one: Thumbnail
    other: Thumbnail
    view: int


def _no_progress(done: int, total: int) -> None:
    pass


def find_pairs(
    thumbnails: Sequence[Thumbnail | None],
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = _no_progress,
) -> list[Pair]:
    """Find the near-duplicates among photographs.

    Args:
        thumbnails: One for each photograph; None if it could not be decoded.
        workers: How many processes compare; see :func:`spread`.
        on_progress: Receives the numbers of candidates compared and in total.

    Returns:
        The pairs, sorted.
    """
    known = [
        (index, each)
        for index, each in enumerate(thumbnails)
        if each is not None and float(each.std()) >= _LEAST_CONTRAST
    ]
    if len(known) < 2:
        return []
    found = _candidates([each for _, each in known])
    relations = spread(_compare, list(found.values()), workers=workers, on_progress=on_progress)
    return sorted(
        (
            Pair(known[one][0], known[other][0], relation)
            for (one, other), relation in zip(found, relations, strict=True)
            if relation is not None
        ),
        key=lambda pair: (pair.one, pair.other),
    )


def _compare(candidate: _Candidate) -> Relation | None:
    one, other, is_mirrored = _VIEWS[candidate.view]
    warp = warp_between(one, other)
    return compare(candidate.one, candidate.other, warp=warp, is_mirrored=is_mirrored)


def _candidates(thumbnails: Sequence[Thumbnail]) -> dict[tuple[int, int], _Candidate]:
    """Find the candidates of each photograph; the best view of each pair of them."""
    described = _describe(thumbnails)
    best: dict[tuple[int, int], tuple[float, _Candidate]] = {}
    for start in range(0, len(thumbnails), _ROWS_AT_ONCE):
        for one, other, view, similarity in _nearest(described, start):
            pair = (min(one, other), max(one, other))
            if pair not in best or similarity > best[pair][0]:
                candidate = _Candidate(thumbnails[one], thumbnails[other], view)
                best[pair] = similarity, candidate
    return {pair: best[pair][1] for pair in sorted(best)}


def _nearest(
    described: Mapping[Window, Floats], start: int
) -> Iterator[tuple[int, int, int, float]]:
    """Yield, for some photographs: one, another, their most similar view, and the similarity."""
    rows = slice(start, start + _ROWS_AT_ONCE)
    whole = described[_WHOLE]
    similarity = np.full((len(whole[rows]), len(whole)), -1, np.float32)
    for first, second, is_mirrored in _VIEWS:
        found = _seen(described[first][rows], is_mirrored=is_mirrored) @ described[second].T
        np.maximum(similarity, found, out=similarity)
    numbers = np.arange(len(similarity))
    similarity[numbers, start + numbers] = -1
    most = min(_NEAREST, len(whole) - 1)
    columns = np.argpartition(-similarity, most - 1, axis=1)[:, :most]
    for row, column in zip(np.repeat(numbers, most), columns.ravel(), strict=True):
        if similarity[row, column] >= _LEAST_SIMILARITY:
            one, other = start + int(row), int(column)
            yield one, other, _best_view(described, one, other), float(similarity[row, column])


def _best_view(described: Mapping[Window, Floats], one: int, other: int) -> int:
    similarities = [
        _seen(described[first][one], is_mirrored=is_mirrored) @ described[second][other]
        for first, second, is_mirrored in _VIEWS
    ]
    return int(np.argmax(similarities))


def _seen(vectors: Floats, *, is_mirrored: bool) -> Floats:
    """Mirror descriptors: of two photographs it is the same whichever is mirrored."""
    if not is_mirrored:
        return vectors
    square = vectors.reshape(*vectors.shape[:-1], _DESCRIPTOR_SIDE, _DESCRIPTOR_SIDE)
    return square[..., ::-1].reshape(vectors.shape)


def _describe(thumbnails: Sequence[Thumbnail]) -> dict[Window, Floats]:
    """Describe each window of each photograph.

    Returns:
        Unit vectors (photographs, values), by the window.
    """
    side = _DESCRIPTOR_SIDE
    windows = list(dict.fromkeys(each for one, other, _ in _VIEWS for each in (one, other)))
    described = {window: np.empty((len(thumbnails), side**2), np.float32) for window in windows}
    for index, thumbnail in enumerate(thumbnails):
        smooth = normalize_contrast(cv2.GaussianBlur(thumbnail, (0, 0), 1.5))
        for window, vectors in described.items():
            values = cv2.resize(window.of(smooth), (side, side), interpolation=cv2.INTER_AREA)
            values -= values.mean()
            vectors[index] = (values / (np.linalg.norm(values) + 1e-6)).ravel()
    return described
