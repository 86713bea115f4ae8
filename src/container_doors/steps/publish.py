"""Publish a run's model in place of the published one; a worse model only if asked to."""

from pathlib import Path
from typing import Literal

from container_doors.core.config import Params
from container_doors.core.errors import MissingToolError, RunError, VersioningError
from container_doors.core.files import replace_text
from container_doors.core.ports import Detector, Repository, World
from container_doors.core.records import ChosenThreshold, Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.data.folds import layout_for
from container_doors.data.layout import read_layout
from container_doors.data.view import link_view
from container_doors.publishing.git_reports import report_texts, write_reports
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.model_file import (
    chosen_threshold,
    describe_threshold,
    model_file_of,
)
from container_doors.publishing.names import TAGS, version_name
from container_doors.publishing.numbering import version_for
from container_doors.publishing.provenance import file_hashes, record_hashes
from container_doors.publishing.publication import (
    LOG_NAME,
    METADATA,
    check_weights,
    not_tried,
    publish,
)
from container_doors.publishing.ways_back import read_scores, refuse_other_weights
from container_doors.reporting.which_run import read_record
from container_doors.steps.published import (
    Outside,
    Verdict,
    compare_with_published,
    published_if_readable,
)
from container_doors.steps.update import update_record
from container_doors.training.claim import claim, is_finished
from container_doors.training.logbook import LOG

When = Literal["better", "always", "never"]


def finish(
    record: RunRecord,
    evaluation: Evaluation,
    run: Run,
    *,
    when: When,
    outside: Outside,
) -> tuple[Metadata, str]:
    """Write the metadata of a trained and evaluated run, and publish it if it is better.

    Args:
        record: The run's record.
        evaluation: The scores of its ``best.pt``.
        run: The run.
        when: ``detection.publishing.when``.
        outside: Its dependencies.

    Returns:
        Its metadata, and a sentence: what was published or kept, and why.
    """
    if when == "never":
        metadata = _describe(record, evaluation, run, outside.repository)
        metadata.write(run.metadata)
        _write_missing_reports()
        return metadata, _unpublished_message(run)
    verdict = compare_with_published(record, evaluation, run, outside)
    metadata = _describe(record, evaluation, run, outside.repository)
    if _is_wanted(verdict, when) and verdict.only_copy is None:
        return _put_in_place(run, metadata, evaluation), _published_message(verdict, metadata)
    metadata.write(run.metadata)
    _write_missing_reports()
    return metadata, _kept_message(verdict, run, when)


def publish_run(run: Run, *, anyway: bool, outside: Outside) -> tuple[Metadata, str]:
    """Publish a finished run's model in place of the published one.

    It can safely be repeated: the model keeps its version, and an interrupted one is completed.

    Args:
        run: A finished run; it may have been renamed.
        anyway: Whether it may be worse or not comparable; even then nothing is lost.
        outside: Its dependencies.

    Raises:
        RunError: If there is no such run, or it is not finished or damaged, or it is not better and
            ``anyway`` is false.
        VersioningError: If the published model has no other copy.
    """
    with claim(run):
        record = read_record(run)
        if record.status != "finished":
            raise _not_finished(record, run)
        refuse_other_weights(record, run)
        evaluation = read_scores(record, run)
        verdict = compare_with_published(record, evaluation, run, outside)
        if not anyway and not _is_wanted(verdict, "better"):
            raise RunError(
                f"{run.label} does not replace {verdict.published}: {verdict.figures}",
                hint=f"to publish it anyway: doors publish {run.label} --anyway",
            )
        if verdict.only_copy is not None:
            raise _would_be_lost(verdict, run)
        metadata = _describe(record, evaluation, run, outside.repository)
        threshold = _threshold_message(metadata, chosen_threshold(run, evaluation))
        outcome = f"{_published_message(verdict, metadata)}; {threshold}"
        return _put_in_place(run, metadata, evaluation), outcome


def own_metadata(run: Run) -> Metadata | None:
    """Read a finished run's own metadata, published or not; None if it cannot be read."""
    try:
        return Metadata.read(run.metadata)
    except RunError:
        return None


def is_complete(run: Run) -> bool:
    """Return whether a run is finished and can be published; False if it is damaged."""
    try:
        return is_finished(run)
    except RunError:
        return False


def how_to_publish(run: Run) -> str:
    """Return the next command towards publishing this run's model."""
    if is_complete(run):
        return f"doors publish {run.label}"
    return f"doors train --experiment {run.name}"


def _is_wanted(verdict: Verdict, when: When) -> bool:
    return when == "always" or verdict.state in {"first", "same", "better"}


def _published_message(verdict: Verdict, metadata: Metadata) -> str:
    done = f"published {metadata.version} in {PUBLISHED}"
    if verdict.state in {"first", "same"}:
        return done
    return f"{done}, in place of {verdict.published}: {verdict.figures}"


def _unpublished_message(run: Run) -> str:
    how = f"doors publish {run.label}"
    return f"{run.label} is not published (publishing.when: never); to publish it: {how}"


def _threshold_message(metadata: Metadata, chosen: ChosenThreshold | None) -> str:
    used = describe_threshold(model_file_of(metadata).conf_threshold)
    message = f"it is used at a confidence of {used}"
    if chosen in {None, metadata.operating_target}:
        return message
    return (
        f"{message}, as it was released; doors metadata --minor makes a new version of it with "
        f"that of {chosen.target}"
    )


