"""The runtimes that a model can be used in; none is imported before it opens a network."""

from importlib.util import find_spec
from pathlib import Path

from container_doors.adapters.onnxruntime.network import open_onnx
from container_doors.adapters.opencv.network import open_with_opencv
from container_doors.adapters.openvino.network import open_openvino
from container_doors.adapters.yolo.network import open_pytorch
from container_doors.prediction.opening import Runtime, Runtimes


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*")) and _is_installed("torch")


RUNTIMES = Runtimes(
    {
        "pytorch": Runtime(".pt", ("torch", "ultralytics"), open_pytorch),
        "onnx": Runtime(".onnx", ("onnxruntime",), open_onnx),
        "opencv": Runtime(".onnx", ("cv2",), open_with_opencv, is_last_resort=True),
        "openvino": Runtime(".xml", ("openvino",), open_openvino),
    },
    is_installed=_is_installed,
    has_gpu=_has_gpu,
)
