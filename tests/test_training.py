"""Real training of a few steps, through the command line, on drawn pictures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from container_doors.cli import main
from container_doors.cli.doctor import last_run
from container_doors.core.records import Evaluation, Metadata, RunRecord
from container_doors.scenes import draw_sample

TINY = (
    "detection.model.architecture=yolov11n",
    "detection.model.pretrained=false",
    "detection.data.min_train_images=1",
    "detection.data.min_val_images=1",
    "detection.training.image_size_px=64",
    "detection.training.batch_size=8",
    "detection.training.epochs=2",
    "detection.training.warmup_epochs=0",
    "detection.training.patience=0",
    "detection.training.cache=ram",
    "detection.augmentation.close_mosaic=1",
)


def command(*arguments: str, overrides: tuple[str, ...] = ()) -> list[str]:
    pairs = [part for override in (*TINY, *overrides) for part in ("--set", override)]
    return [sys.executable, "-m", "container_doors", *arguments, *pairs]


def doors(*arguments: str, cwd: Path, overrides: tuple[str, ...] = ()):
    argv = command(*arguments, overrides=overrides)
    return subprocess.run(argv, cwd=cwd, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "params.yaml").write_bytes((repository_root / "params.yaml").read_bytes())
    draw_sample(
        folder / "data/processed/detection", counts={"train": 8, "val": 4, "test": 4}, seed=1
    )
    return folder


@pytest.fixture(scope="module")
def trained(workspace: Path) -> Path:
    done = doors("train", "--experiment", "exp1", cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stdout
    assert "ETA" in done.stdout
    return workspace


def test_the_model_is_published_in_the_structure_of_the_specification(trained: Path):
    published = {
        str(path.relative_to(trained / "weights/detection"))
        for path in (trained / "weights/detection").rglob("*")
        if path.is_file()
    }

    assert published == {
        "weights/best.pt", "weights/last.pt", "args.yaml", "results.csv", "results.png",
        "confusion_matrix.png", "F1_curve.png", "P_curve.png", "R_curve.png", "PR_curve.png",
        "best.pt", "last.pt", "metadata.json", "model.json", "train.log",
    }  # fmt: skip


def test_a_healthy_run_leaves_no_warning(trained: Path, monkeypatch: pytest.MonkeyPatch):
    """Its photographs are in memory, of which Ultralytics warns where a training is to be exact."""
    monkeypatch.chdir(trained)

    assert [
        line for line in Path("runs/exp1/train.log").read_text().splitlines() if " WARNING " in line
    ] == []
    assert (last_run().verdict, last_run().found) == ("pass", "exp1: finished")


def test_every_figure_of_the_metadata_is_of_the_weights_that_ship(trained: Path):
    metadata = Metadata.read(trained / "weights/detection/metadata.json")
    evaluation = Evaluation.read(trained / "runs/exp1/scores.json")

    assert metadata.evaluation == evaluation
    assert evaluation.weights_sha256 == metadata.artifacts["best.pt"].sha256
    assert metadata.epochs_finished == 2
    assert evaluation.splits["test"].latency is not None


def test_a_run_records_what_it_was_made_with(trained: Path):
    record = RunRecord.read(trained / "runs/exp1/run.json")

    assert record.status == "finished"
    assert record.starting_weights.source == "random"
    assert record.environment.packages["ultralytics"]
    assert record.dataset.splits["train"].images == 8
    assert record.hardware.device == "cpu"


def test_each_epoch_is_on_disk_under_the_documented_names(trained: Path, repository_root: Path):
    documented = (repository_root / "docs/metrics.md").read_text(encoding="utf-8")
    lines = (trained / "runs/exp1/metrics.jsonl").read_text().splitlines()

    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    for name in json.loads(lines[0]).keys() - {"epoch"}:
        assert f"`{name}`" in documented or name.startswith("lr/pg")


def test_the_run_can_be_uploaded_to_wandb_later(trained: Path):
    (offline,) = (trained / "runs/exp1/tracking/wandb").glob("offline-run-*/run-*.wandb")

    assert offline.stat().st_size > 1000


def test_the_checkpoint_kept_for_resuming_has_its_optimizer(trained: Path):
    kept = torch.load(trained / "runs/exp1/checkpoint/resume.pt", weights_only=True)

    assert kept["epoch"] == 2
    assert kept["optimizer"] is not None


@pytest.mark.slow
def test_stopped_in_the_middle_of_an_epoch_it_ends_cleanly_and_can_be_run_again(workspace: Path):
    argv = command("train", "--experiment", "stopped", overrides=("detection.training.epochs=500",))
    with subprocess.Popen(
        argv, cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.strip() == "stopped; finished work is kept, and the same command can be run again"
    assert RunRecord.read(workspace / "runs/stopped/run.json").status == "interrupted"
    again = doors("train", "--experiment", "stopped", cwd=workspace)
    assert again.returncode == 0, again.stderr
    assert (workspace / "runs/stopped~1/metrics.jsonl").exists()


def refused(*overrides: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Train in this process, which costs no import; returns the exit code and the errors."""
    code = main(command("train", "--experiment", "w", overrides=overrides)[3:])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        pytest.param(("detection.model.weights=no.pt",), "no file at no.pt", id="missing"),
        pytest.param(("detection.model.weights=pipe.pt",), "no file at pipe.pt", id="a pipe"),
        pytest.param(
            (f"detection.model.weights={'x' * 300}.pt",),
            "... (303 characters): File name too long",
            id="a long name",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("detection.model.weights=/etc/passwd",),
            "expected weights of PyTorch, which end in .pt, found a name without an ending",
            id="another file",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("detection.model.weights=bad.pt",),
            "damaged, or not a weight file",
            id="corrupt",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            (),
            "no pretrained weights at weights/pretrained",
            id="no network",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_weights_that_cannot_be_had_are_explained(
    workspace: Path,
    overrides: tuple[str, ...],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(workspace)
    (workspace / "bad.pt").write_bytes(b"PK\x03\x04 not weights")
    (workspace / "pipe.pt").unlink(missing_ok=True)
    os.mkfifo(workspace / "pipe.pt")

    code, said = refused("detection.model.pretrained=true", *overrides, capsys=capsys)

    assert code == 2
    assert complaint in said
    assert "hint:" in said
    assert "Traceback" not in said
    assert not (workspace / "runs/w").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    "CONTAINER_DOORS_WEIGHTS" not in os.environ, reason="CONTAINER_DOORS_WEIGHTS is not set"
)
def test_weights_of_another_network_are_refused(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The stand-in is a yolo11s, and a yolo11n is asked for."""
    weights = Path(os.environ["CONTAINER_DOORS_WEIGHTS"]) / "yolo11s-standin.pt"

    monkeypatch.chdir(workspace)

    code, said = refused(
        "detection.model.pretrained=true", f"detection.model.weights={weights}", capsys=capsys
    )

    assert code == 2
    assert "is not a yolo11n" in said
