"""Real trainings that something befalls, or that are wished to end; run by the tests.

    python -m tests.recovering ROOT DATA_YAML CASE ...

Each case leaves a run named ``a`` under ``ROOT/CASE``, and prints what its listener was told.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.errors import RunError, ToBeContinued
from container_doors.core.records import StartingWeights
from container_doors.core.run import Run
from container_doors.training.recorder import Recorder
from container_doors.training.stopping import StopRequests
from tests.resuming import in_a_fork
from tests.tiny import Printing, tiny_params
from tests.unplotted import Unplotted

Befalls = Callable[[Any, dict[str, Any]], None]


def out_of_memory_above(photographs: int, *, in_epoch: int = 1) -> Befalls:
    def befall(trainer: Any, batch: dict[str, Any]) -> None:
        if len(batch["img"]) > photographs and trainer.epoch + 1 >= in_epoch:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return befall


def not_a_number(*, in_epoch: int, times: int) -> Befalls:
    seen: set[int] = set()

    def befall(trainer: Any, batch: dict[str, Any]) -> None:
        if trainer.epoch + 1 == in_epoch and (len(seen) < times or id(trainer) in seen):
            seen.add(id(trainer))
            KEPT.append(trainer)  # so that no other gets its id
            batch["img"] = batch["img"] * float("nan")

    return befall


KEPT: list[Any] = []


def sigterm(*, in_epoch: int, then_s: float = 0.0) -> Befalls:
    sent: list[int] = []

    def befall(trainer: Any, batch: dict[str, Any]) -> None:
        if trainer.epoch + 1 == in_epoch and not sent:
            sent.append(1)
            os.kill(os.getpid(), signal.SIGTERM)
            until = time.monotonic() + then_s
            while time.monotonic() < until:
                time.sleep(0.05)

    return befall


def nothing(trainer: Any, batch: dict[str, Any]) -> None:
    pass


CASES: dict[str, tuple[Befalls, dict[str, object]]] = {
    "memory for half a batch": (out_of_memory_above(2), {"nominal_batch_size": 8}),
    "memory gone in the third epoch": (out_of_memory_above(2, in_epoch=3), {}),
    "memory for nothing": (out_of_memory_above(0), {"image_size_px": 64}),
    "not a number, once": (not_a_number(in_epoch=2, times=1), {}),
    "not a number in the first epoch": (not_a_number(in_epoch=1, times=1), {}),
    "not a number, for ever": (not_a_number(in_epoch=2, times=99), {}),
    "sigterm": (sigterm(in_epoch=2), {}),
    "sigterm in a long epoch": (sigterm(in_epoch=3, then_s=30.0), {}),
    "out of time": (nothing, {}),
}


def train(root: Path, data_yaml: Path, name: str) -> None:
    befall, changed = CASES[name]

    class Befallen(Unplotted):
        def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
            prepared = super().preprocess_batch(batch)
            befall(self, prepared)
            return prepared

    run = Run("a", root=root)
    run.directory.mkdir(parents=True, exist_ok=True)
    deadline = time.time() + 0.001 if name == "out of time" else None
    grace_s = 1.0 if name == "sigterm in a long epoch" else 600.0
    wishes = StopRequests(run.stop_request, deadline=deadline, grace_s=grace_s)
    recorder = Recorder(run, epochs=3, progress=Printing(), stopping=wishes)
    with wishes.handling_sigterm():
        try:
            with wishes.training():
                YoloTrainer(vendor_trainer=Befallen).train(
                    tiny_params(epochs=3, **changed), run, data_yaml=data_yaml,
                    weights=StartingWeights(source="random"), listener=recorder,
                )  # fmt: skip
        except ToBeContinued as wish:
            sys.stdout.write(f"to be continued: {wish}\n")
        except RunError as error:
            sys.stdout.write(f"error: {error}\n")


def main(root: Path, data_yaml: Path, names: list[str]) -> None:
    for name in names:
        sys.stdout.write(f"== {name}\n")
        assert in_a_fork(partial(train, root / name, data_yaml, name)) == 0
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
