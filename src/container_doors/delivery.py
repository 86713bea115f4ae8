"""The story after the training: a model is brought here, looked at, released and verified.

Like :mod:`container_doors.pipeline`, whose steps it uses: each function takes what it needs, calls
the parts and returns a value.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from container_doors.core.config import Data, Params, Validation, load_params
from container_doors.core.errors import (
    ConfigError,
    MissingToolError,
    RunError,
    TrackingError,
    VersioningError,
    WeightsError,
)
from container_doors.core.ports import (
    ArtifactStore,
    Detector,
    LoadDetector,
    Progress,
    Repository,
    TrackingServer,
    Upstream,
)
from container_doors.core.records import (
    Check,
    DatasetFiles,
    Finding,
    Hardware,
    Metadata,
    Mismatch,
)
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.data.facts import content_sha256
from container_doors.data.layout import read_layout
from container_doors.data.shards import tracked_shards
from container_doors.data.view import link_view
from container_doors.pipeline import (
    EVALUATED_SPLITS,
    another_published,
    nothing_published,
    score,
    validate,
    without_looks,
)
from container_doors.publishing import evidence
from container_doors.publishing.arrival import (
    Arrival,
    arrival,
    bring_reports,
    downloaded,
    refuse_other_tag,
    refuse_to_lose,
    released_paths,
    reported_version,
    weights_alone,
)
from container_doors.publishing.checklist import (
    history_check,
    metrics_check,
    size_check,
    tracking_check,
)
from container_doors.publishing.data_evidence import (
    Folder,
    data_objects_check,
    data_pointers_check,
    hash_files,
    said_md5,
)
from container_doors.publishing.git_reports import CURVES, report_texts
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.metadata import metrics_of, record_of
from container_doors.publishing.names import parse_name
from container_doors.publishing.pointers import (
    TRACKED,
    pointer_name,
    pointer_to,
    read_pointer,
)
from container_doors.publishing.publication import (
    METADATA,
    recover,
)
from container_doors.publishing.signatures import (
    SIGNATURE,
    SignaturePolicy,
    signature_check,
)
from container_doors.publishing.ways_back import metadata_back
from container_doors.scenes import draw_sample
from container_doors.steps.sync import (
    pointers_here,
    pointers_in,
    put_in_place,
    put_weights_in_place,
)
from container_doors.training.history import read_epochs

USUAL_SIZE_PX = 640
"""The specification's, where nothing says at which size a model was trained."""

ALIKE, ELSEWHERE = 1e-6, 0.005
"""How far figures may be off when measured again: on such a device, and on any other."""


