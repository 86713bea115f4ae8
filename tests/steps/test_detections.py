"""What earlier releases measured by passes of their own comes out of what is detected once."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.weights import open_weights
from container_doors.core.config import Params, Training, Validation
from container_doors.core.records import SplitScores
from container_doors.core.run import Run
from container_doors.data.layout import Layout, read_layout
from container_doors.data.view import link_view
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.latency import latency
from container_doors.evaluation.matching import match, operating_point
from container_doors.steps.detections import Subject, detect_with, doors_in
from container_doors.steps.evaluate import split_scores
from tests.fakes import FakeProgress

REAL = Path(os.environ.get("CONTAINER_DOORS_REAL_DATA", "-"))
WEIGHTS = Path(os.environ.get("CONTAINER_DOORS_WEIGHTS", "-")) / "yolo11s-standin.pt"
TRUCK, SIZE_PX = 7, 128

PARAMS = Params(
    training=Training(epochs=1, batch_size=8, learning_rate=0.01, image_size_px=SIZE_PX),
    validation=Validation(conf_threshold=0.05, iou_threshold=0.45),
)


def of_one_class(path: Path) -> Path:
    """Keep what a network of many classes knows of trucks; it takes them for doors."""
    opened = open_weights(WEIGHTS)
    network = opened.model
    head = network.model[-1]
    for branch in head.cv3:
        last = branch[-1]
        last.weight = torch.nn.Parameter(last.weight[TRUCK : TRUCK + 1].clone())
        last.bias = torch.nn.Parameter(last.bias[TRUCK : TRUCK + 1].clone())
        last.out_channels = 1
    head.nc, head.no = 1, 1 + 4 * head.reg_max
    network.nc, network.names = 1, {0: "container_door"}
    network.yaml["nc"] = 1
    torch.save({**opened.ckpt, "model": network.half(), "ema": None}, path)
    return path


def photographed(folder: Path) -> Layout:
    images = sorted((REAL / "images").iterdir())
    for split, some in (
        ("train", images[:1]),
        ("val", images[1:60:12]),
        ("test", images[2:140:14]),
    ):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for image in some:
            shutil.copy(image, folder / "images" / split)
            label = REAL / "labels" / f"{image.stem}.txt"
            if label.exists():
                shutil.copy(label, folder / "labels" / split)
    (folder / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnames: ['container_door']\n"
    )
    return layout_of(folder)


def layout_of(folder: Path) -> Layout:
    layout, findings = read_layout(folder)
    assert layout is not None, findings
    return layout


def older(detector: YoloDetector, run: Run, split: str, scratch: Path) -> SplitScores:
    """Score as releases up to 0.1 did: one pass to validate, one more at the threshold."""
    used_at = PARAMS.validation
    metrics, scored = detector.validate(
        data_yaml=run.data_view / "data.yaml",
        split=split,
        plots_dir=scratch / split,
    )
    used = detector.detect(
        [found.image for found in scored],
        conf_threshold=used_at.conf_threshold,
        iou_threshold=used_at.iou_threshold,
    )
    doors = [doors_in(found) for found in scored]
    matches = [
        match(found.boxes_xyxy, found.confidences, boxes)
        for found, boxes in zip(used, doors, strict=True)
    ]
    return SplitScores(
        images=len(doors),
        doors=sum(map(len, doors)),
        background_images=sum(not boxes for boxes in doors),
        ultralytics=metrics,
        coco=coco_ap(
            doors, [one.boxes_xyxy for one in scored], [one.confidences for one in scored]
        ),
        operating_point=operating_point(
            matches,
            conf_threshold=used_at.conf_threshold,
            iou_threshold=used_at.iou_threshold,
        ),
        latency=latency(
            [one.duration_ms for one in used if one.duration_ms is not None],
            method=detector.timing_method,
        ),
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL.is_dir() and WEIGHTS.is_file()),
    reason="no real photographs and weights (CONTAINER_DOORS_REAL_DATA, CONTAINER_DOORS_WEIGHTS)",
)
def test_the_older_figures_come_out_of_what_is_detected_once(tmp_path: Path):
    layout = photographed(tmp_path / "data")
    run = Run("exp1", root=tmp_path / "runs")
    link_view(layout, run.data_view)
    weights = of_one_class(tmp_path / "best.pt")
    detector = YoloDetector(weights, image_size_px=SIZE_PX, hardware=describe_machine("cpu"))
    subject = Subject(weights, run.data_view, "1", PARAMS, layout)

    for split in ("val", "test"):
        detected = detect_with(
            detector, subject, split, plots_dir=tmp_path / "new" / split, progress=FakeProgress()
        )
        new = split_scores(detected, PARAMS.validation)
        old = older(detector, run, split, tmp_path / "old")

        assert new.ultralytics == pytest.approx(old.ultralytics, abs=1e-6)
        assert new.coco == old.coco
        assert new.operating_point == old.operating_point
        assert (new.images, new.doors, new.background_images) == (
            old.images, old.doors, old.background_images,
        )  # fmt: skip
        assert new.latency is not None
        assert old.latency is not None
        assert (new.latency.images, new.latency.method) == (old.latency.images, old.latency.method)
        # And not because nothing was found.
        assert 0 < old.ultralytics["mAP50"] < 1
        assert old.operating_point.true_positives > 0
