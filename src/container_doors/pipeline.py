"""The story in order: check the data, train, evaluate, publish, version, report.

Each public function is one command of the command line. It takes what the step needs, calls
the parts and returns a value; it neither prints nor parses. Read this file to learn what the
project does, and the packages that it calls to learn how.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from container_doors.core.config import Data, Params, warnings, with_defaults
from container_doors.core.errors import (
    DatasetError,
    MissingContentError,
    MissingToolError,
    RunError,
    ToBeContinued,
    TrackingError,
    VersioningError,
)
from container_doors.core.files import copy_folder, copy_of, force_to_disk, heal, replace_copy
from container_doors.core.measurements import Evaluated
from container_doors.core.ports import (
    ArtifactStore,
    CheckpointRemote,
    Detections,
    Detector,
    Follower,
    Progress,
    Remote,
    Repository,
    Results,
    Storage,
    Tracker,
    TrackingServer,
    World,
)
from container_doors.core.records import (
    DatasetFacts,
    DatasetFiles,
    Epoch,
    Evaluation,
    Metadata,
    Predictions,
    RunRecord,
    Setback,
    SplitScores,
    Status,
)
from container_doors.core.run import PUBLISHED, REPORTS, TEST_LOOKS, Run
from container_doors.data.checks import Report, check
from container_doors.data.facts import dataset_facts
from container_doors.data.labels import read_boxes
from container_doors.data.layout import Layout, label_of, read_layout
from container_doors.data.shards import read_shards, shards_of, tracked_shards, write_shards
from container_doors.data.view import link_view
from container_doors.evaluation import pictures
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.latency import latency
from container_doors.evaluation.looks import BY_TRAINING, add_look, mend_looks, split_sha256
from container_doors.evaluation.matching import BoxXyxy, match, operating_point
from container_doors.evaluation.predictions import prediction
from container_doors.publishing.comparison import shown, unequal
from container_doors.publishing.git_reports import write_reports
from container_doors.publishing.hashing import artifact, params_sha256
from container_doors.publishing.lineage import find_run, is_record_of, run_of
from container_doors.publishing.materials import write_materials
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.names import TAGS
from container_doors.publishing.numbering import version_for
from container_doors.publishing.pointers import TRACKED, check_pointers
from container_doors.publishing.provenance import file_hashes, record_hashes
from container_doors.publishing.publication import (
    check_weights,
    read_published,
    replacing,
)
from container_doors.publishing.signatures import SIGNATURE, SignaturePolicy, sign_model
from container_doors.publishing.ways_back import refuse_other_weights
from container_doors.reporting.curves import draw_curves
from container_doors.reporting.summary import Afterwards, write_summary
from container_doors.reporting.which_run import read_record
from container_doors.scenes import draw_sample
from container_doors.steps.publish import Outside, finish, how_to_publish, is_complete, own_metadata
from container_doors.steps.runs import as_it_stands_anywhere
from container_doors.storage.credentials import DriveCredentials
from container_doors.storage.remotes import check_url, kind_of
from container_doors.tracking.follow import Ended, Say, follow, tell
from container_doors.tracking.results import gather_results
from container_doors.training.checkpoint import (
    find_whole,
    how_to_begin_anew,
    resumable_epoch,
    rewind,
    use_newest_whole,
)
from container_doors.training.claim import claim, earlier_record, refuse_finished, set_aside
from container_doors.training.fetching import RunChoice, fetch_newer, prefer
from container_doors.training.history import (
    best_epoch,
    history_warnings,
    read_epochs,
    read_history,
    reading,
)
from container_doors.training.known_runs import KnownRuns, known_runs
from container_doors.training.lease import Heartbeat, clone_id, own_lease, watch
from container_doors.training.logbook import LOG, logbook
from container_doors.training.parcel import short_id
from container_doors.training.publisher import Publisher, mark_finished
from container_doors.training.recorder import Recorder

EVALUATED_SPLITS = ("val", "test")
FAILED, INTERRUPTED, KILLED = 1, 130, 137
"""How a run ended badly, as a shell would say it."""

MOST_NAMED = 3
"""Files of other data that a message names."""

MOST_PICTURES = 100
"""Prediction pictures that a run keeps: the first of the test split, in order."""


def draw_samples(
    out: Path,
    *,
    counts: Mapping[str, int],
    seed: int,
    progress: Progress,
    image_size_px: tuple[int, int] = (640, 480),
    is_plain: bool = False,
) -> None:
    """Draw a data set of rendered doors, for whoever has no photographs yet."""
    draw_sample(
        out,
        counts=counts,
        seed=seed,
        image_size_px=image_size_px,
        is_plain=is_plain,
        on_progress=lambda *at: progress.step("drawing", *at),
    )


def validate(dataset: Path, minimums: Data, *, progress: Progress) -> Report:
    """Look for everything in the data set that would spoil a training run."""
    return check(
        dataset,
        min_train_images=minimums.min_train_images,
        min_val_images=minimums.min_val_images,
        on_progress=lambda *at: progress.step("checking", *at),
    )


def pack_data(folder: Path, *, store: ArtifactStore, progress: Progress) -> list[Path]:
    """Keep a data set's archives beside it, and push them; returns new pointers, for git.

    Raises:
        DatasetError: If there is no data set, or it is not what its pointer names.
        VersioningError: If there is no repository or no remote, or the push fails.
    """
    if not folder.is_dir():
        raise DatasetError(f"no data set in {folder}", hint="doors data pack --path DIR")
    store.check_ready()
    pointers = store.add([folder]) if store.content_of(folder) is None else []
    tars = write_shards(
        folder,
        store.files_of(folder),
        shards_of(folder),
        on_progress=lambda *at: progress.step("packing", *at),
    )
    packed = store.add(tars)
    store.annotate(packed, store.content_of(folder) or "")
    store.push(packed)
    return pointers + packed


def pull_data(
    folder: Path, *, store: ArtifactStore, progress: Progress, force: bool = False
) -> str:
    """Fetch a data set: from its archives where they are of the same version, else as a folder.

    Args:
        folder: The data set.
        store: Where it is kept.
        progress: Told what is done.
        force: Whether to replace files that are not of this version, and may be kept nowhere.

    Returns:
        Which of the two.

    Raises:
        VersioningError: If it is not tracked, has not arrived, or would overwrite what is kept
            nowhere else.
        DatasetError: If an archive is damaged.
    """
    wanted, tars = store.content_of(folder), tracked_shards(folder)
    if wanted is None:
        raise VersioningError(
            f"{folder} is not tracked by DVC here", hint=f"git pull, or: dvc add {folder}"
        )
    packed_of = {store.version_of(tar) for tar in tars}
    if packed_of != {wanted}:
        if packed_of:
            progress.say(f"the archives are of another version of {folder}: fetching the folder")
        return _pull_folder(folder, store=store, force=force)
    try:
        store.pull(tars, force=True)  # one that differs is damaged, or of an older pointer
    except MissingContentError as lost:
        progress.say(f"{lost.problem}: fetching the folder")
        return _pull_folder(folder, store=store, force=force, instead_of=lost)
    in_the_way = read_shards(
        tars, folder, force=force, on_progress=lambda *at: progress.step("unpacking", *at)
    )
    if in_the_way is not None:
        progress.say(f"{in_the_way} is of another version: DVC decides what becomes of it")
        return _pull_folder(folder, store=store, force=force)
    store.add([folder])  # DVC has it then as if it had come file by file
    if store.content_of(folder) != wanted:
        raise VersioningError(
            f"{shards_of(folder)} does not hold what the pointer of {folder} names",
            hint=f"git checkout {folder}.dvc, then: dvc pull {folder}.dvc",
        )
    return "archives"


def _pull_folder(
    folder: Path,
    *,
    store: ArtifactStore,
    force: bool,
    instead_of: MissingContentError | None = None,
) -> str:
    """Fetch a data set file by file; what is lost in both forms is said of both."""
    try:
        store.pull([folder], force=force)
    except MissingContentError as lost:
        problem = f"{instead_of.problem}; {lost.problem}" if instead_of else lost.problem
        raise MissingContentError(
            problem,
            hint=f"where the data set is whole: dvc push {folder}.dvc, or doors data pack",
        ) from None
    except VersioningError as error:
        if force:
            raise
        raise VersioningError(
            error.problem,
            hint=f"{error.hint}; or doors data pull --force, which gives up what differs here",
        ) from None
    return "folder"


def train(
    params: Params,
    run: Run,
    *,
    world: World,
    replace: bool = False,
    resume: bool = False,
    choice: RunChoice = RunChoice(),  # noqa: B008 - it cannot be changed
) -> Metadata:
    """Train, evaluate what came out, and publish it if it is better than what is published.

    Whatever fails, the last model stays.

    A run that was cut off is taken up where it stopped, from its newest whole checkpoint. One that
    was begun with other params or on other data is set aside and begun anew, and so is every
    one with ``replace``; with ``resume`` nothing is begun.

    Raises:
        DoorsError: If params, data, weights or the device cannot be used, if the run is finished
            already and ``replace`` is false, if ``resume`` asks for what cannot be continued, or
            if another machine trains the experiment now.
        ToBeContinued: If it was wished to stop; nothing is lost.
    """
    with claim(run):
        earlier = None if replace else earlier_record(run)
        if choice.run is None:
            refuse_finished(run, earlier)
        report = fit_data(params, progress=world.progress)
        is_needed = choice.run is not None or (resume and earlier is None)
        known = _known(run, choice, world=world, is_needed=is_needed)
        warned: list[object] = [*warnings(params), *report.warnings]
        if not replace:
            use_newest_whole(run, lambda line: _say_and_note(line, warned, world.progress))
            earlier = _fetched(earlier, run, known, choice, world=world)
        if earlier is not None and _is_trained(earlier, run) and _is_same(earlier, params, report):
            world.progress.say(f"{run.name} was trained already: evaluating and publishing it")
            record = earlier
            link_view(_layout(report), run.data_view)
        elif resume or _can_go_on(earlier, params, run, report):
            record, resume = _continued(earlier, params, run, report, world=world), True
        else:
            record = _begun(params, run, report, known, world=world, replace=replace)
        try:
            with (
                logbook(run.train_log),
                _followed(run, record, world=world),
                _published_meanwhile(run, params, known, world=world),
            ):
                _log_warnings(warned)
                if record.status != "trained":
                    record = _train_weights(record, run, report, world=world, resume=resume)
                evaluation = _evaluate(record, run, world=world)
                metadata = _finish(record, evaluation, run, params, world=world)
        except ToBeContinued as wish:
            epochs = read_epochs(run.metrics_jsonl)
            raise ToBeContinued(
                f"{run.name} has {epochs[-1].number if epochs else 0} of "
                f"{params.training.epochs} epochs: {wish}"
            ) from None
    return metadata


def fetch_run(run: Run, *, world: World, choice: RunChoice) -> None:
    """Bring the newest checkpoint of a run here, with what was asked of it; :func:`train` goes on.

    Raises:
        DoorsError: As :func:`train`, of what the storage has.
    """
    with claim(run):
        earlier = earlier_record(run)
        known = _known(run, choice, world=world, is_needed=True)
        use_newest_whole(run, world.progress.say)
        _fetched(earlier, run, known, choice, world=world)


def _say_and_note(line: str, noted: list[object], progress: Progress) -> None:
    noted.append(line)
    progress.say(line)


def _log_warnings(warned: Sequence[object]) -> None:
    for line in warned:
        LOG.warning("%s", line)


def _finish(
    record: RunRecord, evaluation: Evaluation, run: Run, params: Params, *, world: World
) -> Metadata:
    outside = _outside(record, world)
    metadata, outcome = finish(
        record, evaluation, run, when=params.publishing.when, outside=outside
    )
    _update(run, record, status="finished")
    LOG.info(outcome)
    world.progress.say(outcome)
    return metadata


def epoch_to_go_on_after(
    params: Params, run: Run, report: Report, *, replace: bool = False
) -> int | None:
    """Say after which epoch :func:`train` would go on; None if it would begin.

    Raises:
        RunError: If the run is finished already and ``replace`` is false.
    """
    earlier = None if replace else earlier_record(run)
    refuse_finished(run, earlier)
    return find_whole(run).epoch if _can_go_on(earlier, params, run, report) else None


def adopt(run: Run, *, outside: Outside) -> tuple[Metadata, str]:
    """Publish a run that was trained and evaluated elsewhere and brought here, if it is better.

    Adopting it again is harmless: it keeps its version.

    Returns:
        Its metadata, and what was published or kept, and why.

    Raises:
        RunError: If the run is not what its record says.
    """
    record = RunRecord.read(run.record)
    layout = read_layout(Path(record.dataset.path))[0]
    if layout is not None:
        link_view(layout, run.data_view)
    when = record.known_params.publishing.when
    adopted = finish(record, Evaluation.read(run.scores), run, when=when, outside=outside)
    _update(run, record, status="finished")
    return adopted


def regenerate_metadata(
    weights_dir: Path,
    *,
    repository: Repository,
    runs_root: Path,
    major: bool,
    experiment: str | None = None,
) -> Metadata:
    """Write ``metadata.json`` anew for a published model, from the run that made it.

    Args:
        weights_dir: Where the model is.
        repository: Has the versions that there are.
        runs_root: Where the run is.
        major: Whether its number is to begin a major version.
        experiment: What should be published; None if it may be any.

    Raises:
        RunError: If another experiment is published, or no run here made the model.
    """
    if experiment is not None:
        _refuse_other_experiment(weights_dir, Run.named(experiment, runs_root))
    record = find_run(weights_dir, runs_root)
    run = run_of(record.run_id, record.experiment, runs_root)
    published = read_published(weights_dir)
    # What was published stays true of it, even if the run has been set aside since.
    ours = published if published and published.run_id == record.run_id else None
    evaluation = ours.evaluation if ours else Evaluation.read(run.scores)
    version = version_for(
        record, weights_dir, tags=repository.tags(TAGS), major=major, runs=runs_root
    )
    is_here = is_record_of(run, record.run_id)
    metadata = build_metadata(
        record,
        evaluation,
        version,
        records=ours.records if ours and ours.records else record_hashes(run) if is_here else {},
        files=ours.files if ours and ours.files else file_hashes(run) if is_here else {},
    )
    metadata.write(weights_dir / "metadata.json")
    if weights_dir.resolve() == PUBLISHED.resolve() and is_here:
        metadata.write(run.metadata)
        write_reports(run, metadata, evaluation, REPORTS)
    return metadata


def _refuse_other_experiment(weights_dir: Path, run: Run) -> None:
    """See that what is published is of this run; whose a damaged model is, its content says."""
    try:
        published = read_published(weights_dir)
    except RunError:
        return
    if published is not None:
        refuse_another(published, run)


def version(
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


def set_remote(
    url: str | None,
    credentials: DriveCredentials | None,
    *,
    delegate: str | None,
    storage: Storage,
) -> tuple[str, DriveCredentials | None]:
    """Choose where large files are kept, so that plain ``dvc push`` and ``dvc pull`` work.

    Args:
        url: Any that DVC knows; None for the one that the repository names already.
        credentials: For Google Drive; of no use elsewhere.
        delegate: The person whom a service account acts for.
        storage: What is told.

    Returns:
        The address, and the credentials that are used for it.

    Raises:
        VersioningError: If the address cannot be one, or DVC refuses.
    """
    url = url or storage.url
    if url is None:
        raise VersioningError(
            "this repository names no remote yet", hint="doors remote set gdrive://FOLDER_ID"
        )
    check_url(url)
    kind = kind_of(url)
    if delegate and (kind != "drive" or credentials is None):
        raise VersioningError(
            f"{delegate} cannot be acted for: that takes Google Drive and a service account",
            hint="give --credentials FILE with it"
            if kind == "drive"
            else f"doors remote set {url}, without --delegate",
        )
    if kind != "drive":
        storage.configure(url, {"verify": "true"} if kind == "directory" else {})
        return url, None
    options = {}
    if credentials is not None:
        credentials.options("", delegate=delegate)  # refused before anything is kept
        file = storage.keep_credentials(credentials.text)
        options = credentials.options(str(file), delegate=delegate)
    storage.configure(url, options)
    return url, credentials


def check_remote(*, storage: Storage) -> str:
    """Write, read and delete a small file on the remote; returns its address.

    Raises:
        VersioningError: If that does not work: what is wrong, and what to do.
    """
    return storage.probe()


def summarise(run: Run, output: Path) -> Path:
    """Write the report of a run as Markdown, its pictures in a folder beside it.

    Raises:
        RunError: If the run has not been trained and evaluated.
    """
    record = as_it_stands_anywhere(run, RunRecord.read(run.record))
    evaluation = Evaluation.read(run.scores)
    published = read_published()
    since = Evaluated.read(run.evaluation) if run.evaluation.exists() else None
    write_summary(
        run,
        output,
        record=record,
        evaluation=evaluation,
        history=read_history(run.metrics_jsonl, record),
        afterwards=Afterwards(
            metadata=published if published and published.run_id == record.run_id else None,
            own=own_metadata(run),
            measured=since if since and since.weights_sha256 == evaluation.weights_sha256 else None,
        ),
    )
    return output


def follow_run(run: Run, trackers: Mapping[str, Tracker], *, ended: Ended, say: Say) -> None:
    """Show a run to trackers while another process trains it, until it has ended."""
    follow(
        RunRecord.read(run.record),
        trackers,
        epochs=reading(run.metrics_jsonl),
        results=lambda: gather_results(run),
        ended=ended,
        say=say,
    )


def sync_tracking(
    run: Run, *, server: TrackingServer, follower: Follower, progress: Progress
) -> tuple[Remote | None, Remote]:
    """Send to a tracking server what it lacks of a run that is not being trained now.

    Returns:
        What it had before, None if it did not know the run, and what it has now.

    Raises:
        RunError: If the run is being trained, or was never begun.
        TrackingError: If the server cannot be used; sending again goes on from there.
    """
    with claim(run):
        record = read_record(run)
        follower.settle(run, progress=progress)
        for line in history_warnings(run, record):
            progress.say(line)
        if record.epochs_finished:
            read_history(run.metrics_jsonl, record)  # what was emptied is not all there is
        before = server.ask(record)
        server.send_recordings(after_epoch=before.last_epoch if before else 0)
        now = server.ask(record)
        epochs, results = read_epochs(run.metrics_jsonl), gather_results(run)
        if now is None or not _has_all(now, epochs, results):
            tell(
                server.tracker(record), record, epochs, results,
                exit_code=_EXIT_CODES.get(record.status, KILLED),
            )  # fmt: skip
            now = server.ask(record)
        if now is None:
            raise TrackingError(
                f"the server took {run.name} and does not know it", hint="try it again later"
            )
    return before, now


def show_run(run: Run, *, picture: Path | None) -> tuple[RunRecord, list[Epoch], int | None]:
    """Read a run's epochs, as far as it is by now, and draw their curves.

    Args:
        run: Trained, in training, or failed.
        picture: Where to draw; nothing is drawn before the first epoch, or where this is None.

    Returns:
        What was asked for, every finished epoch, and the number of the best, None before the first.

    Raises:
        RunError: If there is no such run; names those that are spelled alike.
    """
    record, history = as_it_stands_anywhere(run, read_record(run)), read_epochs(run.metrics_jsonl)
    best = best_epoch(history).number if history else None
    if picture is not None and history:
        draw_curves(history, best, picture)
    return record, history, best


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


def fit_data(params: Params, *, progress: Progress) -> Report:
    """Check params and data before a GPU is spent on them.

    Raises:
        DatasetError: If there is a fault.
    """
    for warned in warnings(params):
        progress.say(f"warning: {warned}")
    report = validate(Path(params.data.path), params.data, progress=progress)
    if report.errors:
        raise DatasetError(
            f"{params.data.path} has {len(report.errors)} error(s), the first: {report.errors[0]}",
            hint=f"see them all: doors data validate --path {params.data.path}",
        )
    if report.warnings:
        progress.say(
            f"warning: {params.data.path} has {len(report.warnings)} warning(s), the first: "
            f"{report.warnings[0]}; all of them: doors data validate --path {params.data.path}"
        )
    return report


def _is_same(earlier: RunRecord, params: Params, report: Report) -> bool:
    """Tell whether an earlier run was asked for with these params, on this data."""
    asked = params.model_dump(mode="json")
    return (
        _without_places(with_defaults(earlier.params)) == _without_places(asked)
        and earlier.dataset.sha256 == _facts(report).sha256
    )


def _without_places(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out on what it is trained as well: a run may move to other GPUs, or to one."""
    training = {key: value for key, value in params["training"].items() if key != "device"}
    return without_looks(params) | {"training": training}


