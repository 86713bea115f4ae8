"""What was found in each photograph, kept for whoever shows it."""

from collections.abc import Sequence
from pathlib import Path

from container_doors.core.ports import Detections
from container_doors.core.records import FoundBox, Prediction
from container_doors.evaluation.matching import BoxXyxy, Matches


def prediction(
    detections: Detections, doors: Sequence[BoxXyxy], matches: Matches, *, relative_to: Path
) -> Prediction:
    """Put one photograph's detections and labels together.

    Args:
        detections: What was found at the operating point.
        doors: The labelled boxes, in the same pixels.
        matches: What :func:`matching.match` says of the two.
        relative_to: The folder that the photograph's path is told relative to.
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
