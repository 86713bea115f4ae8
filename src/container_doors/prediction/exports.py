"""What lies in ``exports/`` beside the published weights: the same network for other runtimes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from container_doors.core.measurements import Parity, Value
from container_doors.core.records import Artifact, Document, FileName, Latency, Sha256

EXPORTS, EXPORTS_JSON = "exports", "exports.json"
"""The folder beside ``best.pt``, and the document in it."""

PYTORCH = "pytorch"
"""The backend that uses ``best.pt`` itself."""

OPENED = (".onnx", ".xml")
"""Suffixes of the files that a runtime opens; others lie beside them."""


class Export(Value):
    """One format: its files, and what was measured of them."""

    files: dict[FileName, Artifact]
    """By path below ``exports/``: ``onnx/model.onnx``."""
    weights_sha256: Sha256
    """Of the ``best.pt`` that it was made from."""
    input_shape: Literal["dynamic"] | tuple[int, int]
    """``dynamic``: padded to multiples of 32 as in PyTorch; else the only height and width."""
    opset: int | None = None
    """Of ONNX."""
    runtime: str
    """What it was made for and measured with: ``onnxruntime 1.32.0``."""
    parity: Parity | None = None
    """With PyTorch; None if it was not compared."""
    latency: Latency | None = None
    accepted: bool
    """Whether it may be used without asking for it."""
    why: str
    """The reason for that."""

    @property
    def opened_file(self) -> str | None:
        """The file that its runtime opens, below ``exports/``; None if none here opens it."""
        return next((name for name in sorted(self.files) if name.endswith(OPENED)), None)


class Exports(Document):
    """``exports/exports.json``."""

    repair_hint: ClassVar[str] = "doors export makes all exports again"

    formats: dict[str, Export]
    """By backend: ``onnx``, ``openvino``, ``openvino-int8``."""
    pytorch: Latency | None = None
    """Of PyTorch on the same machine and photographs."""


def read_exports(folder: Path) -> Exports | None:
    """Read what is exported of the model in a folder; None if nothing is.

    Raises:
        RunError: If the document is damaged.
    """
    path = folder / EXPORTS / EXPORTS_JSON
    return Exports.read(path) if path.exists() else None


def by_speed(exports: Exports) -> Sequence[str]:
    """Order the backends that may be used, PyTorch among them, the fastest first.

    One that was not timed comes after those that were, and PyTorch after all that were faster or
    could not be compared with it.
    """
    times: Mapping[str, float] = {
        name: one.latency.median_ms if one.latency else float("inf")
        for name, one in exports.formats.items()
        if one.accepted
    }
    pytorch_ms = exports.pytorch.median_ms if exports.pytorch else float("inf")
    ordered = sorted(times, key=times.__getitem__)
    faster = [name for name in ordered if times[name] <= pytorch_ms]
    return [*faster, PYTORCH, *(name for name in ordered if times[name] > pytorch_ms)]
