"""Open weight files as Ultralytics' ``YOLO``, without executing anything in them."""

from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.loading import refuse_programs
from container_doors.core.errors import WeightsError
from container_doors.publishing.hashing import file_sha256


def open_weights(path: Path, *, sha256: str | None = None) -> Any:  # noqa: ANN401 - ultralytics.YOLO
    """Open a ``.pt`` file.

    Args:
        path: The file.
        sha256: The expected hash; a file with another hash is not opened.

    Raises:
        WeightsError: If it is missing, damaged, not the expected file, or would execute code.
    """
    if path.suffix != ".pt":
        raise WeightsError(
            f"{path}: expected weights of PyTorch, found '{path.suffix}'",
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
    except WeightsError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything at all
        raise WeightsError(
            f"{path} cannot be read as YOLO weights: {type(error).__name__}: "
            f"{str(error).partition(chr(10))[0][:200]}",
            hint="fetch the file again (dvc pull) and compare its sha256, or train again",
        ) from None
