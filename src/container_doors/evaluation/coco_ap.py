"""Average precision by COCO's definition, computed by hotcoco.

Ultralytics' value differs: a perfect detector scores mAP50 0.995 there and 1.000 here.
"""

from collections.abc import Sequence
from typing import Any

from container_doors.evaluation.matching import BoxXyxy

_THRESHOLDS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
"""Each score is the mean over these of the IoU thresholds 0.50, 0.55, ..., 0.95."""

_ALL_AREAS, _AT_MOST_100 = 0, 2
"""Indices of COCO's first three scores: doors of any size, 100 detections per photograph."""


def coco_ap(
    doors: Sequence[Sequence[BoxXyxy]],
    detections: Sequence[Sequence[BoxXyxy]],
    confidences: Sequence[Sequence[float]],
) -> dict[str, float]:
    """Score detections against doors: one inner sequence per photograph, boxes in pixels.

    Returns:
        ``AP``, ``AP50`` and ``AP75``; empty without a door, because AP is undefined.
    """
    if not any(doors):
        return {}
    if not any(detections):
        return dict.fromkeys(_THRESHOLDS, 0.0)
    from hotcoco import COCO, COCOeval  # noqa: PLC0415 - of the extra `train`

    truth = COCO(ground_truth(doors))
    evaluation = COCOeval(truth, truth.load_res(results(detections, confidences)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    # Read from the array that COCO's summarize() averages, because it prints and returns nothing.
    # Axes: IoU threshold, recall threshold, class, area, detections.
    curves: Any = evaluation.eval
    precision = curves["precision"][:, :, 0, _ALL_AREAS, _AT_MOST_100]
    return {name: float(precision[which].mean()) for name, which in _THRESHOLDS.items()}


def ground_truth(doors: Sequence[Sequence[BoxXyxy]]) -> dict[str, Any]:
    """Return labels as COCO's annotations; photographs count from 1, as pycocotools needs."""
    flat = [(image, box) for image, boxes in enumerate(doors, start=1) for box in boxes]
    return {
        "images": [{"id": image} for image in range(1, len(doors) + 1)],
        "categories": [{"id": 1, "name": "container_door"}],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": 1,
                "bbox": _xywh(box),
                "area": _xywh(box)[2] * _xywh(box)[3],
                "iscrowd": 0,
            }
            for number, (image, box) in enumerate(flat, start=1)
        ],
    }


def results(
    detections: Sequence[Sequence[BoxXyxy]], confidences: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    """Return detections as COCO's results."""
    return [
        {"image_id": image, "category_id": 1, "bbox": _xywh(box), "score": score}
        for image, (boxes, scores) in enumerate(zip(detections, confidences, strict=True), start=1)
        for box, score in zip(boxes, scores, strict=True)
    ]


def _xywh(box: BoxXyxy) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
