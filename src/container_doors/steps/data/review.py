"""Show the labels that a model doubts, and apply what a person decided on them."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.core.measurements import BoxXyxy
from container_doors.core.parsing import listed
from container_doors.core.ports import Progress
from container_doors.core.run import LABEL_BACKUPS
from container_doors.data.boxes import Box
from container_doors.data.labelled import named_photographs, require_layout
from container_doors.data.labels import read_boxes
from container_doors.data.layout import label_of
from container_doors.data.predictions_file import PredictedPhotograph, assign, read_predictions
from container_doors.data.relabel import (
    LabelChange,
    apply_decisions,
    planned_changes,
    read_decisions,
    refuse_problems,
)
from container_doors.data.unlabelled import Whole, read_whole
from container_doors.evaluation.label_doubts import (
    CHANGE,
    DESCRIPTION,
    Doubt,
    Offset,
    ReviewedPhotograph,
    common_offset,
    label_doubts,
)
from container_doors.reporting.review_page import (
    Comparison,
    DoubtCard,
    refuse_another_review,
    write_review,
)
from container_doors.steps.data.published_boxes import OpenPublished, PublishedModel, open_published

_IN_SAMPLE = (
    "The published model may have learned these labels, and then agrees with some wrong ones: this "
    "finds less than --predictions of models that were not trained on the photographs they judge."
)


@dataclass(frozen=True, slots=True)
class ReviewReport:
    """What was found, and where it is shown."""

    doubts: list[Doubt]
    shown: int
    """How many of them, the strongest, are on the page."""
    photographs: int
    not_predicted: int
    """Photographs that no prediction is known of: nothing was compared there."""
    notes: list[str]
    problems: list[str]
    """What is wrong with photographs that were left out."""

    @property
    def kinds(self) -> Mapping[str, int]:
        """The number of doubts of each kind."""
        return Counter(one.kind for one in self.doubts)


@dataclass(frozen=True, slots=True)
class AppliedReport:
    """What was changed, or would be."""

    changes: list[LabelChange]
    rejected: int
    undecided: int
    notes: list[tuple[str, str]]
    """What a person wrote, by photograph."""
    backup: Path | None
    """The folder of the label files as they were; None if nothing was changed."""


@dataclass(frozen=True, slots=True)
class _Reviewed:
    """A photograph of the data set, with its labels as they are on disk."""

    image: str
    whole: Whole
    label_sha256: str | None
    labels: tuple[Box, ...]

    def edges(self, box: Box) -> BoxXyxy:
        """Return a label in pixels."""
        width, height = self.whole.size_wh
        left, top, right, bottom = box.edges
        return left * width, top * height, right * width, bottom * height


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What the labels are compared with."""

    by: str
    notes: list[str]
    found: Mapping[str, Sequence[tuple[BoxXyxy, float]]]
    """Boxes in pixels and their confidences, by photograph."""


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """What a person chose."""

    command: str
    """What applies the decisions, for the page."""
    predictions: Sequence[Path] = ()
    """Files of detections; if there is none, the published model detects."""
    most: int = 100
    """How many doubts are shown."""


def review_labels(
    dataset: Path,
    output: Path,
    options: ReviewOptions,
    *,
    open_detector: OpenPublished,
    progress: Progress,
) -> ReviewReport:
    """Compare labels with a model's boxes, and write the doubts as a page; change no label.

    Args:
        dataset: The data set.
        output: The page.
        options: What was chosen.
        open_detector: Opens the published model.
        progress: Receives the progress.

    Raises:
        DatasetError: If the data set, or a file of predictions, cannot be used.
        RunError: If no model is published, or ``output`` is another file.
    """
    refuse_another_review(output)
    named = _photographs(dataset)
    predicted = read_predictions(options.predictions)
    model = None if options.predictions else open_published(open_detector)
    whole, problems = read_whole(
        [path for _, path in named], lambda *at: progress.step("reading", *at)
    )
    images = {path: image for image, path in named}
    reviewed = [_reviewed(images[one.path], one) for one in whole]
    judgement = (
        _judged_by_files(options.predictions, predicted, reviewed)
        if model is None
        else _judged_by_model(model, reviewed, progress)
    )
    compared = {one.image: one for one in reviewed if one.image in judgement.found}
    photographs = [_compared(one, judgement) for one in compared.values()]
    doubts = label_doubts(photographs)
    offset = common_offset(photographs)
    if offset is not None:
        judgement.notes.append(_about(offset))
    missing = len(reviewed) - len(compared)
    if missing:
        judgement.notes.append(
            f"{missing} photograph(s) have no prediction: nothing was compared there."
        )
    write_review(
        output,
        [_card(doubt, compared[doubt.image]) for doubt in doubts[: options.most]],
        Comparison(judgement.by, judgement.notes, len(compared)),
        more=max(len(doubts) - options.most, 0),
        command=options.command,
    )
    return ReviewReport(
        doubts, min(options.most, len(doubts)), len(compared), missing, judgement.notes, problems
    )


def _about(offset: Offset) -> str:
    size, where = ("larger", "outside") if offset.outside > 0 else ("smaller", "inside")
    why = ", because turned training pictures make boxes loose" if offset.outside > 0 else ""
    return (
        f"The model's boxes are {size} than the labels in general: each side is {where} by "
        f"{abs(offset.outside):.1%} of the door's width or height, on average of {offset.doors} "
        "doors. "
        f"That is the model more often than the labels{why}: look at some before you agree to "
        "another size."
    )


