"""What became of each photograph at one confidence threshold, and the scores of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container_doors.evaluation.intervals import f1, share
from container_doors.evaluation.matching import match
from container_doors.evaluation.ranking import rank
from container_doors.evaluation.resampling import coco_ap_of, ultralytics_ap_of
from container_doors.evaluation.spread import average_precision
from container_doors.measurements import CONFIDENCE_LEVEL, Estimate, Photograph

AP50, AP50_95 = slice(0, 1), slice(None)

NO_DOOR = "no door is labelled"
NO_DETECTION = "nothing was detected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photograph."""

    photograph: Photograph
    scene: int
    found: tuple[bool, ...]
    """Of each door, in order."""
    false_alarms: int

    @property
    def hits(self) -> int:
        """Doors that are found."""
        return sum(self.found)


def outcomes(
    photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
) -> list[Outcome]:
    """Match what is used at a threshold; each door is found once, by the most confident box."""
    seen = []
    for photograph, scene in zip(photographs, scenes, strict=True):
        kept = [
            (box, confidence)
            for box, confidence in zip(
                photograph.used_xyxy, photograph.used_confidences, strict=True
            )
            if confidence >= conf_threshold
        ]
        matches = match([box for box, _ in kept], [c for _, c in kept], photograph.doors_xyxy)
        alarms = matches.detection_is_door.count(False)
        seen.append(Outcome(photograph, scene, matches.door_is_found, alarms))
    return seen


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


def recall(seen: Sequence[Outcome], *, level: float = CONFIDENCE_LEVEL) -> Estimate | None:
    """Estimate the share of doors that are found."""
    hits, scenes = [one.hits for one in seen], renumbered([one.scene for one in seen])
    return share(hits, [len(one.found) for one in seen], scenes, of="doors", level=level)


def precision(seen: Sequence[Outcome], *, level: float = CONFIDENCE_LEVEL) -> Estimate | None:
    """Estimate the share of detections that are doors."""
    hits, scenes = [one.hits for one in seen], renumbered([one.scene for one in seen])
    totals = [one.hits + one.false_alarms for one in seen]
    return share(hits, totals, scenes, of="detections", level=level)


def f1_score(seen: Sequence[Outcome], *, level: float = CONFIDENCE_LEVEL) -> Estimate | None:
    """Estimate the harmonic mean of both."""
    wrong = [one.false_alarms + len(one.found) - one.hits for one in seen]
    scenes = renumbered([one.scene for one in seen])
    return f1([one.hits for one in seen], wrong, scenes, level=level)


def all_scores(seen: Sequence[Outcome]) -> tuple[dict[str, Estimate], dict[str, str]]:
    """Score a split.

    Returns:
        ``AP50`` and ``AP50-95`` by COCO, ``mAP50`` and ``mAP50-95`` by Ultralytics' formula,
        ``precision``, ``recall`` and ``F1``; and why the absent ones are.
    """
    photographs = [one.photograph for one in seen]
    ranking = rank(
        [one.doors_xyxy for one in photographs],
        [one.scored_xyxy for one in photographs],
        [one.scored_confidences for one in photographs],
    )
    scenes = renumbered([one.scene for one in seen])
    estimates = {
        f"{prefix}AP{name}": average_precision(ranking, scenes, score, iou_thresholds=thresholds)
        for prefix, score in (("", coco_ap_of), ("m", ultralytics_ap_of))
        for name, thresholds in (("50", AP50), ("50-95", AP50_95))
    }
    estimates |= {"precision": precision(seen), "recall": recall(seen), "F1": f1_score(seen)}
    has_doors = any(one.found for one in seen)
    why = NO_DETECTION if has_doors else NO_DOOR
    undefined = {
        name: NO_DETECTION if name == "precision" else why
        for name, estimate in estimates.items()
        if estimate is None
    }
    return {name: one for name, one in estimates.items() if one is not None}, undefined
