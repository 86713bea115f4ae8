"""``doors export``: what a person types and reads."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from tests.exporting import DATA, World, write_data
from tests.prediction.published import publish

from container_doors.adapters.yolo.export import MADE
from container_doors.cli import export as command
from container_doors.cli import main
from container_doors.cli.options import export as options
from container_doors.core.run import PUBLISHED
from container_doors.prediction.exports import EXPORTS
from container_doors.steps.export import FASTEST, INT8


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    publish(PUBLISHED)
    write_data(Path("data/processed/detection"))
    found = World()
    outside = found.outside
    monkeypatch.setattr(command, "Exporting", lambda *_: replace(outside))
    return found


def run(line: str) -> int:
    return main(shlex.split(line))


def test_the_formats_of_the_command_line_are_those_that_are_made():
    assert {*options.FORMATS} == {*MADE, INT8}
    assert options.FASTEST == FASTEST


def test_an_unknown_format_is_an_error_that_names_the_known(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        run("export --format onnx,tflite")

    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "onnx,openvino,openvino-int8,torchscript,ncnn,fastest" in said
    assert "'tflite'" in said


def test_each_format_has_its_times_its_boxes_and_a_verdict(
    world: World, capsys: pytest.CaptureFixture[str]
):
    world.does = {"onnx": {"ms": 25}, "openvino": {"off_px": 5.0}}

    assert run("export --format onnx,openvino") == 1

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "pytorch        median 50.0 ms, 95th percentile 50.0 ms (n = 6)" in lines
    onnx = lines.index(
        "onnx           median 25.0 ms, 95th percentile 25.0 ms (n = 6), 2.00 times as fast"
    )
    assert lines[onnx + 1] == "the same boxes as PyTorch"
    assert lines[onnx + 2].startswith(
        "6 boxes in 6 photographs, 0 without a match, at most 0.00 px"
    )
    assert lines[onnx + 3] == "onnx 1.0, 0.0 MB: accepted"
    assert "other boxes than PyTorch" in lines
    assert lines[-1] == f"kept in {PUBLISHED / EXPORTS}: onnx, openvino"


def test_what_is_not_installed_is_a_line_with_what_to_type(
    world: World, capsys: pytest.CaptureFixture[str]
):
    world.missing = ("ncnn",)

    assert run("export --format onnx,ncnn") == 1
    assert "not exported: ncnn: ncnn is not installed (pip install ncnn)" in capsys.readouterr().err
    assert run("export --format ncnn") == 2
    assert "ncnn is not installed (pip install ncnn)" in capsys.readouterr().err


def test_the_usual_format_is_the_fastest(world: World, capsys: pytest.CaptureFixture[str]):
    world.does = {"openvino": {"ms": 2}}

    assert run("export --json") == 0

    document = json.loads(capsys.readouterr().out)
    assert document["kept"] == ["openvino"]
    assert set(document["tried"]) == {"onnx", "openvino", "openvino-int8"}
    assert document["tried"]["onnx"]["accepted"]
    assert document["pytorch"]["median_ms"] == pytest.approx(50)


def test_another_model_and_other_data_can_be_named(
    world: World, capsys: pytest.CaptureFixture[str]
):
    publish(Path("another"))
    write_data(DATA, val=2)

    assert run(f"export --format onnx --weights another --path {DATA} --photographs 1") == 0

    assert (Path("another") / EXPORTS / "onnx/model.onnx").is_file()
    assert not (PUBLISHED / EXPORTS).exists()
    assert "1 boxes in 1 photographs" in capsys.readouterr().out
