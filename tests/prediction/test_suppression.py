"""The same output of a network gives the same boxes as Ultralytics' suppression."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.prediction import suppression
from container_doors.prediction.suppression import suppress


def an_output(seed: int, boxes: int, classes: int, spread: float) -> NDArray[np.float32]:
    """Draw boxes in clusters, some of no area; no two confidences are equal."""
    draw = np.random.default_rng(seed)
    centres = draw.uniform(100, 500, (2, boxes)).round(-2) + draw.normal(0, spread, (2, boxes))
    sizes = draw.uniform(0, 120, (2, boxes)).round(-1) + draw.normal(0, spread / 3, (2, boxes))
    confidences = draw.permutation(np.linspace(0, 1, classes * boxes)).reshape(classes, boxes)
    return np.concatenate([centres, sizes.clip(0), confidences]).astype(np.float32)


def suppressed_by_ultralytics(
    output: NDArray[np.float32], conf: float, iou: float, **limits: Any
) -> NDArray[np.float32]:
    import_ultralytics()
    import torch
    from ultralytics.utils.nms import non_max_suppression

    (rows,) = non_max_suppression(torch.from_numpy(output.copy())[None], conf, iou, **limits)
    return np.asarray(rows)


@settings(max_examples=200)
@given(
    drawn=st.tuples(
        st.integers(0, 10_000),
        st.sampled_from([0, 1, 2, 20, 300]),
        st.sampled_from([1, 1, 3, 80]),
        st.sampled_from([0.0, 3.0, 30.0]),
    ),
    conf=st.sampled_from([0.0, 0.001, 0.1, 0.25, 0.5, 0.6, 0.99]),
    iou=st.sampled_from([0.0, 0.25, 0.45, 0.5, 0.6, 0.7, 1.0]),
    most=st.sampled_from([1, 7, 300]),
)
def test_the_boxes_are_those_of_ultralytics_in_the_same_order(
    drawn: tuple[int, int, int, float], conf: float, iou: float, most: int
):
    output = an_output(*drawn)
    theirs = suppressed_by_ultralytics(output, conf, iou, max_det=most)

    ours = suppress(output, conf_threshold=conf, iou_threshold=iou, max_detections=most)

    np.testing.assert_array_equal(ours.boxes_xyxy, theirs[:, :4])
    np.testing.assert_array_equal(ours.confidences, theirs[:, 4])
    np.testing.assert_array_equal(ours.class_ids, theirs[:, 5].astype(int))


def test_of_very_many_candidates_only_the_most_confident_are_compared(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(suppression, "_MOST_CANDIDATES", 50)
    output = an_output(1, 300, 1, 30)
    theirs = suppressed_by_ultralytics(output, 0.01, 0.7, max_nms=50)

    ours = suppress(output, conf_threshold=0.01, iou_threshold=0.7, max_detections=300)

    assert 20 < len(theirs) <= 50
    np.testing.assert_array_equal(ours.confidences, theirs[:, 4])


def test_of_boxes_of_one_confidence_the_first_is_kept():
    output = np.array([[10, 11], [10, 10], [9, 9], [9, 9], [0.5, 0.5]], np.float32)

    ours = suppress(output, conf_threshold=0.25, iou_threshold=0.5, max_detections=9)

    assert ours.boxes_xyxy.tolist() == [[5.5, 5.5, 14.5, 14.5]]


def test_the_confidence_must_be_above_the_threshold():
    output = np.array([[10, 50], [10, 50], [4, 4], [4, 4], [0.25, 0.2500001]], np.float32)

    ours = suppress(output, conf_threshold=0.25, iou_threshold=0.5, max_detections=9)

    assert ours.boxes_xyxy.tolist() == [pytest.approx([48, 48, 52, 52])]
