"""Puts a model in place that its pointers name: fetched, checked, and exchanged as one step."""

from collections.abc import Sequence
from pathlib import Path

from container_doors.core.errors import MissingContentError, SignatureError, VersioningError
from container_doors.core.ports import ArtifactStore, Progress, Repository, Upstream
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED
from container_doors.publishing.arrival import (
    Arrival,
    arrival,
    bring_reports,
    complete,
    downloaded,
    is_in_place,
    lay_out,
    refuse_to_lose,
    weights_alone,
    with_own_signature,
)
from container_doors.publishing.names import parse_name
from container_doors.publishing.pointers import (
    TRACKED,
    check_pointers,
    pointer_name,
    pointer_to,
)
from container_doors.publishing.publication import (
    METADATA,
    check_weights,
    read_published,
    recover,
    replacing,
)
from container_doors.publishing.signatures import MODEL, SIGNATURE, SignaturePolicy, read_signature


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


def put_weights_in_place(
    arriving: Arrival, policy: SignaturePolicy, *, store: ArtifactStore, progress: Progress
) -> Path:
    """Put ``best.pt`` in place where nothing says what model it is of, and return its path.

    Raises:
        VersioningError: If a model is published that is described, or if it does not arrive.
        SignatureError: If the project asks for signatures: there is nothing that could be signed.
    """
    what = "take metadata.json.dvc from the same outputs, put it beside best.pt.dvc, and"
    if policy.is_required_at("HEAD"):
        raise SignatureError(
            f"{arriving.source}: a signature is asked for, and best.pt.dvc alone cannot have one",
            hint=f"{what} metadata.json.sig, then run this again",
        )
    published = read_published()
    if published is not None:
        raise VersioningError(
            f"{arriving.source} has best.pt.dvc alone, which says nothing of its model, and would "
            f"replace {published.version}",
            hint=f"{what} run this again",
        )
    pointer = arriving.pointers["best.pt"]
    with replacing() as staged:
        _lay_out(arriving, staged, store=store, progress=progress)
        found = pointer_to(staged / "best.pt").md5
        if found != pointer.md5:
            raise VersioningError(
                f"best.pt: expected md5 {pointer.md5}, as its pointer says, found {found}",
                hint="run this again",
            )
    return PUBLISHED / "best.pt"


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


def sync_model(
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
