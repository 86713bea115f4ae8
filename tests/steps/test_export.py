"""What is exported, how it is judged, and what is kept; networks do as their files say."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container_doors.core.errors import DatasetError, MissingToolError, RunError, WeightsError
from container_doors.core.ports import FoundBoxes
from container_doors.prediction.exports import EXPORTS, Exports, read_exports
from container_doors.prediction.opening import NetworkFile, OpenedNetwork
from container_doors.publishing.hashing import file_sha256
from container_doors.steps.export import ExportReport, ExportSettings, export_model
from container_doors.steps.open_model import open_model
from tests.exporting import DATA, Network, World, write_data
from tests.prediction.published import FakeRuntimes, publish
from tests.tiny import Printing

MODEL = Path("a model")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    publish(MODEL)
    write_data()


def export(
    *formats: str, world: World | None = None, photographs: int | None = None
) -> ExportReport:
    settings = ExportSettings(formats, DATA, photographs)
    outside = (world or World()).outside
    return export_model(MODEL, settings, outside=outside, progress=Printing())


def kept() -> Exports:
    there = read_exports(MODEL)
    assert there is not None
    return there


def files() -> list[str]:
    return sorted(
        path.relative_to(MODEL / EXPORTS).as_posix()
        for path in (MODEL / EXPORTS).rglob("*")
        if path.is_file()
    )


def test_what_is_exported_is_kept_with_what_was_measured_and_the_fastest_is_used():
    world = World(does={"onnx": {"ms": 20}, "openvino": {"ms": 5}})

    report = export("onnx", "openvino", "torchscript", world=world)

    assert report.faults == ()
    assert report.kept == kept()
    assert files() == ["exports.json", "onnx/model.onnx", "openvino/model.bin",
                       "openvino/model.xml", "torchscript/model.x"]  # fmt: skip
    for name, one in kept().formats.items():
        assert one.weights_sha256 == file_sha256(MODEL / "best.pt")
        assert one.parity is not None
        assert (one.parity.holds, one.parity.boxes, one.parity.photographs) == (True, 6, 6)
        assert one.latency is not None
        assert "in turn with pytorch" in one.latency.method, name
        for path, described in one.files.items():
            assert file_sha256(MODEL / EXPORTS / path) == described.sha256
    assert {name: one.latency.median_ms for name, one in kept().formats.items() if one.latency} == {
        "onnx": pytest.approx(20), "openvino": pytest.approx(5), "torchscript": pytest.approx(10)
    }  # fmt: skip
    assert {name: one.accepted for name, one in kept().formats.items()} == {
        "onnx": True, "openvino": True, "torchscript": False
    }  # fmt: skip
    assert kept().formats["torchscript"].why.startswith("for other programs")
    runtimes = FakeRuntimes()
    assert open_model(MODEL, networks=runtimes.runtimes).used.backend == "openvino"
    assert runtimes.asked[0].path == MODEL / "exports/openvino/model.xml"


def test_other_boxes_than_those_of_pytorch_are_a_fault_and_not_used():
    report = export("onnx", world=World(does={"onnx": {"off_px": 1.5}}))

    assert report.faults == ("onnx",)
    assert not kept().formats["onnx"].accepted
    assert kept().formats["onnx"].why == "other boxes than PyTorch"
    assert open_model(MODEL, networks=FakeRuntimes().runtimes).used.backend == "pytorch"


def test_where_no_box_is_found_nothing_is_proven():
    class Blind(World):
        def open(self, asked: NetworkFile) -> OpenedNetwork:
            return OpenedNetwork(Network(self.clock, 1, None), 480)

    report = export("onnx", world=Blind())

    assert not kept().formats["onnx"].accepted
    assert "nothing was compared" in report.tried["onnx"].why


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        ({"onnx": {"ms": 5}, "openvino": {"ms": 6}}, ["onnx"]),
        ({"onnx": {"ms": 5, "off_px": 3.0}, "openvino": {"ms": 6}}, ["openvino"]),
        ({"openvino-int8": {"ms": 2}}, ["openvino-int8"]),
        ({"openvino-int8": {"ms": 2, "off_px": 20.0}, "onnx": {"ms": 9}}, ["onnx"]),
        ({name: {"ms": 60} for name in ("onnx", "openvino", "openvino-int8")}, None),
    ],
    ids=["the faster", "the faster has other boxes", "int8", "int8 loses doors", "PyTorch"],
)  # fmt: skip
def test_the_fastest_alone_is_kept(
    does: dict[str, dict[str, float | None]], expected: list[str] | None
):
    report = export("fastest", world=World(does=does))

    assert report.faults == ()
    assert set(report.tried) == {"onnx", "openvino", "openvino-int8"}
    if expected is None:
        assert not (MODEL / EXPORTS).exists()
    else:
        assert list(kept().formats) == expected
        used = open_model(MODEL, networks=FakeRuntimes().runtimes).used
        assert used.backend == expected[0]


def test_int8_is_calibrated_on_train_and_scored_on_val():
    world = World()

    export("openvino-int8", world=world)

    (examples,) = world.examples
    assert [one.parent.name for one in examples.calibration] == ["train"] * 3
    assert [one.parent.name for one in examples.validation] == ["val"] * 6
    assert examples.prepare(examples.calibration[0]).shape == (1, 3, 384, 480)

    def compute(prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """The door in the middle: 160 x 120 px become 480 x 360, on 480 x 384."""
        return np.array([240, 192, 240, 180, 0.9], np.float32).reshape(1, 5, 1)

    assert examples.score(compute, examples.validation) == pytest.approx(1)
    assert examples.score(compute, examples.validation[:1]) == pytest.approx(1)


def test_int8_that_loses_doors_is_refused_with_the_figures_and_nothing_is_kept():
    report = export("openvino-int8", world=World(does={"openvino-int8": {"off_px": None}}))

    assert report.faults == ("openvino-int8",)
    why = report.tried["openvino-int8"].why
    assert why.startswith("0 of 6 doors found at a confidence of 0.4, 6 in float32: recall -1.0000")
    assert "AP50-95 -1.0000" in why
    assert not (MODEL / EXPORTS).exists()


def test_int8_may_move_boxes_a_little():
    """By 2 px of 80 and 60, so the IoU is (78 * 58) / (2 * 4800 - 78 * 58) = 0.89: AP falls."""
    report = export("openvino-int8", world=World(does={"openvino-int8": {"off_px": 0.3}}))
    assert (report.tried["openvino-int8"].accepted, report.faults) == (True, ())

    report = export("openvino-int8", world=World(does={"openvino-int8": {"off_px": 2.0}}))
    assert "recall +0.0000" in report.tried["openvino-int8"].why
    assert not report.tried["openvino-int8"].accepted


def empty_train() -> None:
    for path in (DATA / "images/train").iterdir():
        path.unlink()


def unlabel_val() -> None:
    for path in (DATA / "labels/val").iterdir():
        path.write_text("")


@pytest.mark.parametrize(
    ("change", "why"),
    [(empty_train, "no photograph in train"), (unlabel_val, "no door in val")],
)
def test_int8_that_cannot_be_judged_is_not_made(change: Callable[[], None], why: str):
    change()

    report = export("onnx", "openvino-int8")

    assert why in report.missing["openvino-int8"]
    assert report.faults == ("openvino-int8",)
    assert list(kept().formats) == ["onnx"]


def test_what_cannot_be_made_is_said_and_the_rest_is_kept():
    report = export("onnx", "ncnn", world=World(missing=("ncnn",)))

    assert report.missing == {"ncnn": "ncnn: ncnn is not installed (pip install ncnn)"}
    assert report.faults == ("ncnn",)
    assert list(kept().formats) == ["onnx"]


def test_if_nothing_can_be_made_that_is_an_error():
    with pytest.raises(MissingToolError, match=r"ncnn is not installed \(pip install ncnn\)"):
        export("ncnn", world=World(missing=("ncnn",)))


def test_earlier_exports_are_measured_again_with_the_new_ones():
    export("onnx", world=World(does={"onnx": {"ms": 7}}))
    world = World(does={"openvino": {"ms": 4}})

    report = export("openvino", world=world)

    assert world.built == ["openvino"]
    assert report.kept.formats.keys() == {"onnx", "openvino"}
    assert files() == [
        "exports.json",
        "onnx/model.onnx",
        "openvino/model.bin",
        "openvino/model.xml",
    ]
    latency = kept().formats["onnx"].latency
    assert latency is not None
    assert "openvino" in latency.method


def test_earlier_exports_whose_runtime_is_missing_stay_as_they_are():
    export("onnx")
    before = kept().formats["onnx"]

    export("openvino", world=World(missing=("onnxruntime",)))

    assert kept().formats["onnx"] == before


def test_exports_of_other_weights_are_dropped():
    export("onnx")
    (MODEL / "model.json").unlink()
    (MODEL / "best.pt").write_text("other weights")
    publish(MODEL, version="detection_v1.1_20261129_exp2")

    export("openvino")

    assert files() == ["exports.json", "openvino/model.bin", "openvino/model.xml"]


def test_a_damaged_export_is_said_and_dropped():
    export("onnx")
    (MODEL / EXPORTS / "onnx/model.onnx").write_text("cut of")

    report = export("openvino")

    assert list(report.dropped) == ["onnx"]
    assert "onnx" in report.faults
    assert list(kept().formats) == ["openvino"]


def test_if_another_model_is_published_meanwhile_nothing_is_kept():
    export("onnx")
    before = files()

    def change() -> None:
        (MODEL / "best.pt").write_text("other weights")

    with pytest.raises(RunError, match="another model was published"):
        export("openvino", world=World(meanwhile=change))

    assert files() == before
    assert not list(Path.cwd().glob(".a model.*staged*"))


def test_changed_weights_are_not_exported():
    (MODEL / "best.pt").write_text("other weights")
    world = World()

    with pytest.raises(WeightsError, match="has changed"):
        export("onnx", world=world)

    assert world.built == []


def test_a_model_that_is_not_there_is_an_error_before_any_work():
    with pytest.raises(RunError, match="no model at nowhere"):
        export_model(
            Path("nowhere"),
            ExportSettings(("onnx",), DATA),
            outside=World().outside,
            progress=Printing(),
        )


def empty_val() -> None:
    for path in (DATA / "images/val").iterdir():
        path.unlink()


def damage_photograph() -> None:
    (DATA / "images/val/0.png").write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(empty_val, "no photograph in val"), (damage_photograph, r"0\.png cannot be read")],
)
def test_without_photographs_to_compare_on_nothing_is_kept(
    damage: Callable[[], None], problem: str
):
    damage()

    with pytest.raises(DatasetError, match=problem):
        export("onnx")

    assert not (MODEL / EXPORTS).exists()


def test_some_photographs_are_enough():
    export("onnx", photographs=2)

    parity = kept().formats["onnx"].parity
    assert parity is not None
    assert parity.photographs == 2


def test_each_format_is_first_as_often_as_the_others():
    """What is timed first after a decoding could be slower."""
    order: list[str] = []

    class Noting(World):
        def open(self, asked: NetworkFile) -> OpenedNetwork:
            opened = super().open(asked)
            inner = opened.network.find

            def find(picture: NDArray[np.uint8], **settings: float) -> FoundBoxes:
                if settings["conf_threshold"] == 0.4:
                    order.append(asked.backend)
                return inner(picture, **settings)  # type: ignore[arg-type]

            opened.network.find = find  # type: ignore[method-assign]
            return opened

    export("onnx", world=Noting())

    firsts: Sequence[str] = order[::2]
    assert firsts == ["pytorch", "onnx"] * 3
