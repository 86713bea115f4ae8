"""Recognize training errors that a smaller batch or other pictures may solve.

Such an error ends one attempt; the next attempt starts from the newest checkpoint.
"""

import gc
import re
from typing import Any

from container_doors.adapters.machine import import_torch

_NOT_FINITE = "the loss or a weight is not finite in epoch"
_IN_EPOCH = re.compile(rf"{_NOT_FINITE} (\d+)")

_OUT_OF_MEMORY = (
    "out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_internal_error",
    "unable to find an engine",
)
"""Messages of CUDA, cuBLAS and cuDNN without memory, in lower case; the list is Ultralytics'."""


class NotFiniteError(RuntimeError):
    """An epoch failed: its loss or its weights contain NaN or infinity."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"{_NOT_FINITE} {epoch}")


def is_finite(trainer: Any) -> bool:  # noqa: ANN401
    """Check that an epoch's losses, and the weights after it, are finite."""
    torch = import_torch()
    losses = map(torch.as_tensor, trainer.tloss.values())
    if not all(torch.isfinite(loss).all() for loss in losses):
        return False
    weights = [
        tensor for tensor in trainer.model.state_dict().values() if tensor.is_floating_point()
    ]
    return bool(torch.isfinite(torch.nn.utils.get_total_norm(weights, float("inf"))))


def not_finite_epoch(error: RuntimeError) -> int | None:
    """Return the epoch that was not finite; None for any other error."""
    found = _IN_EPOCH.search(str(error))
    return int(found[1]) if found else None


def is_out_of_memory(error: RuntimeError) -> bool:
    """Check whether the device ran out of memory."""
    message = str(error).lower()
    return any(sign in message for sign in _OUT_OF_MEMORY)


def free_memory() -> None:
    """Free the device memory of the attempt that ended."""
    torch = import_torch()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
