"""Reads what a model found in photographs, by photograph, from files of detections."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from container_doors.core.errors import DatasetError
from container_doors.core.measurements import BoxXyxy
from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.core.printable import shortened

MOST_BYTES = 512 * 1024**2
"""Detections of 20,000 photographs, down to any confidence, have a third of that."""

Confidence = Annotated[float, Field(ge=0, le=1)]


class PredictedPhotograph(BaseModel):
    """What a model found in one photograph, as ``detections.json`` has it."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    image: str
    """``images/test/img_001.jpg``"""
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    used_xyxy: list[BoxXyxy]
    """In pixels of the upright photograph."""
    used_confidences: list[Confidence]

    @model_validator(mode="after")
    def _every_box_has_its_own(self) -> "PredictedPhotograph":
        if len(self.used_confidences) != len(self.used_xyxy):
            raise ValueError("expected a confidence for each box in use")
        if any(left > right or top > bottom for left, top, right, bottom in self.used_xyxy):
            raise ValueError("expected left <= right and top <= bottom in each box in use")
        return self


class _Predictions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    photographs: list[PredictedPhotograph]


@dataclass(frozen=True, slots=True)
class Assigned:
    """Predictions by photograph of a data set, and what could not be assigned."""

    by_image: Mapping[str, PredictedPhotograph]
    unknown: list[str]
    """Photographs of the files that the data set does not have."""


def read_predictions(paths: Iterable[Path]) -> list[PredictedPhotograph]:
    """Read ``detections.json`` of several folds or splits.

    Raises:
        DatasetError: If a file is absent or damaged, or if two have the same photograph.
    """
    found: dict[str, PredictedPhotograph] = {}
    for path in paths:
        for one in _read(path):
            if one.image in found:
                raise DatasetError(
                    f"{path}: expected each photograph in one file of predictions, found "
                    f"{one.image} twice",
                    hint="name one file for each fold",
                )
            found[one.image] = one
    return list(found.values())


def _read(path: Path) -> list[PredictedPhotograph]:
    hint = "name a run's evaluation/SPLIT/detections.json; doors evaluate writes it"
    try:
        return _Predictions.model_validate_json(read_bounded(path, MOST_BYTES)).photographs
    except FileNotFoundError:
        raise DatasetError(f"{path}: expected predictions, found no file", hint=hint) from None
    except ParsingError as error:
        raise DatasetError(f"{path}: {error}", hint=hint) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in first["loc"])
        raise DatasetError(f"{path}: ${place}: {shortened(first['msg'])}", hint=hint) from None


def assign(predicted: Sequence[PredictedPhotograph], images: Sequence[str]) -> Assigned:
    """Assign predictions to a data set's photographs, by their names.

    A photograph that has moved to another split since is found by its file's name, if only one
    photograph has it on both sides.

    Args:
        predicted: The predictions.
        images: The data set's photographs: ``images/train/img_001.jpg``.

    >>> one = PredictedPhotograph(image="images/val/a.jpg", width_px=1, height_px=1,
    ...                           used_xyxy=[], used_confidences=[])
    >>> list(assign([one], ["images/train/a.jpg"]).by_image)
    ['images/train/a.jpg']
    """
    here = set(images)
    by_name = _unique(images)
    their_names = _unique([one.image for one in predicted])
    assigned: dict[str, PredictedPhotograph] = {}
    unknown = []
    for one in sorted(predicted, key=lambda one: one.image not in here):
        name = PurePosixPath(one.image).name
        moved = by_name.get(name) if name in their_names else None
        image = one.image if one.image in here else moved
        if image is None or image in assigned:
            unknown.append(one.image)
        else:
            assigned[image] = one
    return Assigned(assigned, unknown)


def _unique(images: Sequence[str]) -> dict[str, str]:
    """Return the paths by their file's names, without names that occur twice."""
    found: dict[str, str] = {}
    twice = set()
    for image in images:
        name = PurePosixPath(image).name
        if found.setdefault(name, image) != image:
            twice.add(name)
    return {name: image for name, image in found.items() if name not in twice}
