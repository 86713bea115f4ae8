"""A whole run whose two workers are on the processor: ``python -m tests.tracked_ddp NAME``."""

import sys

from container_doors import pipeline
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.cli.console import PlainProgress
from container_doors.cli.upload import follower_for
from container_doors.core.config import Data, Params
from container_doors.core.ports import World
from container_doors.core.records import Hardware
from container_doors.core.run import Run
from tests.cpu_ddp import CpuDdpTrainer
from tests.fakes import ENVIRONMENT, FakeRepository, NeverStopping
from tests.tiny import tiny_params


class TwoWorkers(YoloTrainer):
    """Says that there are two devices, which are one processor."""

    def describe_hardware(self, params: Params) -> Hardware:
        machine = describe_machine("cpu")
        return machine.model_copy(update={"devices": ["cpu:0", "cpu:1"]})


def main() -> None:
    """Train two epochs in the current folder, where a data set is, and publish."""
    params = tiny_params(epochs=2).model_copy(
        update={"data": Data(min_train_images=1, min_val_images=1)}
    )
    progress = PlainProgress()
    world = World(
        trainer=TwoWorkers(vendor_trainer=CpuDdpTrainer),
        stopping=NeverStopping(),
        load_detector=YoloDetector,
        follower=follower_for(params, progress),
        checkpoints=None,
        repository=FakeRepository(),
        progress=progress,
        environment=ENVIRONMENT,
    )
    pipeline.train(params, Run(sys.argv[1]), world=world)


if __name__ == "__main__":
    main()
