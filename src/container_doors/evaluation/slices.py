"""The parts of a split that are hard, each by itself, and whether it is large enough to tell."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from container_doors.core.measurements import NO_DOOR, PROVEN, Estimate, Slice, said
from container_doors.evaluation.appearance import kind_of
from container_doors.evaluation.matched import (
    MatchedPhotograph,
    detection_icc,
    door_icc,
    precision,
    recall,
    renumbered,
)
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.scores import coco_ranking
from container_doors.evaluation.spread import AP50, average_precision

Values = Mapping[str, Mapping[str, str]]
"""By photograph, then by attribute."""


@dataclass(frozen=True, slots=True)
class _Icc:
    """How alike the things of a scene are, in the whole split: a part has too few to tell."""

    doors: float
    detections: float


def slices(seen: Sequence[MatchedPhotograph], values: Values, *, target: float) -> list[Slice]:
    """Score the photographs of each value of each attribute, and the doors of each kind.

    Args:
        seen: What became of each photograph.
        values: Of its attributes.
        target: The recall that each part is held against.
    """
    of_photographs = _grouped(
        ((attribute, value), one)
        for one in seen
        for attribute, value in values.get(one.photograph.image, {}).items()
    )
    of_doors = _grouped((kind, part) for one in seen for kind, part in _by_kind(one))
    icc = _Icc(door_icc(seen), detection_icc(seen))
    return [
        *(_slice(*key, part, _of_photographs(part, icc), target) for key, part in of_photographs),
        *(
            _slice(*key, part, {"recall": recall(part, icc=icc.doors)}, target)
            for key, part in of_doors
        ),
    ]


def verdict(found: Estimate | None, scenes: int, *, target: float) -> str:
    """Say whether a recall is proven, and never more than its interval says.

    Wilson's interval is too narrow for the very few: of a model that finds nine doors of ten, it
    would call one slice of one door in ten worse than that. So a recall is below the target only
    where as many scenes, all missed, would be rare.

    >>> verdict(Estimate(value=1, low=0.7, high=1, n=9, of="doors"), scenes=9, target=0.9)
    'unproven, n = 9'
    >>> verdict(Estimate(value=0, low=0, high=0.79, n=1, of="doors"), scenes=1, target=0.9)
    'unproven, n = 1'
    """
    if found is None:
        return NO_DOOR
    if found.low >= target:
        return f"{PROVEN} {said(target)}"
    is_rare = (1 - target) ** scenes <= (1 - found.level) / 2
    if found.high < target and is_rare:
        return f"below {said(target)}"
    return f"unproven, n = {found.n}"


def _grouped(
    pairs: Iterable[tuple[tuple[str, str], MatchedPhotograph]],
) -> list[tuple[tuple[str, str], list[MatchedPhotograph]]]:
    groups: defaultdict[tuple[str, str], list[MatchedPhotograph]] = defaultdict(list)
    for key, one in pairs:
        groups[key].append(one)
    return sorted(groups.items())


def _by_kind(one: MatchedPhotograph) -> list[tuple[tuple[str, str], MatchedPhotograph]]:
    """Part a photograph by the kinds of its doors; a false alarm is of no kind."""
    photograph = one.photograph
    parts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, door in enumerate(photograph.doors_xyxy):
        for kind in kind_of(door, photograph.width_px, photograph.height_px).items():
            parts[kind].append(number)
    return [
        (
            kind,
            replace(
                one,
                found=tuple(one.found[number] for number in numbers),
                confidences=tuple(one.confidences[number] for number in numbers),
                alarms=(),
            ),
        )
        for kind, numbers in parts.items()
    ]


def _of_photographs(part: Sequence[MatchedPhotograph], icc: _Icc) -> dict[str, Estimate | None]:
    photographs = [one.photograph for one in part]
    ranking = coco_ranking(photographs)
    scenes = renumbered([one.scene for one in part])
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
