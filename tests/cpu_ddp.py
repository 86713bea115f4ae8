"""Ultralytics' own launch of several workers, on the processor; run by the tests.

    python -m tests.cpu_ddp RUNS DATA_YAML EPOCHS [resume]

Ultralytics allows several workers on GPUs alone. This module, which each worker imports to find
its trainer, takes that back in the few places where a GPU is named. All else is as it ships:
the launch, ``torch.distributed.run``, the temporary files, gloo instead of NCCL.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.environment import import_ultralytics

import_ultralytics()

import torch  # noqa: E402 - our environment first
from torch import distributed, nn  # noqa: E402
from ultralytics.engine import validator as vendor_validator  # noqa: E402
from ultralytics.utils import LOCAL_RANK, RANK  # noqa: E402

from container_doors.adapters.yolo.trainer import YoloTrainer  # noqa: E402
from container_doors.core.config import Augmentation  # noqa: E402
from container_doors.core.errors import DoorsError  # noqa: E402
from container_doors.core.records import Hardware, StartingWeights  # noqa: E402
from container_doors.core.run import Run  # noqa: E402
from container_doors.training.checkpoint import rewind  # noqa: E402
from container_doors.training.logbook import logbook  # noqa: E402
from container_doors.training.recorder import Recorder  # noqa: E402
from tests.tiny import Printing, tiny_params  # noqa: E402
from tests.unplotted import Unplotted  # noqa: E402

WORKERS = 2
FAULT = "CONTAINER_DOORS_TEST_FAULT"
"""``raise`` or ``kill``: what befalls the second worker in the second epoch, once the first is
written."""

TWO = Hardware(device="cpu", devices=["cpu:0", "cpu:1"], description="", cpu="", cores=2,
               memory_gib=1)  # fmt: skip


class _NoGpu:
    @staticmethod
    def current_device() -> int:
        return 0


def _name_no_gpu() -> None:
    replaced: Any = vendor_validator
    backend, parallel = replaced.AutoBackend, nn.parallel.DistributedDataParallel
    replaced.AutoBackend = lambda **named: backend(**{**named, "device": torch.device("cpu")})
    replaced.get_torch_device_backend = lambda device: _NoGpu
    replaced = nn.parallel
    replaced.DistributedDataParallel = lambda model, device_ids, **named: parallel(model, **named)


if RANK != -1:
    _name_no_gpu()


class CpuDdpTrainer(Unplotted):
    """Two workers, whatever the device is called."""

    ddp = property(lambda self: LOCAL_RANK == -1, lambda self, value: None)
    world_size = property(lambda self: WORKERS, lambda self, value: None)

    def _setup_ddp(self) -> None:
        self.device = torch.device("cpu")
        distributed.init_process_group(
            "gloo", timeout=timedelta(seconds=120), rank=RANK, world_size=WORKERS
        )

    def _model_train(self) -> None:
        super()._model_train()  # type: ignore[no-untyped-call]
        if RANK == 1 and self.epoch == 1 and FAULT in os.environ:
            while not (Path(self.save_dir).parent / "metrics.jsonl").exists():
                time.sleep(0.05)  # the first worker writes it behind the training's back
            if os.environ.get(FAULT) == "raise":
                raise ValueError("the second worker has had enough")
            if os.environ.get(FAULT) == "kill":
                os.kill(os.getpid(), signal.SIGKILL)


def main(runs: Path, data_yaml: Path, epochs: int, *, resume: bool) -> None:
    run = Run("a", root=runs)
    run.directory.mkdir(parents=True, exist_ok=True)
    if resume:
        rewind(run)
    recorder = Recorder(run, epochs=epochs, progress=Printing())
    robust = Augmentation.model_validate({"close_mosaic": 0, "preset": "robust"})
    params = tiny_params(epochs=epochs, average_last=2 if epochs > 1 else 0)
    params = params.model_copy(update={"augmentation": robust})
    with logbook(run.train_log), recorder.following_workers(TWO):
        YoloTrainer(vendor_trainer=CpuDdpTrainer).train(
            params, run, data_yaml=data_yaml, listener=recorder,
            weights=StartingWeights(source="random"), resume=resume,
        )  # fmt: skip


if __name__ == "__main__":
    # Workers find the trainer by its module's name, which must not be __main__.
    from tests.cpu_ddp import main as imported_main

    try:
        imported_main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]),
                      resume=sys.argv[4:] == ["resume"])  # fmt: skip
    except DoorsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
