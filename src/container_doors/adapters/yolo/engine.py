"""Ultralytics' trainer, changed where the course of a training hangs on more than its state.

An epoch's pictures follow from the seed and its number (:mod:`container_doors.training.draws`),
and the gradients that are summed over several batches are counted where they can be saved. With
that, whoever begins an epoch from the same state ends it with the same weights.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ultralytics.data.augment import Mosaic
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils import LOCAL_RANK, RANK
from ultralytics.utils.torch_utils import strip_optimizer, torch_distributed_zero_first

from container_doors.training.draws import Draw, Draws

_NO_OPTIMIZER: Any = SimpleNamespace(state_dict=lambda: {"state": {}, "param_groups": []})
"""What a weight file keeps of the optimizer."""


_CHANNELS_LAST_PX = 320
"""Up to this size a processor trains faster so: a batch of 8 at 96 px took 0.20 s for 0.27 s. At
640 px it is slower."""

_ENOUGH = 3
"""After so many times Ultralytics no longer halves a batch."""


class Engine(DetectionTrainer):
    """Trains one go: from the beginning, or from a state that is put in before its first epoch."""

    pending = 0
    """Batches whose gradients are summed and have not changed the weights yet."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        self._accumulate, self._is_in_batch = 1, False
        super().__init__(*arguments, **named)

    def setup_model(self) -> Any:  # noqa: ANN401
        """Make the network; for small pictures on a processor, with the channels last in memory."""
        checkpoint = super().setup_model()  # type: ignore[no-untyped-call]
        is_small = self.device.type == "cpu" and self.args.imgsz <= _CHANNELS_LAST_PX
        if is_small and isinstance(self.model, torch.nn.Module):
            self.model = self.model.to(memory_format=torch.channels_last)
        return checkpoint

    def build_optimizer(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Make what changes the weights; on a processor too all at once, in half of the time."""
        optimizer = super().build_optimizer(*arguments, **named)  # type: ignore[no-untyped-call]
        if self.device.type == "cpu" and isinstance(optimizer, torch.optim.Adam):
            for group in optimizer.param_groups:
                group["fused"] = True
        return optimizer

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:  # noqa: ANN401
        """Build the photographs of a split; those of training are drawn."""
        dataset = super().build_dataset(img_path, mode, batch)
        if mode == "train":
            dataset.__class__ = DrawnDataset  # its maker has the class fixed
        return dataset

    def get_dataloader(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Build a split's loader; that of training takes its batches from :class:`Draws`."""
        loader = super().get_dataloader(*arguments, **named)
        if isinstance(loader.dataset, DrawnDataset):
            cached = loader.dataset.cache == "ram"
            draws = Draws(
                size=len(loader.dataset),
                batch_size=loader.batch_size,
                seed=self.args.seed,
                mosaic_window=None if cached else loader.num_workers,
                rank=max(RANK, 0),
                ranks=max(self.world_size, 1),
            )
            # As Ultralytics does: PyTorch lets nobody change it, and asks for it at each start.
            object.__setattr__(loader, "batch_sampler", EpochBatches(draws))
        return loader

    @property
    def draws(self) -> Draws:
        """What the epochs show."""
        return self._epoch_batches.draws

    def draw(self, *, mosaic_window: int | None, retries: Mapping[int, int]) -> None:
        """Change what the epochs show; to be called before the first."""
        self._epoch_batches.draws = replace(
            self.draws, mosaic_window=mosaic_window, retries=retries
        )

    def begin_epoch(self, number: int) -> None:
        """Leave nothing to chance: seed this process, and a loader that is started now."""
        self._oom_retries = _ENOUGH  # a batch is halved by the next go, not in the middle of one
        self._epoch_batches.first_epoch = number
        key = np.random.SeedSequence((self.args.seed, number, max(RANK, 0)))
        seed = int(key.generate_state(1, np.uint64)[0]) >> 1
        seed_everything(seed)
        torch.manual_seed(seed)

    @property
    def _epoch_batches(self) -> "EpochBatches":
        found: EpochBatches = self.train_loader.batch_sampler
        return found

    @property
    def accumulate(self) -> int:
        """Batches per change of the weights; while a batch is trained, 1.

        Ultralytics counts them by itself, in a variable of its loop that a kill takes along. As
        long as it sees a 1 there it asks for a change after each batch, and
        :meth:`optimizer_step` counts.
        """
        return 1 if self._is_in_batch else self._accumulate

    @accumulate.setter
    def accumulate(self, value: int) -> None:
        self._accumulate = value

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Begin a batch: after the warm-up has set what it sets, before anything is summed."""
        self._is_in_batch = True
        prepared: dict[str, Any] = super().preprocess_batch(batch)
        return prepared

    def optimizer_step(self) -> None:
        """End a batch; change the weights if enough were seen."""
        self._is_in_batch = False
        self.pending += 1
        if self.pending >= self._accumulate:
            super().optimizer_step()  # type: ignore[no-untyped-call]
            self.pending = 0

    def save_model(self) -> bool:
        """Write ``last.pt`` and ``best.pt``, which hold weights: our checkpoint has the rest."""
        optimizer, self.optimizer = self.optimizer, _NO_OPTIMIZER
        try:
            return bool(super().save_model())  # type: ignore[no-untyped-call]
        finally:
            self.optimizer = optimizer

    def final_eval(self) -> None:
        """Leave the weights as they ship; whoever evaluates ``best.pt`` scores and draws them."""
        with torch_distributed_zero_first(LOCAL_RANK):
            if RANK in {-1, 0}:
                strip_weights(self.last, self.best)

    def _handle_nan_recovery(self, epoch: int) -> bool:  # noqa: ARG002
        """Leave it to the next go, which begins with the whole state and not with the average."""
        return False


def strip_weights(last: Path, best: Path) -> None:
    """Take out of both files what only a training needs, as Ultralytics does after its last."""
    updates = {"train_results": strip_optimizer(last).get("train_results")}
    if best.exists():
        strip_optimizer(best, updates=updates)


class DrawnDataset(YOLODataset):
    """Photographs, each augmented by random numbers of its own."""

    def __getitem__(self, draw: Draw) -> dict[str, Any]:  # type: ignore[override]
        """Load and augment one photograph."""
        seed_everything(draw.seed)
        for mosaic in _mosaics(self.transforms):
            mosaic.buffer_enabled = draw.partners is not None
        if draw.partners is None:
            return self._item(draw.photograph)
        loaded = Partners(draw.partners)
        before, self.buffer = self.buffer, loaded
        self.max_buffer_length = 2 * len(self.im_files)  # never full: what goes is decided here
        item = self._item(draw.photograph)
        held = set(before) | set(loaded.loaded)
        for index in held - set(draw.partners):
            self.ims[index] = None
        self.buffer = sorted(held & set(draw.partners))
        return item

    def _item(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = super().__getitem__(index)
        return item


class Partners(list[int]):
    """Stands in for a data set's buffer: what a mosaic may take, whatever has been loaded."""

    def __init__(self, indices: tuple[int, ...]) -> None:
        super().__init__(indices)
        self.loaded: list[int] = []

    def append(self, index: int) -> None:
        """Hear that a photograph was loaded."""
        self.loaded.append(index)


class EpochBatches:
    """A loader's batch sampler: the batches of an epoch and of all that follow."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.first_epoch = 1
        """Where an iterator that is made now begins; one at work goes on by itself."""

    @property
    def sampler(self) -> Draws:
        """What Ultralytics' loader takes its length from."""
        return self.draws

    def __iter__(self) -> Iterator[list[Draw]]:
        return self.draws.from_epoch(self.first_epoch)


def seed_everything(seed: int) -> None:
    """Seed all that Ultralytics draws from, in this process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    # Not torch.manual_seed, which in a loader process remembers each call for a GPU.
    torch.default_generator.manual_seed(seed)


def _mosaics(transform: Any) -> Iterator[Mosaic]:  # noqa: ANN401
    for inner in getattr(transform, "transforms", ()):
        yield from _mosaics(inner)
    if isinstance(transform, Mosaic):
        yield transform