def apply_review(
    decisions: Path, dataset: Path, *, is_dry_run: bool, now: datetime | None = None
) -> AppliedReport:
    """Change labels as decided, in one step; the label files as they were are kept.

    Args:
        decisions: The file that the page has saved.
        dataset: The data set.
        is_dry_run: Whether nothing is written.
        now: The time in the backup's name; None: the present one.

    Raises:
        DatasetError: If a label has changed since the review, or the decisions are not of this
            data set, or are damaged.
    """
    layout = require_layout(dataset)
    document = read_decisions(decisions)
    at = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S%f")
    backup = LABEL_BACKUPS / f"{dataset.resolve().name}-{at}"
    if is_dry_run:
        changes, problems = planned_changes(document, layout, dataset)
        refuse_problems(problems, decisions, LABEL_BACKUPS)
    else:
        changes = apply_decisions(decisions, layout, dataset, backup)
    decided = Counter(one.decision for one in document.decisions)
    return AppliedReport(
        changes,
        decided["reject"],
        decided["undecided"],
        [(one.image, one.note) for one in document.decisions if one.note.strip()],
        backup if changes and not is_dry_run else None,
    )


def _reviewed(image: str, whole: Whole) -> _Reviewed:
    label = label_of(whole.path)
    boxes = read_boxes(label)  # also checks its size
    digest = hashlib.sha256(label.read_bytes()).hexdigest() if label.is_file() else None
    return _Reviewed(image, whole, digest, tuple(boxes))


def _photographs(dataset: Path) -> list[tuple[str, Path]]:
    named = named_photographs(require_layout(dataset))
    if not named:
        raise DatasetError(
            f"{dataset}: expected labelled photographs, found none",
            hint="import some: doors data import SOURCE",
        )
    return named


def _judged_by_files(
    paths: Sequence[Path],
    predicted: Sequence[PredictedPhotograph],
    reviewed: Sequence[_Reviewed],
) -> _Judgement:
    assigned = assign(predicted, [one.image for one in reviewed])
    notes = []
    if assigned.unknown:
        notes.append(
            f"{len(assigned.unknown)} prediction(s) are of photographs that are not here: "
            f"{listed(assigned.unknown, most=3)}."
        )
    if not assigned.by_image:
        raise DatasetError(
            f"{paths[0]}: expected predictions of this data set's photographs, found none of them",
            hint="name the data set with --path, or other predictions",
        )
    for one in reviewed:
        seen = assigned.by_image.get(one.image)
        if seen is not None and (seen.width_px, seen.height_px) != one.whole.size_wh:
            raise DatasetError(
                f"{one.image}: expected predictions of a picture of {one.whole.size_wh[0]} x "
                f"{one.whole.size_wh[1]}, found {seen.width_px} x {seen.height_px}",
                hint="it is another picture now: detect again (doors evaluate)",
            )
    found = {
        image: list(zip(one.used_xyxy, one.used_confidences, strict=True))
        for image, one in assigned.by_image.items()
    }
    return _Judgement(f"the predictions in {listed(map(str, paths), most=5)}", notes, found)


def _judged_by_model(
    model: PublishedModel, reviewed: Sequence[_Reviewed], progress: Progress
) -> _Judgement:
    detected = model.detect([one.whole.path for one in reviewed], progress)
    found = {
        one.image: list(zip(seen.boxes_xyxy, seen.confidences, strict=True))
        for one, seen in zip(reviewed, detected, strict=True)
    }
    return _Judgement(f"the published model, {model.version}", [_IN_SAMPLE], found)


def _compared(one: _Reviewed, judgement: _Judgement) -> ReviewedPhotograph:
    found = [
        (inside, confidence)
        for box, confidence in judgement.found[one.image]
        if (inside := _inside(box, one.whole.size_wh)) is not None
    ]
    return ReviewedPhotograph(
        one.image,
        tuple(one.edges(box) for box in one.labels),
        tuple(box for box, _ in found),
        tuple(confidence for _, confidence in found),
    )


def _inside(box: BoxXyxy, size_wh: tuple[int, int]) -> BoxXyxy | None:
    """Return the part of a box that is in the picture; None if that is less than a pixel wide."""
    width, height = size_wh
    left, right = (min(max(edge, 0.0), float(width)) for edge in (box[0], box[2]))
    top, bottom = (min(max(edge, 0.0), float(height)) for edge in (box[1], box[3]))
    return (left, top, right, bottom) if min(right - left, bottom - top) >= 1 else None


def _card(doubt: Doubt, one: _Reviewed) -> DoubtCard:
    line = None if doubt.label is None else one.labels[doubt.label].line
    return DoubtCard(
        image=one.image,
        path=one.whole.path,
        size_wh=one.whole.size_wh,
        kind=doubt.kind,
        description=DESCRIPTION[doubt.kind],
        change=CHANGE[doubt.kind],
        score=doubt.score,
        confidence=doubt.confidence,
        line=line,
        box=doubt.box,
        proposed=doubt.proposed,
        others=[one.edges(box) for n, box in enumerate(one.labels) if n != doubt.label],
        decision={
            "image": one.image,
            "image_sha256": one.whole.sha256,
            "label_sha256": one.label_sha256,
            "kind": doubt.kind,
            "line": line,
            "proposed": doubt.proposed and _fractions(doubt.proposed, one.whole.size_wh),
        },
    )


def _fractions(box: BoxXyxy, size_wh: tuple[int, int]) -> list[float]:
    return [edge / side for edge, side in zip(box, (*size_wh, *size_wh), strict=True)]
