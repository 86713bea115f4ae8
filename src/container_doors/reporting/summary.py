"""Write the report of a run: a Markdown file, and a folder with its pictures beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from container_doors.core.conditions import in_words
from container_doors.core.errors import RunError
from container_doors.core.files import replace_text
from container_doors.core.measurements import FOLDS, Assessment, CrossValidation, Evaluated
from container_doors.core.records import Epoch, Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.reporting import figures, gate
from container_doors.reporting.curves import draw_curves
from container_doors.reporting.escaping import code, markdown_templates
from container_doors.reporting.fold_table import SEED_COLUMNS, fold_columns, fold_rows, seed_rows
from container_doors.reporting.gallery import Gallery, Picture, pick_evenly, rebuild
from container_doors.reporting.outputs import refuse_another_file
from container_doors.reporting.verdicts import (
    compare,
    in_one_sentence,
    milliseconds,
    reported_latency,
)

MOST_PREDICTIONS = 12

_SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test", FOLDS: "folds"}
_PICTURES_A_ROW = 3
_PLOTS = (
    ("PR_curve.png", "Precision over recall"),
    ("F1_curve.png", "F1 over confidence"),
    ("confusion_matrix.png", "Confusion matrix"),
)
"""Ends of the trainer's file names (``BoxPR_curve.png``), and captions."""


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The state of a model after its training."""

    metadata: Metadata | None = None
    """The published model's; None if the published model is not of this run."""
    own: Metadata | None = None
    """The run's, published or not; None if it has not ended."""
    measured: Evaluated | None = None
    """Later measurements of the same weights, with intervals; None without one."""
    crossval: CrossValidation | None = None
    """The cross-validation that it is the last model of; None if it is none."""


@dataclass(frozen=True, slots=True)
class _Pictures:
    curves: Picture
    plots: list[tuple[str, list[Picture | None]]]
    """By split, in the order of the evaluation; None for a missing plot."""
    predictions: list[list[Picture | None]]
    """In rows of equal length; the last row is filled with None."""
    shown: int
    all_predictions: int
    """The number of all prediction pictures."""


_TITLE = "# Training report"
"""How every report begins; only such a file is replaced."""


def write_summary(
    run: Run,
    output: Path,
    *,
    record: RunRecord,
    evaluation: Evaluation,
    history: list[Epoch],
    afterwards: Afterwards,
) -> None:
    """Write the report to ``output`` and its pictures to ``<stem>_files`` beside it.

    Each of the two is replaced in one step. Equal runs give equal reports.

    Args:
        run: It has the plots and the prediction pictures.
        output: The Markdown file; its folder is created if needed.
        record: The run's record.
        evaluation: The scores of this run's ``best.pt``.
        history: Every finished epoch, in order.
        afterwards: The state of the model after its training.

    Raises:
        RunError: If the evaluation is of other weights, or if ``output`` is a folder.
    """
    _refuse_another_model(record, evaluation)
    prepare_output(output)
    with rebuild(output.with_name(f"{output.stem}_files")) as gallery:
        pictures = _collect(run, gallery, record, evaluation, history)
        text = _render(run, record, evaluation, afterwards, pictures)
    replace_text(output, text)


def _refuse_another_model(record: RunRecord, evaluation: Evaluation) -> None:
    best = record.artifacts.get("best.pt")
    same_weights = best is None or best.sha256 == evaluation.weights_sha256
    if evaluation.run_id != record.run_id or not same_weights:
        raise RunError(
            f"the evaluation of {record.experiment} is of other weights: expected run "
            f"{record.run_id}, found {evaluation.weights_sha256[:12]} of run {evaluation.run_id}",
            hint=f"train again: doors train --experiment {record.experiment} --replace",
        )


def prepare_output(output: Path) -> None:
    """Check that a report can be written there, and create its folder.

    Raises:
        RunError: If ``output`` is a folder or another file.
    """
    if output.is_dir():
        raise RunError(
            f"{output} is a folder, and the report is a file",
            hint=f"name the file: --output {output / 'summary.md'}",
        )
    refuse_another_file(output, begins=_TITLE, what="report")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunError(
            f"{output} cannot be written: {output.parent} is not a folder",
            hint="choose another --output",
        ) from None


