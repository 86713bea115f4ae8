"""Read ``predictions.jsonl``, line by line, and keep what a comparison needs of each photograph."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from container_doors.core.errors import PredictionError
from container_doors.core.files import NotAFileError, open_file
from container_doors.core.predictions import PhotographResult, UsedModel
from container_doors.core.printable import shortened
from container_doors.prediction.journal import MOST_LINE_BYTES

PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model found in one photograph that could be read."""

    path: str
    is_frame: bool
    """Whether it is one of the frames of a video or camera."""
    size_px: tuple[int, int]
    """Width and height."""
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]
    confidences: tuple[float, ...]
    area_share: float | None
    """Of the most confident door; None without a door."""
    brightness: float | None
    """Of the most confident door; None if it was not measured."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions of one model at one threshold."""

    source: str
    model: UsedModel
    seen: list[Seen]
    not_read: int


def read_results(path: Path) -> Predicted:
    """Read the predictions in a folder, or in a file of lines.

    Raises:
        PredictionError: If there are none, if a line is damaged, or if they are of several models
            or thresholds.
    """
    file = path / PREDICTIONS if path.is_dir() else path
    seen: list[Seen] = []
    model: UsedModel | None = None
    not_read = 0
    for number, result in _lines(file):
        if model is None:
            model = result.model
        elif not _is_same_use(model, result.model):
            raise PredictionError(
                f"{file}: line {number}: expected predictions of one model at one threshold, found "
                f"{describe_model(result.model)} after {describe_model(model)}",
                hint="predict into one folder for each of them: doors predict SOURCE --out DIR",
            )
        if result.status == "FAILED" or result.original_shape is None:
            not_read += 1
        else:
            seen.append(_seen(result, result.original_shape))
    if model is None:
        raise PredictionError(
            f"{file} has no prediction",
            hint="doors predict SOURCE --save jsonl --out DIR makes some",
        )
    return Predicted(str(path), model, seen, not_read)


def describe_model(model: UsedModel) -> str:
    """Name a model and its threshold, for people; two of one version may have other weights."""
    short = model.weights_sha256[:12]
    name = f"{model.version} ({short})" if model.version else short
    return f"{name} at a confidence of {model.conf_threshold}"


def _is_same_use(first: UsedModel, other: UsedModel) -> bool:
    """Return whether the boxes of two can be compared; the backends agree, as parity shows."""
    return _use(first) == _use(other)


def _use(model: UsedModel) -> tuple[str, float, float, int]:
    return model.weights_sha256, model.conf_threshold, model.iou_threshold, model.image_size_px


def require_same_use(predicted: Predicted, reference: Predicted) -> None:
    """Check that two folders of predictions are of one model at one threshold.

    Raises:
        PredictionError: If they are not.
    """
    if not _is_same_use(predicted.model, reference.model):
        raise PredictionError(
            f"{reference.source}: expected predictions of {describe_model(predicted.model)}, as "
            f"{predicted.source} has them, found those of {describe_model(reference.model)}",
            hint="predict the test photographs again with this model: doors predict "
            f"data/processed/detection/images/test --save jsonl --out {reference.source}-again",
        )


def _lines(file: Path) -> Iterator[tuple[int, PhotographResult]]:
    try:
        opened = open_file(file)
    except FileNotFoundError:
        raise PredictionError(
            f"no predictions at {file}",
            hint="doors predict SOURCE --save jsonl --out DIR writes them",
        ) from None
    except NotAFileError as error:
        raise PredictionError(
            f"{file}: {error.strerror}", hint="name a folder of predictions"
        ) from None
    with opened as content:
        for number, line in enumerate(
            iter(lambda: content.readline(MOST_LINE_BYTES), b""), start=1
        ):
            if not line.endswith(b"\n"):  # it is being written now, or was cut off by a kill
                return
            yield number, _parsed(file, number, line)


def _parsed(file: Path, number: int, line: bytes) -> PhotographResult:
    try:
        return PhotographResult.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise PredictionError(
            f"{file}: line {number}: {shortened(f'{where}: ' * bool(where) + first['msg'], 120)}",
            hint="name what doors predict --save jsonl wrote; doors predict --schema describes it",
        ) from None


def _seen(result: PhotographResult, shape: tuple[int, int]) -> Seen:
    best = result.detections[0] if result.detections else None
    return Seen(
        path=result.path,
        is_frame=result.frame is not None,
        size_px=(shape[1], shape[0]),
        boxes_xyxy=tuple(door.box_xyxy for door in result.detections),
        confidences=tuple(door.confidence for door in result.detections),
        area_share=best.area_share if best else None,
        brightness=best.quality.brightness if best and best.quality else None,
    )
