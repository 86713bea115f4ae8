"""What became of each photograph at one confidence threshold, and the shares of many."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate, Photograph
from container_doors.evaluation.intervals import f1, intraclass_correlation, proportion
from container_doors.evaluation.matching import match
from container_doors.evaluation.ranking import Ranking


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """What became of the doors of one photograph."""

    scene: int
    found: tuple[bool, ...]
    """Of each door, in order."""
    confidences: tuple[float, ...]
    """Of each door: the confidence with which it is found at any threshold; 0 where it never is."""
    alarms: tuple[float, ...]
    """The confidence of each false alarm at the threshold."""

    @property
    def hits(self) -> int:
        """Doors that are found."""
        return sum(self.found)


@dataclass(frozen=True, slots=True)
class MatchedPhotograph(MatchCounts):
    """The same, as the model is used, and of which photograph."""

    photograph: Photograph


def match_photographs(
    photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
) -> list[MatchedPhotograph]:
    """Match what is used; each door is found once, by the most confident box.

    A box is matched before all that are less confident, so what a threshold takes away changes
    nothing of what it leaves.
    """
    seen = []
    for photograph, scene in zip(photographs, scenes, strict=True):
        confidences = photograph.used_confidences
        matches = match(photograph.used_xyxy, confidences, photograph.doors_xyxy)
        of_doors = [0.0] * len(photograph.doors_xyxy)
        for door, confidence in zip(matches.door_of, confidences, strict=True):
            if door is not None:
                of_doors[door] = confidence
        alarms = [
            confidence
            for door, confidence in zip(matches.door_of, confidences, strict=True)
            if door is None and confidence >= conf_threshold
        ]
        found = tuple(0 < one >= conf_threshold for one in of_doors)
        seen.append(MatchedPhotograph(scene, found, tuple(of_doors), tuple(alarms), photograph))
    return seen


def precision_over_recall(photographs: Sequence[Photograph]) -> list[tuple[float, float]]:
    """Follow recall and precision in use, from the highest confidence to the lowest.

    The operating point at any threshold lies on it. Average precision is of another curve: of more
    boxes, since overlapping ones are suppressed less, and by COCO's matches.

    Returns:
        Where the recall changes, before and after; nothing without a door or a detection.
    """
    seen = match_photographs(photographs, range(len(photographs)), conf_threshold=0.0)
    doors = sum(len(one.found) for one in seen)
    hits = Counter(sure for one in seen for sure in one.confidences if sure > 0)
    alarms = Counter(alarm for one in seen for alarm in one.alarms)
    curve: list[tuple[float, float]] = []
    found = wrong = 0
    for confidence in sorted(hits | alarms, reverse=True) if doors else ():
        found, wrong = found + hits[confidence], wrong + alarms[confidence]
        point = found / doors, found / (found + wrong)
        if len(curve) > 1 and curve[-2][0] == curve[-1][0] == point[0]:
            curve.pop()
        curve.append(point)
    return curve


def match_ranking(
    ranking: Ranking, scenes: Sequence[int], *, conf_threshold: float
) -> list[MatchCounts]:
    """Tell what became of each photograph by a ranking, at an IoU of 0.5; doors are in no order."""
    confidences: list[list[float]] = [[] for _ in scenes]
    alarms: list[list[float]] = [[] for _ in scenes]
    for photograph, confidence, is_door in zip(
        ranking.photograph.tolist(), ranking.confidence.tolist(), ranking.is_door[0], strict=True
    ):
        if is_door:
            confidences[photograph].append(confidence)
        elif confidence >= conf_threshold:
            alarms[photograph].append(confidence)
    return [
        MatchCounts(
            scene,
            tuple(confidence >= conf_threshold for confidence in sure) + (False,) * lost,
            (*sure, *[0.0] * lost),
            tuple(wrong),
        )
        for scene, sure, wrong, doors in zip(
            scenes, confidences, alarms, ranking.doors.tolist(), strict=True
        )
        for lost in [doors - len(sure)]
    ]


def scene_numbers(images: Sequence[str], scenes: Mapping[str, str]) -> list[int]:
    """Number the scenes from 0; a photograph without one is a scene by itself.

    >>> scene_numbers(["a", "b", "c"], {"a": "quay", "c": "quay"})
    [0, 1, 0]
    """
    numbers: dict[tuple[bool, str], int] = {}
    keys = [(image in scenes, scenes.get(image, image)) for image in images]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def renumbered(scenes: Sequence[int]) -> list[int]:
    """Number from 0 without gaps, for a part of the photographs."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(scene, len(numbers)) for scene in scenes]


def recall(
    seen: Sequence[MatchCounts], *, level: float = CONFIDENCE_LEVEL, icc: float | None = None
) -> Estimate | None:
    """Estimate the share of doors that are found.

    Args:
        seen: What became of each photograph.
        level: Of the interval.
        icc: How alike the doors of a scene are; None: as those that are given. Of a part of a
            split, the whole tells it better (:func:`door_icc`).
    """
    icc = door_icc(seen) if icc is None else icc
    return _proportion(seen, [len(one.found) for one in seen], of="doors", level=level, icc=icc)


def precision(
    seen: Sequence[MatchCounts], *, level: float = CONFIDENCE_LEVEL, icc: float | None = None
) -> Estimate | None:
    """Estimate the share of detections that are doors; the arguments are those of a recall."""
    icc = detection_icc(seen) if icc is None else icc
    totals = [one.hits + len(one.alarms) for one in seen]
    return _proportion(seen, totals, of="detections", level=level, icc=icc)


def f1_score(seen: Sequence[MatchCounts], *, level: float = CONFIDENCE_LEVEL) -> Estimate | None:
    """Estimate the harmonic mean of both."""
    totals = [len(one.found) + len(one.alarms) for one in seen]
    icc = _icc(seen, [(*one.confidences, *_wrong(one)) for one in seen])
    return f1(_proportion(seen, totals, of="doors and false alarms", level=level, icc=icc))


def door_icc(seen: Sequence[MatchCounts]) -> float:
    """Tell how alike the doors of a scene are: as the model is equally sure of them."""
    return _icc(seen, [one.confidences for one in seen])


def detection_icc(seen: Sequence[MatchCounts]) -> float:
    """Tell how alike the detections in a scene are; one that is wrong is sure the other way."""
    return _icc(seen, [(*_of_found(one), *_wrong(one)) for one in seen])


def _of_found(one: MatchCounts) -> list[float]:
    return [sure for sure, is_found in zip(one.confidences, one.found, strict=True) if is_found]


def _wrong(one: MatchCounts) -> list[float]:
    return [-alarm for alarm in one.alarms]


def _icc(seen: Sequence[MatchCounts], confidences: Sequence[Sequence[float]]) -> float:
    each = [value for values in confidences for value in values]
    where = [one.scene for one, values in zip(seen, confidences, strict=True) for _ in values]
    return intraclass_correlation(each, where)


def _proportion(
    seen: Sequence[MatchCounts], totals: Sequence[int], *, of: str, level: float, icc: float
) -> Estimate | None:
    scenes = renumbered([one.scene for one in seen])
    hits = [one.hits for one in seen]
    return proportion(hits, totals, scenes, of=of, icc=icc, level=level)
