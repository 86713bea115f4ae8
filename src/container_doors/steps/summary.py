"""Writes the report of a run: Markdown, HTML page, model card."""

from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.measurements import Evaluated
from container_doors.core.ports import Progress
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.data.view import ensure_view
from container_doors.publishing.publication import read_published
from container_doors.publishing.ways_back import read_scores
from container_doors.reporting.card import refuse_another_card, write_card
from container_doors.reporting.page import RunMeasurements, refuse_another_page, write_page
from container_doors.reporting.summary import Afterwards, prepare_output, write_summary
from container_doors.reporting.which_run import read_record
from container_doors.steps.detections import (
    OpenDetector,
    damaged_documents,
    detect,
    evaluated,
    trained,
)
from container_doors.steps.evaluate import both_splits
from container_doors.steps.out_of_fold import cross_validation, of_folds
from container_doors.steps.publish import own_metadata
from container_doors.steps.runs import with_present_status
from container_doors.training.history import read_history


def summarise(run: Run, output: Path) -> Path:
    """Write the report of a run as Markdown, its pictures in a folder beside it.

    Raises:
        RunError: If the run has not been trained and evaluated.
    """
    record = with_present_status(run, RunRecord.read(run.record))
    evaluation = read_scores(record, run)
    published = read_published()
    measured = Evaluated.read(run.evaluation) if run.evaluation.exists() else None
    write_summary(
        run,
        output,
        record=record,
        evaluation=evaluation,
        history=read_history(run.metrics_jsonl, record),
        afterwards=Afterwards(
            metadata=published if published and published.run_id == record.run_id else None,
            own=own_metadata(run),
            measured=measured
            if measured and measured.weights_sha256 == evaluation.weights_sha256
            else None,
            crossval=cross_validation(run, record),
        ),
    )
    return output


def check_report(run: Run, output: Path, *, page: Path | None, card: Path | None) -> None:
    """Check, before anything is measured or written, that a complete report can be made.

    Raises:
        RunError: If a document of the run cannot be read, or another file is in the way.
    """
    prepare_output(output)
    if page is not None:
        refuse_another_page(page)
    if card is not None:
        refuse_another_card(card)
    record = read_record(run)
    damaged = damaged_documents(run)
    if damaged:
        more = f"; and {len(damaged) - 1} more: doors doctor --run {run.label}"
        raise RunError(damaged[0].problem + more * (len(damaged) > 1), hint=damaged[0].hint)
    read_scores(record, run)
    read_published()
    read_history(run.metrics_jsonl, record)


def model_card(run: Run, output: Path, *, open_detector: OpenDetector, progress: Progress) -> Path:
    """Write a run's model card; measure what is not measured yet.

    Raises:
        RunError: If the run has not been trained, or if ``output`` is something else.
    """
    record, layout = trained(run)
    published = read_published()
    write_card(
        output,
        of_folds(run, record)
        | both_splits(run, record, layout, open_detector=open_detector, progress=progress),
        weights_sha256=evaluated(run, record).weights_sha256,
        record=record,
        metadata=published if published and published.run_id == record.run_id else None,
    )
    return output


def report_page(run: Run, output: Path, *, open_detector: OpenDetector, progress: Progress) -> Path:
    """Write the report of a run as one HTML page; measure what is not measured yet.

    Raises:
        RunError: If the run has not been trained, or if ``output`` is something else.
    """
    record, layout = trained(run)
    crossval = cross_validation(run, record)
    assessments = of_folds(run, record) | both_splits(
        run, record, layout, open_detector=open_detector, progress=progress
    )
    measured = evaluated(run, record)
    robustness = measured.robustness.get("test")
    test = assessments["test"]
    of = (test.files_sha256, test.attributes_sha256)
    is_of_these = robustness and (robustness.files_sha256, robustness.attributes_sha256) == of
    known = RunMeasurements(
        assessments,
        weights_sha256=measured.weights_sha256,
        test=detect(run, "test", open_detector=open_detector, progress=progress),
        label=run.label,
        view=ensure_view(layout, run.data_view),
        robustness=robustness if is_of_these else None,
        timings=measured.latency.get("val"),
        crossval=crossval,
    )
    history = read_history(run.metrics_jsonl, record)
    write_page(output, known, record=record, history=history)
    return output
