"""Draw boxes in advance: what the published model finds, as a project of a labelling tool."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from container_doors.core.ports import Detections, Progress
from container_doors.core.printable import printable
from container_doors.data.data_yaml import CLASS_NAME
from container_doors.data.formats.record import ExportedPhotograph, Prediction
from container_doors.data.layout import UNLABELLED
from container_doors.data.prelabelled import ORDER_COLUMNS, ORDER_CSV
from container_doors.data.safe_names import Names
from container_doors.data.unlabelled import whole_photographs
from container_doors.evaluation.uncertainty import uncertainty
from container_doors.steps.data.export import require_free, write_project
from container_doors.steps.data.published_boxes import OpenPublished, PublishedModel, open_published

First = Literal["surest", "doubtful"]


@dataclass(frozen=True, slots=True)
class PrelabelReport:
    """What was drawn."""

    version: str
    """The published model's."""
    photographs: int
    boxes: int
    without_a_box: int
    problems: list[str]
    """What is wrong with photographs that were left out."""


def prelabel(
    unlabelled: Path,
    out: Path,
    format_name: str,
    *,
    first: First,
    open_detector: OpenPublished,
    progress: Progress,
) -> PrelabelReport:
    """Write the published model's boxes, and the photographs, to a new folder or zip.

    Args:
        unlabelled: The folder of the photographs; it is only read.
        out: A folder that is absent or empty, or a file with the suffix ``.zip``.
        format_name: One of the formats that can be written.
        first: Which photographs are first.
        open_detector: Opens the model.
        progress: Receives the progress.

    Raises:
        RunError: If there is no published model.
        DatasetError: If there is no photograph, or something is in the way.
    """
    require_free(out)
    model = open_published(open_detector)
    whole, problems = whole_photographs(unlabelled, lambda *at: progress.step("reading", *at))
    detected = model.detect([one.path for one in whole], progress)
    found = _in_order([_photograph(one, model) for one in detected], detected, first)
    exported = _named(found)
    write_project(
        [(path, one) for (path, _), one in zip(found, exported, strict=True)],
        exported,
        out,
        format_name,
        beside={ORDER_CSV: _order(exported)},
        progress=progress,
    )
    counts = [len(one.boxes) for one in exported]
    return PrelabelReport(model.version, len(counts), sum(counts), counts.count(0), problems)


def _photograph(found: Detections, model: PublishedModel) -> ExportedPhotograph:
    pairs = list(zip(found.boxes_xyxy, found.confidences, strict=True))
    kept = [(box, conf) for box, conf in pairs if conf >= model.conf_threshold]
    return ExportedPhotograph(
        name=found.image.name,
        split=UNLABELLED,
        size_wh=(found.width_px, found.height_px),
        boxes=tuple(box for box, _ in kept),
        class_name=CLASS_NAME,
        prediction=Prediction(
            model.version,
            tuple(conf for _, conf in kept),
            1 - uncertainty(found.confidences, model.conf_threshold),
        ),
    )


def _in_order(
    photographs: Sequence[ExportedPhotograph], detected: Sequence[Detections], first: First
) -> list[tuple[Path, ExportedPhotograph]]:
    """Sort; equally certain photographs stay in the order of their paths."""
    sign = -1 if first == "surest" else 1
    pairs = [(found.image, one) for found, one in zip(detected, photographs, strict=True)]
    return sorted(pairs, key=lambda pair: sign * _certainty(pair[1]))


def _certainty(one: ExportedPhotograph) -> float:
    return one.prediction.certainty if one.prediction else 1.0


def _named(found: Sequence[tuple[Path, ExportedPhotograph]]) -> list[ExportedPhotograph]:
    names = Names([])
    return [
        replace(
            one, name=names.new(path.name, path.suffix.removeprefix(".").lower(), path.parent.name)
        )
        for path, one in found
    ]


def _order(photographs: Sequence[ExportedPhotograph]) -> str:
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(ORDER_COLUMNS)
    for rank, one in enumerate(photographs, start=1):
        scores = one.prediction.scores if one.prediction else ()
        highest = f"{max(scores):.4f}" if scores else ""
        row = [rank, printable(one.name), f"{_certainty(one):.4f}", len(one.boxes), highest]
        writer.writerow(row)
    return output.getvalue()