def verify(
    experiment: str | None,
    params: Params,
    *,
    store: ArtifactStore,
    repository: Repository,
    progress: Progress,
    fetch_data: bool = False,
) -> tuple[Metadata | None, list[Check]]:
    """Hash everything that the published model stands on again, and name what has changed.

    Args:
        experiment: What should be published; None if it may be any.
        params: Those of ``params.yaml`` now.
        store: Asked for what its remote holds.
        repository: Asked for the commit and the tag.
        progress: Told how far it is.
        fetch_data: Whether the data set is fetched from a remote that is no folder.

    Returns:
        What is published, None if it cannot be read, and one check for each link.

    Raises:
        RunError: If nothing is published, or another experiment than the one asked for.
    """
    path = PUBLISHED / METADATA
    recover()
    if not path.exists():
        raise nothing_published(experiment)
    unreadable: Check | None = None
    try:
        metadata = Metadata.read(path)
    except RunError as error:
        hint = metadata_back(PUBLISHED, _published_run(experiment))
        unreadable = Check("metadata", "", (Mismatch(str(path), "metadata", error.problem, hint),))
        kept = _kept_metadata(experiment, store)
        if kept is None:
            why = "metadata.json, which says what it should be, is damaged"
            return None, [unreadable, Check("everything else", "", not_checked=why)]
        metadata = kept
    if experiment not in {None, metadata.experiment_name}:
        raise another_published(metadata, experiment, f"doors verify {metadata.experiment_name}")
    run = run_of(metadata.run_id, metadata.experiment_name)
    tagged = {
        pointer_name(name): text
        for name in TRACKED
        if (text := repository.show(metadata.git_tag, PUBLISHED / pointer_name(name))) is not None
    }
    committed = pointers_in("HEAD", repository)
    commit = metadata.code.commit
    asked, was = _comparable(params), _comparable(metadata.hyperparameters)
    data_set = _dataset_evidence(metadata, run, params, progress)
    root = Path(params.data.path)
    data = Folder(root, _files_as_kept(root, store))
    data_pointers = _data_pointers_evidence(data, repository, is_changed=bool(data_set.mismatches))
    pointers = evidence.pointers_check(
        metadata,
        PUBLISHED,
        tagged,
        {pointer_name(name): text for name, text in committed.items()},
    )
    return metadata, [
        data_set,
        data_pointers,
        evidence.params_check(
            metadata,
            asked,
            was,
            revision=_revision_of_params(metadata, was, repository),
            hint=metadata_back(PUBLISHED, run),
        ),
        evidence.code_check(metadata, is_there=repository.holds(commit) if commit else None),
        evidence.starting_weights_check(metadata),
        evidence.records_check(metadata, run),
        evidence.weights_check(metadata, PUBLISHED, run),
        unreadable or evidence.metadata_check(metadata, path, run),
        evidence.reports_check(
            own_reports := _own_reports(metadata, run),
            REPORTS,
            {name: repository.show("HEAD", REPORTS / name) for name in own_reports},
        ),
        pointers,
        _remote_evidence(pointers, store, progress),
        _remote_data_evidence(data, data_pointers, store, progress, fetch=fetch_data),
    ]


def measure_again(
    metadata: Metadata,
    dataset: Path,
    *,
    load_detector: LoadDetector,
    hardware: Hardware,
    progress: Progress,
) -> Check:
    """Evaluate the published ``best.pt`` once more, and compare the figures."""
    try:
        params = metadata.known_params
    except ConfigError as error:
        return Check("figures", "", not_checked=error.problem)
    if not _is_published(metadata):
        why = f"{PUBLISHED / 'best.pt'} is not what was published, so it is not opened"
        return Check("figures", "", not_checked=why)
    layout, findings = read_layout(dataset)
    if layout is None:
        return Check("figures", "", not_checked=f"{dataset}: {findings[0]}")
    with TemporaryDirectory() as scratch:
        run = Run(metadata.experiment_name, root=Path(scratch))
        link_view(layout, run.data_view)
        size = params.training.image_size_px
        detector = load_detector(PUBLISHED / "best.pt", image_size_px=size, hardware=hardware)
        splits = {
            split: score(detector, params, run, split, run_id=metadata.run_id, progress=progress)
            for split in EVALUATED_SPLITS
        }
    again = metadata.evaluation.model_copy(update={"splits": splits})
    is_alike = hardware.description == metadata.hardware.description
    return evidence.figures_check(
        metadata, metrics_of(again), tolerance=ALIKE if is_alike else ELSEWHERE
    )


def check_signature(policy: SignaturePolicy) -> Check:
    """See who signed the published model, as far as the project asks for that."""
    return signature_check(_published_run(None).name, PUBLISHED, policy)


def sync(
    outputs: Path | None,
    *,
    store: ArtifactStore,
    repository: Repository,
    progress: Progress,
    policy: SignaturePolicy,
) -> Metadata:
    """Bring here a model that was trained elsewhere, as one step.

    Args:
        outputs: What was downloaded, with the pointers in it; None if git has them.
        store: Fetches what the pointers name.
        repository: Is brought up to date.
        progress: Told what is done.
        policy: Whether the model has to be signed, and by whom.

    Raises:
        VersioningError: If git cannot be brought up to date, if there is no model, if it does not
            arrive, or if it would replace one that is nowhere else.
        SignatureError: If it is not signed as the project asks for.
    """
    recover()
    is_in_git = repository.code_state().commit is not None
    upstream = repository.fetch() if is_in_git else Upstream(None, None)
    progress.say(_git_said(upstream, is_in_git=is_in_git))
    if outputs is not None:
        _follow(upstream, repository, same=[])
        # What came with this moment's commit counts, and not what was read before it.
        arriving, revision = downloaded(outputs), upstream.commit or "HEAD"
    else:
        arriving, revision = _of_git(upstream, repository)
    committed = pointers_in("HEAD", repository) if is_in_git else None
    refuse_to_lose(arriving, committed)
    metadata = put_in_place(arriving, revision, store=store, policy=policy, progress=progress)
    bring_reports(arriving, metadata)
    if outputs is None:
        # The pointers are here already, so that a kill before this leaves a model that is whole.
        _follow(upstream, repository, same=_of_git_here(revision, repository))
    return metadata


