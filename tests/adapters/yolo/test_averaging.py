"""The mean of the weights of the last epochs."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from container_doors.adapters.yolo.averaging import WeightMean
from container_doors.adapters.yolo.environment import import_ultralytics


def epoch_weights(value: float, batches: int) -> dict[str, torch.Tensor]:
    return {"weight": torch.tensor([float(value), -value]), "batches": torch.tensor(batches)}


def average(last: int, values: list[float], *, first: int = 0, mean: WeightMean) -> list[float]:
    """Train so many epochs of five; returns the weight that each was validated with."""
    import_ultralytics()
    from container_doors.adapters.yolo.engine import Engine

    validated = []
    for epoch, value in enumerate(values, start=first):
        network = SimpleNamespace(state=epoch_weights(value, epoch))
        network.state_dict = lambda of=network: of.state
        network.load_state_dict = lambda new, of=network: of.state.update(new)
        trainer: Any = SimpleNamespace(
            epoch=epoch, epochs=5, ema=SimpleNamespace(ema=network), mean=mean
        )
        Engine.average_weights(trainer, last)
        validated.append(float(network.state["weight"][0]))
        assert int(network.state["batches"]) == epoch
    return validated


def test_only_the_last_epoch_gets_the_mean_of_the_last_three():
    """(3 + 7 + 8) / 3 = 6."""
    assert average(3, [1, 2, 3, 7, 8], mean=WeightMean()) == [1, 2, 3, 7, pytest.approx(6)]


def test_without_averaging_the_weights_stay():
    mean = WeightMean()

    assert average(0, [1, 2, 3, 7, 8], mean=mean) == [1, 2, 3, 7, 8]
    assert mean.epochs == 0


def test_a_mean_that_was_saved_goes_on_to_the_same_bits():
    whole, begun, restored = WeightMean(), WeightMean(), WeightMean()
    values = [0.1, 0.7, 0.3, 0.9, 0.2]
    expected = average(4, values, mean=whole)

    average(4, values[:3], mean=begun)
    restored.restore(begun.epochs, begun.weights, "cpu")
    begun.add(epoch_weights(100, 0))  # what is restored is a copy

    assert average(4, values[3:], first=3, mean=restored) == expected[3:]
    assert torch.equal(restored.weights["weight"], whole.weights["weight"])
