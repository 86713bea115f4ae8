"""Puts a model in place that its pointers name: fetched, checked, and exchanged as one step."""

from collections.abc import Sequence
from pathlib import Path

from container_doors.errors import MissingContentError
from container_doors.ports import ArtifactStore, Progress, Repository
from container_doors.records import Metadata
from container_doors.run import PUBLISHED
from container_doors.versioning.arrival import (
    Arrival,
    arrival,
    complete,
    is_in_place,
    lay_out,
    with_own_signature,
)
from container_doors.versioning.names import parse_name
from container_doors.versioning.pointers import TRACKED, check_pointers, pointer_name
from container_doors.versioning.publication import METADATA, check_weights, replacing
from container_doors.versioning.signatures import MODEL, SIGNATURE, SignaturePolicy, read_signature


def put_in_place(
    arriving: Arrival,
    revision: str,
    *,
    store: ArtifactStore,
    policy: SignaturePolicy,
    progress: Progress,
) -> Metadata:
    """Replace the published model by the one that these pointers name, unless it is that one.

    Args:
        arriving: The pointers, and what is at hand of the model.
        revision: Of git, that names who may sign.
        store: Fetches what is not at hand.
        policy: Whether the model has to be signed, and by whom.
        progress: Told what is done.

    Raises:
        VersioningError: If it does not arrive.
        SignatureError: If it is not signed as the project asks for.
    """
    arriving = with_own_signature(arriving)
    if is_in_place(arriving):
        _check_signed(arriving, PUBLISHED, policy, revision, progress)
    else:
        with replacing() as staged:
            _lay_out(arriving, staged, store=store, progress=progress)
            _check_signed(arriving, staged, policy, revision, progress)
            _check_whole(arriving, staged)
    metadata = Metadata.read(PUBLISHED / METADATA)
    check_weights(metadata, PUBLISHED, list(arriving.texts))
    return metadata


def pointers_here() -> Arrival:
    """Take the pointers that lie beside the published model, or in its place.

    Raises:
        VersioningError: If one is missing, is no pointer, or is of another version than the rest.
    """
    own = {name: PUBLISHED / pointer_name(name) for name in TRACKED}
    texts = {name: own[name].read_text() for name in own if own[name].is_file()}
    return arrival(texts, str(PUBLISHED), read_signature(PUBLISHED / SIGNATURE))


def pointers_in(revision: str, repository: Repository) -> dict[str, str]:
    """Read the published model's pointers as they are in a revision, by the file's name."""
    shown = {name: repository.show(revision, PUBLISHED / pointer_name(name)) for name in TRACKED}
    return {name: text for name, text in shown.items() if text is not None}


def _lay_out(arriving: Arrival, staged: Path, *, store: ArtifactStore, progress: Progress) -> None:
    missing = lay_out(arriving, staged)
    if missing:
        progress.say(f"fetching {', '.join(p.stem for p in missing)} from {store.check_ready()}")
        _fetch(missing, store)


def _check_signed(
    arriving: Arrival, folder: Path, policy: SignaturePolicy, revision: str, progress: Progress
) -> None:
    """See who signed what has come, before any of it is read."""
    signer = policy.check(folder / METADATA, arriving.signature, namespace=MODEL, revision=revision)
    if signer is not None:
        progress.say(f"signed by {signer}")


def _check_whole(arriving: Arrival, staged: Path) -> None:
    metadata = Metadata.read(staged / METADATA)
    names = list(arriving.texts)
    check_pointers(staged, metadata.version, names)
    check_weights(metadata, staged, names)
    complete(arriving, metadata, staged)


def _fetch(pointers: Sequence[Path], store: ArtifactStore) -> None:
    try:
        store.pull(pointers)
    except MissingContentError as lost:
        version = next(
            filter(None, map(store.version_of, (p.with_suffix("") for p in pointers))), None
        )
        name = parse_name(version).experiment if version else "NAME"
        raise MissingContentError(
            lost.problem,
            hint=f"where it was trained: doors publish {name}, then doors version --experiment "
            f"{name}",
            objects=lost.objects,
        ) from None
