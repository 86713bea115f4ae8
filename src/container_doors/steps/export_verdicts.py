"""Judges an export by what it finds in val, and provides the photographs that one is made with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container_doors.core.errors import DatasetError
from container_doors.core.measurements import Parity, Photograph
from container_doors.core.ports import Detections
from container_doors.core.predictions import ModelFile
from container_doors.data.attributes import read_attributes
from container_doors.data.layout import Layout
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.matched import match_photographs, scene_numbers
from container_doors.evaluation.parity import CONFIDENCE_TOLERANCE, parity
from container_doors.evaluation.quantized import MOST_LOST, judge_quantized
from container_doors.prediction.exported_network import Compute
from container_doors.prediction.exporting import Examples
from container_doors.prediction.letterbox import boxes_in_picture, letterbox
from container_doors.prediction.suppression import suppress
from container_doors.steps.detections import LOWEST_CONFIDENCE, doors_in
from container_doors.steps.find_and_time import above, detections_of, read_picture

_MOST_CALIBRATED = 300
"""Photographs that the ranges of numbers are measured on, as NNCF's own default."""

_MOST_IN_MEMORY = 100
"""Inputs of 4 MB at 640 px: each layer is tried on the same ones, and decoding takes longer."""


class Val:
    """The photographs that exports are compared on, and how they are used."""

    def __init__(self, layout: Layout, model: ModelFile, *, most: int | None = None) -> None:
        """Choose the photographs.

        Args:
            layout: The data set.
            model: Whose thresholds and picture size are used.
            most: The most photographs, spread evenly over val; None: all.

        Raises:
            DatasetError: If there is none.
        """
        self.layout, self.model = layout, model
        images = layout.splits["val"].images
        if not images:
            raise DatasetError(
                f"{layout.data_yaml.parent} has no photograph in val: there is nothing to compare",
                hint="doors data import SOURCE adds photographs, and doors data split places them",
            )
        self.photographs = _spread(images, most or len(images))

    def scenes(self) -> list[int]:
        """Number the scene of each photograph."""
        folder = self.layout.splits["val"].images_dir
        attributes, _ = read_attributes(self.layout)
        names = [f"images/val/{one.relative_to(folder).as_posix()}" for one in self.photographs]
        return scene_numbers(names, attributes.scenes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an export compares with PyTorch."""

    parity: Parity
    accepted: bool
    why: str


def judge(
    pytorch: Sequence[Detections],
    export: Sequence[Detections],
    val: Val,
    *,
    is_int8: bool,
    is_used_here: bool,
) -> Verdict:
    """Compare what both find, at any confidence, in the photographs of val."""
    threshold = val.model.conf_threshold.value
    down_to = max(LOWEST_CONFIDENCE, threshold - CONFIDENCE_TOLERANCE)
    pairs = zip(pytorch, export, strict=True)
    same = parity(
        [(above(one, down_to), above(other, down_to)) for one, other in pairs],
        conf_threshold=threshold,
    )
    if is_int8:
        scenes = val.scenes()
        accepted, why = judge_quantized(
            *(
                match_photographs(
                    [_photograph(one) for one in found], scenes, conf_threshold=threshold
                )
                for found in (pytorch, export)
            ),
            conf_threshold=threshold,
        )
        return Verdict(same, accepted, why)
    why = _of_parity(same, threshold)
    if not is_used_here:
        return Verdict(same, False, f"for other programs, doors predict does not open it; {why}")
    return Verdict(same, same.holds and same.boxes > 0, why)


def _of_parity(same: Parity, threshold: float) -> str:
    if same.holds and not same.boxes:
        return f"no box has a confidence of {threshold:g}, so nothing was compared"
    return "the same boxes as PyTorch" if same.holds else "other boxes than PyTorch"


def calibrating(val: Val) -> Examples:
    """Provide the photographs that a network is quantised with.

    Raises:
        DatasetError: If there is none in train, or no door in val.
    """
    model, folder = val.model, val.layout.data_yaml.parent
    train = val.layout.splits.get("train")
    if train is None or not train.images:
        raise DatasetError(
            f"{folder} has no photograph in train to calibrate on", hint="add some to train"
        )
    doors = {
        path: doors_in(detections_of(path, read_picture(path), None)) for path in val.photographs
    }
    if not any(doors.values()):
        raise DatasetError(
            f"{folder} has no door in val to judge it on",
            hint="label some, or name a data set that has one: --path",
        )

    @lru_cache(_MOST_IN_MEMORY)
    def prepared(path: Path) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Return the input, and the height and width of the picture."""
        picture = read_picture(path)
        return letterbox(picture, model.image_size_px), (picture.shape[0], picture.shape[1])

    def score(compute: Compute, photographs: Sequence[Path]) -> float:
        boxes, confidences = [], []
        for path in photographs:
            given, size_hw = prepared(path)
            kept = suppress(
                compute(given)[0],
                conf_threshold=LOWEST_CONFIDENCE,
                iou_threshold=model.iou_threshold,
                max_detections=model.max_detections,
            )
            placed = boxes_in_picture(kept.boxes_xyxy, (given.shape[2], given.shape[3]), size_hw)
            boxes.append([tuple(box) for box in placed.tolist()])
            confidences.append(kept.confidences.tolist())
        scores = coco_ap([doors[path] for path in photographs], boxes, confidences)
        # Without a door it is undefined: such photographs say nothing of any layer.
        return scores.get("AP", 0.0)

    def prepare(path: Path) -> NDArray[np.float32]:
        return letterbox(read_picture(path), model.image_size_px)

    return Examples(
        _spread(train.images, _MOST_CALIBRATED), val.photographs, prepare, score, MOST_LOST
    )


def _spread(images: Sequence[Path], most: int) -> list[Path]:
    """Choose at most so many, evenly.

    >>> [one.name for one in _spread([Path(name) for name in "abcde"], 2)]
    ['a', 'c']
    """
    many = min(most, len(images))
    return [images[number * len(images) // many] for number in range(many)]


def _photograph(found: Detections) -> Photograph:
    boxes, confidences = list(found.boxes_xyxy), list(found.confidences)
    return Photograph(
        image=found.image.as_posix(),
        width_px=found.width_px,
        height_px=found.height_px,
        doors_xyxy=doors_in(found),
        scored_xyxy=boxes,
        scored_confidences=confidences,
        used_xyxy=boxes,
        used_confidences=confidences,
    )
