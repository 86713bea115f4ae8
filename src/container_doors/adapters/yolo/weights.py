"""Open weight files as Ultralytics' ``YOLO``, without executing anything in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.loading import refuse_programs
from container_doors.core.child_environment import hide_secrets
from container_doors.core.errors import MissingToolError, WeightsError
from container_doors.core.printable import one_line, shortened
from container_doors.publishing.hashing import file_sha256

_TRIAL_PX = 64
"""A network's largest stride, which is the smallest picture that it can look at."""

_MOST_OUTPUTS = 2_000_000
"""Numbers in one layer's output for a picture of 64 px; the largest YOLO11 has a tenth of it."""

_MOST_PIXELS = 64
"""No stride, padding or scale of a layer is larger; a hostile one would fill the memory."""

_LONGEST_CLASS = 100

_GEOMETRY = frozenset({
    "kernel_size", "stride", "padding", "output_padding", "dilation", "size", "scale_factor",
    "_reversed_padding_repeated_twice",
})  # fmt: skip
"""Attributes of PyTorch's layers that decide how large their output is."""

_REMAKE = "export or train it again where it was made, or use another file"


def open_weights(path: Path, *, sha256: str | None = None) -> Any:  # noqa: ANN401 - ultralytics.YOLO
    """Open a ``.pt`` file.

    Args:
        path: The file.
        sha256: The expected hash; a file with another hash is not opened.

    Raises:
        WeightsError: If it is missing, damaged, not the expected file, or would execute code.
    """
    if path.suffix != ".pt":
        found = f"'{path.suffix}'" if path.suffix else "a name without an ending"
        raise WeightsError(
            f"{path}: expected weights of PyTorch, which end in .pt, found {found}",
            hint="name a file that ends in .pt",
        )
    if not path.is_file():
        raise WeightsError(f"no weights at {path}", hint="train first: doors train")
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise WeightsError(
            f"{path} has changed: expected sha256 {sha256[:12]}, found "
            f"{found[:12]}; it was not opened",
            hint="restore that file (dvc pull, doors sync), or train again",
        )
    refuse_programs(path)
    try:
        # Absolute, because a known name, or one that starts with a scheme, would be downloaded.
        return import_ultralytics().YOLO(str(path.absolute()), task="detect")
    except (WeightsError, MissingToolError):
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything at all
        raise WeightsError(
            f"{path} cannot be read as YOLO weights: {_said(error)}",
            hint="fetch the file again (dvc pull) and compare its sha256, or train again",
        ) from None


@hide_secrets()
def check_door_weights(path: Path) -> None:
    """Check that a file from elsewhere is a detector of doors, and works.

    Raises:
        WeightsError: If it cannot be opened, knows other classes, or makes no boxes.
    """
    open_door_weights(path)


def open_door_weights(path: Path, *, sha256: str | None = None) -> Any:  # noqa: ANN401 - ultralytics.YOLO
    """Open a ``.pt`` file that may be from elsewhere, and check that it finds doors.

    Args:
        path: The file.
        sha256: The expected hash; a file with another hash is not opened.

    Raises:
        WeightsError: If it cannot be opened, knows other classes, or makes no boxes.
    """
    model = open_weights(path, sha256=sha256)
    _check_doors(path, model.model)
    return model


def _check_doors(path: Path, network: Any) -> None:  # noqa: ANN401 - torch.nn.Module
    names = network.names
    classes = list(names.values()) if isinstance(names, dict) else names
    is_one = isinstance(classes, list) and len(classes) == 1 and network.model[-1].nc == 1
    if not is_one:
        found = f"{len(classes)} names" if isinstance(classes, list) else type(classes).__name__
        raise WeightsError(
            f"{path} is no detector of doors alone: expected one class, found {found} and "
            f"{shortened(repr(network.model[-1].nc), 20)} outputs for classes",
            hint=_REMAKE,
        )
    (name,) = classes
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_CLASS:
        raise WeightsError(
            f"{path} has a class that cannot be named: expected 1 to {_LONGEST_CLASS} printable "
            f"characters, found {shortened(repr(name), 80)}",
            hint=_REMAKE,
        )
    check_works(path, network)


def check_works(path: Path, network: Any) -> None:  # noqa: ANN401 - torch.nn.Module
    """Look at a small grey picture with an opened network, and check its boxes.

    A file can be a detector by its layers, and still have weights that are not numbers, or strides
    that make no boxes.

    Args:
        path: Its file, for messages.
        network: The network; it stays as it was.

    Raises:
        WeightsError: If it fails, or if a number in its boxes is not finite.
    """
    try:
        fault = next(_faults_of_layers(network), None) or _fault_of_trial(network)
    except Exception as error:  # noqa: BLE001 - a network from outside can raise anything at all
        fault = f"it fails: {_said(error)}"
    if fault is not None:
        raise WeightsError(f"{path} is no working detector: {fault}", hint=_REMAKE)


def _faults_of_layers(network: Any) -> Iterator[str]:  # noqa: ANN401 - torch.nn.Module
    for where, layer in network.named_modules():
        for name in _GEOMETRY & vars(layer).keys():
            value = vars(layer)[name]
            numbers = value if isinstance(value, (list, tuple)) else (value,)
            if any(isinstance(one, (int, float)) and one > _MOST_PIXELS for one in numbers):
                yield f"its layer {where} has {name} {shortened(repr(value), 40)}"


def _fault_of_trial(network: Any) -> str | None:  # noqa: ANN401 - torch.nn.Module
    import torch
    from torch.nn.modules.module import register_module_forward_hook

    head, strides = network.model[-1], list[float]()

    def measure(layer: object, inputs: Any, output: object) -> None:  # noqa: ANN401
        if isinstance(output, torch.Tensor) and output.numel() > _MOST_OUTPUTS:
            raise ValueError(f"a layer makes {output.numel()} numbers of {_TRIAL_PX} pixels")
        if layer is head:
            strides.extend(_TRIAL_PX / one.shape[-1] for one in inputs[0])

    hook = register_module_forward_hook(measure)
    try:
        with torch.no_grad():
            boxes = network(torch.full((1, 3, _TRIAL_PX, _TRIAL_PX), 0.5))[0]
    finally:
        hook.remove()
    for stated in (head.stride, network.stride):
        if [float(one) for one in stated] != strides:
            found = shortened(one_line(stated), 80)
            return f"expected strides of {strides}, found {found}"
    if not bool(torch.isfinite(boxes).all()):
        return "its weights are not all finite numbers, so neither are its boxes"
    return None


def _said(error: Exception) -> str:
    return shortened(one_line(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"))
