"""Detections of a real network on real photographs, scored here and by pycocotools."""

import os
import shutil
from pathlib import Path

import pytest

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.export import FORMATS, export_detector
from container_doors.data.labels import read_boxes
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.parity import parity
from tests.evaluation.test_coco_ap import pycocotools_ap

REAL = Path(os.environ.get("CONTAINER_DOORS_REAL_DATA", "-"))
WEIGHTS = Path(os.environ.get("CONTAINER_DOORS_WEIGHTS", "-")) / "yolo11s-standin.pt"

pytestmark = pytest.mark.skipif(
    not (REAL.is_dir() and WEIGHTS.is_file()),
    reason="no real photographs and weights (CONTAINER_DOORS_REAL_DATA, CONTAINER_DOORS_WEIGHTS)",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_each_format_has_the_boxes_of_pytorch_on_real_photographs(name: str, tmp_path: Path):
    images = sorted((REAL / "images").iterdir())[::20]
    hardware = describe_machine("cpu")
    weights = Path(shutil.copy(WEIGHTS, tmp_path / "best.pt"))
    both = [
        YoloDetector(weights, image_size_px=192, hardware=hardware),
        export_detector(weights, name, image_size_px=192, hardware=hardware),
    ]
    first, second = (one.detect(images, conf_threshold=0.24, iou_threshold=0.45) for one in both)

    same = parity(zip(first, second, strict=True), conf_threshold=0.25)

    assert same.boxes >= 3
    assert same.holds, same
    assert f"in {FORMATS[name]} float32 at 192 px" in both[1].timing_method


@pytest.mark.slow
def test_average_precision_on_real_photographs_equals_pycocotools():
    """Use every fifth photograph, with or without a door; all 80 classes of COCO count as doors."""
    images = sorted((REAL / "images").iterdir())[::5]
    detector = YoloDetector(WEIGHTS, image_size_px=160, hardware=describe_machine("cpu"))
    found = detector.detect(images, conf_threshold=0.001, iou_threshold=0.7)
    doors = []
    for one in found:
        label = REAL / "labels" / f"{one.image.stem}.txt"
        boxes = read_boxes(label) if label.exists() else []
        doors.append([
            (left * one.width_px, top * one.height_px, right * one.width_px, bottom * one.height_px)
            for left, top, right, bottom in (box.edges for box in boxes)
        ])  # fmt: skip
    detections = [list(one.boxes_xyxy) for one in found]
    confidences = [list(one.confidences) for one in found]

    ours = coco_ap(doors, detections, confidences)

    assert sum(map(len, doors)) >= 20
    assert sum(map(len, detections)) >= 500
    assert 0.001 < ours["AP50"] < 1
    theirs = pycocotools_ap(doors, detections, confidences)
    assert list(ours.values()) == pytest.approx(theirs, abs=1e-9)
