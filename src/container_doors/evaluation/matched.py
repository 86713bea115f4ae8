"""Matched photographs at one confidence threshold: their precision, recall and F1."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate, Photograph
from container_doors.evaluation.intervals import f1, intraclass_correlation, proportion
from container_doors.evaluation.matching import match
from container_doors.evaluation.ranking import Ranking


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """Found doors and false alarms of one photograph."""

    scene: int
    found: tuple[bool, ...]
    """For each door, in order: whether it is found at the threshold."""
    confidences: tuple[float, ...]
    """For each door: the confidence of its detection at any threshold; 0 if there is none."""
    alarms: tuple[float, ...]
    """The confidence of each false alarm at the threshold."""

    @property
    def hits(self) -> int:
        """The number of found doors."""
        return sum(self.found)


@dataclass(frozen=True, slots=True)
class MatchedPhotograph(MatchCounts):
    """The same, for the detections in use, with the photograph."""

    photograph: Photograph


def match_photographs(
    photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
) -> list[MatchedPhotograph]:
    """Match the detections in use; each door is found once, by the most confident box.

    Boxes are matched from the highest confidence down, so a threshold changes no match above it.
    """
    matched = []
    for photograph, scene in zip(photographs, scenes, strict=True):
        confidences = photograph.used_confidences
        matches = match(photograph.used_xyxy, confidences, photograph.doors_xyxy)
        door_confidences = [0.0] * len(photograph.doors_xyxy)
        for door, confidence in zip(matches.door_of, confidences, strict=True):
            if door is not None:
                door_confidences[door] = confidence
        alarms = [
            confidence
            for door, confidence in zip(matches.door_of, confidences, strict=True)
            if door is None and confidence >= conf_threshold
        ]
        found = tuple(0 < one >= conf_threshold for one in door_confidences)
        matched.append(
            MatchedPhotograph(scene, found, tuple(door_confidences), tuple(alarms), photograph)
        )
    return matched


def precision_over_recall(photographs: Sequence[Photograph]) -> list[tuple[float, float]]:
    """Return the precision-recall curve in use, from the highest confidence to the lowest.

    The operating point at any threshold lies on it. Average precision belongs to another curve: of
    more boxes, since non-maximum suppression is weaker there, and by COCO's matches.

    Returns:
        The points before and after each change of the recall; empty without a door or a detection.
    """
    matched = match_photographs(photographs, range(len(photographs)), conf_threshold=0.0)
    doors = sum(len(one.found) for one in matched)
    hits = Counter(conf for one in matched for conf in one.confidences if conf > 0)
    alarms = Counter(alarm for one in matched for alarm in one.alarms)
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
    """Return each photograph's matches in a ranking, at an IoU of 0.5; doors are in no order."""
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
            tuple(confidence >= conf_threshold for confidence in found) + (False,) * lost,
            (*found, *[0.0] * lost),
            tuple(wrong),
        )
        for scene, found, wrong, doors in zip(
            scenes, confidences, alarms, ranking.doors.tolist(), strict=True
        )
        for lost in [doors - len(found)]
    ]


def scene_numbers(images: Sequence[str], scenes: Mapping[str, str]) -> list[int]:
    """Number the scenes from 0; a photograph without a scene is one by itself.

    >>> scene_numbers(["a", "b", "c"], {"a": "quay", "c": "quay"})
    [0, 1, 0]
    """
    numbers: dict[tuple[bool, str], int] = {}
    keys = [(image in scenes, scenes.get(image, image)) for image in images]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def renumber(scenes: Sequence[int]) -> list[int]:
    """Number the scenes of a part of the photographs from 0, without gaps."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(scene, len(numbers)) for scene in scenes]


def recall(
    matched: Sequence[MatchCounts], *, level: float = CONFIDENCE_LEVEL, icc: float | None = None
) -> Estimate | None:
    """Estimate the recall: the fraction of doors that are found.

    Args:
        matched: The photographs, matched.
        level: The confidence level of the interval.
        icc: The doors' intraclass correlation; None: estimate it from ``matched``. For a part of a
            split, pass that of the whole split (:func:`door_icc`).
    """
    icc = door_icc(matched) if icc is None else icc
    doors = [len(one.found) for one in matched]
    return _proportion(matched, doors, of="doors", level=level, icc=icc)


def precision(
    matched: Sequence[MatchCounts], *, level: float = CONFIDENCE_LEVEL, icc: float | None = None
) -> Estimate | None:
    """Estimate the precision: the fraction of detections that are doors. Arguments as above."""
    icc = detection_icc(matched) if icc is None else icc
    totals = [one.hits + len(one.alarms) for one in matched]
    return _proportion(matched, totals, of="detections", level=level, icc=icc)


def f1_score(matched: Sequence[MatchCounts], *, level: float = CONFIDENCE_LEVEL) -> Estimate | None:
    """Estimate F1, the harmonic mean of precision and recall."""
    totals = [len(one.found) + len(one.alarms) for one in matched]
    icc = _icc(matched, [(*one.confidences, *_negated_alarms(one)) for one in matched])
    return f1(_proportion(matched, totals, of="doors and false alarms", level=level, icc=icc))


def door_icc(matched: Sequence[MatchCounts]) -> float:
    """Return the intraclass correlation of the doors' confidences."""
    return _icc(matched, [one.confidences for one in matched])


def detection_icc(matched: Sequence[MatchCounts]) -> float:
    """Return the intraclass correlation of the confidences, those of false alarms negated."""
    return _icc(matched, [(*_found_confidences(one), *_negated_alarms(one)) for one in matched])


def _found_confidences(one: MatchCounts) -> list[float]:
    return [conf for conf, is_found in zip(one.confidences, one.found, strict=True) if is_found]


def _negated_alarms(one: MatchCounts) -> list[float]:
    return [-alarm for alarm in one.alarms]


def _icc(matched: Sequence[MatchCounts], confidences: Sequence[Sequence[float]]) -> float:
    each = [value for values in confidences for value in values]
    where = [one.scene for one, values in zip(matched, confidences, strict=True) for _ in values]
    return intraclass_correlation(each, where)


def _proportion(
    matched: Sequence[MatchCounts], totals: Sequence[int], *, of: str, level: float, icc: float
) -> Estimate | None:
    scenes = renumber([one.scene for one in matched])
    hits = [one.hits for one in matched]
    return proportion(hits, totals, scenes, of=of, icc=icc, level=level)
