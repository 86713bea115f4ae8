"""Networks in ONNX Runtime and OpenVINO: they need no PyTorch, and no damaged file is used."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from container_doors.adapters.networks import RUNTIMES
from container_doors.adapters.onnxruntime.network import open_onnx
from container_doors.adapters.opencv import network as opencv_network
from container_doors.adapters.opencv.network import open_with_opencv
from container_doors.adapters.openvino.network import open_openvino
from container_doors.core.errors import MissingToolError, WeightsError
from container_doors.prediction.opening import NetworkFile, OpenedNetwork, OpenNetwork
from container_doors.publishing.hashing import file_sha256
from container_doors.steps.open_model import open_model
from tests.prediction.networks import write_onnx, write_openvino
from tests.prediction.published import FakeNetwork, export, publish

THRESHOLDS = {"conf_threshold": 0.5, "iou_threshold": 0.45, "max_detections": 5}
OPEN: dict[str, OpenNetwork] = {
    "onnx": open_onnx, "opencv": open_with_opencv, "openvino": open_openvino,
}  # fmt: skip


def write(kind: str, folder: Path, **network: int | float) -> Path:
    source = write_onnx(folder / "model.onnx", **network)  # type: ignore[arg-type]
    return write_openvino(folder / "model.xml", source) if kind == "openvino" else source


@pytest.fixture(params=OPEN)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("shape", [(96, 128), (100, 60), (640, 480), (300, 900)])
def test_a_network_finds_what_its_weights_say_in_a_picture_of_any_shape(
    kind: str, shape: tuple[int, int], tmp_path: Path
):
    network, size_px = OPEN[kind](NetworkFile(write(kind, tmp_path), kind, 128))
    grey, bright = (np.full((*shape, 3), value, np.uint8) for value in (90, 230))

    found = network.find(bright, **THRESHOLDS)  # type: ignore[arg-type]

    assert size_px == 128
    assert not len(network.find(grey, **THRESHOLDS).boxes_xyxy)  # type: ignore[arg-type]
    assert found.boxes_xyxy.shape == (1, 4)
    assert found.confidences.tolist() == [pytest.approx(230 / 255, abs=0.15)]  # padding is grey
    assert found.class_ids.tolist() == [0]
    scale = max(shape) / 128
    across, down = found.boxes_xyxy[0, [0, 2]], found.boxes_xyxy[0, [1, 3]]
    assert 0 < across[1] - across[0] <= 40 * scale + 1e-3
    assert 0 < down[1] - down[0] <= 40 * scale + 1e-3
    assert found.network_ms > 0


def test_a_network_of_one_shape_is_given_that_shape(kind: str, tmp_path: Path):
    network, _ = OPEN[kind](NetworkFile(write(kind, tmp_path, size=96), kind, 96))

    found = network.find(np.full((200, 400, 3), 255, np.uint8), **THRESHOLDS)  # type: ignore[arg-type]

    assert found.boxes_xyxy.shape == (1, 4)


def test_the_same_picture_has_the_same_boxes_after_any_others(kind: str, tmp_path: Path):
    """A network compiled for one shape may round in another way than one for any shape."""
    draw = np.random.default_rng(1)
    pictures = [draw.integers(150, 256, (*shape, 3), dtype=np.uint8)
                for shape in [(96, 128), (70, 128), (128, 128), (30, 128)]]  # fmt: skip
    path = write(kind, tmp_path)

    def seen(order: list[int]) -> dict[int, bytes]:
        network, _ = OPEN[kind](NetworkFile(path, kind, 128))
        return {one: network.find(pictures[one], **THRESHOLDS).confidences.tobytes()  # type: ignore[arg-type]
                for one in order}  # fmt: skip

    assert seen([0, 1, 2, 3]) == seen([3, 2, 1, 0, 3])


def test_the_size_is_that_of_the_file_if_nothing_else_is_known(kind: str, tmp_path: Path):
    path = write(kind, tmp_path)
    (tmp_path / "metadata.yaml").write_text("imgsz:\n- 96\n- 96\n")

    if kind == "opencv":
        with pytest.raises(MissingToolError, match="does not read at which size"):
            OPEN[kind](NetworkFile(path, kind))
        return
    assert OPEN[kind](NetworkFile(path, kind)).image_size_px == 96
    (tmp_path / "metadata.yaml").unlink()
    assert OPEN[kind](NetworkFile(path, kind)).image_size_px == (96 if kind == "onnx" else 640)


def test_a_file_with_another_hash_is_not_opened(kind: str, tmp_path: Path):
    path = write(kind, tmp_path)
    inside = path.with_suffix(".bin") if kind == "openvino" else path
    known = {inside.name: file_sha256(inside)}
    OPEN[kind](NetworkFile(path, kind, 96, sha256=known))
    inside.write_bytes(inside.read_bytes() + b"\0")

    with pytest.raises(WeightsError, match="has changed: expected sha256"):
        OPEN[kind](NetworkFile(path, kind, 96, sha256=known))


@pytest.mark.parametrize(
    ("network", "problem"),
    [({"rows": 84}, r"expected an output of shape \(1, 5, boxes\), found \(1, 84, 4\)"),
     ({"bias": float("nan")}, "not all finite numbers")],
)  # fmt: skip
def test_what_is_no_detector_of_doors_is_refused(
    kind: str, network: dict[str, float], problem: str, tmp_path: Path
):
    if kind == "opencv" and "bias" in network:
        pytest.skip("OpenCV computes numbers of what is none; an export has proven its files")
    path = write(kind, tmp_path, **network)

    with pytest.raises(WeightsError, match=problem):
        OPEN[kind](NetworkFile(path, kind, 96))


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\x08\x07" * 50], ids=["empty", "html", "bytes"]
)
def test_a_damaged_file_is_refused_in_one_line(kind: str, content: bytes, tmp_path: Path):
    path = write(kind, tmp_path)
    path.write_bytes(content)

    with pytest.raises(WeightsError, match=f"{path.name} cannot be opened") as caught:
        OPEN[kind](NetworkFile(path, kind, 96))
    assert "\n" not in caught.value.problem


def test_an_absent_file_is_refused(kind: str, tmp_path: Path):
    with pytest.raises(WeightsError, match="no network at"):
        OPEN[kind](NetworkFile(tmp_path / "model.xml", kind, 96))


def test_openvino_computes_in_float32_and_compiles_for_the_shapes_of_cameras_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import openvino

    compiled: list[tuple[str, str]] = []
    compile_model = openvino.Core.compile_model

    def note(core: object, model: openvino.Model, device: str, config: dict[str, object]) -> object:
        compiled.append((str(model.input().partial_shape), str(config["INFERENCE_PRECISION_HINT"])))
        return compile_model(core, model, device, config)

    monkeypatch.setattr(openvino.Core, "compile_model", note)
    network, _ = open_openvino(NetworkFile(write("openvino", tmp_path), "openvino", 128))
    for shape in ((96, 128), (300, 400), (128, 72), (40, 128), (30, 120)):
        network.find(np.zeros((*shape, 3), np.uint8), **THRESHOLDS)  # type: ignore[arg-type]

    shapes = [shape for shape, _ in compiled]
    assert shapes == ["[?,3,?,?]", "[1,3,96,128]", "[1,3,128,96]"]
    assert {precision for _, precision in compiled} == {"<Type: 'float32'>"}


BLOCKED = """
import sys
for name in ("torch", "torchvision", "ultralytics"):
    sys.modules[name] = None
