"""The folder that a prediction writes into, and goes on in after it was killed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from container_doors.core.config import QualityLimits
from container_doors.core.disk import is_full, what_is_full
from container_doors.core.errors import PredictionError
from container_doors.core.files import make_folder, replace_text
from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.core.predictions import PhotographResult, UsedModel, as_text
from container_doors.core.printable import one_line, shortened
from container_doors.prediction.coco import write_coco
from container_doors.prediction.crops import PADDING
from container_doors.prediction.file_names import FileNames
from container_doors.prediction.journal import Journal
from container_doors.prediction.pictures import Picture
from container_doors.prediction.writers import Crops, FileWriter, Pictures, Table, YoloLabels

Kind = Literal["jsonl", "csv", "pictures", "crops", "yolo", "coco"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_TABLES = {"jsonl", "csv", "coco"}
"""Kinds that are made from ``predictions.jsonl``, also of what an earlier start did."""

_OURS = ("predictions.jsonl", "predictions.csv", "pictures", "crops", "labels", "coco")
_SETTINGS = "settings.json"
_MOST_SETTINGS_BYTES = 1 << 20


class Settings(BaseModel):
    """What is the same for all files of an output folder: ``settings.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["container-doors/prediction-settings/1"] = (
        "container-doors/prediction-settings/1"
    )
    save: tuple[Kind, ...]
    """``jsonl`` is always written: it is what ``--resume`` goes on from."""
    padding: float = Field(default=PADDING, ge=0, le=10)
    """Of the crops."""
    classes: tuple[str, ...]
    """By class id."""
    model: UsedModel
    limits: QualityLimits


@dataclass(slots=True)
class Tally:
    """How much was written, the earlier starts included."""

    photographs: int = 0
    """That could be read."""
    doors: int = 0
    refused: int = 0
    """Doors that the next step would refuse."""
    without_door: int = 0
    failed: int = 0
    """Photographs that could not be read."""

    def add(self, result: PhotographResult) -> None:
        """Count a result."""
        if result.status == "FAILED":
            self.failed += 1
            return
        self.photographs += 1
        self.doors += len(result.detections)
        self.refused += sum(bool(door.refused_for) for door in result.detections)
        self.without_door += not result.detections


