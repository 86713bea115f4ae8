"""Networks in ONNX Runtime, on the processor; implements :class:`opening.OpenNetwork`."""

import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container_doors.adapters.machine import cpu_name, missing_extra, usable_cores
from container_doors.core.child_environment import hide_secrets
from container_doors.prediction.exported_network import (
    ExportedNetwork,
    fixed_shape,
    try_network,
)
from container_doors.prediction.opening import (
    USUAL_SIZE_PX,
    NetworkFile,
    OpenedNetwork,
    not_opened,
    read_checked,
)

_ERRORS_ONLY = 3
_SIZE = re.compile(r"\[(\d{2,5}), *(\d{2,5})\]")


@hide_secrets()
def open_onnx(asked: NetworkFile) -> OpenedNetwork:
    """Open an ``.onnx`` file, and try it.

    Raises:
        WeightsError: If it is absent, not the expected file, damaged, or no detector of doors.
        MissingToolError: If ONNX Runtime is not installed.
    """
    content = read_checked(asked.path, asked.sha256)
    session = _session(asked, content)
    (given,) = session.get_inputs()
    sides = tuple(one if isinstance(one, int) else None for one in given.shape)
    fixed_hw = fixed_shape(asked.path, sides)

    def compute(prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(None, {given.name: prepared})[0]
        return output

    try_network(asked.path, compute, fixed_hw)
    size_px = asked.image_size_px or _size_in(session)
    network = ExportedNetwork(
        compute,
        backend=asked.backend,
        device=cpu_name(),
        image_size_px=size_px,
        fixed_hw=fixed_hw,
    )
    return OpenedNetwork(network, size_px)


def _session(asked: NetworkFile, content: bytes) -> Any:  # noqa: ANN401 - the package is untyped
    # Read when it is imported: else it tells Microsoft of each session (1.32), on Linux too.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.log_severity_level = _ERRORS_ONLY
    # Threads that wait actively take the processor from whoever decodes the next photograph.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its errors have no common class
        raise not_opened(asked.path, error) from None


def _size_in(session: Any) -> int:  # noqa: ANN401
    """Read the size that Ultralytics wrote into the file; else the usual one."""
    stated = _SIZE.fullmatch(session.get_modelmeta().custom_metadata_map.get("imgsz", ""))
    return max(int(stated[1]), int(stated[2])) if stated else USUAL_SIZE_PX
