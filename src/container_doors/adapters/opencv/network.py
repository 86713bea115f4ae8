"""ONNX networks in OpenCV, which every installation has; implements :class:`opening.OpenNetwork`.

It takes about twice as long as ONNX Runtime, and its boxes are the same to a thousandth of a pixel.
"""

import re

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.adapters.machine import cpu_name
from container_doors.core.errors import MissingToolError
from container_doors.core.installation import install_command
from container_doors.prediction.exported_network import (
    ExportedNetwork,
    fixed_shape,
    try_network,
)
from container_doors.prediction.opening import (
    NetworkFile,
    OpenedNetwork,
    not_opened,
    read_checked,
)

BACKEND = "opencv"

_FIRST_VERSION = 5
"""Earlier ones cannot run a network whose input may have any size."""

_INPUT = re.compile(r"<Input> \w+ \[([^\]]*)\]")


def open_with_opencv(asked: NetworkFile) -> OpenedNetwork:
    """Open an ``.onnx`` file, and try it.

    Raises:
        WeightsError: If it is absent, not the expected file, damaged, or no detector of doors.
        MissingToolError: If this needs ONNX Runtime: OpenCV is too old, or nothing says at which
            picture size the network is used, or which pictures it takes.
    """
    content = read_checked(asked.path, asked.sha256)
    if int(cv2.__version__.partition(".")[0]) < _FIRST_VERSION:
        raise _needs_onnxruntime(asked, f"OpenCV {cv2.__version__} cannot run it")
    if asked.image_size_px is None:
        raise _needs_onnxruntime(asked, "OpenCV does not read at which size it is used")
    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        described = network.dump()
    except cv2.error as error:
        raise not_opened(asked.path, error) from None

    def compute(prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        network.setInput(prepared)
        return np.asarray(network.forward(), np.float32)

    shape = _input_shape(described)
    if shape is None:
        raise _needs_onnxruntime(asked, f"OpenCV {cv2.__version__} does not name its input")
    fixed_hw = fixed_shape(asked.path, shape)
    try:
        try_network(asked.path, compute, fixed_hw)
    except cv2.error as error:  # a layer that it does not have
        raise not_opened(asked.path, error) from None
    opened = ExportedNetwork(
        compute,
        backend=BACKEND,
        device=cpu_name(),
        image_size_px=asked.image_size_px,
        fixed_hw=fixed_hw,
    )
    return OpenedNetwork(opened, asked.image_size_px)


def _input_shape(described: str) -> tuple[int | None, ...] | None:
    """Read the shape of the input out of OpenCV's description; None if it is not there.

    A side that has a name instead of a number may have any length.

    >>> _input_shape('inputs: ["images" // <Input> CV_32FC1 [batch x 3 x height x 96]]')
    (None, 3, None, 96)
    """
    found = _INPUT.search(described)
    if found is None:
        return None
    return tuple(int(one) if one.isdecimal() else None for one in found[1].split(" x "))


def _needs_onnxruntime(asked: NetworkFile, why: str) -> MissingToolError:
    return MissingToolError(
        f"onnxruntime is not installed, and {asked.path.name} needs it: {why}",
        hint=install_command("export"),
    )
