"""The report as one page that needs nothing else: no network, no script, no file beside it."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image, ImageOps

from container_doors.core.files import replace_text
from container_doors.core.measurements import (
    NO_DOOR,
    Assessment,
    Detected,
    Estimate,
    FalseAlarms,
    Photograph,
    Robustness,
    Slice,
    Timings,
    said,
)
from container_doors.core.records import Epoch, RunRecord, short_name
from container_doors.core.run import Run
from container_doors.reporting import charts, curve_table
from container_doors.reporting.figures import NOT_MEASURED, count, duration
from container_doors.reporting.gate import ABOVE, TargetResult, held, in_one_line
from container_doors.reporting.outputs import refuse_another_file

_BEGINS = "<!doctype html><!-- doors summary -->"
_MOST_OF_A_KIND = 6
_SCORES = {
    "In use, at the confidence above": ("recall", "precision", "F1"),
    "COCO, all confidences": ("AP50", "AP50-95"),
    "Ultralytics, all confidences": ("mAP50", "mAP50-95"),
    "Ultralytics, at the best F1": ("mP", "mR", "mF1"),
}
"""In the order of the page."""

_WORST_LAST = ("holds", NOT_MEASURED, "not proven", "missed")
_PICTURE_PX = 640


@dataclass(frozen=True, slots=True)
class Known:
    """What was measured of a run."""

    assessments: Mapping[str, Assessment]
    """By split: val and test."""
    weights_sha256: str
    test: Detected
    robustness: Robustness | None
    """Of the test split; None if it was not measured."""
    timings: Timings | None
    """Of each format, on val; None if they were not measured."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A photograph of the gallery; boxes are in its own pixels."""

    kind: str
    what: str
    name: str
    source: str
    photograph: Photograph
    used: list[tuple[tuple[float, float, float, float], float]]
    wrong: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Figure:
    """One of the large figures."""

    name: str
    of: Estimate
    chart: Markup
    target: TargetResult | None
    note: str
    """What it is, where it has no target."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the photographs; ``recall`` is None without a door."""

    value: str
    recall: Estimate | None
    chart: Markup
    said: str
    verdict: str


@dataclass(frozen=True, slots=True)
class _Ladder:
    """One hard condition."""

    name: str
    unit: str
    falls_at: float | None
    chart: Markup


@dataclass(frozen=True, slots=True)
class _Plot:
    """Precision over recall of a split."""

    split: str
    note: str
    chart: Markup


def write_page(
    run: Run, output: Path, known: Known, *, record: RunRecord, history: list[Epoch]
) -> None:
    """Write the page.

    Args:
        run: Where the photographs and plots are.
        output: The HTML file; one that is no report of ours is not replaced.
        known: What was measured of it.
        record: What was asked, with what, and how it ended.
        history: Every finished epoch.

    Raises:
        RunError: If ``output`` is something else.
    """
    refuse_another_page(output)
    rows = held(record, known.assessments, at_the_point=False)
    test, robustness = known.assessments["test"], known.robustness
    style = _style()
    text = _BEGINS + _template().render(
        policy=_policy(style),
        style=style,
        record=record,
        rows=rows,
        overall=_overall(rows),
        verdict=in_one_line(rows),
        figures=_figures(test, rows),
        assessments=known.assessments,
        test=test,
        weights_sha256=known.weights_sha256,
        alarms=_where_they_change(test.false_alarms),
        parts=_parts(test),
        parts_scale=charts.scale(target=test.recall_target),
        robustness=robustness,
        timings=known.timings,
        ladders=_ladders(robustness) if robustness else None,
        names=_SCORES,
        panels=charts.training(history, record.best_epoch),
        epochs=curve_table.table(history, record.best_epoch),
        epoch_columns=curve_table.COLUMNS,
        epoch_legend=curve_table.LEGEND,
        in_use=_in_use(test),
        plots=[
            _precision_recall(record, split, one)
            for split, one in known.assessments.items()
            if one.precision_recall or one.in_use
        ],
        gallery=_gallery(run, test, known.test),
    )
    replace_text(output, text)


def refuse_another_page(output: Path) -> None:
    """See, before anything is measured for it, that a page can be written there.

    Raises:
        RunError: If something else is there.
    """
    refuse_another_file(output, begins=_BEGINS, what="report")


@cache
def _style() -> str:
    return files("container_doors.reporting").joinpath("page.css").read_text("utf-8")


def _policy(style: str) -> str:
    """Allow this style and pictures in the page itself; no script, no address, no form.

    A name from somebody's data set is escaped; this holds also where that were forgotten.
    https://www.w3.org/TR/CSP3/
    """
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _where_they_change(alarms: Sequence[FalseAlarms]) -> list[FalseAlarms]:
    """Leave out each threshold that has the figures of the one before it."""
    kept: list[FalseAlarms] = []
    for one in alarms:
        if not kept or one.per_photograph != kept[-1].per_photograph:
            kept.append(one)
    return kept


