"""Scores of the slices of a split, and whether each slice proves the target recall."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from container_doors.core.measurements import NO_DOOR, PROVEN, Estimate, Slice, format_fraction
from container_doors.evaluation.appearance import door_attributes
from container_doors.evaluation.matched import (
    MatchedPhotograph,
    detection_icc,
    door_icc,
    precision,
    recall,
    renumber,
)
from container_doors.evaluation.ranking import Ranking
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.scores import coco_ranking
from container_doors.evaluation.spread import AP50, average_precision

Member = TypeVar("Member")

Values = Mapping[str, Mapping[str, str]]
"""Attribute values, by photograph, then by attribute."""


@dataclass(frozen=True, slots=True)
class _Icc:
    """Intraclass correlations of the whole split; a slice is too small to estimate its own."""

    doors: float
    detections: float


def slices(matched: Sequence[MatchedPhotograph], values: Values, *, target: float) -> list[Slice]:
    """Score the photographs of each attribute value, and the doors of each measured attribute.

    Args:
        matched: The photographs, matched.
        values: Of their attributes.
        target: The recall that each slice should reach.
    """
    of_photographs = _group(
        ((attribute, value), number)
        for number, one in enumerate(matched)
        for attribute, value in values.get(one.photograph.image, {}).items()
    )
    of_doors = _group(pair for one in matched for pair in _by_door_attribute(one))
    icc = _Icc(door_icc(matched), detection_icc(matched))
    ranking = coco_ranking([one.photograph for one in matched])
    return [
        *(
            _slice(*key, part, _scores(part, ranking.of(numbers), icc), target)
            for key, numbers in of_photographs
            for part in [[matched[number] for number in numbers]]
        ),
        *(
            _slice(*key, part, {"recall": recall(part, icc=icc.doors)}, target)
            for key, part in of_doors
        ),
    ]


def verdict(found: Estimate | None, scenes: int, *, target: float) -> str:
    """Return whether a recall is proven to reach the target, or to be below it.

    Wilson's interval is too narrow for very few doors: with a true recall of 0.90 it would call one
    of ten slices with a single door worse than that. So a recall counts as below the target only if
    missing all of its scenes would be rare at the target recall.

    >>> verdict(Estimate(value=1, low=0.7, high=1, n=9, of="doors"), scenes=9, target=0.9)
    'unproven, n = 9'
    >>> verdict(Estimate(value=0, low=0, high=0.79, n=1, of="doors"), scenes=1, target=0.9)
    'unproven, n = 1'
    """
    if found is None:
        return NO_DOOR
    if found.low >= target:
        return f"{PROVEN} {format_fraction(target)}"
    is_rare = (1 - target) ** scenes <= (1 - found.level) / 2
    if found.high < target and is_rare:
        return f"below {format_fraction(target)}"
    return f"unproven, n = {found.n}"


def _group(
    pairs: Iterable[tuple[tuple[str, str], Member]],
) -> list[tuple[tuple[str, str], list[Member]]]:
    groups: defaultdict[tuple[str, str], list[Member]] = defaultdict(list)
    for key, one in pairs:
        groups[key].append(one)
    return sorted(groups.items())


def _by_door_attribute(one: MatchedPhotograph) -> list[tuple[tuple[str, str], MatchedPhotograph]]:
    """Split a photograph by its doors' attributes; false alarms have none, and are left out."""
    photograph = one.photograph
    parts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, door in enumerate(photograph.doors_xyxy):
        attributes = door_attributes(door, photograph.width_px, photograph.height_px)
        for key in attributes.items():
            parts[key].append(number)
    return [
        (
            key,
            replace(
                one,
                found=tuple(one.found[number] for number in numbers),
                confidences=tuple(one.confidences[number] for number in numbers),
                alarms=(),
            ),
        )
        for key, numbers in parts.items()
    ]


def _scores(
    part: Sequence[MatchedPhotograph], ranking: Ranking, icc: _Icc
) -> dict[str, Estimate | None]:
    scenes = renumber([one.scene for one in part])
    return {
        "recall": recall(part, icc=icc.doors),
        "precision": precision(part, icc=icc.detections),
        "AP50": average_precision(ranking, scenes, coco_ap_of, iou_thresholds=AP50, icc=icc.doors),
    }


def _slice(
    attribute: str,
    value: str,
    part: Sequence[MatchedPhotograph],
    scores: Mapping[str, Estimate | None],
    target: float,
) -> Slice:
    return Slice(
        attribute=attribute,
        value=value,
        photographs=len(part),
        doors=sum(len(one.found) for one in part),
        scores={name: one for name, one in scores.items() if one is not None},
        verdict=verdict(
            scores["recall"], len({one.scene for one in part if one.found}), target=target
        ),
    )
