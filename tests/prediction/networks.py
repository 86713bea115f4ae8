"""Networks to open: of a few layers, written as ONNX; and the real one, with one class."""

from pathlib import Path
from typing import Any

import numpy as np

CLASS = "container_door"


def write_onnx(path: Path, *, rows: int = 5, bias: float = 0.0, size: int | None = None) -> Path:
    """Write a network that finds a door of 40 px where the picture is bright.

    Its outputs are those of a detector: a box for each 32 px of the picture, and in the last row
    how bright it is there, as a confidence.

    Args:
        path: Where; its name ends in ``.onnx``.
        rows: Of the output.
        bias: Added to the confidence.
        size: Height and width of the input; any by default.
    """
    import onnx
    from onnx import TensorProto as Kind
    from onnx import helper, numpy_helper

    weight = np.zeros((rows, 3, 1, 1), np.float32)
    weight[4:] = 1 / 3
    constant = np.array([32, 32, 40, 40, bias, *[bias] * (rows - 5)], np.float32)[:rows]
    pool = [32, 32]
    nodes = [
        helper.make_node("AveragePool", ["images"], ["mean"], kernel_shape=pool, strides=pool),
        helper.make_node("Conv", ["mean", "weight", "constant"], ["cells"]),
        helper.make_node("Reshape", ["cells", "shape"], ["output0"]),
    ]  # fmt: skip
    sides: list[int | str] = [size or "height", size or "width"]
    graph = helper.make_graph(
        nodes,
        "doors",
        [helper.make_tensor_value_info("images", Kind.FLOAT, ["batch", 3, *sides])],
        [helper.make_tensor_value_info("output0", Kind.FLOAT, ["batch", rows, "boxes"])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(constant, "constant"),
            numpy_helper.from_array(np.array([1, rows, -1]), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"imgsz": "[96, 96]"})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def write_openvino(path: Path, source: Path) -> Path:
    """Write an ONNX network as OpenVINO's ``.xml``, with its ``.bin``."""
    import openvino

    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)
    return path


def write_door_weights(
    source: Path, target: Path, *, of_class: int, bias: float, image_size_px: int
) -> Path:
    """Make a detector of doors alone of one that knows many classes: one of them is the door.

    Args:
        source: The weights.
        target: Where to write.
        of_class: The class.
        bias: Added to each confidence, before it becomes a fraction: more boxes are found.
        image_size_px: What they say that they were trained at.
    """
    import torch

    from container_doors.adapters.yolo.weights import open_weights

    network = open_weights(source).model
    head = network.model[-1]
    for branch in head.cv3:
        branch[-1] = _one_output(branch[-1], of_class, bias)
    head.nc, head.no = 1, head.reg_max * 4 + 1
    network.names, network.nc = {0: CLASS}, 1
    network.yaml["nc"] = 1
    train_args = {"task": "detect", "imgsz": image_size_px}
    torch.save({"model": network.half(), "train_args": train_args}, target)
    return target


def _one_output(layer: Any, index: int, bias: float) -> Any:
    import torch

    one: Any = torch.nn.Conv2d(layer.in_channels, 1, 1)
    one.weight.data = layer.weight.data[index : index + 1].clone()
    one.bias.data = layer.bias.data[index : index + 1] + bias
    return one
