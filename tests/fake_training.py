"""``doors train`` as a machine of :class:`FakeHost` runs it: the real story with a trainer that
only pretends, and ends as MOOD says."""

import argparse
import os
import signal
import time
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from container_doors import pipeline
from container_doors.adapters.git.repository import GitRepository
from container_doors.cli.console import PlainProgress
from container_doors.core.config import Params, load_params
from container_doors.core.errors import RunError, ToBeContinued
from container_doors.core.ports import TrainingListener
from container_doors.core.records import Epoch, StartingWeights
from container_doors.core.run import Run
from container_doors.training.checkpoint import make_newest, stage
from container_doors.training.floors import StopBelowFloor
from container_doors.training.history import read_epochs
from tests.fakes import FakeTrainer, FakeWorld

MAIN = """
import os, runpy, sys
sources = os.environ["SOURCES"]
others = [path for path in sys.path if not path.startswith(os.getcwd())]
sys.path = [sources, f"{sources}/src", *others]
del sys.modules["container_doors"]
runpy.run_module("tests.fake_training", run_name="__main__")
"""


@dataclass
class Pieces(FakeTrainer):
    """Two epochs at a time."""

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
        if "," in params.training.device and os.environ["MOOD"] == "stall":
            time.sleep(60)
        done = len(read_epochs(run.metrics_jsonl))
        if os.environ["MOOD"] == "stuck" and done:
            raise ToBeContinued("no epoch fits into the time limit")
        run.best_weights.parent.mkdir(parents=True, exist_ok=True)
        (run.trainer_dir / "args.yaml").write_text("epochs: 5\n")
        for number in range(done + 1, params.training.epochs + 1):
            (run.trainer_dir / "results.csv").write_text(f"epoch\n{number}\n")
            for path in (run.best_weights, run.last_weights):
                path.write_text(f"weights of epoch {number}")
            epoch = Epoch(number, {"val/mAP50-95": number / 10, "perf/epoch_s": 0.1})
            is_last = number == params.training.epochs
            staged = stage(run, save=a_state, previous_has_best=False, is_last=is_last)
            make_newest(run, staged, epoch, is_last=is_last)
            listener.epoch_finished(epoch)
            if not is_last and (reason := listener.reason_to_stop(0.0)) is not None:
                raise ToBeContinued(reason)
            if number == done + 2 and not is_last:
                end()


def end() -> None:
    mood = os.environ["MOOD"]
    if mood in {"stop", "stuck"}:
        raise ToBeContinued("no further epoch fits into the time limit")
    if mood == "kill":
        time.sleep(2)  # so that the checkpoint is kept
        os.killpg(os.getpid(), signal.SIGKILL)
    if mood == "fail":
        raise RunError("out of memory with batch size 1", hint="less")


def a_state(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("state", "all of it")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--experiment")
    parser.add_argument("--max-hours", type=float)
    parser.add_argument("--floor", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    assert arguments.alone
    assert arguments.max_hours > 0
    params = load_params(arguments.config, arguments.set)
    outside = FakeWorld(trainer=Pieces())
    run = Run(arguments.experiment)
    floors = {int(epoch): float(value) for epoch, value in (f.split("=") for f in arguments.floor)}
    world = replace(
        outside.world,
        repository=GitRepository(Path.cwd()),
        progress=PlainProgress(),
        stopping=StopBelowFloor(outside.world.stopping, run.metrics_jsonl, floors),
    )
    try:
        pipeline.train(params, run, world=world)
    except ToBeContinued as wish:
        PlainProgress().say(f"to be continued: {wish}")


if __name__ == "__main__":
    main()
