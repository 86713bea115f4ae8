"""Fetch the model of some pointers, check it, and publish it atomically."""

from collections.abc import Callable, Sequence
from pathlib import Path

from container_doors.core.errors import (
    MissingContentError,
    MissingToolError,
    RunError,
    SignatureError,
    VersioningError,
    WeightsError,
)
from container_doors.core.ports import ArtifactStore, Progress, Repository, Upstream
from container_doors.core.printable import shortened
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.arrival import (
    Arrival,
    arrival,
    complete,
    copy_reports,
    find_download,
    find_weights_only,
    is_in_place,
    lay_out,
    refuse_to_lose,
    with_own_signature,
)
from container_doors.publishing.model_file import write_model_file
from container_doors.publishing.names import git_tag, parse_name
from container_doors.publishing.pointers import (
    TRACKED,
    pointer_name,
    pointer_to,
)
from container_doors.publishing.publication import (
    METADATA,
    check_weights,
    not_tried,
    read_published,
    recover,
    replacement,
)
from container_doors.publishing.signatures import MODEL, SIGNATURE, SignaturePolicy, read_signature

_REVERSION = (
    "where the model was trained, run doors version; then commit its pointers, or download them"
)

TryWeights = Callable[[Path], object]
"""Loads a weight file and tries it; raises :class:`WeightsError` if it is no working detector, and
:class:`MissingToolError` if this installation can only check that it contains weights."""


def put_in_place(
    arriving: Arrival,
    revision: str,
    *,
    store: ArtifactStore,
    policy: SignaturePolicy,
    try_weights: TryWeights,
    progress: Progress,
) -> Metadata:
    """Replace the published model by the one of these pointers, unless it is the same.

    Args:
        arriving: The pointers, and the model's files that are already here.
        revision: The git revision that has the list of allowed signers.
        store: Fetches the other files.
        policy: Whether the model must be signed, and by whom.
        try_weights: Tries the weights before they replace others.
        progress: Receives progress messages.

    Raises:
        VersioningError: If it cannot be fetched.
        SignatureError: If it is not signed as the project requires.
        WeightsError: If its weights are no working detector; then nothing is replaced.
    """
    arriving = with_own_signature(arriving)
    if is_in_place(arriving):
        _check_signed(arriving, PUBLISHED, policy, revision, progress)
    else:
        with replacement() as staged:
            _lay_out(arriving, staged, store=store, progress=progress)
            _check_signed(arriving, staged, policy, revision, progress)
            _check_whole(arriving, staged)
            _try_staged(arriving, staged, try_weights, progress)
    metadata = Metadata.read(PUBLISHED / METADATA)
    check_weights(metadata, PUBLISHED, list(arriving.texts))
    return metadata


def put_weights_in_place(
    arriving: Arrival,
    policy: SignaturePolicy,
    *,
    store: ArtifactStore,
    try_weights: TryWeights,
    progress: Progress,
) -> Path:
    """Publish a ``best.pt`` that has no metadata, and return its path.

    Raises:
        VersioningError: If a model with metadata is published, or if it cannot be fetched.
        SignatureError: If the project requires signatures: without metadata there is none.
        WeightsError: If it is no working detector; then nothing is replaced.
    """
    what = "take metadata.json.dvc from the same outputs, put it beside best.pt.dvc, and"
    if policy.is_required_at("HEAD"):
        raise SignatureError(
            f"{arriving.source}: a signature is required, and best.pt.dvc alone cannot have one",
            hint=f"{what} metadata.json.sig, then run this again",
        )
    published = read_published()
    if published is not None:
        raise VersioningError(
            f"{arriving.source} has only best.pt.dvc, without metadata, and would replace "
            f"{published.version}",
            hint=f"{what} run this again",
        )
    pointer = arriving.pointers["best.pt"]
    with replacement() as staged:
        _lay_out(arriving, staged, store=store, progress=progress)
        found = pointer_to(staged / "best.pt").md5
        if found != pointer.md5:
            raise VersioningError(
                f"best.pt: expected md5 {pointer.md5}, as its pointer says, found {found}",
                hint="run this again",
            )
        _try_staged(arriving, staged, try_weights, progress)
    return PUBLISHED / "best.pt"


