"""Results and pictures to write, without a network."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.core.config import QualityLimits
from container_doors.core.ports import FoundBoxes
from container_doors.core.predictions import Frame, Orientation, PhotographResult, UsedModel
from container_doors.prediction.doors import doors_in
from container_doors.prediction.output import KINDS, Output
from container_doors.prediction.pictures import Picture

USED = UsedModel(
    version="v1.2.0",
    weights_sha256="ab" * 32,
    backend="pytorch",
    image_size_px=640,
    conf_threshold=0.25,
    iou_threshold=0.45,
    max_detections=300,
)

Box = tuple[float, float, float, float]


def noise(width: int = 80, height: int = 60, seed: int = 0) -> Picture:
    """A picture in which no two pixels are likely to be the same."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return picture_of(pixels)


def picture_of(pixels: NDArray[np.uint8]) -> Picture:
    return Picture(pixels, Orientation(exif=None, is_applied=True))


def found(boxes: Sequence[Box], confidences: Sequence[float] | None = None) -> FoundBoxes:
    """What a network finds; by default each is a little less confident than the one before."""
    sure = [0.9 - number / 100 for number in range(len(boxes))]
    return FoundBoxes(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        confidences=np.array(sure if confidences is None else confidences, np.float32),
        class_ids=np.zeros(len(boxes), np.int64),
        prepare_ms=1.0,
        network_ms=2.0,
        suppress_ms=0.5,
    )


def result_of(
    path: str, picture: Picture, boxes: Sequence[Box] = (), frame: int | None = None
) -> PhotographResult:
    return PhotographResult(
        path=path,
        status="SUCCESS",
        original_shape=(picture.bgr.shape[0], picture.bgr.shape[1]),
        orientation=picture.orientation,
        frame=None if frame is None else Frame(index=frame, time_s=frame / 25),
        detections=doors_in(found(boxes), picture, limits=QualityLimits()),
        model=USED,
    )


def failed(path: str, problem: str = "it is no picture of a known format") -> PhotographResult:
    return PhotographResult(path=path, status="FAILED", problem=problem, model=USED)


def load(path: Path) -> NDArray[np.uint8]:
    """Read a picture as OpenCV does."""
    pixels = cv2.imread(str(path))
    assert pixels is not None
    assert pixels.dtype == np.uint8
    return pixels  # type: ignore[return-value]


DOORS: list[Box] = [(10.25, 5, 50, 55.5), (60, 10, 80, 30)]


def opened(folder: Path, *save: str) -> Output:
    return Output(folder, save=save or KINDS, classes=["container_door"])  # type: ignore[arg-type]


def write_rest(
    folder: Path, results: Iterator[tuple[PhotographResult, Picture | None]]
) -> Iterator[PhotographResult]:
    """Write what is not there yet, one at a time."""
    with opened(folder) as output:
        done = {(one.path, one.frame) for one in output.earlier()}
        for result, picture in results:
            if (result.path, result.frame) not in done:
                yield output.write(result, picture)


def thirty_results() -> Iterator[tuple[PhotographResult, Picture]]:
    for number in range(30):
        picture = noise(60 + number, 50, seed=number)
        yield result_of(f"{number % 7}/img_{number % 11}.jpg", picture, DOORS), picture
