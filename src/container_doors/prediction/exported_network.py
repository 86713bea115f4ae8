"""A network that another runtime computes: everything around it is this project's own."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container_doors.core.errors import WeightsError
from container_doors.core.ports import FoundBoxes
from container_doors.prediction.letterbox import boxes_in_picture, letterbox
from container_doors.prediction.suppression import suppress

_ROWS = 5
"""Of the output: centre, size, and the confidence in one class, the door."""

_TRIAL_PX = 64

Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Computes the output, shape (1, 5, boxes), for an input of shape (1, 3, height, width)."""


class ExportedNetwork:
    """Implements :class:`ports.Network` with a letterbox and a suppression of its own."""

    def __init__(
        self,
        compute: Compute,
        *,
        backend: str,
        device: str,
        image_size_px: int,
        fixed_hw: tuple[int, int] | None,
    ) -> None:
        """Wrap a runtime.

        Args:
            compute: Runs the network; one call at a time.
            backend: See :class:`ports.Network`.
            device: See :class:`ports.Network`.
            image_size_px: The longer side of its input.
            fixed_hw: Height and width of its input, if it takes no other.
        """
        self.backend, self.device = backend, device
        self._compute, self._image_size_px, self._fixed_hw = compute, image_size_px, fixed_hw

    def find(
        self,
        picture: NDArray[np.uint8],
        *,
        conf_threshold: float,
        iou_threshold: float,
        max_detections: int,
    ) -> FoundBoxes:
        """Find doors in a picture; see :class:`ports.Network`."""
        started = time.perf_counter()
        prepared = letterbox(picture, self._image_size_px, fixed_hw=self._fixed_hw)
        ready = time.perf_counter()
        output = self._compute(prepared)
        computed = time.perf_counter()
        height, width = picture.shape[:2]
        kept = suppress(
            output[0],
            conf_threshold=conf_threshold,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
        )
        boxes = boxes_in_picture(
            kept.boxes_xyxy, (prepared.shape[2], prepared.shape[3]), (height, width)
        )
        done = time.perf_counter()
        return FoundBoxes(
            boxes,
            kept.confidences,
            kept.class_ids,
            prepare_ms=(ready - started) * 1e3,
            network_ms=(computed - ready) * 1e3,
            suppress_ms=(done - computed) * 1e3,
        )


def try_network(path: Path, compute: Compute, fixed_hw: tuple[int, int] | None) -> None:
    """Look at a grey picture, and check the shape and the numbers of the output.

    Raises:
        WeightsError: If it is no detector of one class, or its weights are not numbers.
    """
    height, width = fixed_hw or (_TRIAL_PX, _TRIAL_PX)
    output = compute(np.full((1, 3, height, width), 0.5, np.float32))
    if output.ndim != 3 or output.shape[:2] != (1, _ROWS):
        raise WeightsError(
            f"{path} is no detector of doors alone: expected an output of shape (1, {_ROWS}, "
            f"boxes), found {output.shape}",
            hint="doors export makes one of the published model",
        )
    if not np.isfinite(output).all():
        raise WeightsError(
            f"{path} is no working detector: its output is not all finite numbers",
            hint="doors export makes it again",
        )


def fixed_shape(path: Path, shape: tuple[int | None, ...]) -> tuple[int, int] | None:
    """Return height and width of an input that has only one shape; None if it takes any.

    Args:
        path: Of the network, for messages.
        shape: Batch, channels, height and width; None is any number.

    Raises:
        WeightsError: If it takes no pictures of three colours, one at a time.
    """
    is_pictures = len(shape) == 4 and shape[0] in {None, 1} and shape[1] in {None, 3}
    if not is_pictures or (shape[2] is None) != (shape[3] is None):
        found = tuple("any" if one is None else one for one in shape)
        raise WeightsError(
            f"{path} is no detector: expected an input of shape (1, 3, height, width), found "
            f"{found}",
            hint="doors export makes one of the published model",
        )
    height, width = shape[2:]
    return None if height is None or width is None else (height, width)
