"""The whole state of a training between two epochs, saved in full precision and put back.

Ultralytics' own checkpoint halves the precision of weights and optimizer and leaves out the raw
weights, so a training that goes on from it is another one from its first step.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container_doors.adapters.machine import import_torch
from container_doors.adapters.yolo.loading import refuse_programs

FORMAT = 1

State = dict[str, Any]
"""Tensors, numbers and text by name; nothing in it has to be executed to be read."""


def capture(trainer: Any) -> State:  # noqa: ANN401
    """Collect what the next epoch hangs on, after an epoch and its validation."""
    from ultralytics.utils.torch_utils import unwrap_model

    model = unwrap_model(trainer.model)
    summed = trainer.pending > 0
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
    }


class Snapshot:
    """A copy of a state in this process's memory, where the next one is put over it."""

    def __init__(self) -> None:
        self._buffers: dict[str, Any] = {}

    def of(self, state: State) -> State:
        """Copy a state; the one before must be done with."""
        copied: State = self._copied(state, "")
        torch = import_torch()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return copied

    def _copied(self, value: Any, where: str) -> Any:  # noqa: ANN401
        torch = import_torch()
        if isinstance(value, torch.Tensor):
            buffer = self._buffers.get(where)
            if buffer is None or buffer.shape != value.shape or buffer.dtype != value.dtype:
                buffer = torch.empty_like(value, device="cpu", pin_memory=value.is_cuda)
                self._buffers[where] = buffer
            return buffer.copy_(value.detach(), non_blocking=True)
        if isinstance(value, Mapping):
            return {key: self._copied(one, f"{where}/{key}") for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._copied(one, f"{where}/{number}") for number, one in enumerate(value)]
        return value


def save(state: State, path: Path) -> None:
    """Write a state; the caller forces it to the disk."""
    import_torch().save(state, path)


def load(path: Path) -> State:
    """Read a state onto the processor, executing nothing.

    Raises:
        WeightsError: If it would call anything, though PyTorch let it.
        Exception: Whatever PyTorch raises for a file that is damaged or of something else.
    """
    refuse_programs(path)
    state: State = import_torch().load(path, map_location="cpu", weights_only=True)
    if state["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, found {state['format']}")
    return state


def restore(trainer: Any, state: State) -> None:  # noqa: ANN401
    """Put a state into a trainer that is set up and has not begun.

    Gradients are left to :func:`restore_gradients`: the trainer clears them when it begins.
    """
    from ultralytics.utils.torch_utils import unwrap_model

    unwrap_model(trainer.model).load_state_dict(state["model"])
    trainer.ema.ema.load_state_dict(state["ema"])
    trainer.ema.updates = state["ema_updates"]
    optimizer = state["optimizer"]
    for group, ours in zip(optimizer["param_groups"], trainer.optimizer.param_groups, strict=True):
        group["fused"] = ours.get("fused")  # the device decides, not where it was saved
    trainer.optimizer.load_state_dict(optimizer)
    trainer.scaler.load_state_dict(state["scaler"])
    vars(trainer.stopper).update(state["stopper"])
    trainer.best_fitness = state["best_fitness"]
    trainer.start_epoch = state["epoch"]
    trainer.scheduler.last_epoch = state["epoch"] - 1
    trainer.train_time_start -= state["elapsed_s"]


def restore_gradients(trainer: Any, state: State) -> None:  # noqa: ANN401
    """Put back the gradients of batches that have not changed the weights yet."""
    from ultralytics.utils.torch_utils import unwrap_model

    # As many photographs, if the batches have another size since.
    trainer.pending = state["pending"] * state["arguments"]["batch"] // trainer.batch_size
    parameters = dict(unwrap_model(trainer.model).named_parameters())
    for name, gradient in state["gradients"].items():
        if gradient is not None:
            parameters[name].grad = gradient.to(parameters[name].device)


def _plain(value: object) -> object:
    """Write paths as text, for a file that holds nothing to execute."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
