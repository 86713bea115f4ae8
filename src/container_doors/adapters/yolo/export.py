"""Ultralytics' export to formats of other runtimes; implements :class:`ports.ExportDetector`."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.weights import open_weights
from container_doors.core.child_environment import hide_secrets
from container_doors.core.errors import MissingToolError
from container_doors.core.installation import install_command
from container_doors.core.records import Hardware

FORMATS = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}

_PACKAGES = {"onnx": ("onnx", "onnxruntime", "onnxslim"), "openvino": ("openvino",)}

_OPTIONS: dict[str, dict[str, Any]] = {"onnx": {"simplify": True}, "openvino": {}}


@hide_secrets()
def export_detector(
    weights: Path, name: str, *, image_size_px: int, hardware: Hardware
) -> YoloDetector:
    """Export the weights to another format, in the same folder, and load that on the CPU.

    The input shape is dynamic, as in PyTorch: with a square input the boxes would differ.

    Raises:
        MissingToolError: If the required packages are not installed; nothing is downloaded.
    """
    missing = [package for package in _PACKAGES[name] if find_spec(package) is None]
    if missing:
        raise MissingToolError(f"{missing[0]} is not installed", hint=install_command("export"))
    if name == "openvino":
        _compute_in_float32()
    model = open_weights(weights)
    with warnings.catch_warnings():  # PyTorch warns that tracing is deprecated
        warnings.simplefilter("ignore")
        exported = model.export(
            format=name,
            imgsz=image_size_px,
            dynamic=True,
            device="cpu",
            verbose=False,
            **_OPTIONS[name],
        )
    return YoloDetector(
        Path(exported), image_size_px=image_size_px, hardware=hardware, runtime=FORMATS[name]
    )


def _compute_in_float32() -> None:
    """Set OpenVINO's precision to float32: by default it uses bfloat16 if the CPU supports it.

    With bfloat16, boxes were 22 px off. Ultralytics (8.4.190) has no setting for it on Linux.
    """
    import openvino

    compiled = openvino.Core.compile_model
    if compiled.__name__ == "compile_in_float32":
        return

    def compile_in_float32(
        core: object,
        model: object,
        device_name: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> object:
        pinned = {**(config or {}), "INFERENCE_PRECISION_HINT": openvino.Type.f32}
        return compiled(core, model, device_name, pinned)

    openvino.Core.compile_model = compile_in_float32