def pointers_here() -> Arrival:
    """Return the pointers in the published folder.

    Raises:
        VersioningError: If a pointer is missing, is not a pointer, or is of another version.
    """
    own = {name: PUBLISHED / pointer_name(name) for name in TRACKED}
    texts = {name: own[name].read_text() for name in own if own[name].is_file()}
    return arrival(texts, str(PUBLISHED), read_signature(PUBLISHED / SIGNATURE))


def pointers_in(revision: str, repository: Repository) -> dict[str, str]:
    """Read the published model's pointers at a git revision, by the file's name."""
    texts = {name: repository.show(revision, PUBLISHED / pointer_name(name)) for name in TRACKED}
    return {name: text for name, text in texts.items() if text is not None}


def _lay_out(arriving: Arrival, staged: Path, *, store: ArtifactStore, progress: Progress) -> None:
    missing = lay_out(arriving, staged)
    if missing:
        progress.say(f"fetching {', '.join(p.stem for p in missing)} from {store.check_ready()}")
        _fetch(missing, store)


def _check_signed(
    arriving: Arrival, folder: Path, policy: SignaturePolicy, revision: str, progress: Progress
) -> None:
    """Check the signature of a fetched model before any of it is read."""
    signer = policy.check(folder / METADATA, arriving.signature, namespace=MODEL, revision=revision)
    if signer is not None:
        progress.say(f"signed by {signer}")


def _check_whole(arriving: Arrival, staged: Path) -> None:
    names = list(arriving.texts)
    _check_content(arriving, staged)
    metadata = _read_staged(arriving, staged)
    _check_version(arriving, metadata)
    Run(metadata.experiment_name)  # refuses a name that could not be its folder
    _check_tag(metadata)
    check_weights(metadata, staged, names)
    complete(arriving, metadata, staged)
    write_model_file(staged, metadata)


def _check_content(arriving: Arrival, staged: Path) -> None:
    for name, pointer in arriving.pointers.items():
        found = pointer_to(staged / name)
        if (found.md5, found.size_bytes) != (pointer.md5, pointer.size_bytes):
            raise VersioningError(
                f"{arriving.source}: {name}: expected md5 {pointer.md5} and {pointer.size_bytes} "
                f"bytes, as its pointer says, found {found.md5} and {found.size_bytes}",
                hint=f"run this again; if it is the same again, its pointer is wrong: {_REVERSION}",
            )


def _read_staged(arriving: Arrival, staged: Path) -> Metadata:
    """Read the metadata that arrived; its folder is gone when the error is read."""
    path = staged / METADATA
    try:
        return Metadata.read(path, repair=f"to fetch it again would bring the same: {_REVERSION}")
    except RunError as error:
        problem = error.problem.replace(str(path), METADATA)
        raise RunError(
            f"{arriving.source}: {problem}; {PUBLISHED} is unchanged", hint=error.hint
        ) from None


def _check_version(arriving: Arrival, metadata: Metadata) -> None:
    version = arriving.pointers[METADATA].version
    if version != metadata.version:
        found = f"of {shortened(repr(version), 80)}" if version else "without a version"
        raise VersioningError(
            f"{arriving.source}: expected pointers of {shortened(metadata.version)}, as "
            f"{METADATA} has it, found some {found}",
            hint=_REVERSION,
        )


def _check_tag(metadata: Metadata) -> None:
    """Refuse a tag that does not follow from the version: git and a shell will get it."""
    tag = git_tag(parse_name(metadata.version))
    if metadata.git_tag != tag:
        raise VersioningError(
            f"{METADATA} of {metadata.version} names another git tag: expected {tag}, found "
            f"{shortened(repr(metadata.git_tag), 80)}",
            hint="do not use it, someone changed it; download it again where it was published",
        )


