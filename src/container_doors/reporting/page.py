"""Write the report as one HTML page that needs no network, no script and no other file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from container_doors.core.conditions import in_words
from container_doors.core.files import replace_text
from container_doors.core.measurements import (
    NO_DOOR,
    Assessment,
    CrossValidation,
    Detected,
    Estimate,
    FalseAlarms,
    Photograph,
    Robustness,
    Slice,
    Timings,
    format_fraction,
)
from container_doors.core.records import Epoch, RunRecord, short_name
from container_doors.reporting import charts, curve_table
from container_doors.reporting.escaping import page_templates
from container_doors.reporting.figures import NOT_MEASURED, count, duration
from container_doors.reporting.fold_table import SEED_COLUMNS, fold_columns, fold_rows, seed_rows
from container_doors.reporting.gate import ABOVE, TargetResult, check_targets, in_one_line
from container_doors.reporting.offline import picture_uri, policy
from container_doors.reporting.outputs import refuse_another_file

_BEGINS = "<!doctype html><!-- doors summary -->"
_MOST_OF_A_KIND = 6
_SCORES = {
    "In use, at the confidence above": ("recall", "precision", "F1"),
    "COCO, all confidences": ("AP50", "AP50-95"),
    "Ultralytics, all confidences": ("mAP50", "mAP50-95"),
    "Ultralytics, at the best F1": ("mP", "mR", "mF1"),
}
"""Groups of scores, in the order of the page."""

_WORST_LAST = ("holds", NOT_MEASURED, "not proven", "missed")
_PICTURE_PX = 640


@dataclass(frozen=True, slots=True)
class RunMeasurements:
    """All measurements of a run."""

    assessments: Mapping[str, Assessment]
    """By split: test, and val or the folds of its cross-validation."""
    weights_sha256: str
    test: Detected
    label: str
    """The name of the run."""
    view: Path
    """The folder with the photographs."""
    robustness: Robustness | None
    """Of the test split; None if it was not measured."""
    timings: Timings | None
    """Of each format, on val; None if not measured."""
    crossval: CrossValidation | None = None
    """The cross-validation that it is the last model of; None if it is none."""


@dataclass(frozen=True, slots=True)
class _Mistake:
    """A photograph with a mistake; boxes are in its own pixels."""

    kind: str
    what: str
    name: str
    source: str
    photograph: Photograph
    used: list[tuple[tuple[float, float, float, float], float]]
    wrong: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Figure:
    """One of the large numbers at the top."""

    name: str
    of: Estimate
    chart: Markup
    target: TargetResult | None
    note: str
    """A description, shown if it has no target."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A slice of the photographs; ``recall`` is None without a door."""

    value: str
    recall: Estimate | None
    chart: Markup
    status: str
    verdict: str


@dataclass(frozen=True, slots=True)
class _Corruption:
    """The recall under one corruption."""

    name: str
    unit: str
    falls_at: float | None
    is_trained_on: bool
    chart: Markup


@dataclass(frozen=True, slots=True)
class _Plot:
    """The precision-recall curve of a split."""

    split: str
    note: str
    chart: Markup


def write_page(
    output: Path, measured: RunMeasurements, *, record: RunRecord, history: list[Epoch]
) -> None:
    """Write the page.

    Args:
        output: The HTML file; only an earlier report is replaced.
        measured: All measurements of the run.
        record: The run's record.
        history: Every finished epoch.

    Raises:
        RunError: If ``output`` is not an earlier report.
    """
    refuse_another_page(output)
    rows = check_targets(record, measured.assessments, at_the_point=False)
    test, robustness = measured.assessments["test"], measured.robustness
    is_trained_on_all = record.params.get("data", {}).get("trains_on") == "all"
    best_epoch = None if is_trained_on_all else record.best_epoch  # no epoch was chosen
    style = _style()
    text = _BEGINS + _template().render(
        policy=policy(style),
        style=style,
        record=record,
        label=measured.label,
        rows=rows,
        overall=_overall(rows),
        verdict=in_one_line(rows),
        figures=_figures(test, rows),
        assessments=measured.assessments,
        test=test,
        weights_sha256=measured.weights_sha256,
        alarms=_without_repeats(test.false_alarms),
        parts=_parts(test),
        parts_scale=charts.scale(target=test.recall_target),
        robustness=robustness,
        trained_for=in_words(record.known_params.augmentation.conditions),
        timings=measured.timings,
        crossval=measured.crossval,
        fold_columns=fold_columns(measured.crossval) if measured.crossval else [],
        fold_rows=fold_rows(measured.crossval) if measured.crossval else [],
        seed_columns=SEED_COLUMNS,
        seed_rows=seed_rows(measured.crossval) if measured.crossval else [],
        is_trained_on_all=is_trained_on_all,
        corruptions=_corruptions(robustness) if robustness else None,
        names=_SCORES,
        panels=charts.training(history, best_epoch),
        epochs=curve_table.table(history, best_epoch),
        epoch_columns=curve_table.COLUMNS,
        epoch_legend=curve_table.LEGEND,
        in_use=_in_use(test),
        plots=[
            _precision_recall(record, split, one)
            for split, one in measured.assessments.items()
            if one.precision_recall or one.in_use
        ],
        gallery=_gallery(measured.view, test, measured.test),
    )
    replace_text(output, text)


def refuse_another_page(output: Path) -> None:
    """Check, before anything is measured, that a page can be written there.

    Raises:
        RunError: If ``output`` is another file.
    """
    refuse_another_file(output, begins=_BEGINS, what="report")


@cache
def _style() -> str:
    return files("container_doors.reporting").joinpath("page.css").read_text("utf-8")


