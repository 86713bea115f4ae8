"""Wrong labels, made on purpose, and predictions as a small model makes them out of fold."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from container_doors.evaluation.label_doubts import Doubt, ReviewedPhotograph
from container_doors.evaluation.matching import BoxXyxy, iou

KINDS = ("missing", "spurious", "loose", "shifted", "doubled")
"""What a review calls a label that was deleted, added, made larger, moved, drawn twice."""

_WORST_IOU = 0.75
"""A label that overlaps its door more is none that a person would draw again."""

_TRIES = 200
_IN_USE = 0.25


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One mistake."""

    kind: str
    image: str
    box: BoxXyxy
    """The label that is wrong now; for ``missing``, the one that was there."""


Labels = Mapping[str, Sequence[BoxXyxy]]
"""By photograph, in its pixels."""


def disturb(
    labels: Labels, sizes: Mapping[str, tuple[int, int]], fraction: float, seed: int
) -> tuple[dict[str, list[BoxXyxy]], list[Disturbance]]:
    """Disturb a fraction of the boxes, each kind as often as the others; a box at most once.

    Args:
        labels: The true boxes; a photograph without one has an empty list.
        sizes: Width and height of each photograph.
        fraction: Of the boxes.
        seed: For other mistakes.
    """
    random = np.random.default_rng(seed)
    every = [(image, box) for image, boxes in sorted(labels.items()) for box in boxes]
    count = math.ceil(fraction * len(every))
    order = random.permutation(len(every))
    disturbed = {image: list(boxes) for image, boxes in labels.items()}
    made: list[Disturbance] = []
    for index in order:
        if len(made) == count:
            break
        image, box = every[index]
        one = _disturbed(KINDS[len(made) % len(KINDS)], image, box, disturbed, sizes, random)
        if one is not None:
            made.append(one)
    return disturbed, made


def _disturbed(
    kind: str,
    image: str,
    box: BoxXyxy,
    labels: dict[str, list[BoxXyxy]],
    sizes: Mapping[str, tuple[int, int]],
    random: np.random.Generator,
) -> Disturbance | None:
    """Make one mistake; None if the picture has no room for it."""
    if kind == "missing":
        labels[image].remove(box)
        return Disturbance(kind, image, box)
    if kind == "spurious":
        images = sorted(labels)
        image = images[random.integers(len(images))]
    for _ in range(_TRIES):
        wrong = _clipped(_wrong(kind, box, sizes[image], random), sizes[image])
        overlaps = [iou(wrong, one) for one in labels[image]]
        if kind == "spurious" and max(overlaps, default=0.0) < 0.1 and _area(wrong) > 0:
            labels[image].append(wrong)
            return Disturbance(kind, image, wrong)
        if kind == "doubled" and 0.6 < iou(wrong, box) < 0.95:
            labels[image].append(wrong)
            return Disturbance(kind, image, wrong)
        if kind in {"loose", "shifted"} and 0.3 < iou(wrong, box) < _WORST_IOU:
            labels[image][labels[image].index(box)] = wrong
            return Disturbance(kind, image, wrong)
    return None


def _wrong(
    kind: str, box: BoxXyxy, size_wh: tuple[int, int], random: np.random.Generator
) -> BoxXyxy:
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    if kind == "loose":
        a, b, c, d = random.uniform(0.0, 0.4, 4)
        return left - a * wide, top - b * high, right + c * wide, bottom + d * high
    if kind == "spurious":
        size = random.uniform(0.15, 0.5, 2) * size_wh
        x, y = random.uniform(0, 1, 2) * (np.array(size_wh) - size)
        return float(x), float(y), float(x + size[0]), float(y + size[1])
    most = 0.12 if kind == "doubled" else 0.35
    x, y = random.uniform(-most, most, 2) * (wide, high)
    return left + x, top + y, right + x, bottom + y


def _clipped(box: BoxXyxy, size_wh: tuple[int, int]) -> BoxXyxy:
    (left, top, right, bottom), (wide, high) = box, size_wh
    return max(left, 0.0), max(top, 0.0), min(right, float(wide)), min(bottom, float(high))


