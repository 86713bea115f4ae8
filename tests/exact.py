"""Real trainings, whole and in pieces, for whoever compares what comes out; run by the tests.

    python -m tests.exact ROOT DATA_YAML CASE ...

Under ROOT each case leaves ``CASE/whole`` and ``CASE/pieces``, each with a run named ``a``.
"""

import os
import signal
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.resuming import in_a_fork  # isort: skip - it sets up the environment of Ultralytics

from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.config import Augmentation
from container_doors.core.records import Epoch, StartingWeights
from container_doors.core.run import Run
from container_doors.data.view import DRAWN_EACH_EPOCH
from container_doors.training.recorder import Recorder
from tests.tiny import Printing, tiny_data, tiny_params
from tests.unplotted import Unplotted


@dataclass(frozen=True)
class Exact:
    killed_after: tuple[int, ...] = (2,)
    """The epochs after each of which the process dies."""
    epochs: int = 4
    pieces: dict[str, object] = field(default_factory=dict)
    """What is different while in pieces, and must not make a difference."""
    training: dict[str, object] = field(default_factory=dict)
    augmentation: dict[str, object] = field(default_factory=dict)
    drawn_each_epoch: int = 0
    """Of the photographs of a second folder."""


CASES = {
    "accumulated": Exact(
        epochs=3,
        killed_after=(1, 2),
        training={"nominal_batch_size": 14, "warmup_epochs": 1.5, "average_last": 2},
    ),
    "another number of loaders": Exact(
        epochs=3,
        training={"workers": 2, "nominal_batch_size": 14, "warmup_epochs": 1.5},
        pieces={"workers": 0},
        augmentation={"preset": "robust"},
    ),
    "photographs read each time, mosaic closed": Exact(
        killed_after=(2, 3), training={"workers": 2, "cache": "none"}
    ),
    "adamw, stopped early": Exact(
        epochs=9, killed_after=(2,), training={"optimizer": "AdamW", "patience": 3}
    ),
    "a checkpoint every second epoch": Exact(
        killed_after=(3,), training={"save_period": 2}, drawn_each_epoch=4
    ),
}


class Dying(Recorder):
    after: int | None = None

    def epoch_finished(self, epoch: Epoch) -> None:
        super().epoch_finished(epoch)
        if epoch.number == self.after:
            os.kill(os.getpid(), signal.SIGKILL)


def train(
    root: Path, data_yaml: Path, case: Exact, *, after: int | None, resume: bool, **changed: object
) -> None:
    run = Run("a", root=root)
    run.directory.mkdir(parents=True, exist_ok=True)
    recorder: Any = Dying(run, epochs=case.epochs, progress=Printing())
    recorder.after = after
    params = tiny_params(epochs=case.epochs, **{**case.training, **changed})
    augmentation = Augmentation.model_validate({"close_mosaic": 2, **case.augmentation})
    params = params.model_copy(update={"augmentation": augmentation})

    class WithLoaders(Unplotted):
        def get_dataloader(self, *arguments: Any, **named: Any) -> Any:
            self.args.workers = params.training.workers  # Ultralytics takes none on a processor
            loader = super().get_dataloader(*arguments, **named)
            if named["mode"] == "train":
                shown = loader.batch_sampler.draws.photographs
                sys.stdout.write(f"{loader.num_workers} loaders, {shown} photographs\n")
            return loader

    YoloTrainer(vendor_trainer=WithLoaders).train(
        params, run, data_yaml=data_yaml, weights=StartingWeights(source="random"),
        listener=recorder, resume=resume,
    )  # fmt: skip


def with_drawn(root: Path, data_yaml: Path, each_epoch: int) -> Path:
    """Write a ``data.yaml`` as the view of mixed photographs has it."""
    tiny_data(root / "drawn", train=8)
    document = yaml.safe_load(data_yaml.read_text())
    folders = [str(folder / "images/train") for folder in (data_yaml.parent, root / "drawn")]
    mixed = root / "mixed.yaml"
    mixed.write_text(yaml.safe_dump({**document, "train": folders, DRAWN_EACH_EPOCH: each_epoch}))
    return mixed


def main(root: Path, data_yaml: Path, names: list[str]) -> None:
    for name in names:
        case, folder = CASES[name], root / name
        sys.stdout.write(f"== {name}\n")
        if case.drawn_each_epoch:
            data_yaml = with_drawn(root, data_yaml, case.drawn_each_epoch)
        whole = partial(train, folder / "whole", data_yaml, case, after=None, resume=False)
        assert in_a_fork(whole) == 0
        for number, after in enumerate((*case.killed_after, None)):
            piece = partial(train, folder / "pieces", data_yaml, case, after=after,
                            resume=number > 0, **case.pieces)  # fmt: skip
            code = in_a_fork(piece)
            assert code == (0 if after is None else -signal.SIGKILL), code


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
