"""Publish a run's model in place of the published one; a worse model only if asked to.

Better means a higher mAP50-95 on val, measured on the same photographs and labels.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from container_doors.core.config import Params
from container_doors.core.errors import (
    DatasetError,
    DoorsError,
    RunError,
    VersioningError,
    WeightsError,
)
from container_doors.core.files import replace_text
from container_doors.core.ports import ArtifactStore, Detector, Progress, Repository, World
from container_doors.core.records import DatasetFiles, Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, REPORTS, Run, runs_in
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.facts import content_sha256
from container_doors.data.layout import Layout, label_of, read_layout
from container_doors.data.view import link_view
from container_doors.publishing.arrival import arrival, refuse_to_lose
from container_doors.publishing.copies import has_copy, paths_without_copy
from container_doors.publishing.git_reports import CURVES, METRICS, report_texts, write_reports
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.names import TAGS, git_tag, parse_name, version_name
from container_doors.publishing.numbering import version_for
from container_doors.publishing.pointers import TRACKED, pointer_name, read_pointer
from container_doors.publishing.provenance import file_hashes, record_hashes
from container_doors.publishing.publication import (
    LOG_NAME,
    METADATA,
    check_weights,
    publish,
    read_published,
    recover,
)
from container_doors.publishing.signatures import SIGNATURE, SignaturePolicy
from container_doors.publishing.ways_back import refuse_other_weights
from container_doors.reporting.which_run import read_record
from container_doors.steps.sync import pointers_in, put_in_place
from container_doors.steps.update import update_record
from container_doors.training.claim import claim, is_finished
from container_doors.training.logbook import LOG

FIGURE = "mAP50-95"
"""Ultralytics' figure on val, which also selects the best epoch of a run."""

_MOST_DIGITS = 6

OpenModel = Callable[[Path, int], Detector]
"""Loads weights, for an image size in pixels, on a device of this machine."""

When = Literal["better", "always"]
State = Literal["first", "same", "better", "equal", "worse", "unknown"]


@dataclass(frozen=True, slots=True)
class Outside:
    """The dependencies of a publication."""

    repository: Repository
    open_model: OpenModel
    progress: Progress
    fetch: Callable[[], object] | None = None
    """Fetches the published model if only its pointers are here; None if that is impossible."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run's model compares with the published one."""

    state: State
    figures: str = ""
    """Both figures if known, or why they are not."""
    published: str = ""
    """The version that is published at present."""
    only_copy: Path | None = None
    """A published file without another copy: it must not be replaced, however bad it may be."""


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
        evaluation = Evaluation.read(run.scores)
        verdict = compare_with_published(record, evaluation, run, outside)
        if not anyway and not _is_wanted(verdict, "better"):
            raise RunError(
                f"{run.label} does not replace {verdict.published}: {verdict.figures}",
                hint=f"to publish it anyway: doors publish {run.label} --anyway",
            )
        if verdict.only_copy is not None:
            raise _would_be_lost(verdict, run)
        metadata = _describe(record, evaluation, run, outside.repository)
        return _put_in_place(run, metadata, evaluation), _published_message(verdict, metadata)


def publish_version(
    name: str,
    *,
    store: ArtifactStore,
    repository: Repository,
    policy: SignaturePolicy,
    progress: Progress,
) -> Metadata:
    """Restore a released version from its git tag and the storage.

    Args:
        name: Such as ``detection_v1.0_20261123_exp001``.
        store: Fetches the files of the tag's pointers.
        repository: The repository that has the tag.
        policy: Whether it must be signed; the allowed signers are the last commit's, not the tag's.
        progress: Receives progress messages.

    Raises:
        VersioningError: If there is no such version, if it cannot be fetched, or if it would
            replace a model that has no other copy.
        SignatureError: If it is not signed as the project requires.
    """
    recover()
    tag = _tag_of(name)
    if tag not in repository.tags(TAGS):
        raise _no_such_version(name, tag)
    texts = pointers_in(tag, repository)
    signature = repository.show(tag, PUBLISHED / SIGNATURE)
    arriving = arrival(texts, f"{tag}: {PUBLISHED}", signature)
    if arriving.pointers[METADATA].version != name:
        raise VersioningError(
            f"{tag}: expected pointers of {name}, found those of "
            f"{arriving.pointers[METADATA].version}",
            hint=f"the tag is not at the commit of the release: git show {tag}",
        )
    refuse_to_lose(
        arriving,
        _committed_pointers(repository),
        has_copy=partial(has_copy, published=_published_if_readable()),
    )
    metadata = put_in_place(arriving, "HEAD", store=store, policy=policy, progress=progress)
    for report in (METRICS, CURVES):
        text = repository.show(tag, REPORTS / report)
        if text is not None:
            replace_text(REPORTS / report, text)
    return metadata


def is_published(run_id: str) -> bool:
    """Return whether the published model is of this run."""
    published = _published_if_readable()
    return published is not None and published.run_id == run_id


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


