"""What the published model finds in photographs that belong to no run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.ports import Detections, Detector, Progress
from container_doors.core.run import PUBLISHED
from container_doors.publishing.model_file import read_model_file
from container_doors.publishing.publication import METADATA, check_weights, read_published
from container_doors.steps.detections import LOWEST_CONFIDENCE

OpenPublished = Callable[[Path, int], Detector]
"""Opens a weight file for pictures of a size in pixels."""

_AT_A_TIME = 64
"""Photographs between two messages; the model is warmed up again for each of these parts."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """The published model, opened."""

    version: str
    detector: Detector
    conf_threshold: float
    iou_threshold: float

    def detect(self, images: Sequence[Path], progress: Progress) -> list[Detections]:
        """Detect down to any confidence, one photograph at a time, as the model is used."""
        found: list[Detections] = []
        for start in range(0, len(images), _AT_A_TIME):
            found += self.detector.detect(
                images[start : start + _AT_A_TIME],
                conf_threshold=LOWEST_CONFIDENCE,
                iou_threshold=self.iou_threshold,
            )
            progress.step("detecting", len(found), len(images))
        return found


def open_published(open_detector: OpenPublished) -> PublishedModel:
    """Open the published model, with the thresholds that it was evaluated at.

    Raises:
        RunError: If there is none, or if its weights are not here or not its own.
    """
    metadata = read_published()
    if metadata is None or not (PUBLISHED / "best.pt").is_file():
        raise _absent()
    check_weights(metadata, PUBLISHED, ["best.pt"])
    model = read_model_file(PUBLISHED)
    return PublishedModel(
        metadata.version,
        open_detector(PUBLISHED / "best.pt", model.image_size_px),
        model.conf_threshold.value,
        model.iou_threshold,
    )


def _absent() -> RunError:
    if any(PUBLISHED.glob("*.dvc")):
        return RunError(
            f"{PUBLISHED}: expected the published model, found its pointers alone",
            hint="doors sync",
        )
    what = METADATA if (PUBLISHED / "best.pt").is_file() else "best.pt"
    return RunError(
        f"{PUBLISHED}: expected the published model, found no {what}",
        hint="train one (doors train), or fetch the team's: doors sync",
    )
