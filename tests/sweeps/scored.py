"""A training whose score follows from its params: its peak is at a learning rate of 0.003.

As a program it is ``doors sweep`` with such trainings, for the tests that kill it:

    python -m tests.sweeps.scored sweep.yaml --experiment NAME
"""

import math
import sys
import time
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import Params
from container_doors.core.errors import ToBeContinued
from container_doors.core.ports import Progress, Stopping, TrainingListener, World
from container_doors.core.records import Epoch, Hardware, StartingWeights
from container_doors.core.run import Run
from container_doors.training.checkpoint import make_newest, stage
from container_doors.training.history import best_epoch, read_epochs
from tests.fakes import FakeDetector, FakeTrainer, FakeWorld

EPOCHS_TRAINED = Path("epochs_trained.txt")


def score(params: Params) -> float:
    """Return the mAP50-95 at the end."""
    distance = math.log10(params.training.learning_rate / 0.003)
    return round(0.8 - 0.2 * distance**2 - 0.01 * params.training.warmup_epochs, 6)


@dataclass
class ScoredTrainer(FakeTrainer):
    """Trains as far as a resumed run lacks; notes each epoch; rises to its :func:`score`."""

    epoch_s: float = 0.0

    def train(
        self,
        params: Params,
        run: Run,
        *,
        data_yaml: Path,
        weights: StartingWeights,
        listener: TrainingListener,
        resume: bool = False,
    ) -> None:
        run.best_weights.parent.mkdir(parents=True, exist_ok=True)
        (run.trainer_dir / "args.yaml").write_text("epochs: 3\n")
        last = params.training.epochs
        for number in range(len(read_epochs(run.metrics_jsonl)) + 1, last + 1):
            time.sleep(self.epoch_s)
            with EPOCHS_TRAINED.open("a") as file:
                file.write(f"{run.name} {number}\n")
            value = score(params) * number / last
            (run.trainer_dir / "results.csv").write_text(f"epoch\n{number}\n")
            for path in (run.best_weights, run.last_weights):
                path.write_text(f"weights {value}")
            epoch = Epoch(number, {"val/mAP50-95": value, "perf/epoch_s": 60.0})
            staged = stage(run, save=_a_state, previous_has_best=False, is_last=number == last)
            make_newest(run, staged, epoch, is_last=number == last)
            listener.epoch_finished(epoch)
            reason = listener.reason_to_stop(0.0)
            if reason is not None and number < last:
                raise ToBeContinued(reason)
        assert best_epoch(read_epochs(run.metrics_jsonl)).number == last


class ScoredDetector(FakeDetector):
    """Scores as the weights say; below 0.7 it misses the door of every second photograph."""

    def __call__(self, weights: Path, *, image_size_px: int, hardware: Hardware) -> FakeDetector:
        return ScoredDetector(map50_95=float(weights.read_text().split()[-1]))

    def _look(self, image: Path):
        seen = super()._look(image)
        if self.map50_95 >= 0.7 or int(image.stem[-1]) % 2:
            return seen
        return replace(seen, boxes_xyxy=[], confidences=[], is_door=[])


def _a_state(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("state", "all of it")


def scored_world(
    params: Params, progress: Progress, *, stopping: Stopping, trainer: ScoredTrainer
) -> World:
    outside = FakeWorld(trainer=trainer, detector=ScoredDetector())
    return replace(outside.world, stopping=stopping, progress=progress)


def open_scored(weights: Path, params: Params) -> FakeDetector:
    hardware = FakeTrainer().describe_hardware(params)
    return ScoredDetector()(weights, image_size_px=640, hardware=hardware)


def main() -> int:
    from container_doors.cli import main as doors
    from container_doors.cli import sweep, trainings_on

    world = partial(scored_world, trainer=ScoredTrainer(epoch_s=0.02))
    patch = pytest.MonkeyPatch()
    patch.setattr(trainings_on, "LocalTrainings", partial(LocalTrainings, open_world=world))
    patch.setattr(sweep, "open_detector", open_scored)
    return doors(["sweep", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