def sync_weights(
    outputs: Path,
    *,
    store: ArtifactStore,
    repository: Repository,
    progress: Progress,
    policy: SignaturePolicy,
) -> Path | None:
    """Bring ``best.pt`` where its pointer came alone.

    Returns:
        Where it is; None if more came than that, so that :func:`sync` can do it.

    Raises:
        DoorsError: As :func:`steps.sync.put_weights_in_place`.
    """
    recover()
    arriving = weights_alone(outputs)
    if arriving is None:
        return None
    is_in_git = repository.code_state().commit is not None
    refuse_to_lose(arriving, pointers_in("HEAD", repository) if is_in_git else None)
    return put_weights_in_place(arriving, policy, store=store, progress=progress)


def check_weights_alone(
    weights: Path, dataset: Path, *, load_detector: LoadDetector, hardware: Hardware
) -> list[Check]:
    """Go through the specification's checklist as far as that goes without metadata."""
    opened = partial(load_detector, image_size_px=USUAL_SIZE_PX, hardware=hardware)
    size_mb = weights.stat().st_size / 1e6
    return [
        Check("arrived", f"best.pt, {size_mb:.1f} MB, is what its pointer names"),
        *_look(weights, dataset, opened, Validation(), hardware),
        Check("metrics", "", not_checked="metadata.json.dvc was not among the outputs"),
    ]


def check_synced(
    metadata: Metadata,
    dataset: Path,
    *,
    load_detector: LoadDetector,
    hardware: Hardware,
    server: TrackingServer | str,
) -> list[Check]:
    """Go through the specification's checklist (7.3).

    Args:
        metadata: Of the model that is published.
        dataset: Where a test photograph may be; one is drawn if there is none.
        load_detector: Opens the weights.
        hardware: What they are opened on.
        server: Where the run was shown, or why it cannot be asked.
    """
    weights = PUBLISHED / "best.pt"
    return [
        size_check(metadata, weights),
        *_use(metadata, weights, dataset, load_detector=load_detector, hardware=hardware),
        metrics_check(metadata),
        history_check(metadata, _epoch_tables(metadata)),
        _tracking(metadata, server),
    ]


def is_released(metadata: Metadata, repository: Repository) -> bool:
    """Tell whether git's last commit holds the model's pointers and reports, and a tag names it."""
    return metadata.git_tag in repository.tags(metadata.git_tag) and all(
        repository.show("HEAD", path) == path.read_text(encoding="utf-8")
        for path in released_paths()
    )


def release(metadata: Metadata, repository: Repository) -> str | None:
    """Commit what git keeps of the published model, and tag it, each once.

    Returns:
        The commit, None if there was nothing to commit.

    Raises:
        VersioningError: If git refuses, or if the tag is another model's.
    """
    paths = released_paths()
    tag = metadata.git_tag
    is_tagged = tag in repository.tags(tag)
    if is_tagged:
        refuse_other_tag(tag, {path: repository.show(tag, path) for path in paths}, paths)
    commit = repository.commit(paths, f"Release {metadata.version}")
    if not is_tagged:
        repository.create_tag(tag, metadata.version)
    return commit


def _git_said(upstream: Upstream, *, is_in_git: bool) -> str:
    if not is_in_git:
        return "git: no commit here, so there is nothing to bring up to date"
    if upstream.name is None:
        return "git: the branch follows no remote, so there is nothing to fetch"
    if upstream.commit is None:
        return f"git: up to date with {upstream.name}"
    return f"git: {upstream.name} is ahead, at {upstream.commit[:12]}"


