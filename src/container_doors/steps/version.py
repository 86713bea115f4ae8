"""Add the published model to DVC, and push it."""

from pathlib import Path

from container_doors.core.errors import MissingToolError, RunError, VersioningError
from container_doors.core.files import copy_folder
from container_doors.core.ports import ArtifactStore, CheckpointRemote, Progress
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.pointers import TRACKED, check_pointers
from container_doors.publishing.publication import check_weights, read_published, replacement
from container_doors.publishing.signatures import SIGNATURE, SignaturePolicy, sign_model
from container_doors.publishing.ways_back import refuse_changed_records
from container_doors.steps.publish import how_to_publish, is_complete, own_metadata
from container_doors.training.upload_checkpoints import mark_finished


def version_model(
    experiment: str | None,
    *,
    store: ArtifactStore,
    progress: Progress,
    checkpoints: CheckpointRemote | None = None,
    policy: SignaturePolicy | None = None,
) -> tuple[Metadata, list[Path]]:
    """Track, sign and push the published model; return its metadata, and the files for git.

    Its checkpoints are no longer needed after that, and are deleted.

    Args:
        experiment: The experiment that should be published; None for any.
        store: The storage that it is pushed to.
        progress: Receives progress messages.
        checkpoints: The remote of its run's checkpoints.
        policy: Who signs it, and whether a signature is required; None: it is not signed.

    Raises:
        RunError: If the published model is not of this experiment.
        VersioningError: If there is no repository or no remote, if the push fails, or if a required
            signature cannot be made.
    """
    metadata = read_published()
    if metadata is None:
        raise nothing_published(experiment)
    if experiment is not None:
        refuse_another(metadata, Run.named(experiment))
    remote = store.check_ready()
    progress.say(f"{metadata.version}: adding to DVC and pushing to {remote}")
    with replacement() as staged:
        # The objects are pushed before a pointer names them, and the pointers change together.
        copy_folder(PUBLISHED, staged)
        check_weights(metadata, staged)
        if policy is not None:
            sign_model(staged, policy, progress.say)
        pointers = store.add([staged / name for name in TRACKED])
        store.annotate(pointers, metadata.version)
        check_pointers(staged, metadata.version)
        store.push(pointers)
    run = run_of(metadata.run_id, metadata.experiment_name)
    if checkpoints is not None and is_record_of(run, metadata.run_id):
        try:
            mark_finished(run, checkpoints)
        except (VersioningError, MissingToolError) as error:
            progress.say(f"the checkpoints stay on the remote: {error.problem}")
    signature = PUBLISHED / SIGNATURE
    signed = [signature] if signature.is_file() else []
    return metadata, [PUBLISHED / pointer.name for pointer in pointers] + signed


def nothing_published(experiment: str | None) -> RunError:
    """Return the error for a missing published model."""
    how = how_to_publish(Run.named(experiment)) if experiment else "doors train"
    return RunError(
        f"no metadata.json in {PUBLISHED}: nothing has been published",
        hint=f"{how}, or doors sync after a training elsewhere",
    )


def refuse_another(metadata: Metadata, run: Run) -> None:
    """Check that the published model is of this run; several runs may have its name.

    Raises:
        RunError: If it is not; the hint depends on the state of the run.
    """
    if is_record_of(run, metadata.run_id):
        return
    own = own_metadata(run)
    if own is not None and own.run_id == metadata.run_id:
        refuse_changed_records(own, run)
    if run.aside is not None and not run.has_record:
        raise RunError(f"no run {run.label} here", hint="doors runs lists those that are here")
    is_of_name = run.aside is None and metadata.experiment_name == run.name
    if is_of_name and not is_complete(run):  # it was trained elsewhere, or before
        return
    raise another_published(
        metadata,
        run.label,
        f"{how_to_publish(run)} publishes {run.label} if it is better; doors version, without a "
        "name, versions the published model",
    )


def another_published(metadata: Metadata, experiment: str | None, hint: str) -> RunError:
    """Return the error for a published model of another experiment."""
    run = run_of(metadata.run_id, metadata.experiment_name)
    label = run.label if is_record_of(run, metadata.run_id) else metadata.experiment_name
    return RunError(
        f"{PUBLISHED} has the model of {label!r}, and {experiment!r} was asked for",
        hint=hint,
    )
