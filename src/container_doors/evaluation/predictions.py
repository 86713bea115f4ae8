"""The predictions of each photograph, as a record for reports and trackers."""

from collections.abc import Sequence
from pathlib import Path

from container_doors.core.ports import Detections
from container_doors.core.records import FoundBox, Prediction
from container_doors.evaluation.matching import BoxXyxy, Matches


def prediction(
    detections: Detections, doors: Sequence[BoxXyxy], matches: Matches, *, relative_to: Path
) -> Prediction:
    """Combine one photograph's detections and labels.

    Args:
        detections: Those at the operating point.
        doors: The labelled boxes, in the same pixels.
        matches: The result of :func:`matching.match` for both.
        relative_to: The folder that the photograph's path is made relative to.
    """
    image = detections.image.absolute().relative_to(relative_to.absolute())
    return Prediction(
        image=image.as_posix(),
        width_px=detections.width_px,
        height_px=detections.height_px,
        found=[
            FoundBox(box_xyxy=box, confidence=confidence, correct=correct)
            for box, confidence, correct in zip(
                detections.boxes_xyxy,
                detections.confidences,
                matches.detection_is_door,
                strict=True,
            )
        ],
        labelled_xyxy=list(doors),
        missed=matches.door_is_found.count(False),
    )
