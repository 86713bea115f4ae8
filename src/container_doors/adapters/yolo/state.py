"""The complete state of a training between two epochs: save and restore it in full precision.

Ultralytics' own checkpoint stores weights and optimizer in half precision and omits the raw
weights, so a training that resumes from it differs from the first step on.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container_doors.adapters.machine import import_torch
from container_doors.adapters.yolo.loading import refuse_programs
from container_doors.core.errors import WeightsError
from container_doors.core.printable import shortened

FORMAT = 1

_CONTENT: dict[str, Any] = {
    "epoch": int, "arguments": dict, "model": dict, "ema": dict, "ema_updates": int,
    "optimizer": dict, "scaler": dict, "pending": int, "gradients": dict, "stopper": dict,
    "best_fitness": float, "mosaic_window": int | None, "elapsed_s": float,
}  # fmt: skip
"""What :func:`capture` collects, and of which type."""

_MEAN = {"epochs": int, "weights": dict}
"""What ``mean`` has, which is there only if weights are averaged."""

State = dict[str, Any]
"""Tensors, numbers and text by name; reading it executes nothing."""


def capture(trainer: Any) -> State:  # noqa: ANN401
    """Collect all that the next epoch depends on, after an epoch and its validation."""
    from ultralytics.utils.torch_utils import unwrap_model

    model = unwrap_model(trainer.model)
    summed = trainer.pending > 0
    mean = {"epochs": trainer.mean.epochs, "weights": trainer.mean.weights}
    return {
        "format": FORMAT,
        "epoch": trainer.epoch + 1,
        "arguments": {name: _plain(value) for name, value in vars(trainer.args).items()},
        "model": model.state_dict(),
        "ema": trainer.ema.ema.state_dict(),
        "ema_updates": trainer.ema.updates,
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "pending": trainer.pending,
        "gradients": {name: p.grad for name, p in model.named_parameters() if summed},
        "stopper": vars(trainer.stopper),
        "best_fitness": float(trainer.best_fitness),
        "mosaic_window": trainer.draws.mosaic_window,
        "elapsed_s": time.time() - trainer.train_time_start,
        **({"mean": mean} if trainer.mean.epochs else {}),
    }


class Snapshot:
    """A copy of a state in main memory; the next copy reuses its buffers."""

    def __init__(self) -> None:
        self._buffers: dict[str, Any] = {}

    def of(self, state: State) -> State:
        """Copy a state; the previous copy must not be in use any more."""
        copied: State = self._copy(state, "")
        torch = import_torch()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return copied

    def _copy(self, value: Any, where: str) -> Any:  # noqa: ANN401
        torch = import_torch()
        if isinstance(value, torch.Tensor):
            buffer = self._buffers.get(where)
            if buffer is None or buffer.shape != value.shape or buffer.dtype != value.dtype:
                buffer = torch.empty_like(value, device="cpu", pin_memory=value.is_cuda)
                self._buffers[where] = buffer
            return buffer.copy_(value.detach(), non_blocking=True)
        if isinstance(value, Mapping):
            return {key: self._copy(one, f"{where}/{key}") for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._copy(one, f"{where}/{number}") for number, one in enumerate(value)]
        return value


def save(state: State, path: Path) -> None:
    """Write a state; the caller forces it to the disk."""
    import_torch().save(state, path)


def load(path: Path) -> State:
    """Read a state onto the CPU, executing nothing.

    Raises:
        WeightsError: If the file would call anything, even if PyTorch allows it, or has other
            content than a state.
        Exception: Whatever PyTorch raises for a damaged file.
    """
    refuse_programs(path)
    state: State = import_torch().load(path, map_location="cpu", weights_only=True)
    wrong = _difference(state)
    if wrong is not None:
        raise WeightsError(
            f"{path} is not the state of a training that this release can resume: {wrong}",
            hint="resume it with the release that wrote it",
        )
    return state


def _difference(state: object) -> str | None:
    """Return how an object differs from what :func:`capture` returns; None if it does not."""
    if not isinstance(state, dict):
        return f"expected a dictionary, found {type(state).__name__}"
    if state.get("format") != FORMAT:
        return f"expected format {FORMAT}, found {shortened(repr(state.get('format')), 40)}"
    missing = [name for name in _CONTENT if name not in state]
    if missing:
        return f"it lacks {', '.join(missing)}"
    wrong = [name for name, kind in _CONTENT.items() if not isinstance(state[name], kind)]
    if wrong:
        return f"{wrong[0]} is of the type {type(state[wrong[0]]).__name__}"
    mean = state.get("mean", {"epochs": 0, "weights": {}})
    if not isinstance(mean, dict) or {name: type(one) for name, one in mean.items()} != _MEAN:
        return "mean is not of epochs and weights"
    return None


def restore(trainer: Any, state: State) -> None:  # noqa: ANN401
    """Load a state into a trainer that is set up and has not started.

    Call :func:`restore_gradients` later for the gradients: the trainer clears them at its start.
    """
    from ultralytics.utils.torch_utils import unwrap_model

    unwrap_model(trainer.model).load_state_dict(state["model"])
    trainer.ema.ema.load_state_dict(state["ema"])
    trainer.ema.updates = state["ema_updates"]
    if "mean" in state:
        trainer.mean.restore(**state["mean"], device=trainer.device)
    optimizer = state["optimizer"]
    for group, ours in zip(optimizer["param_groups"], trainer.optimizer.param_groups, strict=True):
        group["fused"] = ours.get("fused")  # depends on this device, not on the saved one
    trainer.optimizer.load_state_dict(optimizer)
    trainer.scaler.load_state_dict(state["scaler"])
    vars(trainer.stopper).update(state["stopper"])
    trainer.best_fitness = state["best_fitness"]
    trainer.start_epoch = state["epoch"]
    trainer.scheduler.last_epoch = state["epoch"] - 1
    trainer.train_time_start -= state["elapsed_s"]


def restore_gradients(trainer: Any, state: State) -> None:  # noqa: ANN401
    """Restore the accumulated gradients that are not yet applied to the weights."""
    from ultralytics.utils.torch_utils import unwrap_model

    # The same number of photographs, even if the batch size has changed since.
    trainer.pending = state["pending"] * state["arguments"]["batch"] // trainer.batch_size
    parameters = dict(unwrap_model(trainer.model).named_parameters())
    for name, gradient in state["gradients"].items():
        if gradient is not None:
            parameters[name].grad = gradient.to(parameters[name].device)


def _plain(value: object) -> object:
    """Convert paths to text, so that reading the file executes nothing."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
