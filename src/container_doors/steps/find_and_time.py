"""Find doors in the same photographs with several networks, and time them in turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container_doors.core.errors import DatasetError
from container_doors.core.files import NotAFileError, read_file
from container_doors.core.ports import Detections, FoundBoxes, Network, Progress
from container_doors.core.predictions import ModelFile
from container_doors.core.printable import printable
from container_doors.prediction.pictures import UnreadablePictureError, decode
from container_doors.steps.detections import LOWEST_CONFIDENCE, MOST_TIMED


@dataclass(frozen=True, slots=True)
class FoundAndTimed:
    """What one network found, and how long it took."""

    found: list[Detections] = field(default_factory=list)
    """Down to a confidence of 0.001."""
    durations_ms: list[float] = field(default_factory=list)
    """Of a photograph that it has seen before, at the threshold in use."""


def find_and_time(
    networks: Mapping[str, Network],
    photographs: Sequence[Path],
    *,
    model: ModelFile,
    clock: Callable[[], float],
    progress: Progress,
) -> dict[str, FoundAndTimed]:
    """Find doors with each network in each photograph.

    A photograph is decoded once, and timed in all networks one after the other, in a rotating
    order: what else the machine does slows all of them. Before that each has seen it, so that no
    compilation for its shape is timed.

    Args:
        networks: By name.
        photographs: Of the data set.
        model: Whose thresholds are used.
        clock: In seconds.
        progress: Receives how far it is.

    Raises:
        DatasetError: If a photograph cannot be read.
    """
    seen = {name: FoundAndTimed() for name in networks}
    names = list(networks)
    for number, path in enumerate(photographs):
        picture = read_picture(path)
        for name in names:
            found = _find(networks[name], picture, model, LOWEST_CONFIDENCE)
            seen[name].found.append(detections_of(path, picture, found))
        first = number % len(names)
        for name in (*names[first:], *names[:first]) if number < MOST_TIMED else ():
            started = clock()
            _find(networks[name], picture, model, model.conf_threshold.value)
            seen[name].durations_ms.append((clock() - started) * 1e3)
        progress.step("comparing formats", number + 1, len(photographs))
    return seen


def _find(
    network: Network, picture: NDArray[np.uint8], model: ModelFile, conf_threshold: float
) -> FoundBoxes:
    return network.find(
        picture,
        conf_threshold=conf_threshold,
        iou_threshold=model.iou_threshold,
        max_detections=model.max_detections,
    )


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a photograph of a data set as pixels.

    Raises:
        DatasetError: If it cannot be read.
    """
    try:
        return decode(read_file(path), name=path.name).bgr
    except (UnreadablePictureError, NotAFileError, FileNotFoundError) as error:
        raise DatasetError(
            f"{path} cannot be read: {printable(error)}",
            hint="doors data validate --path DIR says what is wrong with the data set",
        ) from None


def above(detections: Detections, confidence: float) -> Detections:
    """Leave out detections of less confidence."""
    pairs = zip(detections.boxes_xyxy, detections.confidences, strict=True)
    kept = [(box, one) for box, one in pairs if one >= confidence]
    return Detections(
        detections.image,
        detections.width_px,
        detections.height_px,
        [box for box, _ in kept],
        [one for _, one in kept],
    )


def detections_of(path: Path, picture: NDArray[np.uint8], found: FoundBoxes | None) -> Detections:
    """Return what was found in a photograph; None: nothing."""
    height, width = picture.shape[:2]
    if found is None:
        return Detections(path, width, height, [], [])
    boxes = [tuple(box) for box in found.boxes_xyxy.tolist()]
    return Detections(path, width, height, boxes, found.confidences.tolist())
