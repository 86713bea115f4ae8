"""The mean of the weights of a training's last epochs."""

from collections.abc import Mapping
from typing import Any


class WeightMean:
    """A running mean, in full precision: it needs the memory of one network, not of all."""

    def __init__(self) -> None:
        self.epochs = 0
        """How many epochs it has."""
        self.weights: dict[str, Any] = {}
        """Tensors by name; empty at first."""

    def add(self, weights: Mapping[str, Any]) -> None:
        """Add the weights of an epoch: a network's ``state_dict``."""
        self.epochs += 1
        for name, value in weights.items():
            before = self.weights.get(name)
            if before is None or not value.is_floating_point():  # a count is not averaged
                self.weights[name] = value.detach().clone()
            else:
                before += (value.detach() - before) / self.epochs

    def restore(self, epochs: int, weights: Mapping[str, Any], device: Any) -> None:  # noqa: ANN401
        """Continue from a mean that was saved."""
        self.epochs = epochs
        self.weights = {name: value.to(device, copy=True) for name, value in weights.items()}
