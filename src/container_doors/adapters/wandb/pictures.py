"""Plots and photographs for W&B, which can show and hide the boxes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from container_doors.core.ports import Results
from container_doors.core.records import Prediction, short_name

MOST_PICTURES = 50
"""Each is two files to upload; those with errors come first."""

_SIDE_PX = 640
"""Side of the square that every photograph is fitted into: W&B needs one size for all."""

_CLASSES = {0: "container_door"}


def plots(results: Results) -> dict[str, Any]:
    """Return each plot as a W&B image."""
    import wandb

    return {f"plots/{name}": wandb.Image(str(path)) for name, path in results.plots.items()}


def photographs(results: Results, folder: Path) -> list[Any]:
    """Return test photographs as W&B images with detected and labelled boxes.

    Args:
        results: The detections, and the folder of the photographs.
        folder: Receives the resized copies; the client reads them until it has finished.
    """
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, prediction in enumerate(results.predictions.worst_first()[:MOST_PICTURES]):
        fitted = folder / f"{number}.jpg"
        _fit(results.images / prediction.image).save(fitted, quality=85)
        boxes = _boxes(prediction)
        caption = (
            f"{short_name(prediction.image)}: {prediction.correct} found, "
            f"{prediction.missed} missed, {prediction.false_alarms} false positives"
        )
        images.append(
            wandb.Image(str(fitted), caption=caption, file_type="jpg", boxes=boxes or None)
        )
    return images


def _fit(path: Path) -> Image.Image:
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file).convert("RGB")
    return ImageOps.pad(upright, (_SIDE_PX, _SIDE_PX), color="#808080")


def _boxes(prediction: Prediction) -> dict[str, Any]:
    """Return the boxes as fractions of the square; a group without boxes is left out."""
    found = [
        {
            "position": _position(box.box_xyxy, prediction),
            "class_id": 0,
            "box_caption": f"{box.confidence:.2f}" if box.correct else f"{box.confidence:.2f}?",
            "scores": {"confidence": box.confidence},
        }
        for box in prediction.found
    ]
    labelled = [
        {"position": _position(box, prediction), "class_id": 0, "box_caption": "labelled"}
        for box in prediction.labelled_xyxy
    ]
    groups = {"found": found, "labelled": labelled}
    return {
        name: {"box_data": boxes, "class_labels": _CLASSES}
        for name, boxes in groups.items()
        if boxes
    }


def _position(
    box_xyxy: tuple[float, float, float, float], prediction: Prediction
) -> Mapping[str, float]:
    """Convert a box from photograph pixels into fractions of the square around it."""
    longest = max(prediction.width_px, prediction.height_px)
    left_px = (longest - prediction.width_px) / 2
    top_px = (longest - prediction.height_px) / 2
    left, top, right, bottom = box_xyxy
    return {
        "minX": (left + left_px) / longest,
        "minY": (top + top_px) / longest,
        "maxX": (right + left_px) / longest,
        "maxY": (bottom + top_px) / longest,
    }