_LOOKS = ("tensorboard", "checkpoints", "publishing", "versioning")


def without_looks(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what decides only how a run is watched and kept, and may change meanwhile."""
    wandb = {key: value for key, value in params["wandb"].items() if key != "mode"}
    shown = {key: value for key, value in params.items() if key not in _LOOKS}
    return shown | {"wandb": wandb}


def _what_is_other(earlier: RunRecord, params: Params, run: Run, report: Report) -> str:
    """Name what a run was begun with and is not resumed with, as old -> new."""
    asked = without_looks(params.model_dump(mode="json"))
    other = [
        f"{key} {shown(old)} -> {shown(new)}"
        for key, old, new in unequal(without_looks(with_defaults(earlier.params)), asked)
    ]
    if earlier.dataset.sha256 != _facts(report).sha256:
        was = DatasetFiles.read(run.dataset).files if run.dataset.is_file() else {}
        now = {path.as_posix(): digest for path, digest in report.digests.items()}
        files = [name for name, _, _ in unequal(was, now)] if was else []
        other += files[:MOST_NAMED] or [params.data.path]
        if len(files) > MOST_NAMED:
            other.append(f"and {len(files) - MOST_NAMED} more files")
    return ", ".join(other)


def _facts(report: Report) -> DatasetFacts:
    return dataset_facts(_layout(report), report)


def _list_data(report: Report, run: Run) -> None:
    """Write down what is trained on, file by file, so that what changes later can be named."""
    files = {path.as_posix(): digest for path, digest in report.digests.items()}
    DatasetFiles(files=files).write(run.dataset)


def _layout(report: Report) -> Layout:
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    return report.layout


def _known(run: Run, choice: RunChoice, *, world: World, is_needed: bool) -> KnownRuns | None:
    """Ask what the storage has of an experiment; None if there is none, or it does not answer.

    Raises:
        RunError: If another machine trains the experiment now, or if a run is to be chosen and
            there is no storage.
        VersioningError: If the storage does not answer, and nothing can be done without it.
    """
    remote = world.checkpoints
    if remote is None:
        if choice.run is None:
            return None
        raise RunError(
            f"--run {choice.run}: there is no storage to choose a run from",
            hint="doors remote set; or leave --run out",
        )
    try:
        known = known_runs(remote.names(run.name), _record_if_readable(run))
        if not choice.takes_over:
            watch(
                [one for one in known.leases if one.clone != clone_id(run.root)],
                lambda: remote.names(run.name),
                experiment=run.name,
                say=world.progress.say,
            )
    except (VersioningError, MissingToolError) as error:
        if is_needed:
            raise
        world.progress.say(f"checkpoints of other machines are not looked for: {error.problem}")
        return None
    return known


def _fetched(
    earlier: RunRecord | None,
    run: Run,
    known: KnownRuns | None,
    choice: RunChoice,
    *,
    world: World,
) -> RunRecord | None:
    """Bring a checkpoint here that goes further than ours, made on another machine."""
    remote, say = world.checkpoints, world.progress.say
    if remote is None or known is None:
        return earlier
    if fetch_newer(run, earlier, known, remote, wanted=choice.run, say=say):
        earlier = RunRecord.read(run.record)
    if choice.run is not None and earlier is not None:
        refuse_finished(run, earlier)
        earlier = prefer(run, earlier, known, remote)
    return earlier


@contextmanager
def _published_meanwhile(
    run: Run, params: Params, known: KnownRuns | None, *, world: World
) -> Iterator[None]:
    """Send checkpoints away while a run goes on, however it ends."""
    if world.checkpoints is None:
        yield
        return
    remote, say = world.checkpoints, world.progress.say
    publisher = Publisher(run, remote, every_s=params.checkpoints.every_minutes * 60, say=say)
    heartbeat = Heartbeat(
        run,
        own_lease(run, RunRecord.read(run.record).run_id),
        remote,
        instead_of=[one.name for one in known.leases] if known else [],
        say=say,
    )
    heartbeat.start()
    publisher.start()
    try:
        yield
    finally:
        publisher.finish()
        heartbeat.stop()


def _is_trained(earlier: RunRecord, run: Run) -> bool:
    """Tell whether a run was trained to its end, and its weights are here as they came out."""
    if earlier.status != "trained":
        return False
    paths = (run.best_weights, run.last_weights)
    return all(path.is_file() and artifact(path) == earlier.artifacts[path.name] for path in paths)


def _can_go_on(earlier: RunRecord | None, params: Params, run: Run, report: Report) -> bool:
    """Tell whether a run was cut off that is asked for again.

    Raises:
        RunError: If it was, and none of its checkpoints is whole.
    """
    if earlier is None or not _is_same(earlier, params, report):
        return False
    return _whole_epoch(earlier, run) is not None


def _whole_epoch(earlier: RunRecord, run: Run) -> int | None:
    """Name the epoch of the newest whole checkpoint; None if there has not been one.

    Raises:
        RunError: If there has been one, and none is left.
    """
    found = find_whole(run)
    lost = list(found.passed_over)
    if earlier.status == "trained":
        lost.append("best.pt or last.pt is not what was trained")
    if found.epoch is None and lost:
        raise RunError(
            f"no whole checkpoint of {run.name} is left: {'; '.join(lost)}",
            hint=how_to_begin_anew(run),
        )
    return found.epoch


def _begun(
    params: Params,
    run: Run,
    report: Report,
    known: KnownRuns | None,
    *,
    world: World,
    replace: bool,
) -> RunRecord:
    """Begin a run; what an earlier attempt left is set aside."""
    replaced = _replaced(run, known, replace=replace)
    hardware = world.trainer.describe_hardware(params)
    weights = world.trainer.starting_weights(params)
    world.follower.settle(run, progress=world.progress)
    why = "of other params or other data" if resumable_epoch(run) else "without a checkpoint"
    aside = set_aside(run)
    if aside is not None:
        world.progress.say(f"an earlier attempt, {why}, is kept in {aside}")
    document = params.model_dump(mode="json")
    record = RunRecord(
        run_id=uuid.uuid4().hex,
        experiment=run.name,
        status="running",
        started_at=datetime.now(UTC),
        params=document,
        params_sha256=params_sha256(document),
        code=world.repository.code_state(beside=_no_code(params)),
        dataset=_facts(report),
        starting_weights=weights,
        hardware=hardware,
        environment=world.environment,
        seed=params.training.seed,
        replaces=replaced,
    )
    record.write(run.record)
    _list_data(report, run)
    world.progress.say(
        f"training {run.name}: {params.model.architecture} from {weights.source} weights, "
        f"{params.training.epochs} epochs at {params.training.image_size_px} px "
        f"on {hardware.description} ({hardware.device})"
    )
    return record


def _replaced(run: Run, known: KnownRuns | None, *, replace: bool) -> list[str]:
    """Name the runs that the next one takes the place of.

    That is the one here and, on the storage, what has been replaced or has left nothing; with
    ``replace`` everything.
    """
    here = _record_if_readable(run)
    replaced = set() if here is None else {short_id(here), *here.replaces}
    if known is not None:
        replaced |= known.runs if replace else known.runs - {*known.usable()}
    return sorted(replaced)


def _record_if_readable(run: Run) -> RunRecord | None:
    try:
        return earlier_record(run)
    except RunError:  # it is set aside as it is
        return None


def _continued(
    earlier: RunRecord | None, params: Params, run: Run, report: Report, *, world: World
) -> RunRecord:
    """Take up a run that was cut off, as the same run."""
    epoch = None if earlier is None else _whole_epoch(earlier, run)
    if earlier is None or epoch is None:
        raise RunError(
            f"nothing in {run.directory} can be resumed: no epoch was finished there",
            hint=f"begin it: doors train --experiment {run.name}",
        )
    if not _is_same(earlier, params, report):
        raise RunError(
            f"{run.name} was begun with other params or on other data: "
            f"{_what_is_other(earlier, params, run, report)}",
            hint="put that back, or begin another: --experiment NAME",
        )
    hardware = world.trainer.describe_hardware(params)
    world.follower.settle(run, progress=world.progress)
    _list_data(report, run)
    rewind(run)  # before anybody follows: what the checkpoint lacks is trained again
    world.progress.say(
        f"resuming {run.name} after epoch {epoch} of {params.training.epochs} "
        f"on {hardware.description} ({hardware.device})"
    )
    document = params.model_dump(mode="json")
    return _update(
        run,
        earlier,
        status="running",
        params=document,
        params_sha256=params_sha256(document),
        finished_at=None,
        message=None,
        hardware=hardware,
        environment=world.environment,
        resumed_after=[*earlier.resumed_after, epoch],
    )


def _train_weights(
    record: RunRecord, run: Run, report: Report, *, world: World, resume: bool
) -> RunRecord:
    params = record.known_params
    with _outcome_recorded(run):
        recorder = Recorder(
            run,
            epochs=params.training.epochs,
            progress=world.progress,
            stopping=world.stopping,
            on_setback=lambda setback: _set_back(run, setback),
        )
        data_yaml = link_view(_layout(report), run.data_view)
        began = monotonic()
        with recorder.hearing_workers(record.hardware), world.stopping.training():
            world.trainer.train(
                params,
                run,
                data_yaml=data_yaml,
                weights=record.starting_weights,
                listener=recorder,
                resume=resume,
            )
        history = read_history(run.metrics_jsonl)
        for line in history_warnings(run, record):
            LOG.warning("%s", line)
            world.progress.say(line)
        force_to_disk(run.trainer_dir)  # before run.json says that they are there
        artifacts = {path.name: artifact(path) for path in (run.best_weights, run.last_weights)}
        write_materials(run, record, artifacts[run.best_weights.name], world.installed())
        replace_copy(run.metrics_jsonl, copy_of(run.metrics_jsonl))
        return _update(
            run,
            RunRecord.read(run.record),
            status="trained",
            finished_at=datetime.now(UTC),
            duration_s=_duration_s(history) if resume else monotonic() - began,
            epochs_finished=history[-1].number,
            best_epoch=best_epoch(history).number,
            artifacts=artifacts,
        )


def _duration_s(history: Sequence[Epoch]) -> float:
    """Add up the epochs, for a run that more than one process trained."""
    return sum(epoch.metrics["perf/epoch_s"] for epoch in history)


@contextmanager
def _outcome_recorded(run: Run) -> Iterator[None]:
    """Say in ``run.json`` how a run ended early or badly, and let the exception go on."""

    def ended(status: Status, message: str) -> None:
        record = RunRecord.read(run.record)
        changes = {"status": status, "finished_at": datetime.now(UTC), "message": message}
        try:
            _update(run, record, **changes)
        except OSError:
            heal(run.resumable.parent)  # a checkpoint that was not finished has no more use
            try:
                _update(run, record, **changes)
            except OSError as error:  # what ended the run matters more; readers see it is over
                LOG.error("how it ended could not be written into run.json: %s", error)

    try:
        yield
    except ToBeContinued as wish:
        ended("stopped", str(wish))
        raise
    except KeyboardInterrupt:
        ended("interrupted", "stopped by hand")
        raise
    except Exception as error:
        LOG.exception("training failed")
        ended("failed", f"{type(error).__name__}: {error}")
        raise


def _set_back(run: Run, setback: Setback) -> None:
    record = RunRecord.read(run.record)
    _update(run, record, setbacks=[*record.setbacks, setback])


@contextmanager
def _followed(run: Run, record: RunRecord, *, world: World) -> Iterator[None]:
    """Let the trackers watch, and tell them how it ended."""
    LOG.info("run %s of %s", record.run_id, run.name)
    world.follower.start(run, progress=world.progress)
    exit_code = FAILED
    try:
        yield
        exit_code = 0
    except ToBeContinued:
        exit_code = 0
        raise
    except KeyboardInterrupt:
        exit_code = INTERRUPTED
        raise
    finally:
        world.follower.finish(exit_code=exit_code)


def _no_code(params: Params) -> list[Path]:
    """Name what a run is made with that is no code: the record has its hash."""
    weights = [Path(params.model.weights)] if params.model.weights else []
    return [Path(params.data.path), *weights]


def _update(run: Run, record: RunRecord, **changes: object) -> RunRecord:
    changed = record.model_copy(update=changes)
    changed.write(run.record)
    return changed


def _evaluate(record: RunRecord, run: Run, *, world: World) -> Evaluation:
    """Score ``best.pt`` on val and test, each by itself, and draw what it finds on test."""
    refuse_other_weights(record, run)
    params = record.known_params
    detector = world.load_detector(
        run.best_weights,
        image_size_px=params.training.image_size_px,
        hardware=record.hardware,
    )
    evaluation = Evaluation(
        run_id=record.run_id,
        weights_sha256=artifact(run.best_weights).sha256,
        image_size_px=params.training.image_size_px,
        splits={
            split: score(
                detector, params, run, split, run_id=record.run_id, progress=world.progress
            )
            for split in EVALUATED_SPLITS
        },
    )
    for line in mend_lock_box(world.repository):
        LOG.warning("%s", line)
        world.progress.say(f"warning: {line}")
    _look_at_test(run, evaluation.weights_sha256)
    evaluation.write(run.scores)
    return evaluation


def mend_lock_box(repository: Repository) -> list[str]:
    """Put back what the record of looks at test has lost since the last commit; say what it was."""
    try:
        committed = repository.show("HEAD", TEST_LOOKS)
    except MissingToolError:  # without git nothing is ever committed
        committed = None
    return mend_looks(TEST_LOOKS, committed)


def _look_at_test(run: Run, weights_sha256: str) -> None:
    """Count that these weights were seen on test: whoever chooses among runs may choose by it."""
    seen = Predictions.read(run.predictions_json("test")).pictures
    look = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": BY_TRAINING,
        "experiment": run.name,
        "split_sha256": split_sha256((one.image, one.labelled_xyxy) for one in seen),
        "weights_sha256": weights_sha256,
    }
    add_look(TEST_LOOKS, look)


def score(
    detector: Detector, params: Params, run: Run, split: str, *, run_id: str, progress: Progress
) -> SplitScores:
    """Evaluate on one split of the run's view, and keep what was found there."""
    progress.say(f"evaluating best.pt on {split}")
    metrics, all_detections = detector.validate(
        data_yaml=run.data_view / "data.yaml",
        split=split,
        conf_threshold=params.validation.conf_threshold,
        plots_dir=run.evaluation_dir(split),
    )
    used = detector.detect(
        [found.image for found in all_detections],
        conf_threshold=params.validation.conf_threshold,
        iou_threshold=params.validation.iou_threshold,
    )
    doors = [doors_in(found) for found in all_detections]
    matches = [
        match(found.boxes_xyxy, found.confidences, boxes)
        for found, boxes in zip(used, doors, strict=True)
    ]
    Predictions(
        run_id=run_id,
        split=split,
        pictures=[
            prediction(found, boxes, matched, relative_to=run.data_view)
            for found, boxes, matched in zip(used, doors, matches, strict=True)
        ],
    ).write(run.predictions_json(split))
    if split == "test":
        for found, boxes, matched in list(zip(used, doors, matches, strict=True))[:MOST_PICTURES]:
            name = found.image.absolute().relative_to(run.data_view.absolute() / "images" / split)
            pictures.save(pictures.draw(found, boxes, matched), run.predictions / name)
    return SplitScores(
        images=len(doors),
        doors=sum(map(len, doors)),
        background_images=sum(not boxes for boxes in doors),
        ultralytics=metrics,
        coco=coco_ap(
            doors,
            [found.boxes_xyxy for found in all_detections],
            [found.confidences for found in all_detections],
        ),
        operating_point=operating_point(
            matches,
            conf_threshold=params.validation.conf_threshold,
            iou_threshold=params.validation.iou_threshold,
        ),
        latency=latency(
            [found.duration_ms for found in used if found.duration_ms is not None],
            method=detector.timing_method,
        ),
    )


def doors_in(photograph: Detections) -> list[BoxXyxy]:
    """Read the labelled boxes of a photograph, in its pixels."""
    width, height = photograph.width_px, photograph.height_px
    return [
        (left * width, top * height, right * width, bottom * height)
        for left, top, right, bottom in (
            box.edges for box in read_boxes(label_of(photograph.image))
        )
    ]


def _outside(record: RunRecord, world: World) -> Outside:
    """Open models on the device that this run was trained on."""

    def opened(weights: Path, image_size_px: int) -> Detector:
        return world.load_detector(weights, image_size_px=image_size_px, hardware=record.hardware)

    return Outside(world.repository, opened, world.progress, world.fetch_published)


_EXIT_CODES = {"finished": 0, "stopped": 0, "failed": FAILED, "interrupted": INTERRUPTED}


def _has_all(remote: Remote, epochs: Sequence[Epoch], results: Results | None) -> bool:
    of = results.metadata.artifacts["best.pt"].sha256 if results else None
    last = epochs[-1].number if epochs else 0
    return remote.last_epoch >= last and remote.results_of == of and remote.is_over
