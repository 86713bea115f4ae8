"""The photographs of an epoch: their order, and a random seed for each.

Everything follows from the run's seed and the epoch's number. So an epoch that is trained again
sees the same pictures: after a kill, on another machine, or with another number of loader
processes. No state of a random generator has to be saved.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from container_doors.core.conditions import Conditions
from container_doors.training.conditions import DrawnCondition, draw_conditions

_WINDOW_BATCHES = 8
"""Batches whose photographs a loader process keeps for mosaics, like Ultralytics' buffer."""


class Draw(NamedTuple):
    """One photograph of an epoch."""

    photograph: int
    """Its index in the data set, from 0."""
    seed: int
    """The seed of all random numbers of its augmentation, in [0, 2**63)."""
    partners: tuple[int, ...] | None
    """The photographs that its mosaic may use; None for any of the data set."""
    conditions: tuple[DrawnCondition, ...] = ()
    """The hard conditions that it gets, after its augmentation."""


@dataclass(frozen=True, slots=True)
class Draws:
    """The photographs of each epoch, batch by batch, for one training process.

    Args:
        size: Photographs in the data set.
        batch_size: Photographs per batch of this process.
        seed: The run's seed.
        retries: By epoch, how often it was restarted because its loss was not finite: with the
            same pictures it would fail again.
        mosaic_window: None if a mosaic may take any photograph, because all are in memory.
            Otherwise the number of loader processes: the partners are then photographs of the
            last batches that the same process loaded, and none is decoded twice.
        rank: This process's number among those that train together, from 0.
        ranks: How many processes train together; each sees its own part of an epoch.
        drawn: The photographs that are drawn ones; the others are real.
        drawn_each_epoch: How many of them each epoch gets, beside all real ones.
        conditions: How often a photograph gets a hard condition, and how severe.
    """

    size: int
    batch_size: int
    seed: int
    retries: Mapping[int, int] = field(default_factory=dict)
    mosaic_window: int | None = None
    rank: int = 0
    ranks: int = 1
    drawn: tuple[int, ...] = ()
    drawn_each_epoch: int = 0
    conditions: Conditions = field(default_factory=Conditions)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return ceil(self._shown / self.batch_size)

    def from_epoch(self, epoch: int) -> Iterator[list[Draw]]:
        """Yield the batches of ``epoch`` and of all later epochs, without end."""
        for number in itertools.count(epoch):
            yield from self.batches(number)

    def batches(self, epoch: int) -> Iterator[list[Draw]]:
        """Yield the batches of one epoch; epochs count from 1."""
        key = (self.seed, epoch, self.retries.get(epoch, 0))
        generator = np.random.default_rng(np.random.SeedSequence(key))
        # Every process gets the same number; the first are repeated, as in DistributedSampler.
        every = np.resize(self._in_order(generator), self._shown * self.ranks)
        seeds = generator.integers(2**63, size=len(every))[self.rank :: self.ranks].tolist()
        order = every[self.rank :: self.ranks].tolist()
        starts = range(0, len(order), self.batch_size)
        indices = [order[start : start + self.batch_size] for start in starts]
        for number, batch in enumerate(indices):
            partners = self._partners(indices, number, every)
            yield [
                Draw(index, seed, partners, draw_conditions(self.conditions, seed))
                for index, seed in zip(batch, seeds[starts[number] :], strict=False)
            ]

    @property
    def photographs(self) -> int:
        """The photographs of an epoch, over all processes."""
        return self.size - len(self.drawn) + self.drawn_each_epoch

    @property
    def _shown(self) -> int:
        return ceil(self.photographs / self.ranks)

    def _in_order(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Shuffle an epoch's photographs: all real ones, and some of the drawn ones."""
        if not self.drawn:
            return generator.permutation(self.size)
        real = np.setdiff1d(np.arange(self.size), self.drawn)
        chosen = generator.permutation(self.drawn)[: self.drawn_each_epoch]
        return generator.permutation(np.concatenate([real, chosen]))

    def _partners(
        self, batches: list[list[int]], number: int, every: NDArray[np.int64]
    ) -> tuple[int, ...] | None:
        """Return the photographs of the last batches that went to the same loader process.

        Batches go to the loader processes in turn. If all photographs are in memory, it may be any
        of the epoch: the drawn ones that it does not have would change their share.
        """
        if self.mosaic_window is None:
            return tuple(every.tolist()) if self.drawn else None
        step = max(self.mosaic_window, 1)
        first = number - step * (_WINDOW_BATCHES - 1)
        recent = [batches[one] for one in range(number, max(first, 0) - 1, -step)]
        return tuple(itertools.chain.from_iterable(reversed(recent)))
