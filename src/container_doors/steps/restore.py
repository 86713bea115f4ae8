"""Restore a released version from its git tag and the storage."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from container_doors.core.errors import VersioningError
from container_doors.core.files import replace_text
from container_doors.core.ports import ArtifactStore, Progress, Repository
from container_doors.core.records import Metadata, Version
from container_doors.core.run import PUBLISHED, REPORTS, runs_in
from container_doors.publishing.arrival import arrival, refuse_to_lose
from container_doors.publishing.copies import has_copy
from container_doors.publishing.git_reports import CURVES, METRICS
from container_doors.publishing.names import (
    TAGS,
    git_tag,
    parse_name,
    parse_tag,
    tag_command,
    version_name,
    versions_of_experiment,
    versions_of_number,
)
from container_doors.publishing.pointers import TRACKED, parse_pointer, pointer_name, read_pointer
from container_doors.publishing.publication import METADATA, recover
from container_doors.publishing.signatures import SIGNATURE, SignaturePolicy
from container_doors.steps.publish import own_metadata
from container_doors.steps.published import published_if_readable
from container_doors.steps.sync import TryWeights, pointers_in, put_in_place

_MOST_NAMES = 5


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
        name: Such as ``detection_v1.0_20261123_exp001``; or ``v1.0``, if one tag has that number.
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
    name, tag = _find_version(name, repository)
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


def released_versions(repository: Repository) -> list[Version]:
    """Return the versions that have a git tag here."""
    return [one for tag in repository.tags(TAGS) if (one := parse_tag(tag)) is not None]


def _find_version(name: str, repository: Repository) -> tuple[str, str]:
    """Return a version's full name and its tag."""
    known = released_versions(repository)
    found = versions_of_number(name, known)
    if len(found) == 1:
        name = found[0]
    try:
        tag = git_tag(parse_name(name))
    except VersioningError as error:
        others = versions_of_experiment(name, known) or [version_name(one) for one in known]
        unreleased = _unreleased_runs(name, known)
        hint = f"not released; its run: doors publish {unreleased[0]}" if unreleased else None
        raise VersioningError(error.problem, hint=hint or _one_of(found or others)) from None
    if tag not in map(git_tag, known):
        raise _no_such_version(name, tag, repository)
    return name, tag


def _unreleased_runs(name: str, known: Sequence[Version]) -> list[str]:
    """Return the labels of runs here that have a name or number, and no tag."""
    if versions_of_number(name, known) or versions_of_experiment(name, known):
        return []
    found = []
    for run in runs_in():
        own = own_metadata(run)
        with suppress(VersioningError):  # its version is damaged, which the run's own commands say
            if own is not None and (
                run.label == name or versions_of_number(name, [parse_name(own.version)])
            ):
                found.append(run.label)
    return found


def _one_of(versions: Sequence[str]) -> str:
    if not versions:
        return "no version is tagged here; git fetch --tags fetches other tags"
    more = f", and {len(versions) - _MOST_NAMES} more" if len(versions) > _MOST_NAMES else ""
    return f"expected one of {', '.join(versions[:_MOST_NAMES])}{more}"


def _no_such_version(name: str, tag: str, repository: Repository) -> VersioningError:
    for run in runs_in():
        if (own := own_metadata(run)) is not None and own.version == name:
            return VersioningError(
                f"{name} was never released: there is no tag {tag} here",
                hint=f"a run here has that version: doors publish {run.label}",
            )
    if _committed_version(repository) == name:
        return VersioningError(
            f"{name} was never released: its pointers are committed, but there is no tag {tag}",
            hint=f"tag the commit, then run this again: {tag_command(name)}",
        )
    return VersioningError(
        f"no version {name} here: there is no tag {tag}",
        hint="git fetch --tags fetches other tags; doors runs lists all versions here",
    )


def _committed_version(repository: Repository) -> str | None:
    text = repository.show("HEAD", PUBLISHED / pointer_name(METADATA))
    with suppress(LookupError, TypeError, ValueError, AttributeError, OverflowError):  # damaged
        return parse_pointer(text or "").version
    return None


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
