"""Networks in PyTorch, as Ultralytics predicts; implements :class:`opening.OpenNetwork`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.weights import open_door_weights
from container_doors.core.child_environment import hide_secrets
from container_doors.core.ports import FoundBoxes
from container_doors.core.records import Hardware
from container_doors.prediction.opening import USUAL_SIZE_PX, NetworkFile, OpenedNetwork


@hide_secrets()
def open_pytorch(asked: NetworkFile) -> OpenedNetwork:
    """Open a ``.pt`` file on the device that is asked for, and try it.

    Raises:
        WeightsError: If it is absent, not the expected file, damaged, would execute code, or is no
            detector of doors.
        ConfigError: If there is no such device.
        MissingToolError: If PyTorch or Ultralytics is not installed.
    """
    model = open_door_weights(asked.path, sha256=asked.sha256.get(asked.path.name))
    size_px = asked.image_size_px or _size_in(model)
    network = PyTorchNetwork(
        model, image_size_px=size_px, hardware=describe_machine(asked.device), backend=asked.backend
    )
    return OpenedNetwork(network, size_px)


class PyTorchNetwork:
    """Implements :class:`ports.Network`: the boxes of ``YoloDetector.detect``, bit for bit."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - ultralytics.YOLO
        *,
        image_size_px: int,
        hardware: Hardware,
        backend: str = "pytorch",
    ) -> None:
        """Move an opened model to the device, and warm it up.

        Args:
            model: The opened weights.
            image_size_px: Pictures are resized to this longer side.
            hardware: The machine, with the device to use.
            backend: See :class:`ports.Network`.
        """
        self.backend, self.device = backend, hardware.description
        self._model = model
        self._arguments = {
            "imgsz": image_size_px,
            "device": hardware.device.removeprefix("cuda:"),
            "verbose": False,
        }
        grey = np.full((image_size_px, image_size_px, 3), 114, np.uint8)
        self.find(grey, conf_threshold=0.5, iou_threshold=0.5, max_detections=1)

    def find(
        self,
        picture: NDArray[np.uint8],
        *,
        conf_threshold: float,
        iou_threshold: float,
        max_detections: int,
    ) -> FoundBoxes:
        """Find doors in a picture; see :class:`ports.Network`."""
        (result,) = self._model.predict(
            picture,
            conf=conf_threshold,
            iou=iou_threshold,
            max_det=max_detections,
            **self._arguments,
        )
        rows = result.boxes.data.cpu().numpy()
        return FoundBoxes(
            rows[:, :4],
            rows[:, 4],
            rows[:, 5].astype(np.int64),
            prepare_ms=result.speed["preprocess"],
            network_ms=result.speed["inference"],
            suppress_ms=result.speed["postprocess"],
        )


def _size_in(model: Any) -> int:  # noqa: ANN401 - ultralytics.YOLO
    """Read the size that the weights were trained at; else the usual one."""
    stated = model.overrides.get("imgsz")
    is_size = isinstance(stated, int) and 32 <= stated <= 8192
    return stated if is_size else USUAL_SIZE_PX
