"""Records the published model with DVC, and uploads it."""

from pathlib import Path

from container_doors.core.errors import MissingToolError, RunError, VersioningError
from container_doors.core.files import copy_folder
from container_doors.core.ports import ArtifactStore, CheckpointRemote, Progress
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.pointers import TRACKED, check_pointers
from container_doors.publishing.publication import check_weights, read_published, replacing
from container_doors.publishing.signatures import SIGNATURE, SignaturePolicy, sign_model
from container_doors.steps.publish import how_to_publish, is_complete
from container_doors.training.publisher import mark_finished


def version_model(
    experiment: str | None,
    *,
    store: ArtifactStore,
    progress: Progress,
    checkpoints: CheckpointRemote | None = None,
    policy: SignaturePolicy | None = None,
) -> tuple[Metadata, list[Path]]:
    """Track and push the published model; returns what it is, and the files for git.

    From then on its checkpoints are of no more use, and go.

    Args:
        experiment: What should be published; None if it may be any.
        store: Where it is pushed to.
        progress: Told what is done.
        checkpoints: Where those of its run are.
        policy: Who signs it, and whether somebody has to; None: nobody does.

    Raises:
        RunError: If what is published is not of this experiment.
        VersioningError: If there is no repository or no remote, if the push fails, or if it cannot
            be signed, and has to be.
    """
    metadata = read_published()
    if metadata is None:
        raise nothing_published(experiment)
    if experiment is not None:
        refuse_another(metadata, Run.named(experiment))
    remote = store.check_ready()
    progress.say(f"{metadata.version}: adding to DVC and pushing to {remote}")
    with replacing() as staged:
        # The objects are on the remote before a pointer names them, and the pointers change as one.
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
            progress.say(f"the checkpoints are left on the remote: {error.problem}")
    signature = PUBLISHED / SIGNATURE
    signed = [signature] if signature.is_file() else []
    return metadata, [PUBLISHED / pointer.name for pointer in pointers] + signed


def nothing_published(experiment: str | None) -> RunError:
    """Say that there is no model yet."""
    how = how_to_publish(Run.named(experiment)) if experiment else "doors train"
    return RunError(
        f"no metadata.json in {PUBLISHED}: nothing has been published",
        hint=f"{how}, or doors sync after a training elsewhere",
    )


def refuse_another(metadata: Metadata, run: Run) -> None:
    """See that what is published is of this run, where the name may be that of several.

    Raises:
        RunError: If it is not: what is to be done depends on what the run is.
    """
    if is_record_of(run, metadata.run_id):
        return
    is_of_name = run.aside is None and metadata.experiment_name == run.name
    if is_of_name and not is_complete(run):  # it was trained elsewhere, or before
        return
    raise another_published(
        metadata,
        run.label,
        f"{how_to_publish(run)} puts {run.label} there if it is better; doors version, without a "
        "name, keeps what is there",
    )


def another_published(metadata: Metadata, experiment: str | None, hint: str) -> RunError:
    """Say that the model is another experiment's."""
    of = run_of(metadata.run_id, metadata.experiment_name)
    held = of.label if is_record_of(of, metadata.run_id) else metadata.experiment_name
    return RunError(
        f"{PUBLISHED} holds {held!r}, and {experiment!r} was asked for",
        hint=hint,
    )
