"""Compare the hashes of everything that the published model depends on."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from container_doors.core.config import Data, Params, load_params
from container_doors.core.errors import ConfigError, MissingToolError, RunError, VersioningError
from container_doors.core.ports import ArtifactStore, LoadDetector, Progress, Repository
from container_doors.core.records import Check, DatasetFiles, Finding, Hardware, Metadata, Mismatch
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.data.facts import content_sha256
from container_doors.data.layout import read_layout
from container_doors.data.shards import tracked_shards
from container_doors.data.view import link_view
from container_doors.publishing import evidence
from container_doors.publishing.data_evidence import (
    Folder,
    data_objects_check,
    data_pointers_check,
    hash_files,
    pointer_md5,
)
from container_doors.publishing.git_reports import CURVES, report_texts
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.metadata import metrics_of
from container_doors.publishing.model_file import model_file_check
from container_doors.publishing.names import parse_name
from container_doors.publishing.pointers import TRACKED, pointer_name, pointer_to, read_pointer
from container_doors.publishing.publication import METADATA, recover
from container_doors.publishing.signatures import SignaturePolicy, signature_check
from container_doors.publishing.ways_back import metadata_back
from container_doors.steps.data.validate import check_data
from container_doors.steps.detections import Subject, detect_with, evaluated_splits
from container_doors.steps.evaluate import split_scores
from container_doors.steps.start import training_params
from container_doors.steps.sync import pointers_in
from container_doors.steps.version import another_published, nothing_published

SAME_DEVICE, OTHER_DEVICE = 1e-6, 0.005
"""Tolerances of figures measured again: on the same kind of device, and on any other."""


def verify_model(
    experiment: str | None,
    params: Params,
    *,
    store: ArtifactStore,
    repository: Repository,
    progress: Progress,
    fetch_data: bool = False,
) -> tuple[Metadata | None, list[Check]]:
    """Hash everything that the published model depends on again, and report what has changed.

    Args:
        experiment: The experiment that should be published; None for any.
        params: The present ``params.yaml``.
        store: Has the remote's objects.
        repository: Has the commit and the tag.
        progress: Receives progress messages.
        fetch_data: Whether the data set is fetched from a remote that is not a folder.

    Returns:
        The published metadata, None if it cannot be read, and one check for each link.

    Raises:
        RunError: If nothing is published, or if it is of another experiment.
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
        copy = _find_metadata_copy(experiment, store)
        if copy is None:
            why = "metadata.json, which has the expected values, is damaged"
            return None, [unreadable, Check("everything else", "", not_checked=why)]
        metadata = copy
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
    data = Folder(root, _hash_data_files(root, store))
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
        evidence.code_check(metadata, has_commit=repository.has_commit(commit) if commit else None),
        evidence.starting_weights_check(metadata),
        evidence.records_check(metadata, run),
        evidence.weights_check(metadata, PUBLISHED, run),
        unreadable or evidence.metadata_check(metadata, path, run),
        model_file_check(metadata, PUBLISHED),
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
    """Evaluate the published ``best.pt`` again, and compare the figures."""
    try:
        params = metadata.known_params
    except ConfigError as error:
        return Check("figures", "", not_checked=error.problem)
    if not is_published_model(metadata):
        why = f"{PUBLISHED / 'best.pt'} is not the published file, so it is not opened"
        return Check("figures", "", not_checked=why)
    layout, findings = read_layout(dataset)
    if layout is None:
        return Check("figures", "", not_checked=f"{dataset}: {findings[0]}")
    weights, splits = PUBLISHED / "best.pt", {}
    with TemporaryDirectory() as scratch:
        run = Run(metadata.experiment_name, root=Path(scratch))
        link_view(layout, run.data_view)
        size = params.training.image_size_px
        detector = load_detector(weights, image_size_px=size, hardware=hardware)
        subject = Subject(weights, run.data_view, metadata.run_id, params, layout)
        for split in evaluated_splits(params):
            progress.say(f"evaluating best.pt on {split}")
            detected = detect_with(
                detector, subject, split, plots_dir=run.evaluation_dir(split), progress=progress
            )
            splits[split] = split_scores(detected, params.validation)
    again = metadata.evaluation.model_copy(update={"splits": splits})
    is_same_device = hardware.description == metadata.hardware.description
    return evidence.figures_check(
        metadata, metrics_of(again), tolerance=SAME_DEVICE if is_same_device else OTHER_DEVICE
    )


def check_signature(policy: SignaturePolicy) -> Check:
    """Check who signed the published model, as the project requires."""
    return signature_check(_published_run(None).name, PUBLISHED, policy)


def is_published_model(metadata: Metadata) -> bool:
    """Return whether ``best.pt`` matches its metadata; call it before the file is opened."""
    path = PUBLISHED / "best.pt"
    return path.is_file() and file_sha256(path) == metadata.artifacts["best.pt"].sha256


