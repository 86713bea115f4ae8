"""Which photographs an epoch shows, in which order, and the random numbers of each.

Everything follows from the run's seed and the epoch's number. So an epoch that is trained again,
after a kill, on another machine or with another number of loader processes, sees the same
pictures, and no state of a random generator has to be kept.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

import numpy as np

_WINDOW_BATCHES = 8
"""Batches whose photographs a loader process keeps for mosaics, as Ultralytics' buffer does."""


class Draw(NamedTuple):
    """One photograph of an epoch."""

    photograph: int
    """Its index in the data set, from 0."""
    seed: int
    """Of every random number of its augmentation, in [0, 2**63)."""
    partners: tuple[int, ...] | None
    """The photographs that a mosaic is made with; None for any of the data set."""


@dataclass(frozen=True, slots=True)
class Draws:
    """The photographs of each epoch, batch by batch, for one of several processes.

    Args:
        size: Photographs in the data set.
        batch_size: Photographs per batch of this process.
        seed: The run's.
        retries: By epoch, how often it was begun again because it came to nothing: with the
            same pictures it would come to nothing again.
        mosaic_window: None if a mosaic may take any photograph, because all are in memory.
            Otherwise the number of loader processes: the partners are then photographs of the
            last batches that the same process loaded, and none is decoded twice.
        rank: Which of the processes that train together, from 0.
        ranks: How many there are; each sees its own part of an epoch.
    """

    size: int
    batch_size: int
    seed: int
    retries: Mapping[int, int] = field(default_factory=dict)
    mosaic_window: int | None = None
    rank: int = 0
    ranks: int = 1

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return ceil(self._shown / self.batch_size)

    def from_epoch(self, epoch: int) -> Iterator[list[Draw]]:
        """Yield the batches of ``epoch`` and of every one after it, without end."""
        for number in itertools.count(epoch):
            yield from self.batches(number)

    def batches(self, epoch: int) -> Iterator[list[Draw]]:
        """Yield the batches of one epoch; epochs count from 1."""
        key = (self.seed, epoch, self.retries.get(epoch, 0))
        generator = np.random.default_rng(np.random.SeedSequence(key))
        # Every process gets as many, as PyTorch's DistributedSampler sees to: the first again.
        every = np.resize(generator.permutation(self.size), self._shown * self.ranks)
        seeds = generator.integers(2**63, size=len(every))[self.rank :: self.ranks].tolist()
        order = every[self.rank :: self.ranks].tolist()
        starts = range(0, len(order), self.batch_size)
        indices = [order[start : start + self.batch_size] for start in starts]
        for number, batch in enumerate(indices):
            partners = self._partners(indices, number)
            yield [
                Draw(index, seed, partners)
                for index, seed in zip(batch, seeds[starts[number] :], strict=False)
            ]

    @property
    def _shown(self) -> int:
        return ceil(self.size / self.ranks)

    def _partners(self, batches: list[list[int]], number: int) -> tuple[int, ...] | None:
        """Batches go to the loader processes in turn, so every so manyth is the same one's."""
        if self.mosaic_window is None:
            return None
        step = max(self.mosaic_window, 1)
        first = number - step * (_WINDOW_BATCHES - 1)
        kept = [batches[one] for one in range(number, max(first, 0) - 1, -step)]
        return tuple(itertools.chain.from_iterable(reversed(kept)))
