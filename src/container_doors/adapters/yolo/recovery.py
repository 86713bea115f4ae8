"""What befalls a training that a smaller batch or other pictures may help: seen and named.

A setback ends one go of the training; the next begins where the newest checkpoint stands.
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
"""What CUDA, cuBLAS and cuDNN say, in lower case, where memory is short; Ultralytics' list."""


class NotFiniteError(RuntimeError):
    """An epoch came to nothing: NaN or infinity in its loss or in the weights."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"{_NOT_FINITE} {epoch}")


def is_finite(trainer: Any) -> bool:  # noqa: ANN401
    """Look at an epoch's losses and at the weights that it ends with."""
    torch = import_torch()
    losses = map(torch.as_tensor, trainer.tloss.values())
    if not all(torch.isfinite(loss).all() for loss in losses):
        return False
    weights = [
        tensor for tensor in trainer.model.state_dict().values() if tensor.is_floating_point()
    ]
    return bool(torch.isfinite(torch.nn.utils.get_total_norm(weights, float("inf"))))


def not_finite_epoch(error: RuntimeError) -> int | None:
    """Name the epoch that came to nothing; None if it was something else."""
    found = _IN_EPOCH.search(str(error))
    return int(found[1]) if found else None


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether the device's memory was too small."""
    said = str(error).lower()
    return any(sign in said for sign in _OUT_OF_MEMORY)


def let_go_of_memory() -> None:
    """Free what the ended go has left on the device."""
    torch = import_torch()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
