"""Measures the cost of saving and publishing checkpoints: waiting time of the training, per epoch.

    uv run python benchmarks/checkpoints.py

A real training of YOLO11-small on drawn pictures; every second epoch is saved and published to a
DVC remote (a folder). The first ratio is the time that the training itself waits: for the copy of
its state in memory, and for the end of the write before. Writing, bundling and sending run in the
background; the processor time that they take is in the second ratio: epochs with a checkpoint over
epochs without, alternating in one run.
"""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from container_doors.adapters.dvc.checkpoints import DvcCheckpoints
from container_doors.adapters.workspace import create_workspace
from container_doors.adapters.yolo import trainer as yolo_trainer
from container_doors.adapters.yolo.callbacks import Callbacks
from container_doors.cli.console import PlainProgress
from container_doors.core.config import Augmentation, Model, Params, Training
from container_doors.core.records import (
    CodeState,
    DatasetFacts,
    Environment,
    Hardware,
    RunRecord,
    StartingWeights,
)
from container_doors.core.run import Run
from container_doors.scenes import draw_sample
from container_doors.training.recorder import Recorder
from container_doors.training.upload_checkpoints import CheckpointUploader

TARGET = 0.01
"""The waiting time as a fraction of an epoch, on the training's own thread."""

_UNTIMED = 2


class TimedCallbacks(Callbacks):
    """Saves every second epoch, and measures how long the training waits."""

    waited_s: ClassVar[list[float]] = []
    began: ClassVar[list[float]] = []

    def _epoch_starts(self, trainer: Any) -> None:  # noqa: ANN401
        self.began.append(time.perf_counter())
        self._period = 1 if trainer.epoch % 2 == 0 else 10**6
        super()._epoch_starts(trainer)

    def _training_ended(self, trainer: Any) -> None:  # noqa: ANN401
        before = time.perf_counter()
        self._background.wait()
        self.waited_s.append(time.perf_counter() - before)
        super()._training_ended(trainer)

    def _model_saved(self, trainer: Any) -> None:  # noqa: ANN401
        before = time.perf_counter()
        super()._model_saved(trainer)
        self.waited_s[-1] += time.perf_counter() - before


def main() -> int:
    """Print both ratios; the exit code is 1 if the target is not met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--image-size", type=int, default=320)
    options = parser.parse_args()
    vendor: Any = yolo_trainer
    vendor.Callbacks = TimedCallbacks
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        create_workspace(folder / "workspace", files={"README": "a benchmark"})
        (folder / "workspace/remote-storage").mkdir(exist_ok=True)
        draw_sample(
            folder / "data", counts={"train": options.pictures, "val": 8}, seed=0,
            image_size_px=(640, 480),
        )  # fmt: skip
        (folder / "data/data.yaml").write_text(
            f"path: {folder}/data\ntrain: images/train\nval: images/val\nnames: [container_door]\n"
        )
        run = Run("a", root=folder / "runs")
        run.directory.mkdir(parents=True)
        _record().write(run.record)
        remote = DvcCheckpoints(folder / "workspace", "a folder")
        uploader = CheckpointUploader(run, remote, every_s=0.001, say=print)
        uploader.start()
        _train(options, run, folder / "data/data.yaml")
        uploader.finish()
        size_mb = run.resumable.stat().st_size / 1e6
        published = remote.names("a")
    print(f"checkpoint: {size_mb:.0f} MB; published at the end: {published}")
    return _print()


def _train(options: argparse.Namespace, run: Run, data_yaml: Path) -> None:
    params = Params(
        model=Model(architecture="yolov11s", pretrained=False),
        training=Training(
            epochs=options.epochs, batch_size=8, learning_rate=0.001, patience=0,
            image_size_px=options.image_size, device="cpu",
        ),
        augmentation=Augmentation(close_mosaic=0),
    )  # fmt: skip
    yolo_trainer.YoloTrainer().train(
        params, run, data_yaml=data_yaml, weights=StartingWeights(source="random"),
        listener=Recorder(run, epochs=options.epochs, progress=PlainProgress()),
    )  # fmt: skip


def _print() -> int:
    epochs_s = [
        end - begin
        for begin, end in zip(TimedCallbacks.began, TimedCallbacks.began[1:], strict=False)
    ]
    timed = list(zip(epochs_s, TimedCallbacks.waited_s, strict=False))[_UNTIMED:]
    saved, others = timed[::2], timed[1::2]
    waited = statistics.median(wait for _, wait in saved)
    fraction = statistics.median(wait / epoch for epoch, wait in saved)
    ratio = statistics.median(e for e, _ in saved) / statistics.median(e for e, _ in others)
    print(f"the training waits {waited * 1e3:.0f} ms per saved epoch: {fraction:.2%} of it, "
          f"target {TARGET:.0%}")  # fmt: skip
    print(f"saved epochs over epochs that are not saved: {ratio:.3f} "
          f"({len(saved)} and {len(others)} epochs)")  # fmt: skip
    return 0 if fraction <= TARGET else 1


def _record() -> RunRecord:
    return RunRecord(
        run_id="0" * 32, experiment="a", status="running", started_at=datetime.now(UTC), params={},
        params_sha256="0" * 64, code=CodeState(commit=None, clean=None),
        dataset=DatasetFacts(path="", sha256="0" * 64, splits={}),
        starting_weights=StartingWeights(source="random"),
        hardware=Hardware(device="cpu", description="", cpu="", cores=2, memory_gib=1),
        environment=Environment(python="", platform="", packages={}), seed=0,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
