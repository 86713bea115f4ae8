"""A run with real trackers and a trainer that only pretends: ``python -m tests.tracked_run``.

A process of its own, because it may be told to kill itself.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from container_doors import pipeline
from container_doors.adapters import follower
from container_doors.cli.console import PlainProgress
from container_doors.cli.upload import follower_for, with_chosen_mode
from container_doors.core.config import Augmentation, Data, Params, Tensorboard, Training, Wandb
from container_doors.core.errors import RunError
from container_doors.core.ports import TrainingListener
from container_doors.core.records import Epoch, StartingWeights
from container_doors.core.run import Run
from tests.fakes import FakeTrainer, FakeWorld

VALUES = (0.1, 0.2, 0.4, 0.3)
"""mAP50-95 of epochs 1, 2, ...; the last goes on for ever."""

HELD_BEFORE = 4
"""The epoch that waits for a file, if there is one to wait for: what comes later comes later."""


@dataclass
class SlowTrainer(FakeTrainer):
    """Takes its time, and ends as it is told."""

    pause_s: float = 0.1
    end: str = "well"
    held_until: Path | None = None

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
        run.best_weights.parent.mkdir(parents=True)
        (run.trainer_dir / "args.yaml").write_text("epochs: 3\n")
        (run.trainer_dir / "results.csv").write_text("epoch\n")
        Image.new("RGB", (300, 200), "white").save(run.trainer_dir / "results.png")
        for number in range(1, params.training.epochs + 1):
            time.sleep(self.pause_s)
            while number == HELD_BEFORE and self.held_until and not self.held_until.exists():
                time.sleep(0.05)
            value = VALUES[min(number, len(VALUES)) - 1]
            metrics = {"val/mAP50-95": value, "train/box_loss": 1 / number, "perf/epoch_s": 0.1}
            listener.epoch_finished(Epoch(number, metrics))
            run.last_weights.write_text(f"weights of epoch {number}")
            run.best_weights.write_text("weights of epoch 3")
        if self.end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.end == "failed":
            raise RunError("out of memory", hint="less")


def command(name: str, **options: object) -> list[str]:
    """Spell a call of this program."""
    pairs = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    return [sys.executable, "-m", "tests.tracked_run", name, *pairs]


def main() -> None:
    """Train in the current folder, where a data set is, and publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pause-s", type=float, default=0.1)
    parser.add_argument("--end", choices=("well", "failed", "killed"), default="well")
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--tensorboard", action="store_true")
    parser.add_argument("--patience-s", type=float, default=follower.TIMEOUT_S)
    parser.add_argument("--held-until", type=Path)
    parser.add_argument("--replace", action="store_true")
    arguments = parser.parse_args()
    params = Params(
        data=Data(min_train_images=2, min_val_images=1),
        training=Training(epochs=arguments.epochs, batch_size=2, learning_rate=0.001, patience=0),
        augmentation=Augmentation(close_mosaic=0),
        wandb=Wandb.model_validate({"mode": arguments.mode, "tags": ["test"]}),
        tensorboard=Tensorboard(enabled=arguments.tensorboard),
    )
    progress = PlainProgress()
    chosen = follower_for(params, progress)
    if isinstance(chosen, follower.FollowerProcess):
        chosen._timeout_s = arguments.patience_s
    trainer = SlowTrainer(
        pause_s=arguments.pause_s, end=arguments.end, held_until=arguments.held_until
    )
    world = replace(FakeWorld(trainer=trainer).world, follower=chosen, progress=progress)
    pipeline.train(
        with_chosen_mode(params), Run(arguments.name), world=world, replace=arguments.replace
    )


if __name__ == "__main__":
    main()
