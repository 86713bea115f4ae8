"""Ultralytics' trainer, changed so that an epoch depends on nothing but the saved state.

An epoch's pictures follow from the seed and its number (:mod:`container_doors.training.draws`),
and the batches of accumulated gradients are counted where the count can be saved. So an epoch that
starts from the same state always ends with the same weights.
"""

import os
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
from ultralytics.utils.ops import xywh2xyxy
from ultralytics.utils.torch_utils import strip_optimizer, torch_distributed_zero_first

from container_doors.adapters.yolo.averaging import WeightMean
from container_doors.core.conditions import Conditions
from container_doors.data.view import DRAWN_EACH_EPOCH
from container_doors.training.conditions import render
from container_doors.training.draws import Draw, Draws

_NO_OPTIMIZER: Any = SimpleNamespace(state_dict=lambda: {"state": {}, "param_groups": []})
"""Stands in for the optimizer in a weight file, which does not need it."""


_CHANNELS_LAST_PX = 320
"""Up to this image size a CPU trains faster in channels-last format: a batch of 8 at 96 px took
0.20 s instead of 0.27 s. At 640 px it is slower."""

_ENOUGH = 3
"""After this many retries Ultralytics no longer halves a batch."""


class Engine(DetectionTrainer):
    """Trains from the beginning, or from a state that is loaded before its first epoch."""

    pending = 0
    """Batches whose gradients are accumulated, but not yet applied to the weights."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        self.mean = WeightMean()
        """Of the last epochs' weights, if it is asked for."""
        self._accumulate, self._is_in_batch = 1, False
        super().__init__(*arguments, **named)

    def setup_model(self) -> Any:  # noqa: ANN401
        """Build the network; for small pictures on a CPU, in channels-last format."""
        checkpoint = super().setup_model()  # type: ignore[no-untyped-call]
        is_small = self.device.type == "cpu" and self.args.imgsz <= _CHANNELS_LAST_PX
        if is_small and isinstance(self.model, torch.nn.Module):
            self.model = self.model.to(memory_format=torch.channels_last)
        return checkpoint

    def build_optimizer(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Build the optimizer; on a CPU use the fused one too, which takes half the time."""
        optimizer = super().build_optimizer(*arguments, **named)  # type: ignore[no-untyped-call]
        if self.device.type == "cpu" and isinstance(optimizer, torch.optim.Adam):
            for group in optimizer.param_groups:
                group["fused"] = True
        return optimizer

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:  # noqa: ANN401
        """Build the data set of a split; the training split becomes a :class:`DrawnDataset`."""
        dataset = super().build_dataset(img_path, mode, batch)
        if mode == "train":
            dataset.__class__ = DrawnDataset  # Ultralytics does not let us choose the class
        return dataset

    def get_dataloader(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Build a split's data loader; that of training takes its batches from :class:`Draws`."""
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
                drawn=_drawn_ones(loader.dataset, self.data["train"]),
                drawn_each_epoch=self.data.get(DRAWN_EACH_EPOCH, 0),
            )
            # As Ultralytics does: PyTorch forbids to assign it, but reads it for each iterator.
            object.__setattr__(loader, "batch_sampler", EpochBatches(draws))
        return loader

    @property
    def draws(self) -> Draws:
        """Return the photographs of the epochs."""
        return self._epoch_batches.draws

    def draw(
        self,
        *,
        mosaic_window: int | None,
        retries: Mapping[int, int],
        conditions: Conditions,
    ) -> None:
        """Change the photographs of the epochs; call it before the first epoch."""
        self._epoch_batches.draws = replace(
            self.draws, mosaic_window=mosaic_window, retries=retries, conditions=conditions
        )

    def begin_epoch(self, number: int) -> None:
        """Seed this process, and data loaders that start in this epoch."""
        self._oom_retries = _ENOUGH  # the next attempt halves the batch, never a running one
        self._epoch_batches.first_epoch = number
        key = np.random.SeedSequence((self.args.seed, number, max(RANK, 0)))
        seed = int(key.generate_state(1, np.uint64)[0]) >> 1
        seed_everything(seed)
        torch.manual_seed(seed)

    @property
    def _epoch_batches(self) -> "EpochBatches":
        found: EpochBatches = self.train_loader.batch_sampler
        return found

    def average_weights(self, last: int) -> None:
        """Add an epoch of the ``last`` ones to the mean, which the last of all epochs becomes.

        Call it after the epoch's training and before its validation, which is then of the mean.
        """
        if self.epoch + 1 <= self.epochs - last:
            return
        ema: Any = self.ema
        network = ema.ema
        self.mean.add(network.state_dict())
        if self.epoch + 1 == self.epochs:
            network.load_state_dict(self.mean.weights)

    @property
    def accumulate(self) -> int:
        """Return the batches per optimizer step; while a batch is trained, 1.

        Ultralytics counts batches in a local variable, which a kill would lose. While it reads 1
        here, it requests a step after each batch, and :meth:`optimizer_step` counts instead.
        """
        return 1 if self._is_in_batch else self._accumulate

    @accumulate.setter
    def accumulate(self, value: int) -> None:
        self._accumulate = value

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Start a batch: after the learning-rate warm-up, before gradients are accumulated."""
        self._is_in_batch = True
        prepared: dict[str, Any] = super().preprocess_batch(batch)
        return prepared

    def optimizer_step(self) -> None:
        """End a batch; update the weights if enough batches are accumulated."""
        self._is_in_batch = False
        self.pending += 1
        if self.pending >= self._accumulate:
            super().optimizer_step()  # type: ignore[no-untyped-call]
            self.pending = 0

    def save_model(self) -> bool:
        """Write ``last.pt`` and ``best.pt`` with weights only; our checkpoint has the rest."""
        optimizer, self.optimizer = self.optimizer, _NO_OPTIMIZER
        try:
            return bool(super().save_model())  # type: ignore[no-untyped-call]
        finally:
            self.optimizer = optimizer

    def final_eval(self) -> None:
        """Strip the weights, and evaluate nothing: a later step evaluates ``best.pt``."""
        with torch_distributed_zero_first(LOCAL_RANK):
            if RANK in {-1, 0}:
                strip_weights(self.last, self.best)

    def _handle_nan_recovery(self, epoch: int) -> bool:  # noqa: ARG002
        """Do nothing: the next attempt starts from the complete state, not from the EMA weights."""
        return False


def strip_weights(last: Path, best: Path) -> None:
    """Remove from both files what only training needs, as Ultralytics does at its end."""
    updates = {"train_results": strip_optimizer(last).get("train_results")}
    if best.exists():
        strip_optimizer(best, updates=updates)


def _drawn_ones(dataset: Any, folders: str | list[str]) -> tuple[int, ...]:  # noqa: ANN401
    """Return which photographs are in the second folder: the view has drawn ones there."""
    if isinstance(folders, str):
        return ()
    inside = f"{folders[1]}{os.sep}"
    return tuple(index for index, path in enumerate(dataset.im_files) if path.startswith(inside))


class DrawnDataset(YOLODataset):
    """A data set in which each photograph has its own random seed for augmentation."""

    def __getitem__(self, draw: Draw) -> dict[str, Any]:  # type: ignore[override]
        """Load and augment one photograph."""
        seed_everything(draw.seed)
        for mosaic in _mosaics(self.transforms):
            mosaic.buffer_enabled = draw.partners is not None
        if draw.partners is None:
            return _in_conditions(self._item(draw.photograph), draw)
        loaded = Partners(draw.partners)
        before, self.buffer = self.buffer, loaded
        self.max_buffer_length = 2 * len(self.im_files)  # never full: entries are removed below
        item = self._item(draw.photograph)
        in_memory = set(before) | set(loaded.loaded)
        for index in in_memory - set(draw.partners):
            self.ims[index] = None
        self.buffer = sorted(in_memory & set(draw.partners))
        return _in_conditions(item, draw)

    def _item(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = super().__getitem__(index)
        return item


def _in_conditions(item: dict[str, Any], draw: Draw) -> dict[str, Any]:
    """Give an augmented photograph its conditions; a door that is hidden loses its label."""
    if not draw.conditions:
        return item
    picture = np.ascontiguousarray(item["img"].numpy().transpose(1, 2, 0))
    height, width = picture.shape[:2]
    fractions = xywh2xyxy(item["bboxes"])  # type: ignore[no-untyped-call]
    doors_xyxy = fractions.numpy() * (width, height, width, height)
    rendered, is_seen = render(picture, doors_xyxy, draw.conditions, draw.seed)
    item["img"] = torch.from_numpy(np.ascontiguousarray(rendered.transpose(2, 0, 1)))
    for key in ("cls", "bboxes", "batch_idx"):
        item[key] = item[key][is_seen]
    return item


class Partners(list[int]):
    """Replaces a data set's buffer: the photographs that a mosaic may use, loaded or not."""

    def __init__(self, indices: tuple[int, ...]) -> None:
        super().__init__(indices)
        self.loaded: list[int] = []

    def append(self, index: int) -> None:
        """Record that a photograph was loaded."""
        self.loaded.append(index)


class EpochBatches:
    """A loader's batch sampler: the batches of an epoch and of all later ones."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.first_epoch = 1
        """The first epoch of the next iterator; a running iterator continues on its own."""

    @property
    def sampler(self) -> Draws:
        """Return the object from which Ultralytics' loader takes its length."""
        return self.draws

    def __iter__(self) -> Iterator[list[Draw]]:
        return self.draws.from_epoch(self.first_epoch)


def seed_everything(seed: int) -> None:
    """Seed all random generators that Ultralytics uses in this process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    # Not torch.manual_seed: in a loader process it stores each call for a GPU.
    torch.default_generator.manual_seed(seed)


def _mosaics(transform: Any) -> Iterator[Mosaic]:  # noqa: ANN401
    for inner in getattr(transform, "transforms", ()):
        yield from _mosaics(inner)
    if isinstance(transform, Mosaic):
        yield transform