def _follow(upstream: Upstream, repository: Repository, *, same: Sequence[Path]) -> None:
    if upstream.commit is not None:
        repository.fast_forward(upstream.commit, same=same)


def _of_git(upstream: Upstream, repository: Repository) -> tuple[Arrival, str]:
    """Read the pointers that git will have here, before it has; and of which revision they are."""
    if upstream.commit is not None:
        texts = pointers_in(upstream.commit, repository)
        signature = repository.show(upstream.commit, PUBLISHED / SIGNATURE)
        return arrival(texts, f"{upstream.name}: {PUBLISHED}", signature), upstream.commit
    return pointers_here(), "HEAD"


def _of_git_here(revision: str, repository: Repository) -> list[Path]:
    """Name what of a revision was put in place already."""
    paths = [PUBLISHED / name for name in (*map(pointer_name, TRACKED), SIGNATURE)]
    return [one for one in paths if one.is_file() and repository.show(revision, one) is not None]


def _use(
    metadata: Metadata,
    weights: Path,
    dataset: Path,
    *,
    load_detector: LoadDetector,
    hardware: Hardware,
) -> Iterator[Check]:
    """Load the model and look at one photograph, as a person would."""
    if not _is_published(metadata):
        other = Mismatch(
            str(weights), "what was published", "another file, not opened", "doors sync again"
        )
        yield Check("loads", "", (other,))
        yield Check("inference", "", not_checked="the model is another")
        return
    point = metadata.evaluation.splits["test"].operating_point
    used = Validation(conf_threshold=point.conf_threshold, iou_threshold=point.iou_threshold)
    size = metadata.evaluation.image_size_px
    opened = partial(load_detector, image_size_px=size, hardware=hardware)
    yield from _look(weights, dataset, opened, used, hardware)


def _look(
    weights: Path,
    dataset: Path,
    opened: Callable[[Path], Detector],
    point: Validation,
    hardware: Hardware,
) -> Iterator[Check]:
    try:
        detector = opened(weights)
    except WeightsError as error:
        yield Check(
            "loads", "", (Mismatch(str(weights), "YOLO weights", error.problem, error.hint),)
        )
        yield Check("inference", "", not_checked="the model does not load")
        return
    yield Check("loads", f"with Ultralytics, on {hardware.description}")
    with _a_photograph(dataset) as (image, what):
        (found,) = detector.detect(
            [image], conf_threshold=point.conf_threshold, iou_threshold=point.iou_threshold
        )
    yield Check("inference", f"{len(found.boxes_xyxy)} door(s) found in {what}")


def _is_published(metadata: Metadata) -> bool:
    """Tell, before ``best.pt`` is opened, whether it is what its metadata describes."""
    path = PUBLISHED / "best.pt"
    return path.is_file() and file_sha256(path) == metadata.artifacts["best.pt"].sha256


@contextmanager
def _a_photograph(dataset: Path) -> Iterator[tuple[Path, str]]:
    """Choose the first of the test split, or draw one."""
    layout = read_layout(dataset)[0] if dataset.is_dir() else None
    if layout is not None and "test" in layout.splits and layout.splits["test"].images:
        image = layout.splits["test"].images[0]
        yield image, str(image)
        return
    with TemporaryDirectory() as scratch:
        drawn = Path(scratch) / "drawn"
        draw_sample(drawn, counts={"train": 0, "val": 0, "test": 1}, seed=0, is_plain=True)
        (image,) = (drawn / "images" / "test").iterdir()
        yield image, "a drawn picture"


def _epoch_tables(metadata: Metadata) -> list[tuple[Path, int]]:
    """Count the lines of what has one for each epoch, where it is of this very run."""
    run = run_of(metadata.run_id, metadata.experiment_name)
    tables = []
    if is_record_of(run, metadata.run_id):
        tables.append((run.metrics_jsonl, len(read_epochs(run.metrics_jsonl))))
    table = PUBLISHED / "results.csv"
    if "results.csv" in metadata.files and table.is_file():
        tables.append((table, _rows_of(table)))
    curves = REPORTS / CURVES
    if curves.is_file() and reported_version(REPORTS) == metadata.version:
        tables.append((curves, _rows_of(curves)))
    return tables


