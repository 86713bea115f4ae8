"""``settings.json`` of a folder of results: what all of them have in common."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from container_doors.core.config import QualityLimits
from container_doors.core.errors import PredictionError
from container_doors.core.files import make_folder
from container_doors.core.predictions import UsedModel
from container_doors.core.printable import one_line, shortened
from container_doors.core.records import Document
from container_doors.prediction.output import Kind

SETTINGS = "settings.json"


class Settings(Document):
    """How the results of a folder were made; those of another way would be mixed with them."""

    repair_hint: ClassVar[str] = "choose another --out"

    save: list[Kind]
    padding: float
    """Of the crops."""
    every: int
    """Of videos and cameras every Nth frame."""
    relative_to: str | None
    """The folder that paths in the results are relative to; None if none is relative."""
    model: UsedModel
    limits: QualityLimits
    shard: str | None = None
    """Which part of the sources: ``2/8``; None for all."""
    with_times: bool = True
    """Whether the measured times are written."""


def settle(folder: Path, settings: Settings, *, is_resumed: bool) -> None:
    """Write the settings of a new folder of results, or compare those of one that is continued.

    Raises:
        PredictionError: If the folder has files and is not to be continued, or if it cannot be,
            because its settings differ. Nothing is changed then.
        RunError: If its settings are damaged.
    """
    path = folder / SETTINGS
    if is_resumed and path.exists():
        _refuse_other(Settings.read(path), settings, folder)
        return
    require_empty(folder)
    make_folder(folder)
    settings.write(path)


def require_empty(folder: Path) -> None:
    """Check that a folder is new or empty.

    Raises:
        PredictionError: If it is not.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        has_results = (folder / SETTINGS).exists()
        other = "other files" if folder.is_dir() else "a file"
        found = "results of an earlier prediction" if has_results else other
        go_on = ", or go on with it: --resume" if has_results else ""
        raise PredictionError(
            f"{folder}: expected a new or empty folder, found {found}",
            hint=f"choose another --out{go_on}",
        )


def _refuse_other(before: Settings, now: Settings, folder: Path) -> None:
    was, wanted = before.model_dump(mode="json"), now.model_dump(mode="json")
    differences = list(_differences(was, wanted))
    if differences:
        raise PredictionError(
            f"{folder} cannot be continued with other settings: {'; '.join(differences)}",
            hint="use the settings that it was started with, or choose another --out",
        )


def _differences(
    before: Mapping[str, object], now: Mapping[str, object], at: str = ""
) -> Iterator[str]:
    """List values that differ, as ``model.conf_threshold: expected 0.25, found 0.3``."""
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{at}{name}.")
        elif old != new:
            yield f"{at}{name}: expected {_spelled(old)}, found {_spelled(new)}"


def _spelled(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return shortened(one_line(text or "nothing"), 100)
