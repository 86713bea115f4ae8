"""Doubts about labels: where a model that has not learned them disagrees, the strongest first.

The scores follow ObjectLab (arXiv 2309.00832), for one class: a confident box without a label
(overlooked), a label without a box, a label whose box is elsewhere (badly located); and a label
that is drawn twice. Each is in [0, 1], and comparable with the others.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median, stdev
from typing import Literal

from container_doors.evaluation.matching import BoxXyxy, iou, match, outside

Kind = Literal["missing", "spurious", "loose", "shifted", "doubled"]

DESCRIPTION: dict[Kind, str] = {
    "missing": "a door without a label",
    "spurious": "a label without a door",
    "loose": "a label of another size than its door",
    "shifted": "a label beside its door",
    "doubled": "a second label of one door",
}

CHANGE: dict[Kind, str] = {
    "missing": "add the label",
    "spurious": "remove the label",
    "loose": "draw it as the model has it",
    "shifted": "draw it as the model has it",
    "doubled": "remove the label",
}
"""What is done if a person agrees."""

LEAST_DOUBT = 0.05
"""Weaker doubts are not worth a look."""

_TOUCHING = 0.1
"""As for TIDE: below this IoU, two boxes have nothing to do with each other."""

_SAME_DOOR = 0.5
_SURELY_SAME_DOOR = 0.6
"""IoU of two labels."""

_CONFIDENT = 0.25
"""From this confidence on, a box beside a label shows where its door is."""

_NO_FIT, _GOOD_FIT = 0.3, 0.8
"""IoU of a faint box and a label: below the first it says nothing, from the second on it fits."""

_WITHOUT_A_BOX = 0.93
"""The doubt about a label where nothing is found. Good models miss some doors, too: it is weaker
than one about a label that a confident box is beside."""

_PRIOR = 2.0
"""How many boxes a confidence is worth, against those that show how often it is right."""

_MOST_COMPARED = 500
"""Labels of a photograph that are compared with each other; it has two or three doors."""

_FAINT = 0.01
"""A box of this confidence says nothing."""

_FEWEST = 10
"""Pairs from which the usual IoU is taken."""

_FEWEST_FOR_OFFSET = 20
_LEAST_OFFSET = 0.01
"""A hundredth of a door's size is as exact as people draw."""

_LEAST_SPREAD = 0.02
_MANY_DEVIATIONS = 3.0
_MAD_TO_DEVIATION = 1.4826
"""The median absolute deviation, times this, is the standard deviation of a normal distribution."""


@dataclass(frozen=True, slots=True)
class ReviewedPhotograph:
    """A photograph's labels, and what a model finds in it; all boxes in its pixels."""

    image: str
    labels: tuple[BoxXyxy, ...]
    found: tuple[BoxXyxy, ...]
    confidences: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubt, and what the label would be without it."""

    image: str
    kind: Kind
    score: float
    """In [0, 1]."""
    label: int | None
    """The number of the label in the photograph; None if it is missing."""
    box: BoxXyxy | None
    """The label as it is; None if it is missing."""
    proposed: BoxXyxy | None
    """The label as it should be; None if it should go."""
    confidence: float | None
    """Of the model's box; None if there is none."""


def label_doubts(photographs: Sequence[ReviewedPhotograph]) -> list[Doubt]:
    """Return all doubts, the strongest first; equal ones in the order of the photographs."""
    usual, trust = _usual(photographs), _trust(photographs)
    doubts = [doubt for one in photographs for doubt in _doubts_of(one, usual, trust)]
    return sorted((one for one in doubts if one.score >= LEAST_DOUBT), key=lambda one: -one.score)


@dataclass(frozen=True, slots=True)
class Offset:
    """A difference in size that all boxes of a model have from the labels."""

    outside: float
    """How far each side is outside the label, as a mean fraction of its width or height; negative
    if the boxes are smaller."""
    doors: int