def _bounded(estimate: Estimate) -> str:
    """Write an estimate whose n is said elsewhere."""
    return f"{estimate.value:.3f} ({estimate.bounds()})"


def _things(estimate: Estimate) -> str:
    """Write how much it was measured on; one thing is not several."""
    return f"{estimate.n} {estimate.of.removesuffix('s') if estimate.n == 1 else estimate.of}"


def _gallery(run: Run, test: Assessment, detected: Detected) -> list[_Shown]:
    photographs = {one.image: one for one in detected.photographs}
    taken: dict[str, int] = {}
    shown = []
    for mistake in test.mistakes:
        taken[mistake.kind] = taken.get(mistake.kind, 0) + 1
        if taken[mistake.kind] > _MOST_OF_A_KIND:
            continue
        photograph = photographs[mistake.image]
        pairs = zip(photograph.used_xyxy, photograph.used_confidences, strict=True)
        shown.append(
            _Shown(
                mistake.kind,
                mistake.what,
                short_name(mistake.image),
                _embedded(run.data_view / mistake.image),
                photograph,
                [(box, conf) for box, conf in pairs if conf >= test.conf_threshold],
                mistake.box_xyxy,
            )
        )
    return shown


def _embedded(path: Path) -> str:
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file).convert("RGB")
    picture.thumbnail((_PICTURE_PX, _PICTURE_PX))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=80)
    return _data("image/jpeg", written.getvalue())


def _overall(rows: Sequence[TargetResult]) -> str:
    """Name the state of all targets together: the worst of them."""
    return max((row.said for row in rows), key=_WORST_LAST.index, default=NOT_MEASURED)


def _figures(test: Assessment, rows: Sequence[TargetResult]) -> list[_Figure]:
    """Choose the figures that a person looks for first; one that is undefined is absent."""
    targets = {row.what: row for row in rows}
    chosen = (
        ("mAP50", "Test mAP50", "Ultralytics' average precision"),
        ("recall", "Test recall", "In use: doors that are found"),
        ("precision", "Test precision", "In use: detections that are doors"),
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
    """Group the parts by what they are parts by, in the order of the evaluation."""
    parts: dict[str, list[_Part]] = {}
    for one in test.slices:
        recall = one.scores.get("recall")
        parts.setdefault(one.attribute, []).append(
            _Part(
                one.value,
                recall,
                charts.interval(recall, target=test.recall_target) if recall else Markup(""),
                _said_of(one),
                one.verdict,
            )
        )
    return parts


def _said_of(part: Slice) -> str:
    if part.verdict == NO_DOOR:
        return NOT_MEASURED
    if part.is_proven:
        return "holds"
    return "missed" if part.verdict.startswith("below") else "not proven"


def _ladders(robustness: Robustness) -> list[_Ladder]:
    return [
        _Ladder(
            one.name,
            one.unit,
            one.falls_at,
            charts.ladder(one, target=robustness.recall_target, title="Recall"),
        )
        for one in robustness.ladders
    ]


def _precision_recall(record: RunRecord, split: str, one: Assessment) -> _Plot:
    """Draw the curve that the operating point is on; of an earlier release's, the one there is."""
    recall, precision = one.scores.get("recall"), one.scores.get("precision")
    at = f"{one.conf_threshold:.3g}"
    if one.in_use is None:
        again = f"doors evaluate --experiment {record.experiment} --split {split}"
        return _Plot(
            split,
            f"By COCO's matches, as an earlier release measured it. The model in use is not on "
            f"this curve; {again} draws the one that it is on.",
            charts.precision_recall(
                one.precision_recall,
                in_use=None,
                title=f"Precision over recall on {split}, IoU 0.5, by COCO's matches",
            ),
        )
    return _Plot(
        split,
        f"As the model is used, one photograph at a time, at every confidence; the dot is the one "
        f"in use, {at}."
        if recall and precision
        else "As the model is used, at every confidence.",
        charts.precision_recall(
            one.in_use,
            in_use=(recall.value, precision.value) if recall and precision else None,
            title=f"Precision over recall on {split} in use, IoU 0.5, at every confidence",
            at=f"at {at} ",
        ),
    )


def _in_use(test: Assessment) -> str:
    """Say in a sentence what becomes of the doors, at the threshold."""
    recall, precision = test.scores.get("recall"), test.scores.get("precision")
    if recall is None:
        return "No test photograph has a door, so nothing is known of how many are found"
    found = f"{round(recall.value * recall.n)} of {count(recall.n, 'door')}"
    proven = math.floor(1000 * recall.low) / 1000
    alarms = round((1 - precision.value) * precision.n) if precision else 0
    return (
        f"As it will be used, it finds {found} in {count(test.photographs, 'test photograph')}, "
        f"with {count(alarms, 'false alarm')}: a recall of {proven:.3f} or more is proven"
    )


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("container_doors.reporting", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bounded": _bounded,
        "count": count,
        "duration": duration,
        "share": said,
        "things": _things,
    }
    return environment.get_template("page.html.j2")