def _kept_message(verdict: Verdict, run: Run, when: When) -> str:
    message = f"kept {verdict.published} in {PUBLISHED}"
    if _is_wanted(verdict, when):
        error = _would_be_lost(verdict, run)
        return f"{message}: {error.problem}; {error.hint}"
    how = f"doors publish {run.label} --anyway"
    return f"{message}: {verdict.figures}; to publish {run.label} anyway: {how}"


def _would_be_lost(verdict: Verdict, run: Run) -> VersioningError:
    anyway = "" if _is_wanted(verdict, "better") else " --anyway"
    return VersioningError(
        f"{verdict.only_copy} was never versioned and is in no run here, and {run.label} would "
        f"replace it ({verdict.figures})",
        hint=f"doors version keeps it; then: doors publish {run.label}{anyway}",
    )


def _not_finished(record: RunRecord, run: Run) -> RunError:
    if run.aside is not None:
        return RunError(
            f"{run.label} was renamed before it was finished (status: {record.status})",
            hint="doors runs lists those that can be published",
        )
    return RunError(
        f"{run.label} is not finished yet (status: {record.status})",
        hint=f"continue it: doors train --experiment {run.name}",
    )


def _describe(
    record: RunRecord, evaluation: Evaluation, run: Run, repository: Repository
) -> Metadata:
    """Return the metadata of a run's model; the stored one if nothing has changed since."""
    tags = repository.tags(TAGS)
    version = version_for(record, PUBLISHED, tags=tags, major=False, runs=run.root)
    target = chosen_threshold(run, evaluation)
    own = own_metadata(run)
    if (
        own is not None
        and (own.run_id, own.version) == (record.run_id, version_name(version))
        and (own.evaluation, own.artifacts) == (evaluation, record.artifacts)
    ):
        _refuse_other_files(own, run)
        if target in {None, own.operating_target} or own.git_tag in tags:
            return own  # what is released stays as it is
        return own.model_copy(update={"operating_target": target})
    return build_metadata(
        record,
        evaluation,
        version,
        records=record_hashes(run),
        files=file_hashes(run),
        operating_target=target,
    )


def _refuse_other_files(own: Metadata, run: Run) -> None:
    """Check that the plots and tables are those of the metadata written when the run ended."""
    found = file_hashes(run)
    for name, sha256 in own.files.items():
        if name != LOG_NAME and found.get(name) != sha256:
            raise RunError(
                f"{name} of {run.label} has changed since the run ended",
                hint=f"restore the file from a copy, or delete {run.metadata}: it is written again",
            )


def _put_in_place(run: Run, metadata: Metadata, evaluation: Evaluation) -> Metadata:
    """Replace the published model, then write metadata and reports; each step can be repeated."""
    if not _is_whole(metadata):
        metadata = publish(run, metadata)
    metadata.write(run.metadata)
    write_reports(run, metadata, evaluation, REPORTS)
    return metadata


def _is_whole(metadata: Metadata) -> bool:
    """Return whether this model is published already; its signature then stays as well."""
    path = PUBLISHED / METADATA
    try:
        check_weights(metadata, PUBLISHED)
        check_weights(metadata, PUBLISHED / "weights")
    except RunError:
        return False
    return path.is_file() and path.read_text(encoding="utf-8") == metadata.to_json()


def _write_missing_reports() -> None:
    """Write the published model's reports if they are missing: ``dvc repro`` needs them."""
    published = published_if_readable()
    if published is None:
        return
    run = run_of(published.run_id, published.experiment_name)
    if is_record_of(run, published.run_id):
        for name, text in report_texts(run, published, published.evaluation).items():
            if not (REPORTS / name).exists():
                replace_text(REPORTS / name, text)


def publish_trained(
    record: RunRecord, evaluation: Evaluation, run: Run, params: Params, *, world: World
) -> Metadata:
    """Publish a run that was trained and evaluated here, if it is better; report the outcome."""
    outside = outside_of(record, world)
    metadata, outcome = finish(
        record, evaluation, run, when=params.publishing.when, outside=outside
    )
    update_record(run, record, status="finished")
    LOG.info(outcome)
    world.progress.say(outcome)
    return metadata


def adopt(run: Run, *, outside: Outside) -> tuple[Metadata, str]:
    """Publish a run that was trained and evaluated elsewhere and downloaded, if it is better.

    It can safely be repeated: the model keeps its version.

    Returns:
        Its metadata, and what was published or kept, and why.

    Raises:
        RunError: If the run does not match its record.
        WeightsError: If its weights are no working detector; then nothing is published.
    """
    record = RunRecord.read(run.record)
    evaluation = Evaluation.read(run.scores)
    refuse_other_weights(record, run)
    try:
        outside.open_model(run.best_weights, evaluation.image_size_px)
    except MissingToolError as error:
        outside.progress.say(not_tried(run.best_weights, error))
    layout = read_layout(Path(record.dataset.path))[0]
    if layout is not None:
        link_view(layout_for(record.known_params.data, layout), run.data_view)
    when = record.known_params.publishing.when
    adopted = finish(record, evaluation, run, when=when, outside=outside)
    update_record(run, record, status="finished")
    return adopted


def outside_of(record: RunRecord, world: World) -> Outside:
    """Return the dependencies; models are loaded on the device that this run was trained on."""

    def load(weights: Path, image_size_px: int) -> Detector:
        return world.load_detector(weights, image_size_px=image_size_px, hardware=record.hardware)

    return Outside(world.repository, load, world.progress, world.fetch_published)
