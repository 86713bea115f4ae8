"""Write metadata.json of the published model again."""

from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.ports import Repository
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.publishing.git_reports import write_reports
from container_doors.publishing.lineage import find_run, is_record_of, run_of
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.model_file import chosen_threshold, write_model_file
from container_doors.publishing.names import TAGS, version_name
from container_doors.publishing.numbering import version_for
from container_doors.publishing.provenance import file_hashes, record_hashes
from container_doors.publishing.publication import read_published
from container_doors.publishing.ways_back import read_scores
from container_doors.steps.version import refuse_another


def regenerate_metadata(
    weights_dir: Path,
    *,
    repository: Repository,
    runs_root: Path,
    major: bool,
    minor: bool = False,
    experiment: str | None = None,
) -> Metadata:
    """Write ``metadata.json`` of a published model again, from the run that made it.

    Args:
        weights_dir: The folder of the model.
        repository: Has the tags of the existing versions.
        runs_root: The folder of the runs.
        major: Whether to start a new major version.
        minor: Whether to take the next number, if its own is released.
        experiment: The experiment that should be published; None for any.

    Raises:
        RunError: If another experiment is published, or no run here made the model.
    """
    if experiment is not None:
        _refuse_other_experiment(weights_dir, Run.named(experiment, runs_root))
    record = find_run(weights_dir, runs_root)
    run = run_of(record.run_id, record.experiment, runs_root)
    published = read_published(weights_dir)
    # The published values stay valid, even if the run has been renamed since.
    own = published if published and published.run_id == record.run_id else None
    evaluation = own.evaluation if own else read_scores(record, run)
    version = version_for(
        record,
        weights_dir,
        tags=repository.tags(TAGS),
        major=major,
        minor=minor,
        runs=runs_root,
    )
    is_here = is_record_of(run, record.run_id)
    metadata = build_metadata(
        record,
        evaluation,
        version,
        records=own.records if own and own.records else record_hashes(run) if is_here else {},
        files=own.files if own and own.files else file_hashes(run) if is_here else {},
        operating_target=own.operating_target
        if own and own.version == version_name(version)
        else chosen_threshold(run, evaluation),
    )
    metadata.write(weights_dir / "metadata.json")
    write_model_file(weights_dir, metadata)
    if weights_dir.resolve() == PUBLISHED.resolve() and is_here:
        metadata.write(run.metadata)
        write_reports(run, metadata, evaluation, REPORTS)
    return metadata


def _refuse_other_experiment(weights_dir: Path, run: Run) -> None:
    """Check that the published model is of this run; skip the check if its metadata is damaged."""
    try:
        published = read_published(weights_dir)
    except RunError:
        return
    if published is not None:
        refuse_another(published, run)