def compare_with_published(
    record: RunRecord, evaluation: Evaluation, run: Run, outside: Outside
) -> Verdict:
    """Compare a run's model with the published one, which is measured again if val has changed.

    If they cannot be compared, the state is ``unknown``: training must not replace a better model.
    """
    recover()
    version = _pointed_version()
    is_missing = version is not None and not (PUBLISHED / METADATA).exists()
    if is_missing and outside.fetch is not None and not paths_without_copy(None):
        try:
            outside.fetch()
        except DoorsError as error:
            why = f"only its pointers are here: {error.problem}"
            return Verdict("unknown", why, version or "")
    try:
        published = read_published()
    except RunError as error:
        return Verdict("unknown", error.problem, version or "a model", _file_without_copy(None))
    if published is None:
        return _without_metadata(version)
    if published.run_id == record.run_id:
        return Verdict("same", published=published.version)
    try:
        check_weights(published, PUBLISHED, ["best.pt"])
        state, figures = _compare(record, evaluation, run, published, outside)
    except (RunError, WeightsError) as error:
        state, figures = "unknown", error.problem
    return Verdict(state, figures, published.version, _file_without_copy(published))


def _without_metadata(version: str | None) -> Verdict:
    weights = PUBLISHED / "best.pt"
    if version is None and not weights.is_file():
        return Verdict("first")
    what = version or f"the model in {PUBLISHED}"
    why = f"{weights} has no {METADATA} beside it" if weights.is_file() else (
        "only its pointers are here; doors sync fetches it"
    )  # fmt: skip
    return Verdict("unknown", why, what, _file_without_copy(None))


def _file_without_copy(published: Metadata | None) -> Path | None:
    return next(iter(paths_without_copy(published)), None)


def _compare(
    record: RunRecord, evaluation: Evaluation, run: Run, published: Metadata, outside: Outside
) -> tuple[State, str]:
    new, old, how = _comparable(record, evaluation, run, published, outside)
    if new is None or old is None:
        return "unknown", "val has no door to measure it on"
    if new == old:
        return "equal", f"{run.label} has the same val {FIGURE}, {new:.3f}{how}"
    first, second = _side_by_side(new, old)
    figures = f"val {FIGURE} {first} of {run.label} against {second} of {published.version}{how}"
    return ("better" if new > old else "worse"), figures


def _comparable(
    record: RunRecord, evaluation: Evaluation, run: Run, published: Metadata, outside: Outside
) -> tuple[float | None, float | None, str]:
    """Return the figures of both models on the same photographs and labels.

    These are the recorded figures if their val is the same. Otherwise a model that was not
    measured on the present val is measured on it.

    Returns:
        The run's figure, the published model's, and a note on what was measured.
    """
    new, old = _figure_of(evaluation), _figure_of(published.evaluation)
    if record.dataset.sha256 == published.dataset_sha256:
        return new, old, ""
    layout = _layout_today(Path(record.dataset.path))
    if layout is None:
        raise RunError(
            f"it was measured on other data, and {record.dataset.path} is not here",
            hint="doors data pull",
        )
    today = _val_files(layout)
    ours = _recorded_val_files(run, record.dataset.sha256, layout)
    its_run = run_of(published.run_id, published.experiment_name)
    theirs = _recorded_val_files(its_run, published.dataset_sha256, layout)
    if ours is not None and ours == theirs:
        return new, old, ""
    measure = partial(_measure, layout=layout, outside=outside)
    if theirs != today:
        old = measure(PUBLISHED / "best.pt", published.evaluation)
    if ours != today:
        refuse_other_weights(record, run)
        new = measure(run.best_weights, evaluation)
    return new, old, ", on val as it is today"


def _layout_today(dataset: Path) -> Layout | None:
    try:
        layout = read_layout(dataset)[0]
    except DatasetError:
        return None
    return layout if layout and "val" in layout.splits else None


def _figure_of(evaluation: Evaluation) -> float | None:
    scores = evaluation.splits.get("val")
    value = scores.ultralytics.get(FIGURE) if scores else None
    return value if value is not None and math.isfinite(value) else None


def _measure(
    weights: Path, evaluation: Evaluation, *, layout: Layout, outside: Outside
) -> float | None:
    """Evaluate weights, whose hash was checked before, on the present val."""
    outside.progress.say(f"val has changed since: measuring {weights} on it")
    with TemporaryDirectory() as scratch:
        view = Path(scratch) / "data"
        link_view(layout, view)
        metrics, _ = outside.open_model(weights, evaluation.image_size_px).validate(
            data_yaml=view / "data.yaml",
            split="val",
            plots_dir=Path(scratch) / "val",
        )
    value = metrics.get(FIGURE)
    return value if value is not None and math.isfinite(value) else None


