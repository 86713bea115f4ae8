"""Stop a training for good that is worse than others were at the same epoch."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.epochs import read_all
from container_doors.core.ports import Stopping
from container_doors.core.records import FITNESS, Epoch


def below_floor(history: Sequence[Epoch], floors: Mapping[int, float]) -> str | None:
    """Return why a training is pruned; None if it is not.

    Args:
        history: The finished epochs, in order. A floor of an epoch that is not finished does not
            count yet.
        floors: See :attr:`ports.TrainingTask.floors`.

    >>> below_floor([Epoch(1, {FITNESS: 0.1}), Epoch(2, {FITNESS: 0.3})], {1: 0.1, 2: 0.4})
    'its best val mAP50-95 after epoch 2 is 0.3000, and less than 0.4000'
    """
    for number, floor in sorted(floors.items()):
        so_far = [one.metrics.get(FITNESS, 0.0) for one in history if one.number <= number]
        # NaN is below every floor; max() would depend on the order.
        best = max((value for value in so_far if value == value), default=0.0)  # noqa: PLR0124
        if history and history[-1].number >= number and best < floor:
            return (
                f"its best val mAP50-95 after epoch {number} is {best:.4f}, and less than "
                f"{floor:.4f}"
            )
    return None


@dataclass(frozen=True, slots=True)
class StopBelowFloor:
    """A :class:`ports.Stopping` that also asks for a stop below a floor.

    An epoch is written after it was asked whether to stop, so a training ends one epoch after
    that of the floor, with or without a kill in between.
    """

    stopping: Stopping
    metrics_jsonl: Path
    floors: Mapping[int, float]

    def reason_to_stop(self, epoch_s: float) -> str | None:
        """Return why to stop before the next epoch, of ``epoch_s`` seconds; None to continue."""
        reason = self.stopping.reason_to_stop(epoch_s)
        if reason is not None or not self.floors:
            return reason
        return below_floor(read_all(self.metrics_jsonl).epochs, self.floors)

    def training(self) -> AbstractContextManager[None]:
        """While inside, a stop waits for the end of an epoch; outside it is immediate."""
        return self.stopping.training()
