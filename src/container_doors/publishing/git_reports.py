"""A model's reports in git: two small texts for ``dvc metrics diff`` and ``dvc plots show``."""

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

from container_doors.core.epochs import read_all
from container_doors.core.files import replace_text
from container_doors.core.records import Evaluation, Metadata, SplitScores
from container_doors.core.run import Run

METRICS = "metrics.json"
CURVES = "curves.csv"


def write_reports(run: Run, metadata: Metadata, evaluation: Evaluation, directory: Path) -> None:
    """Write ``metrics.json`` and ``curves.csv``, each replaced atomically.

    A value that was not measured is absent from the first and an empty cell in the second.
    """
    for name, text in report_texts(run, metadata, evaluation).items():
        replace_text(directory / name, text)


def report_texts(run: Run, metadata: Metadata, evaluation: Evaluation) -> dict[str, str]:
    """Return the text of each report by its name; no curves if epochs are missing."""
    texts = {METRICS: json.dumps(_figures(metadata, evaluation), indent=2) + "\n"}
    history = read_all(run.metrics_jsonl)
    if not history.faults and len(history.epochs) == metadata.epochs_finished:
        rows: list[dict[str, float]] = [
            {"epoch": one.number, **one.metrics} for one in history.epochs
        ]
        texts[CURVES] = _table(rows)
    return texts


def _figures(metadata: Metadata, evaluation: Evaluation) -> dict[str, str | float]:
    figures: dict[str, str | float] = {
        "experiment": metadata.experiment_name,
        "version": metadata.version,
        # Sorted, as in a document that is read back from disk: the report must be the same.
        **dict(sorted(metadata.metrics.items())),
    }
    for split, scores in sorted(evaluation.splits.items()):
        for name, value in _operating_figures(scores):
            if value is not None:
                figures[f"{split}_{name}"] = value
    figures["best_epoch"] = metadata.best_epoch
    figures["epochs_finished"] = metadata.epochs_finished
    figures["training_duration_hours"] = metadata.training_duration_hours
    figures["model_size_bytes"] = metadata.artifacts["best.pt"].size_bytes
    return figures


def _operating_figures(scores: SplitScores) -> Iterator[tuple[str, float | None]]:
    """Yield the figures at the operating point; an undefined one is None."""
    point = scores.operating_point
    yield "operating_precision", point.precision
    yield "operating_recall", point.recall
    yield "true_positives", point.true_positives
    yield "false_positives", point.false_positives
    yield "missed", point.missed
    yield "latency_median_ms", scores.latency.median_ms if scores.latency else None


def _table(rows: list[dict[str, float]]) -> str:
    columns = list(dict.fromkeys(["epoch", *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: value for name, value in row.items() if math.isfinite(value)} for row in rows
    )
    return text.getvalue()