def _collect(
    run: Run, gallery: Gallery, record: RunRecord, evaluation: Evaluation, history: list[Epoch]
) -> _Pictures:
    draw_curves(history, record.best_epoch, gallery.staged / "curves.png")
    found = sorted(run.predictions.rglob("*.jpg"))
    chosen = [
        gallery.add(
            path,
            name=f"prediction_{number:02d}.jpg",
            caption=path.relative_to(run.predictions).with_suffix("").as_posix(),
        )
        for number, path in enumerate(pick_evenly(found, MOST_PREDICTIONS), start=1)
    ]
    return _Pictures(
        curves=gallery.picture("curves.png", caption="Training curves"),
        plots=[(split, _plots(run, gallery, split)) for split in evaluation.splits],
        predictions=_in_rows(chosen),
        shown=len(chosen),
        all_predictions=len(found),
    )


def _plots(run: Run, gallery: Gallery, split: str) -> list[Picture | None]:
    """Copy the plots of a split, in the order of ``_PLOTS``; a split without doors has none."""
    found = [sorted(run.evaluation_dir(split).glob(f"*{end}")) for end, _ in _PLOTS]
    return [
        gallery.add(paths[0], name=f"{split}_{end}", caption=f"{caption}, {_split_name(split)}")
        if paths
        else None
        for paths, (end, caption) in zip(found, _PLOTS, strict=True)
    ]


def _in_rows(pictures: Sequence[Picture]) -> list[list[Picture | None]]:
    padded = [*pictures, *[None] * (-len(pictures) % _PICTURES_A_ROW)]
    return [
        padded[start : start + _PICTURES_A_ROW] for start in range(0, len(padded), _PICTURES_A_ROW)
    ]


def _render(
    run: Run,
    record: RunRecord,
    evaluation: Evaluation,
    afterwards: Afterwards,
    pictures: _Pictures,
) -> str:
    crossval = afterwards.crossval
    assessments = {FOLDS: crossval.pooled} if crossval else {}
    assessments |= afterwards.measured.splits if afterwards.measured else {}
    targets = compare(record, evaluation, assessments)
    return _template().render(
        experiment=run.name,
        record=record,
        evaluation=evaluation,
        metadata=afterwards.metadata,
        own=afterwards.own,
        label=run.label,
        pictures=pictures,
        plots=[caption for _, caption in _PLOTS],
        targets=targets,
        verdict=in_one_sentence(targets),
        gate_verdict=_gate_verdict(record, assessments),
        assessments=assessments,
        crossval=crossval,
        fold_rows=fold_rows(crossval) if crossval else [],
        fold_columns=fold_columns(crossval) if crossval else [],
        seed_rows=seed_rows(crossval) if crossval else [],
        seed_columns=SEED_COLUMNS,
        test=evaluation.splits.get("test"),
        latency=reported_latency(evaluation, assessments),
        milliseconds=milliseconds,
        proportion=figures.proportion,
        drawn_share=record.known_params.data.drawn_share,
        average_last=record.known_params.training.average_last,
        trained_for=in_words(record.known_params.augmentation.conditions),
        hyperparameters=list(_flatten(record.params)),
        epochs_asked=record.epochs_asked,
        is_trained_on_all=record.params.get("data", {}).get("trains_on") == "all",
        published=PUBLISHED,
        reports=REPORTS,
    )


def _gate_verdict(record: RunRecord, assessments: Mapping[str, Assessment]) -> str | None:
    """Return whether the targets hold at each interval's worse end; None if not measured."""
    if "test" not in assessments or not {"val", FOLDS} & set(assessments):
        return None
    return gate.in_one_sentence(gate.check_targets(record, assessments, at_the_point=False))


@cache
def _template() -> Template:
    environment = markdown_templates()
    environment.filters |= {
        "code": code,
        "count": figures.count,
        "duration": figures.duration,
        "megabytes": figures.megabytes,
        "score": figures.score,
        "split_name": _split_name,
    }
    return environment.get_template("summary.md.j2")


def _split_name(split: str) -> str:
    return _SPLIT_NAMES.get(split, split)


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """List every setting under its dotted name, in the order of ``params.yaml``.

    >>> list(_flatten({"model": {"pretrained": True}, "tags": ["a"]}))
    [('model.pretrained', 'true'), ('tags', '["a"]')]
    """
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)
