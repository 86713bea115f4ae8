"""Which network is opened for a folder, a version or a file, and with which settings."""

from pathlib import Path
from typing import Any

import pytest

from container_doors.core.errors import (
    ConfigError,
    MissingToolError,
    RunError,
    VersioningError,
    WeightsError,
)
from container_doors.core.run import PUBLISHED
from container_doors.publishing.hashing import file_sha256
from container_doors.steps.open_model import OpenedModel, open_model, published_folder
from tests.prediction.published import VERSION, FakeRuntimes, export, publish

MODEL = Path("a model")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def opened(where: Path | str, runtimes: FakeRuntimes | None = None, **asked: object) -> OpenedModel:
    return open_model(where, networks=(runtimes or FakeRuntimes()).runtimes, **asked)  # type: ignore[arg-type]


def test_a_model_is_used_with_the_settings_that_it_was_tested_at():
    model = publish(MODEL)
    runtimes = FakeRuntimes()

    found = opened(MODEL, runtimes)

    assert found.model == model
    (asked,) = runtimes.asked
    assert (asked.path, asked.image_size_px) == (MODEL / "best.pt", 480)
    assert asked.sha256 == {"best.pt": model.weights["best.pt"]}
    assert found.used.model_dump() == {
        "version": VERSION, "weights_sha256": model.weights["best.pt"], "backend": "pytorch",
        "image_size_px": 480, "conf_threshold": 0.4, "iou_threshold": 0.6, "max_detections": 300,
    }  # fmt: skip


