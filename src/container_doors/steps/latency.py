"""Times a model in each export format, and compares the detections."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.errors import MissingToolError
from container_doors.core.measurements import FormatTiming, Timings
from container_doors.core.ports import Detections, ExportDetector, Progress
from container_doors.core.records import Hardware
from container_doors.core.run import Run
from container_doors.data.view import ensure_view
from container_doors.evaluation.latency import latency, median
from container_doors.evaluation.parity import CONFIDENCE_TOLERANCE, parity
from container_doors.steps.detections import (
    LOWEST_CONFIDENCE,
    OpenDetector,
    images_of,
    keep,
    trained,
)


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """The device, formats and photographs of a timing."""

    on: Hardware
    formats: tuple[str, ...] = ()
    """Besides PyTorch."""
    image_size_px: int = 640
    photographs: int = 50


def time_formats(
    run: Run,
    split: str,
    *,
    settings: LatencySettings,
    export: ExportDetector,
    open_detector: OpenDetector,
    progress: Progress,
) -> Timings:
    """Time the model on the processor in each format, and compare its detections with PyTorch's.

    Raises:
        RunError: If there is no such run, or no photograph in the split.
    """
    record, layout = trained(run)
    params = record.known_params
    params = params.model_copy(
        update={
            "training": params.training.model_copy(
                update={"device": "cpu", "image_size_px": settings.image_size_px}
            )
        }
    )
    view = ensure_view(layout, run.data_view)
    images = [view / one for one in images_of(view, split)[: settings.photographs]]
    threshold = params.validation.conf_threshold
    detections: dict[str, Sequence[Detections]] = {}
    timings = []
    with TemporaryDirectory() as scratch:
        weights = Path(shutil.copy(run.best_weights, scratch))  # exports are written beside it
        for name in ("pytorch", *settings.formats):
            progress.say(f"{name}: {len(images)} photographs at {settings.image_size_px} px")
            try:
                detector = (
                    open_detector(run.best_weights, params)
                    if name == "pytorch"
                    else export(
                        weights,
                        name,
                        image_size_px=settings.image_size_px,
                        hardware=settings.on,
                    )
                )
            except MissingToolError as error:
                why = f"{error.problem} ({error.hint})"
                timings.append(FormatTiming(format=name, not_measured=why))
                continue
            detections[name] = detector.detect(
                images,
                conf_threshold=max(LOWEST_CONFIDENCE, threshold - CONFIDENCE_TOLERANCE),
                iou_threshold=params.validation.iou_threshold,
            )
            timings.append(_timing(name, detections, detector.timing_method, threshold))
    found = Timings(split=split, image_size_px=settings.image_size_px, formats=timings)
    keep(run, record, found, progress=progress)
    return found


def _timing(
    name: str, detections: Mapping[str, Sequence[Detections]], method: str, threshold: float
) -> FormatTiming:
    durations = [one.duration_ms for one in detections[name] if one.duration_ms is not None]
    pairs = zip(detections["pytorch"], detections[name], strict=True)
    return FormatTiming(
        format=name,
        latency=latency(durations, method=method),
        median_ms=median(durations),
        parity=None if name == "pytorch" else parity(pairs, conf_threshold=threshold),
    )
