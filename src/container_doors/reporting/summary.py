"""The report of a run: one Markdown file, its pictures in a folder beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from container_doors.core.errors import RunError
from container_doors.core.files import replace_text
from container_doors.core.measurements import Assessment, Evaluated
from container_doors.core.records import Epoch, Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.reporting import figures, gate
from container_doors.reporting.curves import draw_curves
from container_doors.reporting.escaping import code, markdown_templates
from container_doors.reporting.gallery import Gallery, Picture, evenly, rebuilt
from container_doors.reporting.outputs import refuse_another_file
from container_doors.reporting.verdicts import compare, in_one_sentence, milliseconds, timed

MOST_PREDICTIONS = 12

_SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
_PICTURES_A_ROW = 3
_PLOTS = (
    ("PR_curve.png", "Precision over recall"),
    ("F1_curve.png", "F1 over confidence"),
    ("confusion_matrix.png", "Confusion matrix"),
)
"""Ends of the names that the trainer gives them (``BoxPR_curve.png``), and captions."""


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What became of a model after it was trained."""

    metadata: Metadata | None = None
    """The published model's; None if what is published is not of this run."""
    own: Metadata | None = None
    """The run's, published or not; None if it has not ended."""
    measured: Evaluated | None = None
    """What was measured of these weights since, with intervals; None if nothing was."""


@dataclass(frozen=True, slots=True)
class _Pictures:
    curves: Picture
    plots: list[tuple[str, list[Picture | None]]]
    """By split, in the order of the evaluation; None for a plot that the run did not leave."""
    predictions: list[list[Picture | None]]
    """In rows of one length; None where the last row ends early."""
    shown: int
    all_predictions: int
    """How many there are to choose from."""


_TITLE = "# Training report"
"""What every report begins with, and so may be replaced by another."""


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

    Both are replaced, each as one step. Equal runs give equal reports.

    Args:
        run: Where the plots and the prediction pictures are.
        output: The Markdown file; its folder is created if need be.
        record: What was asked, with what, and how it ended.
        evaluation: What ``best.pt`` scored; of this very run.
        history: Every finished epoch, in order.
        afterwards: What became of it.

    Raises:
        RunError: If the evaluation is of other weights, or if ``output`` is a folder.
    """
    _refuse_another_model(record, evaluation)
    make_room(output)
    with rebuilt(output.with_name(f"{output.stem}_files")) as gallery:
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
            hint=f"train and evaluate anew: doors train --experiment {record.experiment} --replace",
        )


def make_room(output: Path) -> None:
    """See that a report can be written there, and make its folder.

    Raises:
        RunError: If something else is in the way.
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
        for number, path in enumerate(evenly(found, MOST_PREDICTIONS), start=1)
    ]
    return _Pictures(
        curves=gallery.picture("curves.png", caption="Training curves"),
        plots=[(split, _plots(run, gallery, split)) for split in evaluation.splits],
        predictions=_in_rows(chosen),
        shown=len(chosen),
        all_predictions=len(found),
    )


def _plots(run: Run, gallery: Gallery, split: str) -> list[Picture | None]:
    """Copy the plots of a split, in the order of ``_PLOTS``; one without doors has none."""
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
    known = afterwards.measured.splits if afterwards.measured else {}
    targets = compare(record, evaluation, known)
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
        surely=_surely(record, known),
        known=known,
        test=evaluation.splits.get("test"),
        latency=timed(evaluation, known),
        milliseconds=milliseconds,
        share=figures.share,
        hyperparameters=list(_flattened(record.params)),
        epochs_asked=record.epochs_asked,
        published=PUBLISHED,
        reports=REPORTS,
    )


def _surely(record: RunRecord, known: Mapping[str, Assessment]) -> str | None:
    """Say whether the targets hold at the worse end of each interval, if that was measured."""
    if not {"val", "test"} <= set(known):
        return None
    return gate.in_one_sentence(gate.held(record, known, at_the_point=False))


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


def _flattened(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """List every setting under its dotted name, in the order of ``params.yaml``.

    >>> list(_flattened({"model": {"pretrained": True}, "tags": ["a"]}))
    [('model.pretrained', 'true'), ('tags', '["a"]')]
    """
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)