def common_offset(photographs: Sequence[ReviewedPhotograph]) -> Offset | None:
    """Return by how much a model's boxes are larger or smaller than the labels, in general.

    None if that is less than a hundredth, or may be chance.
    """
    found = [
        outside(box, one.labels[label])
        for one in photographs
        for box, confidence, label in zip(
            one.found,
            one.confidences,
            match(one.found, one.confidences, one.labels).door_of,
            strict=True,
        )
        if label is not None and confidence >= _CONFIDENT and _has_area(one.labels[label])
    ]
    if len(found) < _FEWEST_FOR_OFFSET:
        return None
    usual, error = fmean(found), stdev(found) / math.sqrt(len(found))
    is_large = abs(usual) >= max(_LEAST_OFFSET, _MANY_DEVIATIONS * error)
    return Offset(usual, len(found)) if is_large else None


def _has_area(box: BoxXyxy) -> bool:
    return box[2] > box[0] and box[3] > box[1]


@dataclass(frozen=True, slots=True)
class _Agreement:
    """How well boxes usually fit the labels."""

    iou: float
    spread: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """A label, and the box that fits it."""

    label: int
    found: int
    confidence: float
    iou: float


_USUAL = _Agreement(0.9, 0.05)
"""Where the photographs do not tell."""


def _usual(photographs: Sequence[ReviewedPhotograph]) -> _Agreement:
    """Return the median IoU of pairs, and its deviation, both robust to the labels in doubt."""
    overlaps = sorted(
        pair.iou
        for one in photographs
        for pair in _pairs(one)
        if pair.iou >= _SAME_DOOR and pair.confidence >= _CONFIDENT
    )
    if len(overlaps) < _FEWEST:
        return _USUAL
    middle = median(overlaps)
    spread = _MAD_TO_DEVIATION * median(abs(one - middle) for one in overlaps)
    return _Agreement(middle, max(spread, _LEAST_SPREAD))


def _pairs(one: ReviewedPhotograph) -> list[_Pair]:
    """Give each label the box that fits it, the most confident and nearest pair first."""
    every = [
        _Pair(label, found, confidence, overlap)
        for label, edges in enumerate(one.labels)
        for found, (box, confidence) in enumerate(zip(one.found, one.confidences, strict=True))
        if (overlap := iou(edges, box)) >= _TOUCHING
    ]
    labels: set[int] = set()
    boxes: set[int] = set()
    pairs = []
    for pair in sorted(every, key=lambda pair: -pair.confidence * pair.iou):
        if pair.label not in labels and pair.found not in boxes:
            pairs.append(pair)
            labels.add(pair.label)
            boxes.add(pair.found)
    return pairs


Trust = Callable[[float], float]
"""Returns how often boxes of a confidence are doors, in [0, 1]."""


def _trust(photographs: Sequence[ReviewedPhotograph]) -> Trust:
    """Learn it from the photographs: confidences of a small model are too low, or too high.

    It never falls with the confidence (pool adjacent violators), and is smoothed by two boxes that
    agree with their own confidence.
    """
    seen: dict[float, list[bool]] = {}
    for one in photographs:
        are_doors = match(one.found, one.confidences, one.labels).detection_is_door
        for confidence, is_door in zip(one.confidences, are_doors, strict=True):
            if confidence >= _FAINT:
                seen.setdefault(confidence, []).append(is_door)
    blocks: list[tuple[float, float, float]] = []
    for confidence, are in sorted(seen.items()):
        doors, boxes = float(sum(are)), float(len(are))
        while blocks and blocks[-1][0] / blocks[-1][1] >= doors / boxes:
            doors, boxes = doors + blocks[-1][0], boxes + blocks[-1][1]
            blocks.pop()
        blocks.append((doors, boxes, confidence))
    ends = [highest for _, _, highest in blocks]

    def trust(confidence: float) -> float:
        index = bisect_left(ends, confidence)
        doors, boxes, _ = blocks[min(index, len(blocks) - 1)] if blocks else (0.0, 0.0, 0.0)
        return (doors + _PRIOR * confidence) / (boxes + _PRIOR)

    return trust


