"""What is asked of whoever writes a network in another format, and what comes back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from container_doors.core.ports import Network
from container_doors.prediction.exported_network import Compute


@dataclass(frozen=True, slots=True)
class Built:
    """A network in another format, in files that are not yet kept."""

    files: Mapping[str, Path]
    """By the name that each is kept under: ``model.onnx``."""
    input_shape: Literal["dynamic"] | tuple[int, int]
    """See :class:`exports.Export`."""
    runtime: str
    """What it was made for, with its version."""
    opset: int | None = None
    network: Network | None = None
    """Opened, for a format that ``doors predict`` does not open; None for the others."""


class BuildExport(Protocol):
    """Writes weights in another format."""

    def __call__(self, weights: Path, name: str, folder: Path, *, image_size_px: int) -> Built:
        """Write the format ``name`` into an empty folder.

        Raises:
            MissingToolError: If a package that it needs is not installed; nothing is downloaded.
        """


@dataclass(frozen=True, slots=True)
class Examples:
    """The photographs that a network is quantised with."""

    calibration: Sequence[Path]
    validation: Sequence[Path]
    prepare: Callable[[Path], NDArray[np.float32]]
    """Reads one as the network's input, shape (1, 3, height, width)."""
    score: Callable[[Compute, Sequence[Path]], float]
    """Measures a network on some of the validation photographs, in [0, 1]; 1 is best."""
    most_lost: float
    """Of the score."""


class Quantize(Protocol):
    """Writes a network of OpenVINO with whole numbers of eight bits."""

    def __call__(self, source: Path, folder: Path, examples: Examples) -> Built:
        """Quantise all but the detection head of ``source``, an ``.xml``, into an empty folder.

        Layers are given back their precision until the score falls by ``examples.most_lost`` at
        most, if that is possible.

        Raises:
            MissingToolError: If a package that it needs is not installed.
        """