def _recorded_val_files(run: Run, dataset_sha256: str, layout: Layout) -> dict[str, str] | None:
    """Read val's files when a run was trained; None if lost, or if val was another folder."""
    try:
        files = DatasetFiles.read(run.dataset).files
    except RunError:
        return None
    if content_sha256({Path(name): digest for name, digest in files.items()}) != dataset_sha256:
        return None
    val = layout.splits["val"]
    folders = tuple(
        f"{folder.relative_to(layout.root).as_posix()}/"
        for folder in (val.images_dir, val.labels_dir)
    )
    if files.get(DATA_YAML.name) != file_sha256(layout.data_yaml):
        return None
    return {name: digest for name, digest in files.items() if name.startswith(folders)} or None


def _val_files(layout: Layout) -> dict[str, str]:
    images = layout.splits["val"].images
    labels = [path for path in map(label_of, images) if path.is_file()]
    return {
        path.relative_to(layout.root).as_posix(): file_sha256(path) for path in (*images, *labels)
    }


def _side_by_side(first: float, second: float) -> tuple[str, str]:
    """Format two unequal figures with as many digits as needed to tell them apart.

    >>> _side_by_side(0.156, 0.216), _side_by_side(0.21604, 0.21601)
    (('0.156', '0.216'), ('0.21604', '0.21601'))
    """
    for digits in range(3, _MOST_DIGITS + 1):
        texts = f"{first:.{digits}f}", f"{second:.{digits}f}"
        if texts[0] != texts[1]:
            return texts
    return repr(first), repr(second)


def _is_wanted(verdict: Verdict, when: When) -> bool:
    return when == "always" or verdict.state in {"first", "same", "better"}


def _published_message(verdict: Verdict, metadata: Metadata) -> str:
    done = f"published {metadata.version} in {PUBLISHED}"
    if verdict.state in {"first", "same"}:
        return done
    return f"{done}, in place of {verdict.published}: {verdict.figures}"


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


def _tag_of(version: str) -> str:
    try:
        return git_tag(parse_name(version))
    except VersioningError as error:
        raise VersioningError(error.problem, hint="doors runs lists the versions here") from None


def _no_such_version(name: str, tag: str) -> VersioningError:
    for run in runs_in():
        if (own := own_metadata(run)) is not None and own.version == name:
            return VersioningError(
                f"{name} was never released: there is no tag {tag} here",
                hint=f"a run here has that version: doors publish {run.label}",
            )
    return VersioningError(
        f"no version {name} here: there is no tag {tag}",
        hint="git fetch --tags fetches other tags; doors runs lists all versions here",
    )


def _describe(
    record: RunRecord, evaluation: Evaluation, run: Run, repository: Repository
) -> Metadata:
    """Return the metadata of a run's model; the stored one if nothing has changed since."""
    version = version_for(record, PUBLISHED, tags=repository.tags(TAGS), major=False, runs=run.root)
    own = own_metadata(run)
    if (
        own is not None
        and (own.run_id, own.version) == (record.run_id, version_name(version))
        and (own.evaluation, own.artifacts) == (evaluation, record.artifacts)
    ):
        _refuse_other_files(own, run)
        return own
    return build_metadata(
        record, evaluation, version, records=record_hashes(run), files=file_hashes(run)
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
    published = _published_if_readable()
    if published is None:
        return
    run = run_of(published.run_id, published.experiment_name)
    if is_record_of(run, published.run_id):
        for name, text in report_texts(run, published, published.evaluation).items():
            if not (REPORTS / name).exists():
                replace_text(REPORTS / name, text)


def _published_if_readable() -> Metadata | None:
    try:
        return read_published()
    except RunError:
        return None


def _pointed_version() -> str | None:
    """Return the version of the pointers; None if there are no pointers."""
    pointer = PUBLISHED / pointer_name(METADATA)
    return (read_pointer(pointer).version or "a model") if pointer.is_file() else None


def _committed_pointers(repository: Repository) -> Mapping[str, str] | None:
    """Read the pointers in git: of the last commit, or of the tag of their version."""
    if repository.code_state().commit is None:
        return None
    committed = pointers_in("HEAD", repository)
    for name in TRACKED:
        own = PUBLISHED / pointer_name(name)
        version = read_pointer(own).version if own.is_file() else None
        if version is not None:
            tagged = pointers_in(git_tag(parse_name(version)), repository).get(name)
            if tagged == own.read_text():
                committed[name] = tagged
    return committed


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
    """
    record = RunRecord.read(run.record)
    layout = read_layout(Path(record.dataset.path))[0]
    if layout is not None:
        link_view(layout, run.data_view)
    when = record.known_params.publishing.when
    adopted = finish(record, Evaluation.read(run.scores), run, when=when, outside=outside)
    update_record(run, record, status="finished")
    return adopted


def outside_of(record: RunRecord, world: World) -> Outside:
    """Return the dependencies; models are loaded on the device that this run was trained on."""

    def load(weights: Path, image_size_px: int) -> Detector:
        return world.load_detector(weights, image_size_px=image_size_px, hardware=record.hardware)

    return Outside(world.repository, load, world.progress, world.fetch_published)
