"""The predictions of each photograph, as a record for reports and trackers."""

from collections.abc import Sequence

from container_doors.core.ports import Detections
from container_doors.core.records import FoundBox, Prediction
from container_doors.evaluation.matching import BoxXyxy, Matches


def prediction(detections: Detections, doors: Sequence[BoxXyxy], matches: Matches) -> Prediction:
    """Combine one photograph's detections and labels.

    Args:
        detections: Those at the operating point, of an image that is named relative to the run's
            view of the data.
        doors: The labelled boxes, in the same pixels.
        matches: The result of :func:`matching.match` for both.
    """
    return Prediction(
        image=detections.image.as_posix(),
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