def _try_staged(
    arriving: Arrival, staged: Path, try_weights: TryWeights, progress: Progress
) -> None:
    """Load and try the weights while those that they would replace are still there.

    Raises:
        WeightsError: If they are no working detector.
    """
    weights = staged / "best.pt"
    try:
        try_weights(weights)
    except MissingToolError as error:
        progress.say(not_tried(weights, error))
    except WeightsError as error:
        problem = error.problem.replace(str(weights), weights.name)
        raise WeightsError(
            f"{arriving.source}: {problem}; {PUBLISHED} is unchanged",
            hint="to fetch it again would bring the same file: publish and version a model that "
            "works where it was trained; doors runs lists what can be published here",
        ) from None


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
    try_weights: TryWeights,
) -> Metadata:
    """Fetch a model that was trained elsewhere, and publish it atomically.

    Args:
        outputs: The downloaded folder with the pointers; None if they are in git.
        store: Fetches the files of the pointers.
        repository: The repository, which is updated from its remote.
        progress: Receives progress messages.
        policy: Whether the model must be signed, and by whom.
        try_weights: Tries the weights before they replace others.

    Raises:
        VersioningError: If git cannot be updated, if there is no model, if it cannot be fetched, or
            if it would replace one that has no other copy.
        SignatureError: If it is not signed as the project requires.
        WeightsError: If its weights are no working detector.
    """
    recover()
    is_in_git = repository.code_state().commit is not None
    upstream = repository.fetch() if is_in_git else Upstream(None, None)
    progress.say(_git_status(upstream, is_in_git=is_in_git))
    if outputs is not None:
        _follow(upstream, repository, same=[])
        # The allowed signers are those of the commit fetched just now, not of an older one.
        arriving, revision = find_download(outputs), upstream.commit or "HEAD"
    else:
        arriving, revision = _of_git(upstream, repository)
    committed = pointers_in("HEAD", repository) if is_in_git else None
    refuse_to_lose(arriving, committed)
    metadata = put_in_place(
        arriving,
        revision,
        store=store,
        policy=policy,
        try_weights=try_weights,
        progress=progress,
    )
    copy_reports(arriving, metadata)
    if outputs is None:
        # The pointers are in place already: a kill before this line leaves a complete model.
        _follow(upstream, repository, same=_of_git_here(revision, repository))
    return metadata


def sync_weights(
    outputs: Path,
    *,
    store: ArtifactStore,
    repository: Repository,
    progress: Progress,
    policy: SignaturePolicy,
    try_weights: TryWeights,
) -> Path | None:
    """Fetch and publish ``best.pt`` if the download has only its pointer.

    Returns:
        Its path; None if there is metadata too, so that :func:`sync_model` can be used.

    Raises:
        DoorsError: As :func:`steps.sync.put_weights_in_place`.
    """
    recover()
    arriving = find_weights_only(outputs)
    if arriving is None:
        return None
    is_in_git = repository.code_state().commit is not None
    refuse_to_lose(arriving, pointers_in("HEAD", repository) if is_in_git else None)
    return put_weights_in_place(
        arriving, policy, store=store, try_weights=try_weights, progress=progress
    )


def _git_status(upstream: Upstream, *, is_in_git: bool) -> str:
    if not is_in_git:
        return "git: no commit here, so there is nothing to update"
    if upstream.name is None:
        return "git: the branch tracks no remote, so there is nothing to fetch"
    if upstream.commit is None:
        return f"git: up to date with {upstream.name}"
    return f"git: {upstream.name} is ahead, at {upstream.commit[:12]}"


def _follow(upstream: Upstream, repository: Repository, *, same: Sequence[Path]) -> None:
    if upstream.commit is not None:
        repository.fast_forward(upstream.commit, same=same)


def _of_git(upstream: Upstream, repository: Repository) -> tuple[Arrival, str]:
    """Return the pointers of the upstream commit, or else those here, and their revision."""
    if upstream.commit is not None:
        texts = pointers_in(upstream.commit, repository)
        signature = repository.show(upstream.commit, PUBLISHED / SIGNATURE)
        return arrival(texts, f"{upstream.name}: {PUBLISHED}", signature), upstream.commit
    return pointers_here(), "HEAD"


def _of_git_here(revision: str, repository: Repository) -> list[Path]:
    """List the published pointers and signature that a revision has as well."""
    paths = [PUBLISHED / name for name in (*map(pointer_name, TRACKED), SIGNATURE)]
    return [one for one in paths if one.is_file() and repository.show(revision, one) is not None]
