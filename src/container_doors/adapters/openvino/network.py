"""Networks in OpenVINO, on the processor; implements :class:`opening.OpenNetwork`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container_doors.adapters.machine import cpu_name, usable_cores
from container_doors.adapters.openvino.importing import import_openvino
from container_doors.core.child_environment import hide_secrets
from container_doors.core.parsing import ParsingError, parse_yaml, read_bounded
from container_doors.prediction.exported_network import (
    ExportedNetwork,
    fixed_shape,
    try_network,
)
from container_doors.prediction.letterbox import input_shape
from container_doors.prediction.opening import (
    USUAL_SIZE_PX,
    NetworkFile,
    OpenedNetwork,
    not_opened,
    read_checked,
)

_MOST_METADATA_BYTES = 100_000
_ASPECTS_HW = ((3, 4), (4, 3), (9, 16), (16, 9), (2, 3), (3, 2), (1, 1))
"""Of cameras. A network compiled for the shape of a picture is 6 to 9 % faster than one for any
shape. Compiling takes a second, and each holds its own copy of the weights, so it is done for
these alone, when the first picture comes; which one is used never depends on earlier pictures."""


@hide_secrets()
def open_openvino(asked: NetworkFile) -> OpenedNetwork:
    """Open an ``.xml`` file and the ``.bin`` beside it, and try it.

    Raises:
        WeightsError: If one is absent, not the expected file, damaged, or no detector of doors.
        MissingToolError: If OpenVINO is not installed.
    """
    size_px = asked.image_size_px
    network = _Network(asked.path, asked.sha256)
    if size_px is None:
        size_px = max(network.fixed_hw) if network.fixed_hw else _size_beside(asked.path)
    network.compile_for(_shapes_of_cameras(size_px))
    exported = ExportedNetwork(
        network.compute,
        backend=asked.backend,
        device=cpu_name(),
        image_size_px=size_px,
        fixed_hw=network.fixed_hw,
    )
    return OpenedNetwork(exported, size_px)


class _Network:
    """A network, compiled for any shape and for some shapes, each when it is first needed."""

    def __init__(self, path: Path, sha256: Mapping[str, str]) -> None:
        self._path = path
        self._files = [read_checked(one, sha256) for one in (path, path.with_suffix(".bin"))]
        openvino = import_openvino()
        self._core = openvino.Core()
        self._config = {
            # By default bfloat16 where the processor has it: boxes were 22 px off.
            "INFERENCE_PRECISION_HINT": openvino.Type.f32,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": usable_cores(),
        }
        self._compiled: dict[tuple[int, int] | None, Any] = {}
        self._own_shapes: frozenset[tuple[int, int]] = frozenset()
        try:
            shape = self._core.read_model(*self._files).input().partial_shape
        except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
            raise not_opened(path, error) from None
        sides = tuple(None if one.is_dynamic else one.get_length() for one in shape)
        self.fixed_hw = fixed_shape(path, sides)
        try_network(path, self.compute, self.fixed_hw)

    def compile_for(self, shapes: frozenset[tuple[int, int]]) -> None:
        """Compile a network of its own for each of these shapes, once a picture has it."""
        if self.fixed_hw is None:
            self._own_shapes = shapes

    def compute(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the output for an input."""
        shape = (prepared.shape[2], prepared.shape[3])
        key = shape if shape in self._own_shapes else None
        if key not in self._compiled:
            self._compiled[key] = self._compile(key)
        # A copy: the next call writes into the same memory.
        return np.array(self._compiled[key]([prepared])[0])

    @hide_secrets()
    def _compile(self, shape: tuple[int, int] | None) -> Any:  # noqa: ANN401 - the package is untyped
        try:
            model = self._core.read_model(*self._files)
            if shape is not None:
                model.reshape([1, 3, *shape])
            return self._core.compile_model(model, "CPU", self._config)
        except Exception as error:  # noqa: BLE001
            raise not_opened(self._path, error) from None


def _size_beside(path: Path) -> int:
    """Read the size from ``metadata.yaml``, which Ultralytics writes beside; else the usual one."""
    beside = path.with_name("metadata.yaml")
    try:
        stated = parse_yaml(read_bounded(beside, _MOST_METADATA_BYTES))
    except FileNotFoundError:
        return USUAL_SIZE_PX
    except (ParsingError, OSError) as error:
        raise not_opened(beside, error) from None
    match stated:
        case {"imgsz": [int(height), int(width)]}:
            return max(height, width)
    return USUAL_SIZE_PX


def _shapes_of_cameras(size_px: int) -> frozenset[tuple[int, int]]:
    return frozenset(
        input_shape((height * size_px, width * size_px), size_px) for height, width in _ASPECTS_HW
    )
