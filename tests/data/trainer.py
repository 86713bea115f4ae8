"""What the installed Ultralytics makes of a file: the referee of these tests."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from container_doors.adapters.yolo.environment import import_ultralytics

import_ultralytics()
from ultralytics.data.utils import verify_image_label  # noqa: E402 - its settings come first


@dataclass(frozen=True)
class Verdict:
    is_dropped: bool
    boxes: list[tuple[float, ...]]
    """Class, x_center, y_center, width, height; sorted."""
    size_wh: tuple[int, int] | None
    message: str


def verdict(image: Path, label: Path, classes: int = 1) -> Verdict:
    """Scan a photograph as training does. May rewrite the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            read = verify_image_label((str(image), str(label), "", False, classes, 0, 0, False))
    name, boxes, shape, *_, message = read
    if name is None:
        return Verdict(True, [], None, message)
    return Verdict(False, sorted(map(tuple, boxes.tolist())), (shape[1], shape[0]), message)