from container_doors import Detector
found = Detector(sys.argv[1])(sys.argv[2])
print(len(found), found.result.model.backend)
"""


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_an_export_needs_neither_pytorch_nor_ultralytics(kind: str, tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (128, 96), "white").save(tmp_path / "a.png")
    path = write(kind, tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, path, tmp_path / "a.png"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == f"1 {kind}\n", done.stderr


def test_without_any_extra_a_published_model_is_used_by_its_onnx_file_in_opencv(tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (128, 96), "white").save(tmp_path / "a.png")
    model = tmp_path / "model"
    publish(model)
    write_onnx(model / "exports/onnx/model.onnx")
    export(model, {"openvino": 40.0}, pytorch_ms=80)
    export(model, {"onnx": 60.0, "openvino": 40.0}, pytorch_ms=80, write=False)
    blocked = BLOCKED.replace('"torch", ', '"torch", "onnxruntime", "openvino", ')

    done = subprocess.run(
        [sys.executable, "-c", blocked, model, tmp_path / "a.png"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "1 opencv\n", done.stderr


def test_pytorch_is_preferred_to_opencv_which_no_export_was_timed_in(tmp_path: Path):
    publish(tmp_path)
    export(tmp_path, {"onnx": 60.0}, pytorch_ms=80)
    runtimes = replace(
        RUNTIMES, is_installed=lambda module: module not in {"onnxruntime", "openvino"}
    )
    opened: list[NetworkFile] = []

    def note(asked: NetworkFile) -> OpenedNetwork:
        opened.append(asked)
        return OpenedNetwork(FakeNetwork(asked.backend), 96)

    by_name = {name: replace(one, open=note) for name, one in runtimes.by_name.items()}
    runtimes = replace(runtimes, by_name=by_name, has_gpu=lambda: False)

    open_model(tmp_path, networks=runtimes)
    open_model(tmp_path, networks=replace(runtimes, is_installed=lambda module: module == "cv2"))

    assert [one.path.name for one in opened] == ["best.pt", "model.onnx"]


def test_opencv_finds_the_boxes_of_onnx_runtime(tmp_path: Path):
    path = write("onnx", tmp_path)
    picture = np.random.default_rng(2).integers(120, 256, (300, 400, 3), dtype=np.uint8)
    one, other = (
        OPEN[kind](NetworkFile(path, kind, 128)).network.find(picture, **THRESHOLDS)  # type: ignore[arg-type]
        for kind in ("onnx", "opencv")
    )

    assert len(one.boxes_xyxy)
    np.testing.assert_allclose(other.boxes_xyxy, one.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(other.confidences, one.confidences, atol=1e-5)


def test_a_network_whose_input_opencv_does_not_name_needs_onnx_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = write("opencv", tmp_path)
    monkeypatch.setattr(opencv_network, "_INPUT", re.compile("nothing like it"))

    with pytest.raises(MissingToolError, match="does not name its input"):
        open_with_opencv(NetworkFile(path, "onnx", 96))