def _area(box: BoxXyxy) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def simulated(
    labels: Labels,
    wrong: Labels,
    sizes: Mapping[str, tuple[int, int]],
    seed: int,
    *,
    is_small: bool = False,
) -> list[ReviewedPhotograph]:
    """Predict every photograph as a model does that has not learned its labels.

    Confidences, misses, edges and false alarms are drawn from what small models made of real
    photographs out of fold (``out_of_fold_noise.json``: 224 px, a quarter of an hour on two cores).

    Args:
        labels: The true boxes.
        wrong: The labels that are reviewed.
        sizes: Width and height of each photograph.
        seed: For other draws.
        is_small: Whether as many doors are missed, and as many false alarms given, as by those
            models. Else as by one that was trained in full (docs/measured.md: at a confidence of
            0.25 it finds 53 of 53 doors, and nothing else, in 64 photographs): one door in thirty
            is missed, and every false alarm is below that confidence.
    """
    random = np.random.default_rng((seed, 1))
    noise = _noise() if is_small else _trained_in_full(_noise())
    reviewed = []
    for image, doors in sorted(labels.items()):
        found: list[tuple[BoxXyxy, float]] = []
        for door in doors:
            drawn = noise["doors"][random.integers(len(noise["doors"]))]
            if drawn is not None:
                found.append((_moved(door, drawn[1:], sizes[image]), drawn[0]))
        wide, high = sizes[image]
        for confidence, *edges in noise["alarms"][random.integers(len(noise["alarms"]))]:
            box = (edges[0] * wide, edges[1] * high, edges[2] * wide, edges[3] * high)
            if all(iou(box, door) < 0.45 for door in doors):  # as non-maximum suppression
                found.append((box, confidence))
        boxes, confidences = [box for box, _ in found], [confidence for _, confidence in found]
        reviewed.append(
            ReviewedPhotograph(image, tuple(wrong[image]), tuple(boxes), tuple(confidences))
        )
    return reviewed


@cache
def _noise() -> Any:
    path = Path(__file__).with_name("out_of_fold_noise.json")
    return json.loads(path.read_text(encoding="utf-8"))


def _trained_in_full(noise: Any) -> Any:
    found = [one for one in noise["doors"] if one is not None and one[0] >= _IN_USE]
    alarms = [[one for one in ones if one[0] < _IN_USE] for ones in noise["alarms"]]
    return {"doors": [*found, *[None] * round(len(found) / 29)], "alarms": alarms}


def _moved(door: BoxXyxy, offsets: Sequence[float], size_wh: tuple[int, int]) -> BoxXyxy:
    """Move each edge by a fraction of the door's width or height."""
    wide, high = door[2] - door[0], door[3] - door[1]
    left, top, right, bottom = (
        edge + offset * side
        for edge, offset, side in zip(door, offsets, (wide, high, wide, high), strict=True)
    )
    return _clipped((left, top, right, bottom), size_wh)


def found_among_first(
    fraction: float, made: Sequence[Disturbance], doubts: Sequence[Doubt], photographs: int
) -> float:
    """Return the fraction of wrong labels in the photographs that a review shows first.

    Args:
        fraction: Of all photographs: whoever looks at so many of them in the order of the doubts.
        made: What is wrong.
        doubts: The strongest first.
        photographs: How many there are.
    """
    shown = list(dict.fromkeys(one.image for one in doubts))
    first = set(shown[: math.ceil(fraction * photographs)])
    return sum(_is_among(one, [d for d in doubts if d.image in first]) for one in made) / len(made)


def found_among_first_doubts(
    fraction: float, made: Sequence[Disturbance], doubts: Sequence[Doubt], boxes: int
) -> float:
    """Return the same for the first doubts, as many as a fraction of all boxes."""
    first = doubts[: math.ceil(fraction * boxes)]
    return sum(_is_among(one, first) for one in made) / len(made)


def _is_among(one: Disturbance, doubts: Sequence[Doubt]) -> bool:
    """Return whether a doubt is on this label, or on either label of one that was drawn twice."""
    return any(
        doubt.proposed is not None and iou(doubt.proposed, one.box) >= 0.5
        if one.kind == "missing" and doubt.kind == "missing"
        else doubt.box is not None
        and iou(doubt.box, one.box) > (0.6 if one.kind == "doubled" == doubt.kind else 0.999)
        for doubt in doubts
        if doubt.image == one.image
    )