def _rows_of(table: Path) -> int:
    return len(table.read_text(encoding="utf-8").splitlines()) - 1


def _tracking(metadata: Metadata, server: TrackingServer | str) -> Check:
    if isinstance(server, str):
        return Check("tracking", "", not_checked=server)
    try:
        return tracking_check(metadata, server.ask(record_of(metadata)))
    except TrackingError as error:
        return Check("tracking", "", not_checked=f"{error.problem}; {error.hint}")


def _dataset_evidence(metadata: Metadata, run: Run, params: Params, progress: Progress) -> Check:
    root = Path(params.data.path)
    pull = "doors data pull" + ("" if root == Path(Data().path) else f" --path {root}")
    if not root.is_dir():
        why = f"no data set at {root}: {pull}"
        return Check("data set", str(root), not_checked=why)
    report = validate(root, params.data, progress=progress)
    recorded = _recorded_files(metadata, run)
    if report.layout is None and recorded is None:
        return Check("data set", str(root), tuple(_as_mismatch(root, f) for f in report.errors))
    found = {path.as_posix(): digest for path, digest in report.digests.items()}
    if recorded is not None and found.get("data.yaml") != recorded.get("data.yaml"):
        # What another data.yaml leads to says nothing of the files that were trained on.
        found = {name: file_sha256(root / name) for name in recorded if (root / name).is_file()}
    is_tracked = root.with_name(pointer_name(root.name)).is_file()
    return evidence.dataset_check(
        metadata,
        root,
        found=found,
        found_sha256=content_sha256({Path(name): digest for name, digest in found.items()}),
        recorded=recorded,
        hint=f"{pull} --force" if is_tracked else "restore it from a copy: DVC does not keep it",
    )


def _files_as_kept(root: Path, store: ArtifactStore) -> dict[str, tuple[str, int]] | None:
    """Hash a data set as DVC does, without what it is told to leave out."""
    if not root.is_dir():
        return None
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    files = hash_files(root, names)
    pointer = Folder(root, files).pointer
    if not pointer.is_file() or said_md5(pointer) == Folder(root, files).out["md5"]:
        return files
    ignored = store.ignored([root / name for name in names])
    return {name: file for name, file in files.items() if root / name not in ignored}


def _data_pointers_evidence(data: Folder, repository: Repository, *, is_changed: bool) -> Check:
    archives = tracked_shards(data.root)
    paths = [data.pointer, *(path.with_name(pointer_name(path.name)) for path in archives)]
    shown = {path: repository.show("HEAD", path) for path in paths}
    committed = {path: text for path, text in shown.items() if text is not None}
    return data_pointers_check(data, archives, committed, is_changed=is_changed)


def _remote_data_evidence(
    data: Folder, compared: Check, store: ArtifactStore, progress: Progress, *, fetch: bool
) -> Check:
    name = "remote data"
    if not data.pointer.is_file():
        return Check(name, f"none: DVC does not track {data.root}")
    archives = tracked_shards(data.root)
    all_pointers = [data.pointer, *(path.with_name(pointer_name(path.name)) for path in archives)]
    pointers = _sound(all_pointers, compared)
    try:
        remote = store.check_ready()
        if fetch:
            progress.say(f"fetching the data set from {remote}, to hash what is there")
        with TemporaryDirectory() as scratch:
            found = store.object_folder(pointers, Path(scratch), fetch=fetch)
            if found is None:
                why = f"{remote} is no folder: doors verify --data fetches the data set from it"
                return Check(name, "", not_checked=why)
            objects, is_own = found
            return data_objects_check(data, pointers, objects, remote, is_own=is_own)
    except (VersioningError, MissingToolError) as error:
        return Check(name, "", not_checked=f"{error.problem}; {error.hint}")


