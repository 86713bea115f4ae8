"""What is asked of whoever opens a network, and what each runtime needs for it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from container_doors.core.errors import WeightsError
from container_doors.core.files import NotAFileError, read_file
from container_doors.core.ports import Network
from container_doors.core.printable import one_line

USUAL_SIZE_PX = 640
"""Of weights that say nothing else."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network to open."""

    path: Path
    """``.pt``, ``.onnx``, or the ``.xml`` that has a ``.bin`` beside it."""
    backend: str
    """What the opened network calls itself: ``openvino-int8``."""
    image_size_px: int | None = None
    """None: as the file says."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, or a GPU's number."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """By file name; nothing of a file that differs is opened. A name that is absent is unknown."""


class OpenedNetwork(NamedTuple):
    """A network that has been tried, and the picture size that it is used at."""

    network: Network
    image_size_px: int


class OpenNetwork(Protocol):
    """Opens a network."""

    def __call__(self, asked: NetworkFile) -> OpenedNetwork:
        """Open a network, and try it.

        Raises:
            WeightsError: If a file is absent, damaged, another one, or no detector of doors.
            MissingToolError: If its runtime is not installed.
        """


@dataclass(frozen=True, slots=True)
class Runtime:
    """A program that networks run in."""

    suffix: str
    """Of the files that it opens."""
    needs: tuple[str, ...]
    """Modules that must be installed."""
    open: OpenNetwork
    is_last_resort: bool = False
    """Whether it is slower than any other, and not what an export was timed in."""


@dataclass(frozen=True, slots=True)
class Runtimes:
    """All of them, by name; of two that open the same files the first that is installed."""

    by_name: Mapping[str, Runtime]
    is_installed: Callable[[str], bool]
    """Whether a module can be imported; it is not imported for that."""
    has_gpu: Callable[[], bool]
    """Whether PyTorch could use a GPU here; it is not imported for that."""

    def of_file(self, path: Path) -> str | None:
        """Return the name of the runtime that opens a file; None if none does."""
        suffix = path.suffix.lower()
        names = [name for name, one in self.by_name.items() if one.suffix == suffix]
        return next((name for name in names if self.missing(name) is None), next(iter(names), None))

    def missing(self, name: str) -> str | None:
        """Return the first module that a runtime needs and that is not installed."""
        return next((one for one in self.by_name[name].needs if not self.is_installed(one)), None)


def read_checked(path: Path, sha256: Mapping[str, str]) -> bytes:
    """Read a file of a network; what is opened are the bytes that were hashed.

    Raises:
        WeightsError: If it is absent, or not the expected file.
    """
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise WeightsError(f"no network at {path}", hint="doors export makes it") from None
    except NotAFileError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror}", hint=f"move that {error.kind} away"
        ) from None
    expected, found = sha256.get(path.name), hashlib.sha256(content).hexdigest()
    if expected is not None and found != expected:
        raise WeightsError(
            f"{path} has changed: expected sha256 {expected[:12]}, found {found[:12]}; it was not "
            "opened",
            hint="doors export makes it again, doors sync fetches the published one",
        )
    return content


def not_opened(path: Path, error: Exception) -> WeightsError:
    """Explain that a runtime cannot open a file."""
    said = one_line(f"{type(error).__name__}: {error}")[:200]
    return WeightsError(
        f"{path} cannot be opened: {said}",
        hint="doors export makes it again, with the runtime that is installed here",
    )