def _without_repeats(alarms: Sequence[FalseAlarms]) -> list[FalseAlarms]:
    """Leave out each threshold with the same values as the one before it."""
    changes: list[FalseAlarms] = []
    for one in alarms:
        if not changes or one.per_photograph != changes[-1].per_photograph:
            changes.append(one)
    return changes


def _bounded(estimate: Estimate) -> str:
    """Write an estimate without its n."""
    return f"{estimate.value:.3f} ({estimate.bounds()})"


def _things(estimate: Estimate) -> str:
    """Write the sample size with its noun, in the singular for 1."""
    return f"{estimate.n} {estimate.of.removesuffix('s') if estimate.n == 1 else estimate.of}"


def _gallery(view: Path, test: Assessment, detected: Detected) -> list[_Mistake]:
    photographs = {one.image: one for one in detected.photographs}
    counts: dict[str, int] = {}
    shown = []
    for mistake in test.mistakes:
        counts[mistake.kind] = counts.get(mistake.kind, 0) + 1
        if counts[mistake.kind] > _MOST_OF_A_KIND:
            continue
        photograph = photographs[mistake.image]
        pairs = zip(photograph.used_xyxy, photograph.used_confidences, strict=True)
        shown.append(
            _Mistake(
                mistake.kind,
                mistake.what,
                short_name(mistake.image),
                picture_uri(view / mistake.image, longest_px=_PICTURE_PX),
                photograph,
                [(box, conf) for box, conf in pairs if conf >= test.conf_threshold],
                mistake.box_xyxy,
            )
        )
    return shown


def _overall(rows: Sequence[TargetResult]) -> str:
    """Return the worst status of all targets."""
    return max((row.status for row in rows), key=_WORST_LAST.index, default=NOT_MEASURED)


def _figures(test: Assessment, rows: Sequence[TargetResult]) -> list[_Figure]:
    """Return the three main scores; an undefined one is absent."""
    targets = {row.what: row for row in rows}
    chosen = (
        ("mAP50", "Test mAP50", "Ultralytics' average precision"),
        ("recall", "Test recall", "In use: fraction of doors found"),
        ("precision", "Test precision", "In use: fraction of detections that are doors"),
    )
    return [
        _Figure(
            name,
            test.scores[score],
            charts.interval(test.scores[score], target=ABOVE.get(("test", score))),
            targets.get(f"test {score}"),
            note,
        )
        for score, name, note in chosen
        if score in test.scores
    ]


def _parts(test: Assessment) -> dict[str, list[_Part]]:
    """Group the slices by their attribute, in the order of the evaluation."""
    parts: dict[str, list[_Part]] = {}
    for one in test.slices:
        recall = one.scores.get("recall")
        parts.setdefault(one.attribute, []).append(
            _Part(
                one.value,
                recall,
                charts.interval(recall, target=test.recall_target) if recall else Markup(""),
                _status_of(one),
                one.verdict,
            )
        )
    return parts


def _status_of(part: Slice) -> str:
    if part.verdict == NO_DOOR:
        return NOT_MEASURED
    if part.is_proven:
        return "holds"
    return "missed" if part.verdict.startswith("below") else "not proven"


def _corruptions(robustness: Robustness) -> list[_Corruption]:
    return [
        _Corruption(
            one.name,
            one.unit,
            one.falls_at,
            one.is_trained_on,
            charts.corruption(one, target=robustness.recall_target, title="Recall"),
        )
        for one in robustness.ladders
    ]


def _precision_recall(record: RunRecord, split: str, one: Assessment) -> _Plot:
    """Draw the curve in use; for an evaluation by an earlier release, COCO's curve."""
    recall, precision = one.scores.get("recall"), one.scores.get("precision")
    at = f"{one.conf_threshold:.3g}"
    if one.in_use is None:
        command = f"doors evaluate --experiment {record.experiment} --split {split}"
        return _Plot(
            split,
            "By COCO's matches, measured by an earlier release. The operating point is not on this "
            f"curve; {command} draws the curve in use.",
            charts.precision_recall(
                one.precision_recall,
                in_use=None,
                title=f"Precision over recall on {split}, IoU 0.5, by COCO's matches",
            ),
        )
    return _Plot(
        split,
        "In use, one photograph at a time, at every confidence; the dot is the operating point, at "
        f"{at}."
        if recall and precision
        else "In use, at every confidence.",
        charts.precision_recall(
            one.in_use,
            in_use=(recall.value, precision.value) if recall and precision else None,
            title=f"Precision over recall on {split} in use, IoU 0.5, at every confidence",
            at=f"at {at} ",
        ),
    )


def _in_use(test: Assessment) -> str:
    """Return a sentence with the found doors and false alarms at the threshold."""
    recall, precision = test.scores.get("recall"), test.scores.get("precision")
    if recall is None:
        return "No test photograph has a door, so the recall is unknown"
    found = f"{round(recall.value * recall.n)} of {count(recall.n, 'door')}"
    low = math.floor(1000 * recall.low) / 1000
    proven = f": a recall of {low:.3f} or more is proven" if low else ""
    alarms = round((1 - precision.value) * precision.n) if precision else 0
    return (
        f"In use, it finds {found} in {count(test.photographs, 'test photograph')}, "
        f"with {count(alarms, 'false alarm')}{proven}"
    )


@cache
def _template() -> Template:
    environment = page_templates()
    environment.filters |= {
        "bounded": _bounded,
        "count": count,
        "duration": duration,
        "fraction": format_fraction,
        "things": _things,
    }
    return environment.get_template("page.html.j2")
