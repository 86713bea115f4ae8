"""``doors track show``, on runs as they are found on a disk."""

import argparse
import json
from pathlib import Path

import pytest
from PIL import Image
from tests.builders import a_history, a_record

from container_doors.cli import track
from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.claim import claim
from container_doors.training.history import append_epoch


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run("detection_exp001")


def left(run: Run, record: RunRecord, *, epochs: int) -> None:
    finished = None if record.epochs_finished is None else epochs
    record.model_copy(update={"epochs_finished": finished}).write(run.record)
    for epoch in a_history(epochs):
        append_epoch(run.metrics_jsonl, epoch)


def show(
    name: str = "detection_exp001", *, output: Path | None = None, as_json: bool = False
) -> int:
    return track.show(argparse.Namespace(name=name, output=output, json=as_json))


def is_picture(path: Path) -> bool:
    with Image.open(path) as picture:
        return picture.format == "PNG"


def test_a_finished_run_is_a_headline_a_row_per_epoch_and_a_picture(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(status="finished"), epochs=30)

    assert show() == 0

    said, header, *rows, legend, wrote = capsys.readouterr().out.splitlines()
    assert said == "detection_exp001: finished, 30 of 30 epochs, the best 30, on AMD EPYC 7B13"
    assert header.split()[:3] == ["epoch", "mAP50-95", "mAP50"]
    assert [row.split()[0] for row in rows if "*" in row] == ["30*"]
    assert len(rows) == 30
    assert legend.startswith("* best epoch")
    assert wrote == "wrote runs/detection_exp001/curves.png"
    assert is_picture(run.directory / "curves.png")


def test_a_run_that_is_being_trained_is_shown_as_far_as_it_is(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(status="running", epochs_finished=None, best_epoch=None), epochs=1)
    with run.metrics_jsonl.open("a") as file:
        file.write('{"epoch": 2, "val/m')  # is being written

    with claim(run):
        assert show() == 0

    shown = capsys.readouterr().out
    assert "running, 1 of 30 epochs, the best 1," in shown
    assert "   1*" in shown
    assert is_picture(run.directory / "curves.png")


def test_before_its_first_epoch_a_run_has_neither_table_nor_picture(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(status="running", epochs_finished=None, best_epoch=None), epochs=0)

    with claim(run):
        assert show() == 0

    assert capsys.readouterr().out.splitlines() == [
        "detection_exp001: running, 0 of 30 epochs, on AMD EPYC 7B13"
    ]
    assert not run.curves.exists()


def test_of_a_run_that_failed_it_is_said_why(run: Run, capsys: pytest.CaptureFixture[str]):
    left(run, a_record(status="failed", message="OSError: a full disk"), epochs=2)

    assert show() == 0

    headline, why, *_ = capsys.readouterr().out.splitlines()
    assert "failed, 2 of 30 epochs" in headline
    assert why == "OSError: a full disk"


def test_json_is_one_document_and_draws_only_where_it_is_asked_to(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(), epochs=3)

    assert show(as_json=True) == 0
    read = json.loads(capsys.readouterr().out)

    assert [each["epoch"] for each in read] == [1, 2, 3]
    assert read[0]["val/mAP50"] == a_history(1)[0].metrics["val/mAP50"]
    assert not (run.directory / "curves.png").exists()

    assert show(as_json=True, output=tmp_path / "here.png") == 0
    assert json.loads(capsys.readouterr().out) == read
    assert is_picture(tmp_path / "here.png")


def test_the_picture_is_put_where_it_is_asked_for(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(), epochs=2)

    assert show(output=tmp_path / "here.png") == 0

    assert f"wrote {tmp_path / 'here.png'}" in capsys.readouterr().out
    assert is_picture(tmp_path / "here.png")
    assert not (run.directory / "curves.png").exists()


def test_a_file_that_is_no_picture_is_not_overwritten(run: Run, tmp_path: Path):
    left(run, a_record(), epochs=2)
    (tmp_path / "notes.md").write_text("mine")

    with pytest.raises(RunError, match="the picture is a PNG"):
        show(output=tmp_path / "notes.md")

    assert (tmp_path / "notes.md").read_text() == "mine"


def test_a_run_that_says_running_and_has_no_process_is_not_shown_as_running(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(status="running", epochs_finished=None, best_epoch=None), epochs=1)
    before = run.record.read_bytes()

    assert show() == 0

    headline, why, *_ = capsys.readouterr().out.splitlines()
    assert headline.startswith("detection_exp001: interrupted, 1 of 30 epochs")
    assert "no process trains it" in why
    assert "doors train --resume --experiment detection_exp001" in why
    assert run.record.read_bytes() == before


def test_what_is_lost_of_a_run_is_a_fault_and_the_rest_is_shown(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    left(run, a_record(status="finished"), epochs=4)
    lines = run.metrics_jsonl.read_bytes().splitlines(keepends=True)
    run.metrics_jsonl.write_bytes(b"".join([lines[0], b"\0\0\0", *lines[2:]]))

    assert show() == 1

    shown = capsys.readouterr()
    assert "finished, 3 of 30 epochs, the best 4," in shown.out
    damaged, missing, way_back = shown.err.splitlines()
    assert damaged.startswith(f"warning: {run.metrics_jsonl}:2: NUL bytes")
    assert missing.endswith("lacks epoch 2 of the finished ones")
    assert way_back.startswith("  hint: ")


def test_a_run_whose_history_was_emptied_is_never_shown_as_fine(run: Run):
    left(run, a_record(status="finished"), epochs=2)
    run.metrics_jsonl.write_bytes(b"")

    assert show() == 1
    assert show(as_json=True) == 1


def test_a_run_that_is_not_there_is_refused_with_a_name_that_is(run: Run):
    left(run, a_record(), epochs=2)

    with pytest.raises(RunError, match="did you mean detection_exp001"):
        show("detection_exp01")


def test_an_earlier_run_is_headed_by_its_own_name(capsys: pytest.CaptureFixture[str]):
    left(Run.named("detection_exp001~1"), a_record(status="finished"), epochs=2)

    show("detection_exp001~1")

    assert capsys.readouterr().out.startswith("detection_exp001~1: finished")
