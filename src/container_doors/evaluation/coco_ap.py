"""Average precision by COCO's definitions, exact, from a library.

Ultralytics' figure differs: a perfect detector scores mAP50 0.995 there and 1.000 here.
"""

from collections.abc import Sequence
from typing import Any

from hotcoco import COCO, COCOeval

from container_doors.evaluation.matching import BoxXyxy

_NAMES = ("AP", "AP50", "AP75")
"""The first three of COCO's twelve summary figures, at most 100 detections a photograph."""


def coco_ap(
    doors: Sequence[Sequence[BoxXyxy]],
    detections: Sequence[Sequence[BoxXyxy]],
    confidences: Sequence[Sequence[float]],
) -> dict[str, float]:
    """Score detections against doors, one inner sequence per photograph, boxes in pixels.

    Returns:
        ``AP``, ``AP50`` and ``AP75``; nothing when there is no door, because AP is undefined.
    """
    if not any(doors):
        return {}
    if not any(detections):
        return dict.fromkeys(_NAMES, 0.0)
    truth = COCO(_ground_truth(doors))
    evaluation = COCOeval(truth, truth.load_res(_results(detections, confidences)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(zip(_NAMES, map(float, evaluation.stats[:3]), strict=True))


def _ground_truth(doors: Sequence[Sequence[BoxXyxy]]) -> dict[str, Any]:
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


def _results(
    detections: Sequence[Sequence[BoxXyxy]], confidences: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    return [
        {"image_id": image, "category_id": 1, "bbox": _xywh(box), "score": score}
        for image, (boxes, scores) in enumerate(zip(detections, confidences, strict=True), start=1)
        for box, score in zip(boxes, scores, strict=True)
    ]


def _xywh(box: BoxXyxy) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
