"""All scores of a split, with intervals: by COCO's definition, by Ultralytics', and in use."""

from collections.abc import Sequence

from container_doors.core.measurements import Estimate, Photograph
from container_doors.evaluation.best_f1 import at_best_f1
from container_doors.evaluation.matched import MatchedPhotograph, renumber
from container_doors.evaluation.mean_ratios import mean_ratios
from container_doors.evaluation.ranking import Ranking, rank, rank_as_matched
from container_doors.evaluation.resampling import coco_ap_of, ultralytics_ap_of
from container_doors.evaluation.spread import AP50, AP50_95, Score, precision_of, resample

NO_DOOR = "no door is labelled"
NO_DETECTION = "nothing was detected"
NOT_REPORTED = "the evaluator does not report its matches"

IN_USE = ("precision", "recall", "F1")
"""At the confidence threshold that was set before."""

AT_BEST_F1 = ("mP", "mR", "mF1")
"""As Ultralytics defines them, at the confidence of the highest F1."""

_COCO = ("AP50", "AP50-95")
_ULTRALYTICS = ("mAP50", "mAP50-95", *AT_BEST_F1)


def all_scores(matched: Sequence[MatchedPhotograph]) -> tuple[dict[str, Estimate], dict[str, str]]:
    """Score a split.

    Returns:
        ``AP50`` and ``AP50-95`` by COCO; ``mAP50``, ``mAP50-95``, ``mP``, ``mR`` and ``mF1`` as
        Ultralytics defines them; ``precision``, ``recall`` and ``F1`` in use; and for each absent
        score the reason.
    """
    return mean_scores([matched])


def mean_scores(
    trainings: Sequence[Sequence[MatchedPhotograph]],
) -> tuple[dict[str, Estimate], dict[str, str]]:
    """Score a split by the mean of several trainings; the variance between them is in the interval.

    Args:
        trainings: The photographs, matched for each training, in the same order.

    Returns:
        As :func:`all_scores`.
    """
    photographs = [[one.photograph for one in matched] for matched in trainings]
    scenes = renumber([one.scene for one in trainings[0]])
    theirs = [one for one in map(rank_as_matched, photographs) if one is not None]
    has_matches = len(theirs) == len(trainings)
    estimates: dict[str, Estimate | None] = _average_precisions(
        "AP", [coco_ranking(one) for one in photographs], scenes, coco_ap_of
    )
    if has_matches:
        estimates |= _average_precisions("mAP", theirs, scenes, ultralytics_ap_of)
        estimates |= at_best_f1(theirs, scenes)
    estimates |= mean_ratios(trainings)
    has_doors = any(one.found for one in trainings[0])
    undefined = {
        name: _reason(name, has_doors=has_doors, has_matches=has_matches)
        for name in (*_COCO, *_ULTRALYTICS, *IN_USE)
        if estimates.get(name) is None
    }
    return {name: one for name, one in estimates.items() if one is not None}, undefined


def coco_ranking(photographs: Sequence[Photograph]) -> Ranking:
    """Match and sort the detections of all confidences, as COCO does."""
    return rank(
        [one.doors_xyxy for one in photographs],
        [one.scored_xyxy for one in photographs],
        [one.scored_confidences for one in photographs],
    )


def _average_precisions(
    prefix: str, rankings: Sequence[Ranking], scenes: Sequence[int], score: Score
) -> dict[str, Estimate | None]:
    resampled = [resample(one, scenes, score) for one in rankings]
    return {
        f"{prefix}{name}": precision_of(resampled, iou_thresholds=thresholds)
        for name, thresholds in (("50", AP50), ("50-95", AP50_95))
    }


def _reason(name: str, *, has_doors: bool, has_matches: bool) -> str:
    if name in _ULTRALYTICS and not has_matches:
        return NOT_REPORTED
    return NO_DETECTION if has_doors or name == "precision" else NO_DOOR