def _sound(pointers: Sequence[Path], compared: Check) -> list[Path]:
    """Leave out the pointers that have changed: what they name now proves nothing."""
    changed = {
        mismatch.where.partition(": ")[0].partition(", ")[0] for mismatch in compared.mismatches
    }
    return [path for path in pointers if str(path) not in changed]


def _published_run(experiment: str | None) -> Run:
    """Tell by the pointer whose run was published, where the metadata cannot say it."""
    try:
        version = read_pointer(PUBLISHED / pointer_name(METADATA)).version
        return Run(parse_name(version).experiment if version else experiment or "NAME")
    except VersioningError:
        return Run(experiment or "NAME")


def _kept_metadata(experiment: str | None, store: ArtifactStore) -> Metadata | None:
    """Find what ``metadata.json`` was, in the run or on the remote; None if it cannot be had."""
    pointer = PUBLISHED / pointer_name(METADATA)
    with TemporaryDirectory() as scratch, suppress(RunError, VersioningError, MissingToolError):
        own = _published_run(experiment).metadata
        if own.is_file() and (
            not pointer.is_file() or pointer_to(own).md5 == read_pointer(pointer).md5
        ):
            return Metadata.read(own)
        if pointer.is_file():
            fetched = store.fetch_objects([pointer], Path(scratch))[METADATA]
            if fetched is not None and pointer_to(fetched).md5 == read_pointer(pointer).md5:
                return Metadata.read(fetched)
    return None


def _revision_of_params(
    metadata: Metadata, was: Mapping[str, Any], repository: Repository
) -> str | None:
    """Find where git has a ``params.yaml`` that asks for what the model was trained with."""
    for revision in filter(None, (metadata.git_tag, metadata.code.commit, "HEAD")):
        text = repository.show(revision, Path("params.yaml"))
        if text is None:
            continue
        with TemporaryDirectory() as scratch, suppress(ConfigError):
            path = Path(scratch) / "params.yaml"
            path.write_text(text, encoding="utf-8")
            if _comparable(load_params(path)) == was:
                return revision
    return None


def _as_mismatch(root: Path, finding: Finding) -> Mismatch:
    where = str(root / finding.path)
    return Mismatch(where, finding.expected, finding.found, finding.remedy)


def _recorded_files(metadata: Metadata, run: Run) -> dict[str, str] | None:
    """Read what the model was trained on, file by file; None if that is lost or has changed."""
    try:
        files = DatasetFiles.read(run.dataset).files
    except RunError:
        return None
    recorded = {Path(name): digest for name, digest in files.items()}
    return files if content_sha256(recorded) == metadata.dataset_sha256 else None


def _comparable(params: Params | Mapping[str, Any]) -> dict[str, Any]:
    """Put params as this release writes them; those that it cannot read, as they stand."""
    if not isinstance(params, Params):
        try:
            params = Params.model_validate(params)
        except ValueError:
            return dict(params)
    return without_looks(params.model_dump(mode="json"))


def _own_reports(metadata: Metadata, run: Run) -> dict[str, str]:
    if "best.pt" not in metadata.artifacts:
        return {}  # damaged, as another check says
    texts = report_texts(run, metadata, metadata.evaluation)
    is_ours = is_record_of(run, metadata.run_id)
    return {name: text for name, text in texts.items() if is_ours or name != CURVES}


def _remote_evidence(compared: Check, store: ArtifactStore, progress: Progress) -> Check:
    pointers = _sound([PUBLISHED / pointer_name(name) for name in TRACKED], compared)
    if not pointers:
        return Check("remote", "", not_checked="the pointers have changed")
    if not all(pointer.exists() for pointer in pointers):
        why = "nothing was sent yet: doors version"
        return Check("remote", "", not_checked=why)
    try:
        remote = store.check_ready()
        progress.say(f"fetching from {remote}, to hash what is there")
        with TemporaryDirectory() as scratch:
            objects = store.fetch_objects(pointers, Path(scratch))
            return evidence.objects_check(PUBLISHED, objects, remote)
    except (VersioningError, MissingToolError) as error:
        return Check("remote", "", not_checked=f"{error.problem}; {error.hint}")
