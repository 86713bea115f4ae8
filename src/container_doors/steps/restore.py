"""Restore a released version from its git tag and the storage."""

from collections.abc import Mapping
from functools import partial

from container_doors.core.errors import VersioningError
from container_doors.core.files import replace_text
from container_doors.core.ports import ArtifactStore, Progress, Repository
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, REPORTS, runs_in
from container_doors.publishing.arrival import arrival, refuse_to_lose
from container_doors.publishing.copies import has_copy
from container_doors.publishing.git_reports import CURVES, METRICS
from container_doors.publishing.names import TAGS, git_tag, parse_name
from container_doors.publishing.pointers import TRACKED, pointer_name, read_pointer
from container_doors.publishing.publication import METADATA, recover
from container_doors.publishing.signatures import SIGNATURE, SignaturePolicy
from container_doors.steps.publish import own_metadata
from container_doors.steps.published import published_if_readable
from container_doors.steps.sync import TryWeights, pointers_in, put_in_place


def restore_version(
    name: str,
    *,
    store: ArtifactStore,
    repository: Repository,
    policy: SignaturePolicy,
    try_weights: TryWeights,
    progress: Progress,
) -> Metadata:
    """Restore a released version from its git tag and the storage.

    Args:
        name: Such as ``detection_v1.0_20261123_exp001``.
        store: Fetches the files of the tag's pointers.
        repository: The repository that has the tag.
        policy: Whether it must be signed; the allowed signers are the last commit's, not the tag's.
        try_weights: Tries the weights before they replace others.
        progress: Receives progress messages.

    Raises:
        VersioningError: If there is no such version, if it cannot be fetched, or if it would
            replace a model that has no other copy.
        SignatureError: If it is not signed as the project requires.
        WeightsError: If its weights are no working detector.
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
        has_copy=partial(has_copy, published=published_if_readable()),
    )
    metadata = put_in_place(
        arriving, "HEAD", store=store, policy=policy, try_weights=try_weights, progress=progress
    )
    for report in (METRICS, CURVES):
        text = repository.show(tag, REPORTS / report)
        if text is not None:
            replace_text(REPORTS / report, text)
    return metadata


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