def test_other_settings_are_said_to_be_used():
    publish(MODEL)

    used = opened(MODEL, conf=0.0, max_detections=1).used

    assert (used.conf_threshold, used.max_detections) == (0, 1)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [({"conf": 1.5}, r"a confidence threshold in \[0, 1\], found 1.5"),
     ({"conf": float("nan")}, "found nan"),
     ({"max_detections": 0}, "at least one detection")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(asked: dict[str, Any], problem: str):
    publish(MODEL)

    with pytest.raises(ConfigError, match=problem):
        opened(MODEL, **asked)


FASTER = {"onnx": 60.0, "openvino": 40.0, "openvino-int8": None}


@pytest.mark.parametrize(
    ("runtimes", "chosen", "passed_over"),
    [
        (FakeRuntimes(), "openvino", []),
        (FakeRuntimes(missing=("torch",)), "openvino", []),
        (FakeRuntimes(missing=("openvino",)), "onnx", ["openvino: openvino is not installed"]),
        (FakeRuntimes(missing=("openvino", "onnxruntime")), "pytorch",
         ["openvino: openvino is not installed", "onnx: onnxruntime is not installed",
          "openvino-int8: openvino is not installed"]),
        (FakeRuntimes(has_gpu=True), "pytorch", []),
    ],
    ids=["all", "without torch", "without OpenVINO", "torch alone", "with a GPU"],
)  # fmt: skip
def test_the_fastest_export_that_can_be_used_is_opened(
    runtimes: FakeRuntimes, chosen: str, passed_over: list[str]
):
    publish(MODEL)
    exports = export(MODEL, FASTER)

    found = opened(MODEL, runtimes)

    assert found.used.backend == runtimes.asked[-1].backend == chosen
    assert list(found.passed_over) == passed_over
    assert found.used.weights_sha256 == file_sha256(MODEL / "best.pt")
    if chosen != "pytorch":
        files = exports.formats[chosen].files
        assert runtimes.asked[-1].sha256 == {
            Path(name).name: one.sha256 for name, one in files.items()
        }


def test_pytorch_is_used_where_it_was_the_fastest_and_is_installed():
    publish(MODEL)
    export(MODEL, FASTER, pytorch_ms=30)

    assert opened(MODEL).used.backend == "pytorch"
    assert opened(MODEL, FakeRuntimes(missing=("torch",))).used.backend == "openvino"


def test_an_export_that_was_not_accepted_is_used_only_if_it_is_asked_for():
    publish(MODEL)
    export(MODEL, FASTER, accepted=False)

    assert opened(MODEL).used.backend == "pytorch"
    assert opened(MODEL, backend="onnx").used.backend == "onnx"


def test_an_export_of_other_weights_is_never_used():
    publish(MODEL)
    export(MODEL, FASTER, change=lambda one: one.model_copy(update={"weights_sha256": "1" * 64}))

    found = opened(MODEL)

    assert found.used.backend == "pytorch"
    assert "openvino: it was made from other weights" in found.passed_over[0]
    with pytest.raises(WeightsError, match="the export onnx in a model was made from other"):
        opened(MODEL, backend="onnx")


def test_nothing_that_is_installed_can_use_it():
    publish(MODEL)
    runtimes = FakeRuntimes(missing=("torch", "onnxruntime", "openvino"))

    with pytest.raises(MissingToolError, match="pytorch: torch is not installed"):
        opened(MODEL, runtimes)
    export(MODEL, {"onnx": 9})
    with pytest.raises(MissingToolError, match="onnx: onnxruntime is not installed; pytorch: tor"):
        opened(MODEL, runtimes)
    with pytest.raises(MissingToolError, match=r"onnxruntime is not installed, and model\.onnx"):
        opened(MODEL, runtimes, backend="onnx")


def test_a_damaged_list_of_exports_is_an_error_and_no_reason_to_use_another():
    publish(MODEL)
    export(MODEL, FASTER)
    (MODEL / "exports/exports.json").write_text("{}")

    with pytest.raises(RunError, match=r"exports\.json") as caught:
        opened(MODEL)
    assert "doors export" in caught.value.hint


def test_an_unknown_backend_is_an_error_that_names_the_known_ones():
    publish(MODEL)
    export(MODEL, {"onnx": 9, "ncnn": 5})

    assert opened(MODEL).used.backend == "onnx"  # nothing here opens ncnn
    for unknown in ("tensorrt", "ncnn"):
        with pytest.raises(ConfigError, match=f"one of pytorch, onnx as backend, found '{unknown}"):
            opened(MODEL, backend=unknown)


def test_an_export_does_not_compute_on_a_gpu():
    publish(MODEL)
    export(MODEL, FASTER)

    assert opened(MODEL, device="cuda").used.backend == "pytorch"
    with pytest.raises(ConfigError, match="computes on the processor alone, and device cuda"):
        opened(MODEL, backend="onnx", device="cuda")


def test_the_published_version_is_found_by_its_name():
    publish(PUBLISHED)

    assert opened(VERSION).used.version == VERSION
    with pytest.raises(VersioningError, match=f"{VERSION} is published here") as caught:
        opened("detection_v2.0_20261128_exp1")
    assert caught.value.hint == "doors publish --version detection_v2.0_20261128_exp1"
    with pytest.raises(VersioningError, match=f"{VERSION} is published here") as caught:
        published_folder("detection_v9")
    assert caught.value.hint.startswith("doors runs lists the versions")


def test_a_version_where_nothing_is_published_is_an_error():
    with pytest.raises(VersioningError, match="no model in weights/detection"):
        opened(VERSION)


def test_a_weight_file_alone_is_used_at_the_usual_settings():
    Path("best.pt").write_text("weights")
    runtimes = FakeRuntimes()

    found = opened("best.pt", runtimes)

    assert found.model is None
    assert runtimes.asked[0].sha256 == {"best.pt": file_sha256(Path("best.pt"))}
    assert found.used.model_dump() == {
        "version": None, "weights_sha256": file_sha256(Path("best.pt")), "backend": "pytorch",
        "image_size_px": 320, "conf_threshold": 0.25, "iou_threshold": 0.45, "max_detections": 300,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "backend"),
    [("best.pt", "pytorch"), ("last.pt", "pytorch"), ("exports/onnx/model.onnx", "onnx"),
     ("exports/openvino-int8/model.xml", "openvino-int8")],
)  # fmt: skip
def test_a_file_of_a_published_model_is_used_as_that_model(file: str, backend: str):
    model = publish(MODEL)
    export(MODEL, FASTER)

    found = opened(MODEL / file)

    assert found.model == model
    assert (found.used.backend, found.used.conf_threshold) == (backend, 0.4)
    weights = "last.pt" if file == "last.pt" else "best.pt"
    assert found.used.weights_sha256 == model.weights[weights]
    with pytest.raises(ConfigError, match=f"is for the backend {backend}"):
        opened(MODEL / file, backend="other")


def test_another_file_beside_a_published_model_is_not_that_model():
    publish(MODEL)
    (MODEL / "mine.pt").write_text("others")

    assert opened(MODEL / "mine.pt").model is None


@pytest.mark.parametrize(
    ("made", "where", "problem", "hint"),
    [
        ([], "weights/detection", "no model at weights/detection", "doors sync"),
        ([], "nowhere/best.pt", "no model at nowhere/best.pt", "weights/detection"),
        (["m/best.pt.dvc"], "m", "m: expected a model, found its pointers alone", "doors sync"),
        (["m/best.pt"], "m", "expected model.json or metadata.json beside", "m/best.pt"),
        (["m/readme.txt"], "m", "no model at m", "doors train"),
    ],
)
def test_a_place_without_a_model_is_an_error_with_the_next_step(
    made: list[str], where: str, problem: str, hint: str
):
    for name in made:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()

    with pytest.raises(RunError, match=problem) as caught:
        opened(where)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["photo.jpg", "weights"])
def test_a_file_that_is_no_network_is_an_error(name: str):
    Path(name).touch()

    with pytest.raises(WeightsError, match=r"one of \.onnx, \.pt, \.xml, found"):
        opened(name)
