"""Weight files, opened as Ultralytics' ``YOLO``; nothing in them is executed."""

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
        sha256: What it must have; it is not opened if it has another.

    Raises:
        WeightsError: If it is absent, damaged, another than it should be, or would execute
            something.
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
            f"{path} is not the file that it was: expected sha256 {sha256[:12]}, found "
            f"{found[:12]}; it was not opened",
            hint="put that file back (dvc pull, doors sync), or train again",
        )
    refuse_programs(path)
    try:
        # Absolute, because a name that is known, or begins with a scheme, would be downloaded.
        return import_ultralytics().YOLO(str(path.absolute()), task="detect")
    except WeightsError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything at all
        raise WeightsError(
            f"{path} cannot be read as YOLO weights: {type(error).__name__}: "
            f"{str(error).partition(chr(10))[0][:200]}",
            hint="fetch the file again (dvc pull) and compare its sha256, or train again",
        ) from None
