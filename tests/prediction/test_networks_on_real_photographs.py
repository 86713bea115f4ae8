"""A real network finds the boxes that the evaluation measured, in every runtime."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from container_doors import Detector
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.networks import RUNTIMES
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.export import export_detector
from container_doors.core.ports import Detections, FoundBoxes, Network
from container_doors.evaluation.parity import parity
from container_doors.prediction.opening import NetworkFile
from container_doors.prediction.pictures import decode
from container_doors.steps.detections import LOWEST_CONFIDENCE, one_by_one
from tests.prediction.networks import write_door_weights
from tests.prediction.picture_files import readable_files

REAL = Path(os.environ.get("CONTAINER_DOORS_REAL_DATA", "-"))
WEIGHTS = Path(os.environ.get("CONTAINER_DOORS_WEIGHTS", "-")) / "yolo11s-standin.pt"
TRUCK = 7
"""The class of COCO that is nearest to a container's door."""

SIZE_PX = 192
OF_EACH_KIND = {
    "turned_6.jpg", "turned_6.png", "turned_6.webp", "turned_6.tif", "turned_6.avif", "cmyk.jpg",
    "deep.png", "palette_alpha.png", "pages.tif", "plain.bmp", "plain.jp2", "several.mpo",
}  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (REAL.is_dir() and WEIGHTS.is_file()),
        reason="CONTAINER_DOORS_REAL_DATA and CONTAINER_DOORS_WEIGHTS name no photographs, weights",
    ),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_door_weights(
        WEIGHTS,
        tmp_path_factory.mktemp("weights") / "best.pt",
        of_class=TRUCK,
        bias=6,
        image_size_px=SIZE_PX,
    )


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Some real photographs, and a file of every kind."""
    folder = tmp_path_factory.mktemp("files")
    for name, data in readable_files():
        if name in OF_EACH_KIND:
            (folder / name).write_bytes(data)
    return [*sorted((REAL / "images").iterdir())[::16], *sorted(folder.iterdir())]


def opened(path: Path, backend: str) -> Network:
    return RUNTIMES.by_name[backend].open(NetworkFile(path, backend, SIZE_PX, "cpu")).network


def found_in(network: Network, photograph: Path, conf: float = LOWEST_CONFIDENCE) -> FoundBoxes:
    picture = decode(photograph.read_bytes(), name=photograph.name).bgr
    return network.find(picture, conf_threshold=conf, iou_threshold=0.45, max_detections=300)


def test_pytorch_finds_the_boxes_that_the_evaluation_keeps_bit_for_bit(
    weights: Path, photographs: Sequence[Path]
):
    evaluated = YoloDetector(weights, image_size_px=SIZE_PX, hardware=describe_machine("cpu"))
    kept = one_by_one(evaluated, photographs, 0.45)
    network = opened(weights, "pytorch")

    for one in kept:
        found = found_in(network, one.image)
        assert [tuple(box) for box in found.boxes_xyxy.tolist()] == one.boxes_xyxy, one.image
        assert found.confidences.tolist() == one.confidences, one.image

    assert sum(len(one.confidences) for one in kept) > 100


@pytest.fixture(scope="module")
def exported(weights: Path) -> dict[str, Path]:
    for backend in ("onnx", "openvino"):
        export_detector(weights, backend, image_size_px=SIZE_PX, hardware=describe_machine("cpu"))
    folder = weights.parent
    return {"onnx": folder / "best.onnx", "openvino": folder / "best_openvino_model/best.xml"}


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_an_export_finds_the_boxes_of_pytorch_but_for_rounding(
    backend: str, weights: Path, exported: dict[str, Path], photographs: Sequence[Path]
):
    """At 640 px 26 boxes were at most 0.0005 px and 0.000003 in confidence apart."""
    pytorch, network = opened(weights, "pytorch"), opened(exported[backend], backend)

    pairs = [
        (
            _as_detections(one, found_in(pytorch, one, 0.24)),
            _as_detections(one, found_in(network, one, 0.24)),
        )
        for one in photographs
    ]

    same = parity(pairs, conf_threshold=0.25)
    assert same.holds, same
    assert same.boxes >= 5
    assert same.most_box_px < 1, same
    for first, second in pairs:
        assert _count(first) == _count(second), first.image


def test_the_detector_opens_each_of_them(
    weights: Path, exported: dict[str, Path], photographs: Sequence[Path]
):
    counts = [
        [len(found) for found in Detector(path, device="cpu")(list(photographs[::4]))]
        for path in (weights, *exported.values())
    ]

    assert counts[0] == counts[1] == counts[2]
    assert sum(counts[0]) > 0


def _count(found: Detections) -> int:
    return int((np.array(found.confidences) > 0.25).sum())


def _as_detections(image: Path, found: FoundBoxes) -> Detections:
    return Detections(
        image, 1, 1, [tuple(box) for box in found.boxes_xyxy.tolist()], found.confidences.tolist()
    )
