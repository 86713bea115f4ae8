"""A real network is exported, and used without what it was trained with."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container_doors import Detector
from container_doors.adapters.networks import RUNTIMES
from container_doors.adapters.yolo.export import build_export
from container_doors.cli import main
from container_doors.core.predictions import ModelFile, Threshold
from container_doors.prediction.exporting import Examples
from container_doors.prediction.exports import EXPORTS, by_speed, read_exports
from container_doors.prediction.letterbox import letterbox
from container_doors.prediction.opening import NetworkFile
from container_doors.prediction.pictures import decode
from container_doors.publishing.hashing import file_sha256
from tests.prediction.networks import write_door_weights

REAL = Path(os.environ.get("CONTAINER_DOORS_REAL_DATA", "-"))
WEIGHTS = Path(os.environ.get("CONTAINER_DOORS_WEIGHTS", "-")) / "yolo11s-standin.pt"
TRUCK, SIZE_PX = 7, 192

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (REAL.is_dir() and WEIGHTS.is_file()),
        reason="CONTAINER_DOORS_REAL_DATA and CONTAINER_DOORS_WEIGHTS name no photographs, weights",
    ),
]

WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        is_blocked = name.partition(".")[0] in {"torch", "torchvision", "ultralytics"}
        return None if is_blocked else PathFinder.find_spec(name, path, target)

sys.meta_path = [Without if one is PathFinder else one for one in sys.meta_path]
from container_doors.cli import main
sys.exit(main())
"""
"""The command line on a machine without PyTorch."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of doors, which finds many."""
    folder = tmp_path_factory.mktemp("model")
    best = folder / "best.pt"
    write_door_weights(WEIGHTS, best, of_class=TRUCK, bias=6, image_size_px=SIZE_PX)
    ModelFile(
        version=None,
        architecture="yolov11s",
        weights={"best.pt": file_sha256(best)},
        image_size_px=SIZE_PX,
        classes=["container_door"],
        conf_threshold=Threshold(value=0.25, source="params"),
        iou_threshold=0.45,
        dataset_sha256="0" * 64,
        tested=[],
    ).write(folder / "model.json")
    return folder


@pytest.fixture(scope="module")
def photographs() -> list[Path]:
    return sorted((REAL / "images").iterdir())[::16]


@pytest.fixture
def data(tmp_path: Path, photographs: Sequence[Path]) -> Path:
    for split, images in (("train", photographs[:3]), ("val", photographs[3:])):
        for kind in ("images", "labels"):
            (tmp_path / "data" / kind / split).mkdir(parents=True)
        for image in images:
            shutil.copy(image, tmp_path / "data/images" / split)
            label = REAL / "labels" / f"{image.stem}.txt"
            shutil.copy(label, tmp_path / "data/labels" / split)
    (tmp_path / "data/data.yaml").write_text(
        "train: images/train\nval: images/val\nnc: 1\nnames: [container_door]\n"
    )
    return tmp_path / "data"


def test_what_is_exported_finds_the_same_doors_without_pytorch(
    model: Path,
    data: Path,
    photographs: Sequence[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    options = ["--weights", str(model), "--path", str(data)]
    assert main(["export", "--format", "onnx,openvino,torchscript", *options]) == 0

    exports = read_exports(model)
    assert exports is not None
    for name, one in exports.formats.items():
        assert one.parity is not None, name
        assert (one.parity.holds, one.parity.boxes > 0) == (True, True), one.parity
    fastest = by_speed(exports)[0]
    automatic = Detector(model, device="cpu")
    assert automatic.used.backend == fastest

    command = [sys.executable, "-c", WITHOUT, "predict", "--json", "--weights", str(model)]
    done = subprocess.run(
        [*command, *map(str, photographs[3:])],
        text=True, capture_output=True, check=False, timeout=300,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    results = {Path(one["path"]): one for one in map(json.loads, done.stdout.splitlines())}
    pytorch = Detector(model, backend="pytorch", device="cpu")
    for photograph in photographs[3:]:
        expected = pytorch(photograph)
        found = results[photograph]
        assert found["model"]["backend"] == next(
            one for one in by_speed(exports) if one != "pytorch"
        )
        for door, other in zip(expected, found["detections"], strict=True):
            assert np.allclose(door.box_xyxy, other["box_xyxy"], atol=1)


def test_eight_bits_are_everywhere_but_in_the_head(
    model: Path, photographs: Sequence[Path], tmp_path: Path
):
    pytest.importorskip("nncf")
    from container_doors.adapters.openvino.int8 import head_of, quantize

    for name in ("float32", "int8"):
        (tmp_path / name).mkdir()
    source = build_export(
        model / "best.pt", "openvino", tmp_path / "float32", image_size_px=SIZE_PX
    ).files["model.xml"]
    scored: list[int] = []

    def prepare(path: Path) -> NDArray[np.float32]:
        return letterbox(decode(path.read_bytes(), name=path.name).bgr, SIZE_PX)

    def score(compute: Any, some: Sequence[Path]) -> float:
        scored.append(compute(prepare(some[0])).shape[1])
        return 1.0

    built = quantize(
        source,
        tmp_path / "int8",
        Examples(photographs[:3], photographs[3:5], prepare, score, 0.005),
    )

    assert set(scored) == {5}
    assert built.files["model.bin"].stat().st_size < source.with_suffix(".bin").stat().st_size / 2
    model_23 = head_of(read(source))
    quantized = consumers_of_quantized(built.files["model.xml"])
    assert len(quantized) > 50
    assert any("23.cv2.0.0.conv" in name for name in model_23)
    assert not quantized & set(model_23)
    opened = RUNTIMES.by_name["openvino"].open(
        NetworkFile(built.files["model.xml"], "openvino-int8", SIZE_PX, "cpu")
    )
    picture = decode(photographs[0].read_bytes(), name=photographs[0].name).bgr
    found = opened.network.find(
        picture, conf_threshold=0.001, iou_threshold=0.45, max_detections=300
    )
    assert len(found.confidences) > 0
    assert not (model / EXPORTS / "openvino-int8").exists()


def read(path: Path) -> Any:
    from container_doors.adapters.openvino.importing import import_openvino

    return import_openvino().Core().read_model(path)


def consumers_of_quantized(path: Path) -> set[str]:
    """Name the operations whose input has eight bits."""
    return {
        use.get_node().get_friendly_name()
        for one in read(path).get_ordered_ops()
        if one.get_type_name() == "FakeQuantize"
        for use in one.output(0).get_target_inputs()
    }