def _dataset_evidence(metadata: Metadata, run: Run, params: Params, progress: Progress) -> Check:
    root = Path(params.data.path)
    pull = "doors data pull" + ("" if root == Path(Data().path) else f" --path {root}")
    if not root.is_dir():
        why = f"no data set at {root}: {pull}"
        return Check("data set", str(root), not_checked=why)
    report = check_data(root, params.data, progress=progress)
    recorded = _recorded_files(metadata, run)
    if report.layout is None and recorded is None:
        return Check("data set", str(root), tuple(_as_mismatch(root, f) for f in report.errors))
    found = {path.as_posix(): digest for path, digest in report.digests.items()}
    if recorded is not None and found.get("data.yaml") != recorded.get("data.yaml"):
        # With another data.yaml the report is of other files than those that were trained on.
        found = {name: file_sha256(root / name) for name in recorded if (root / name).is_file()}
    is_tracked = root.with_name(pointer_name(root.name)).is_file()
    return evidence.dataset_check(
        metadata,
        root,
        found=found,
        found_sha256=content_sha256({Path(name): digest for name, digest in found.items()}),
        recorded=recorded,
        hint=f"{pull} --force" if is_tracked else "restore it from a copy: it is not in DVC",
    )


def _hash_data_files(root: Path, store: ArtifactStore) -> dict[str, tuple[str, int]] | None:
    """Hash a data set as DVC does, without the files that DVC ignores."""
    if not root.is_dir():
        return None
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    files = hash_files(root, names)
    pointer = Folder(root, files).pointer
    if not pointer.is_file() or pointer_md5(pointer) == Folder(root, files).out["md5"]:
        return files
    ignored = store.ignored([root / name for name in names])
    return {name: file for name, file in files.items() if root / name not in ignored}


def _data_pointers_evidence(data: Folder, repository: Repository, *, is_changed: bool) -> Check:
    archives = tracked_shards(data.root)
    paths = [data.pointer, *(path.with_name(pointer_name(path.name)) for path in archives)]
    texts = {path: repository.show("HEAD", path) for path in paths}
    committed = {path: text for path, text in texts.items() if text is not None}
    return data_pointers_check(data, archives, committed, is_changed=is_changed)


def _remote_data_evidence(
    data: Folder, compared: Check, store: ArtifactStore, progress: Progress, *, fetch: bool
) -> Check:
    name = "remote data"
    if not data.pointer.is_file():
        return Check(name, f"none: DVC does not track {data.root}")
    archives = tracked_shards(data.root)
    all_pointers = [data.pointer, *(path.with_name(pointer_name(path.name)) for path in archives)]
    pointers = _without_changed(all_pointers, compared)
    try:
        remote = store.check_ready()
        if fetch:
            progress.say(f"fetching the data set from {remote}, to hash it")
        with TemporaryDirectory() as scratch:
            found = store.object_folder(pointers, Path(scratch), fetch=fetch)
            if found is None:
                why = f"{remote} is not a folder: doors verify --data fetches the data set from it"
                return Check(name, "", not_checked=why)
            objects, is_own = found
            return data_objects_check(data, pointers, objects, remote, is_own=is_own)
    except (VersioningError, MissingToolError) as error:
        return Check(name, "", not_checked=f"{error.problem}; {error.hint}")


def _without_changed(pointers: Sequence[Path], compared: Check) -> list[Path]:
    """Leave out the pointers that have changed: the objects they name prove nothing."""
    changed = {
        mismatch.where.partition(": ")[0].partition(", ")[0] for mismatch in compared.mismatches
    }
    return [path for path in pointers if str(path) not in changed]


def _published_run(experiment: str | None) -> Run:
    """Return the published run according to the pointer, for when the metadata is damaged."""
    try:
        version = read_pointer(PUBLISHED / pointer_name(METADATA)).version
        return Run(parse_name(version).experiment if version else experiment or "NAME")
    except VersioningError:
        return Run(experiment or "NAME")


def _find_metadata_copy(experiment: str | None, store: ArtifactStore) -> Metadata | None:
    """Find a copy of ``metadata.json`` in the run or on the remote; None if there is none."""
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
    """Find a git revision whose ``params.yaml`` has the params that the model was trained with."""
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
    """Read the list of files that the model was trained on; None if it is lost or has changed."""
    try:
        files = DatasetFiles.read(run.dataset).files
    except RunError:
        return None
    recorded = {Path(name): digest for name, digest in files.items()}
    return files if content_sha256(recorded) == metadata.dataset_sha256 else None


def _comparable(params: Params | Mapping[str, Any]) -> dict[str, Any]:
    """Return params as this release writes them; unchanged if it cannot read them."""
    if not isinstance(params, Params):
        try:
            params = Params.model_validate(params)
        except ValueError:
            return dict(params)
    return training_params(params.model_dump(mode="json"))


def _own_reports(metadata: Metadata, run: Run) -> dict[str, str]:
    if "best.pt" not in metadata.artifacts:
        return {}  # damaged; another check reports it
    texts = report_texts(run, metadata, metadata.evaluation)
    is_ours = is_record_of(run, metadata.run_id)
    return {name: text for name, text in texts.items() if is_ours or name != CURVES}


def _remote_evidence(compared: Check, store: ArtifactStore, progress: Progress) -> Check:
    pointers = _without_changed([PUBLISHED / pointer_name(name) for name in TRACKED], compared)
    if not pointers:
        return Check("remote", "", not_checked="the pointers have changed")
    if not all(pointer.exists() for pointer in pointers):
        why = "nothing was pushed yet: doors version"
        return Check("remote", "", not_checked=why)
    try:
        remote = store.check_ready()
        progress.say(f"fetching from {remote}, to hash the objects")
        with TemporaryDirectory() as scratch:
            objects = store.fetch_objects(pointers, Path(scratch))
            return evidence.objects_check(PUBLISHED, objects, remote)
    except (VersioningError, MissingToolError) as error:
        return Check("remote", "", not_checked=f"{error.problem}; {error.hint}")
