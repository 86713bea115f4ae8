"""Check AP against pycocotools, whose code defines COCO's AP."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from container_doors.evaluation.coco_ap import coco_ap

DOOR = (10.0, 20.0, 110.0, 220.0)

corner = st.floats(0, 200)
side = st.floats(1, 300)
box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
confidence = st.sampled_from([0.1, 0.5, 0.5, 0.9])  # ties on purpose
photograph = st.tuples(st.lists(box, max_size=4), st.lists(st.tuples(box, confidence), max_size=6))


def pycocotools_ap(doors, detections, confidences) -> list[float]:
    truth, results = COCO(), []
    truth.dataset = {
        "info": {},
        "images": [{"id": image} for image in range(1, len(doors) + 1)],
        "categories": [{"id": 1}],
        "annotations": [],
    }
    for image, found in enumerate(doors, start=1):
        for left, top, right, bottom in found:
            truth.dataset["annotations"].append(
                {
                    "id": len(truth.dataset["annotations"]) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                }
            )
    for image, (found, scores) in enumerate(zip(detections, confidences, strict=True), start=1):
        results += [[image, b[0], b[1], b[2] - b[0], b[3] - b[1], s, 1]
                    for b, s in zip(found, scores, strict=True)]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(np.array(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats[:3])


@settings(max_examples=60, deadline=None)
@given(st.lists(photograph, min_size=1, max_size=5))
def test_average_precision_equals_pycocotools(photographs):
    doors = [truth for truth, _ in photographs]
    detections = [[b for b, _ in found] for _, found in photographs]
    confidences = [[s for _, s in found] for _, found in photographs]

    ours = coco_ap(doors, detections, confidences)

    if not any(doors):
        assert ours == {}
    elif not any(detections):
        assert set(ours.values()) == {0.0}
    else:
        assert list(ours.values()) == pytest.approx(
            pycocotools_ap(doors, detections, confidences), abs=1e-9
        )


def test_a_perfect_detector_scores_one():
    """Ultralytics gives 0.995: its curve ends at recall 1 with precision 0."""
    assert coco_ap([[DOOR]], [[DOOR]], [[0.9]]) == pytest.approx(
        {"AP": 1.0, "AP50": 1.0, "AP75": 1.0}
    )