def _doubts_of(one: ReviewedPhotograph, usual: _Agreement, trust: Trust) -> Iterator[Doubt]:
    pairs = {pair.label: pair for pair in _pairs(one)}
    second = _second_labels(one, pairs)
    for label, edges in enumerate(one.labels):
        pair = pairs.get(label)
        if label in second:
            score = max(second[label], _absence(pair))
            yield Doubt(one.image, "doubled", score, label, edges, None, None)
        elif pair is None or pair.confidence < _CONFIDENT:
            confidence = pair.confidence if pair else None
            yield Doubt(one.image, "spurious", _absence(pair), label, edges, None, confidence)
        else:
            box = one.found[pair.found]
            kind: Kind = "loose" if _is_loose(edges, box) else "shifted"
            score = _distance(pair, usual, trust)
            yield Doubt(one.image, kind, score, label, edges, box, pair.confidence)
    taken = {pair.found for pair in pairs.values()}
    for found, (box, confidence) in enumerate(zip(one.found, one.confidences, strict=True)):
        if found not in taken:
            overlap = max((iou(box, edges) for edges in one.labels), default=0.0)
            score = trust(confidence) * max(0.0, 1 - overlap / _SAME_DOOR)
            yield Doubt(one.image, "missing", score, None, None, box, confidence)


def _second_labels(one: ReviewedPhotograph, pairs: Mapping[int, _Pair]) -> dict[int, float]:
    """Return the worse one of two labels that overlap, and how surely they are one door."""
    second: dict[int, float] = {}
    for first, other in combinations(range(min(len(one.labels), _MOST_COMPARED)), 2):
        overlap = iou(one.labels[first], one.labels[other])
        if overlap >= _SAME_DOOR:
            worse = min((other, first), key=lambda label: _fit(pairs.get(label)))
            second[worse] = max(second.get(worse, 0.0), min(1.0, overlap / _SURELY_SAME_DOOR))
    return second


def _fit(pair: _Pair | None) -> float:
    return pair.confidence * pair.iou if pair else 0.0


def _absence(pair: _Pair | None) -> float:
    """Return how surely there is no door: 0 with a box of confidence 1 that fits.

    Confidences are compared by their logarithm: a door that a model misses often has a faint box.
    That such a box fits the label is no chance, however faint it is.
    """
    if pair is None or pair.confidence <= _FAINT:
        return _WITHOUT_A_BOX
    strength = 1 - math.log(pair.confidence) / math.log(_FAINT)
    fit = min(1.0, max(0.0, pair.iou - _NO_FIT) / (_GOOD_FIT - _NO_FIT))
    return _WITHOUT_A_BOX * (1 - (1 + strength) / 2 * fit)


def _distance(pair: _Pair, usual: _Agreement, trust: Trust) -> float:
    """Return how surely the label is not where its door is."""
    deviations = max(0.0, usual.iou - pair.iou) / usual.spread
    return trust(pair.confidence) * (1 - math.exp(-((deviations / _MANY_DEVIATIONS) ** 2)))


def _is_loose(label: BoxXyxy, door: BoxXyxy) -> bool:
    """Return whether a label differs from its door in size more than in place."""
    wide, high = door[2] - door[0], door[3] - door[1]
    size = max(
        abs(math.log(max(label[2] - label[0], 1e-9) / max(wide, 1e-9))),
        abs(math.log(max(label[3] - label[1], 1e-9) / max(high, 1e-9))),
    )
    place = max(
        abs(label[0] + label[2] - door[0] - door[2]) / 2 / max(wide, 1e-9),
        abs(label[1] + label[3] - door[1] - door[3]) / 2 / max(high, 1e-9),
    )
    return size > place
