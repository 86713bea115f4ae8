"""Compare a trained model with its targets (specification, section 10.3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from container_doors.core.measurements import FOLDS, Assessment
from container_doors.core.records import Evaluation, Latency, RunRecord
from container_doors.reporting.figures import (
    NOT_MEASURED,
    count,
    duration,
    format_near_target,
    megabytes,
)

Verdict = Literal["met", "NOT MET", "not measured", "n/a", "information"]

LATENCY_BELOW_MS = 50
EXPECTED_SIZE_MB = {"yolov11s": 19}
"""The size of ``best.pt`` in half precision, without its optimizer. Ultralytics does not write the
specification's 45 MB; other architectures have no target."""

_SIZE_TOLERANCE = 0.1
_TIMED_SPLITS = ("test", "val")
_NO_ASSESSMENTS: Mapping[str, Assessment] = {}


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One row of the table of targets."""

    what: str
    target: str
    measured: str
    on: str
    """The sample that it was measured on."""
    verdict: Verdict


def compare(
    record: RunRecord,
    evaluation: Evaluation,
    assessments: Mapping[str, Assessment] = _NO_ASSESSMENTS,
) -> list[TargetRow]:
    """Compare a run with every target, in the specification's order.

    Args:
        record: Of the run.
        evaluation: The scores right after training.
        assessments: Later measurements, by split. The folds take the place of val.
    """
    folds = assessments.get(FOLDS)
    of_val = (("mAP50", "mAP@50", 0.90), ("mAP50-95", "mAP@50-95", 0.70))
    return [
        *(
            _score(evaluation, "val", name, what=f"Validation {shown}", above=above)
            if folds is None
            else _of_folds(folds, name, what=f"Cross-validated {shown}", above=above)
            for name, shown, above in of_val
        ),
        _score(evaluation, "test", "mAP50", what="Test mAP@50", above=0.88),
        _latency(reported_latency(evaluation, assessments)),
        size(record),
        _duration(record),
    ]


def reported_latency(
    evaluation: Evaluation, assessments: Mapping[str, Assessment] = _NO_ASSESSMENTS
) -> Latency | None:
    """Return the latency to report: on test, or else on validation.

    A later measurement on test comes first, since the gate compares it with the target. So all
    reports have one latency.
    """
    if "test" in assessments and assessments["test"].latency is not None:
        return assessments["test"].latency
    splits = [evaluation.splits[name] for name in _TIMED_SPLITS if name in evaluation.splits]
    return next((scores.latency for scores in splits if scores.latency), None)


def in_one_sentence(rows: Sequence[TargetRow]) -> str:
    """Return how many targets are met, and which are not; the gate adds the intervals.

    >>> missed = TargetRow("Test mAP@50", "> 0.88", "0.800", "9 photographs", "NOT MET")
    >>> in_one_sentence([missed])
    'As measured, 0 of 1 target met. NOT MET: Test mAP@50 (0.800, target > 0.88).'
    """
    targets = [row for row in rows if row.verdict in {"met", "NOT MET", "not measured"}]
    met = sum(row.verdict == "met" for row in targets)
    missed = [f"{row.what} ({row.measured}, target {row.target})"
              for row in targets if row.verdict == "NOT MET"]  # fmt: skip
    unknown = [row.what for row in targets if row.verdict == "not measured"]
    sentences = [f"As measured, {met} of {count(len(targets), 'target')} met"]
    sentences += [f"NOT MET: {', '.join(missed)}"] if missed else []
    sentences += [f"Not measured: {', '.join(unknown)}"] if unknown else []
    return " ".join(f"{sentence}." for sentence in sentences)


def _score(evaluation: Evaluation, split: str, name: str, *, what: str, above: float) -> TargetRow:
    target = f"> {above:.2f}"
    scores = evaluation.splits.get(split)
    if scores is None:
        return TargetRow(what, target, NOT_MEASURED, f"no {split} split", "not measured")
    on = f"{count(scores.images, 'photograph')}, {count(scores.doors, 'door')}"
    value = scores.ultralytics.get(name, math.nan)
    if not math.isfinite(value):
        return TargetRow(what, target, NOT_MEASURED, on, "not measured")
    return TargetRow(
        what, target, format_near_target(value, above, digits=3), on, _met_or_not(value > above)
    )


def _of_folds(folds: Assessment, name: str, *, what: str, above: float) -> TargetRow:
    target = f"> {above:.2f}"
    on = f"{count(folds.photographs, 'photograph')}, {count(folds.doors, 'door')}"
    if name not in folds.scores:
        return TargetRow(what, target, NOT_MEASURED, on, "not measured")
    value = folds.scores[name].value
    return TargetRow(
        what, target, format_near_target(value, above, digits=3), on, _met_or_not(value > above)
    )


def _latency(latency: Latency | None) -> TargetRow:
    what, target = "Inference time", f"< {LATENCY_BELOW_MS} ms"
    if latency is None or not math.isfinite(latency.median_ms):
        return TargetRow(what, target, NOT_MEASURED, "-", "not measured")
    return TargetRow(
        what,
        target,
        milliseconds(latency.median_ms),
        f"median of {count(latency.images, 'photograph')}",
        _met_or_not(latency.median_ms < LATENCY_BELOW_MS),
    )


def milliseconds(median_ms: float) -> str:
    """Write a latency with enough decimals to show on which side of its target it is."""
    return f"{format_near_target(median_ms, LATENCY_BELOW_MS, digits=1)} ms"


def size(record: RunRecord) -> TargetRow:
    """Compare the size of ``best.pt`` with its architecture's expected size."""
    expected_mb = EXPECTED_SIZE_MB.get(record.architecture)
    target = f"about {expected_mb} MB" if expected_mb else "n/a"
    best = record.artifacts.get("best.pt")
    if best is None:
        return TargetRow("Model size", target, NOT_MEASURED, "-", "not measured")
    verdict: Verdict = "n/a"
    if expected_mb:
        differs_mb = abs(best.size_bytes / 1e6 - expected_mb)
        verdict = _met_or_not(differs_mb <= _SIZE_TOLERANCE * expected_mb)
    return TargetRow("Model size", target, megabytes(best.size_bytes), "best.pt", verdict)


def _duration(record: RunRecord) -> TargetRow:
    on = "-" if record.epochs_finished is None else count(record.epochs_finished, "epoch")
    measured = duration(record.duration_s)
    return TargetRow("Training time", "about 4 hours", measured, on, "information")


def _met_or_not(is_met: bool) -> Verdict:
    return "met" if is_met else "NOT MET"
