"""What is found in one photograph: the same result for the command, Python and the service."""

from container_doors.core.config import QualityLimits
from container_doors.core.ports import FoundBoxes, Network
from container_doors.core.predictions import Durations, PhotographResult, UsedModel
from container_doors.prediction.doors import doors_in
from container_doors.prediction.loaded import Loaded
from container_doors.prediction.pictures import Picture


def find_boxes(network: Network, picture: Picture, used: UsedModel) -> FoundBoxes:
    """Let a network look at a picture, with the settings of the model; one call at a time."""
    return network.find(
        picture.bgr,
        conf_threshold=used.conf_threshold,
        iou_threshold=used.iou_threshold,
        max_detections=used.max_detections,
    )


def result_of(
    loaded: Loaded, found: FoundBoxes | None, *, used: UsedModel, limits: QualityLimits
) -> PhotographResult:
    """Describe what was found in a photograph or a frame, or why it could not be read.

    Args:
        loaded: The photograph.
        found: Its boxes; None if it could not be read.
        used: The model that found them.
        limits: What the next step would refuse.
    """
    picture = loaded.picture
    if picture is None or found is None:
        return PhotographResult(
            path=loaded.name,
            status="FAILED",
            problem=loaded.problem,
            size_bytes=loaded.size_bytes,
            model=used,
        )
    height, width = picture.bgr.shape[:2]
    return PhotographResult(
        path=loaded.name,
        status="SUCCESS",
        sha256=loaded.sha256,
        size_bytes=loaded.size_bytes,
        original_shape=(height, width),
        orientation=picture.orientation,
        frame=loaded.frame,
        detections=doors_in(found, picture, limits=limits),
        model=used,
        durations_ms=Durations(
            read=loaded.read_ms,
            prepare=found.prepare_ms,
            network=found.network_ms,
            suppress=found.suppress_ms,
        ),
    )