class Output:
    """Writes results, one after the other, into a folder; not thread-safe.

    The files of a photograph are written first, and its line in ``predictions.jsonl`` after them.
    A photograph without a line was not done, and is done again.
    """

    def __init__(self, folder: Path, settings: Settings, journal: Journal) -> None:
        """Go on after the results of a journal; :func:`open_output` checks that this can be."""
        self.folder = folder
        self.tally = Tally()
        self._settings = settings
        self._journal = journal
        self._names = FileNames()
        self._done: dict[str, set[int | None]] = {}
        self._writers = list(_writers(folder, settings))
        self._table = self._goes_on()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, also after Ctrl-C; a second error must not hide the first."""
        try:
            self.close()
        except PredictionError:
            if error is None:
                raise

    def is_written(self, path: str, frame: int | None = None) -> bool:
        """Return whether an earlier start has done a photograph, or a frame of a video.

        Args:
            path: As in :class:`PhotographResult`.
            frame: The index of the frame.
        """
        return frame in self._done.get(as_text(path), ())

    def write(self, result: PhotographResult, picture: Picture | None) -> PhotographResult:
        """Write all that is asked for of one photograph.

        Args:
            result: What was found; crops are added to it.
            picture: None if it could not be read.

        Returns:
            The result as it was written.

        Raises:
            PredictionError: If the disk is full; what was written before is complete.
        """
        with _full_disk_explained():
            stem = self._names.stem_of(result)
            for writer in self._writers:
                result = writer.write(result, picture, stem)
            self._journal.append(result)
            self.tally.add(result)
            if self._table is not None:
                self._table.append(result)
        return result

    def close(self) -> None:
        """Write what is made of all results together, and let other processes write.

        Raises:
            PredictionError: As :meth:`write`.
        """
        try:
            with _full_disk_explained():
                if "coco" in self._settings.save:
                    write_coco(self.folder, self._journal.results(), self._settings.classes)
        finally:
            if self._table is not None:
                self._table.close()
            self._journal.close()

    def _goes_on(self) -> Table | None:
        """Count and name what is there, as when it was written."""
        earlier = self._earlier()
        if "csv" in self._settings.save:
            return Table(self.folder, earlier)
        for _ in earlier:
            pass
        return None

    def _earlier(self) -> Iterator[PhotographResult]:
        for result in self._journal.results():
            self._names.stem_of(result)
            self.tally.add(result)
            frame = None if result.frame is None else result.frame.index
            self._done.setdefault(result.path, set()).add(frame)
            yield result


def open_output(folder: Path, settings: Settings, *, is_resumed: bool = False) -> Output:
    """Open an output folder; nothing that is in it is overwritten.

    Args:
        folder: It is made if there is none.
        settings: Of this start.
        is_resumed: Whether to go on with what an earlier start has written.

    Raises:
        PredictionError: If there are files of an earlier start and it is not to be resumed, if they
            were made with other settings, or if another process writes there now.
        OSError: If the folder cannot be written.
    """
    with _full_disk_explained():
        make_folder(folder)
        if not is_resumed:
            _refuse_earlier(folder)
        journal = Journal(folder / "predictions.jsonl")
        try:
            if next(journal.results(), None) is not None:
                settings = _continued(folder / _SETTINGS, settings)
            replace_text(folder / _SETTINGS, f"{settings.model_dump_json(indent=2)}\n")
            return Output(folder, settings, journal)
        except BaseException:
            journal.close()
            raise


def _writers(folder: Path, settings: Settings) -> Iterator[FileWriter]:
    """Open the writers of files; crops are first, because the others' doors name them."""
    if "crops" in settings.save:
        yield Crops(folder, settings.padding)
    if "pictures" in settings.save:
        yield Pictures(folder)
    if "yolo" in settings.save:
        yield YoloLabels(folder)


def _refuse_earlier(folder: Path) -> None:
    earlier = [name for name in _OURS if _has_content(folder / name)]
    if earlier:
        raise PredictionError(
            f"{folder} has {', '.join(earlier)} of an earlier prediction",
            hint="--resume goes on with it; or choose another --out",
        )


def _has_content(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists() and path.stat().st_size > 0


def _continued(path: Path, asked: Settings) -> Settings:
    """Return the settings to go on with: tables may be added, all else must be the same."""
    earlier = _read_settings(path)
    differences = list(_differences(_files_alone(earlier), _files_alone(asked)))
    if differences:
        raise PredictionError(
            f"{path.parent} cannot be continued with other settings: {'; '.join(differences)}",
            hint="use the settings that it was started with, or choose another --out",
        )
    kinds = {*asked.save, *_TABLES.intersection(earlier.save)}
    return asked.model_copy(update={"save": tuple(one for one in KINDS if one in kinds)})


def _read_settings(path: Path) -> Settings:
    try:
        return Settings.model_validate_json(read_bounded(path, _MOST_SETTINGS_BYTES))
    except FileNotFoundError:
        found = "no file"
    except (ParsingError, ValidationError) as error:
        found = shortened(one_line(error))
    raise PredictionError(
        f"{path}: expected the settings of the predictions beside it, found {found}",
        hint="choose another --out",
    )


def _files_alone(settings: Settings) -> dict[str, Any]:
    document = settings.model_dump(mode="json")
    document["save"] = sorted({*settings.save} - _TABLES)
    if "crops" not in settings.save:
        del document["padding"]
    return document


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """List values that differ, as ``model.conf_threshold 0.25 -> 0.3``."""
    for key in dict.fromkeys([*one, *other]):
        old, new = one.get(key), other.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{at}{key}.")
        elif old != new:
            yield f"{at}{key} {_spelled(old)} -> {_spelled(new)}"


def _spelled(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return shortened(one_line(text or "nothing"), 60)


@contextmanager
def _full_disk_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise PredictionError(
            what_is_full(error),
            hint="free some space there, then run the same command with --resume",
        ) from error
