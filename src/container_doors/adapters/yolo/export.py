"""Ultralytics' export to formats of other runtimes.

Implements :class:`ports.ExportDetector` and :class:`exporting.BuildExport`.
"""

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from container_doors.adapters.distributions import version_of
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.openvino.importing import compute_in_float32
from container_doors.adapters.quiet import output_aside
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.network import PyTorchNetwork
from container_doors.adapters.yolo.weights import open_weights
from container_doors.core.child_environment import hide_secrets
from container_doors.core.errors import MissingToolError
from container_doors.core.installation import extra_of, install_command, install_packages
from container_doors.core.records import Hardware
from container_doors.prediction.exporting import Built

FORMATS = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
"""The formats that ``doors latency`` times."""


@dataclass(frozen=True, slots=True)
class _Format:
    """How a format is made."""

    runtime: str
    """The distribution of its runtime."""
    needs: tuple[str, ...]
    """Modules that must be installed."""
    kept: Mapping[str, str]
    """The file names that it is kept under, by the end of Ultralytics' own."""
    options: Mapping[str, Any]
    opened_here: bool = False
    """Whether ``doors predict`` opens it."""


MADE = {
    "onnx": _Format(
        "onnxruntime",
        ("onnx", "onnxruntime", "onnxslim"),
        {".onnx": "model.onnx"},
        {"dynamic": True, "simplify": True},
        opened_here=True,
    ),
    "openvino": _Format(
        "openvino",
        ("openvino",),
        {".xml": "model.xml", ".bin": "model.bin", "metadata.yaml": "metadata.yaml"},
        {"dynamic": True},
        opened_here=True,
    ),
    "torchscript": _Format(
        "torch", ("torch",), {".torchscript": "model.torchscript"}, {"dynamic": True}
    ),
    # Its input is always a square (8.4.190).
    "ncnn": _Format(
        "ncnn",
        ("ncnn", "pnnx"),
        {
            ".ncnn.param": "model.ncnn.param",
            ".ncnn.bin": "model.ncnn.bin",
            "metadata.yaml": "metadata.yaml",
        },
        {},
    ),
}
"""The formats that are made here, by name."""


@hide_secrets()
def export_detector(
    weights: Path, name: str, *, image_size_px: int, hardware: Hardware
) -> YoloDetector:
    """Export the weights to another format, in the same folder, and load that on the CPU.

    The input shape is dynamic, as in PyTorch: with a square input the boxes would differ.

    Raises:
        MissingToolError: If the required packages are not installed; nothing is downloaded.
    """
    exported = _export(weights, name, image_size_px)
    return YoloDetector(
        exported, image_size_px=image_size_px, hardware=hardware, runtime=FORMATS[name]
    )


@hide_secrets()
def build_export(weights: Path, name: str, folder: Path, *, image_size_px: int) -> Built:
    """Write a format into an empty folder; see :class:`exporting.BuildExport`.

    Raises:
        MissingToolError: If the required packages are not installed; nothing is downloaded.
    """
    form = MADE[name]
    source = Path(shutil.copy(weights, folder / "model.pt"))  # exports are written beside it
    exported = _export(source, name, image_size_px)
    written = sorted(exported.iterdir()) if exported.is_dir() else [exported]
    files = {
        kept: next(path for path in written if path.name.endswith(end))
        for end, kept in form.kept.items()
    }
    is_dynamic = form.options.get("dynamic", False)
    return Built(
        files,
        input_shape="dynamic" if is_dynamic else (image_size_px, image_size_px),
        runtime=f"{form.runtime} {version_of(form.runtime)}",
        opset=_opset(files["model.onnx"]) if name == "onnx" else None,
        network=None if form.opened_here else _open(exported, name, image_size_px),
    )


def _export(weights: Path, name: str, image_size_px: int) -> Path:
    missing = next((one for one in MADE[name].needs if find_spec(one) is None), None)
    if missing is not None:
        extra = extra_of(missing)
        how = install_command(extra) if extra else install_packages(*MADE[name].needs)
        raise MissingToolError(f"{missing} is not installed", hint=how)
    if name == "openvino":
        compute_in_float32()
    model = open_weights(weights)
    with warnings.catch_warnings(), output_aside():  # pnnx prints all that it does
        warnings.simplefilter("ignore")  # PyTorch warns that tracing is deprecated
        exported = model.export(
            format=name, imgsz=image_size_px, device="cpu", verbose=False, **MADE[name].options
        )
    return Path(exported)


def _open(exported: Path, name: str, image_size_px: int) -> PyTorchNetwork:
    """Open what was exported just before, as Ultralytics does."""
    model = import_ultralytics().YOLO(str(exported.absolute()), task="detect")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns that TorchScript is deprecated
        return PyTorchNetwork(
            model, image_size_px=image_size_px, hardware=describe_machine("cpu"), backend=name
        )


def _opset(path: Path) -> int:
    import onnx

    return int(onnx.load(path, load_external_data=False).opset_import[0].version)
