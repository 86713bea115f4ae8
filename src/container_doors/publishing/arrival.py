"""A model that was trained elsewhere: what comes in, and what it may replace."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.files import replace_copy
from container_doors.core.parsing import MOST_JSON_BYTES, parse_json, read_bounded
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, REPORTS
from container_doors.publishing.git_reports import CURVES, METRICS
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.pointers import (
    TRACKED,
    Pointer,
    parse_pointer,
    pointer_name,
    pointer_text,
    pointer_to,
    read_pointer,
)
from container_doors.publishing.publication import METADATA, read_published
from container_doors.publishing.signatures import SIGNATURE, bounded, read_signature

NEEDED = ("best.pt", METADATA)
"""Without these there is no model; ``last.pt`` only serves to train on."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The pointers of a model, and what of it is at hand already."""

    source: str
    """For people: where the pointers are from."""
    texts: Mapping[str, str]
    """The text of each pointer, by the name of its file."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Downloaded files that are what their pointers name; the rest is on the remote."""
    folder: Path | None = None
    """Where more of the model may lie, such as its plots."""
    signature: str | None = None
    """Of its metadata; None if nobody signed it."""

    @property
    def pointers(self) -> dict[str, Pointer]:
        """What each pointer says, by the name of its file."""
        return {name: parse_pointer(text) for name, text in self.texts.items()}


def arrival(texts: Mapping[str, str], source: str, signature: str | None = None) -> Arrival:
    """Take pointers as they come from git.

    Raises:
        VersioningError: If one is missing, is no pointer, or is of another version than the rest.
    """
    for name in NEEDED:
        if name not in texts:
            raise VersioningError(
                f"{source}: expected {pointer_name(name)}, found none",
                hint="where the model was trained, version it and commit its pointers; or download "
                "them and name their folder: doors sync --from DIR",
            )
    versions = {}
    for name, text in texts.items():
        try:
            pointer = parse_pointer(text)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            pointer = None
        if pointer is None or pointer.path != name:
            raise VersioningError(
                f"{source}: {pointer_name(name)}: expected a pointer to {name}, found another text",
                hint="download it again; was a merge left unfinished?",
            )
        versions[name] = pointer.version
    if len(set(versions.values())) > 1:
        raise VersioningError(
            f"{source}: expected pointers of one version, found "
            + ", ".join(f"{name} of {version}" for name, version in versions.items()),
            hint="take all of them from one training: doors version writes them together",
        )
    return Arrival(source, texts, signature=signature and bounded(signature, source))


def downloaded(directory: Path) -> Arrival:
    """Find a model in what was downloaded, whether the folders were kept or not.

    Raises:
        VersioningError: If there are no pointers, or no good ones.
    """
    folder = _folder_of_pointers(directory)
    paths = {name: folder / pointer_name(name) for name in TRACKED}
    texts = {name: pointer_text(path) for name, path in paths.items() if path.is_file()}
    found = arrival(texts, str(folder))
    files = {}
    for name, pointer in found.pointers.items():
        path = folder / name
        if path.is_file():
            if pointer_to(path).md5 != pointer.md5:
                raise VersioningError(
                    f"{path}: expected md5 {pointer.md5}, as its pointer says, "
                    f"found {pointer_to(path).md5}",
                    hint=f"download it again, or delete it: {name} then comes from the remote",
                )
            files[name] = path
    # Spelled anew: DVC would act on whatever else a pointer says, such as a command.
    spelled = {name: pointer.to_yaml() for name, pointer in found.pointers.items()}
    return Arrival(found.source, spelled, files, folder, read_signature(folder / SIGNATURE))


def weights_alone(directory: Path) -> Arrival | None:
    """Find ``best.pt.dvc`` where nothing says what model it is of; None if more is there.

    Raises:
        VersioningError: If it is no pointer to ``best.pt``.
    """
    folder = _folder_of_pointers(directory)
    path = folder / pointer_name("best.pt")
    if not path.is_file() or any((folder / f"{METADATA}{end}").is_file() for end in ("", ".dvc")):
        return None
    pointer = read_pointer(path)
    if pointer.path != "best.pt":
        raise VersioningError(
            f"{path}: expected a pointer to best.pt, found one to {pointer.path}",
            hint="download it again",
        )
    return Arrival(str(folder), {"best.pt": pointer.to_yaml()}, folder=folder)


def _folder_of_pointers(directory: Path) -> Path:
    folders = [directory / PUBLISHED, *(path.parent for path in directory.rglob("best.pt.dvc"))]
    return next((one for one in folders if (one / "best.pt.dvc").is_file()), directory)


def refuse_to_lose(
    arriving: Arrival,
    committed: Mapping[str, str] | None,
    *,
    is_kept: Callable[[Path], bool] = lambda _: False,
) -> None:
    """Refuse to replace a model that only this folder has.

    Args:
        arriving: What would replace it.
        committed: The pointers of git's last commit, by name; None where there is no git.
        is_kept: Tells whether a published file without a pointer is somewhere else as well.

    Raises:
        VersioningError: Naming the command that keeps it.
    """
    for name, pointer in arriving.pointers.items():
        path = PUBLISHED / name
        own = path.with_name(pointer_name(name))
        if path.is_file():
            md5 = pointer_to(path).md5
            is_versioned = own.is_file() and read_pointer(own).md5 == md5
            if md5 != pointer.md5 and not is_versioned and not is_kept(path):
                raise _never_versioned(path, own)
        is_new = own.is_file() and committed is not None and committed.get(name) != own.read_text()
        if is_new and own.read_text() != arriving.texts[name]:
            raise VersioningError(
                f"{own} is of a version that was never committed, and another would replace it",
                hint=f"git add {PUBLISHED}/*.dvc && git commit keeps it; git checkout HEAD -- "
                f"{PUBLISHED} gives it up",
            )


def _never_versioned(path: Path, own: Path) -> VersioningError:
    """Tell a model that was trained here from a file that is damaged."""
    try:
        metadata = read_published()
    except RunError:
        metadata = None
    described = metadata.artifacts.get(path.name) if metadata else None
    is_damaged = (
        path.name == METADATA if described is None else (file_sha256(path) != described.sha256)
    )
    if own.is_file() and is_damaged:
        return VersioningError(
            f"{path} is damaged: it is not what its pointer names",
            hint=f"dvc pull --force {own}, then run this again",
        )
    return VersioningError(
        f"{path} is of a model that was never versioned, and another would replace it",
        hint=f"doors version keeps it, rm -r {PUBLISHED} && git checkout HEAD "
        f"-- {PUBLISHED} gives it up; then run this again",
    )


def with_own_signature(arriving: Arrival) -> Arrival:
    """Keep the signature that is here, where none comes in and the metadata stays the same."""
    if arriving.signature is None and _is(PUBLISHED / METADATA, arriving.pointers[METADATA]):
        return replace(arriving, signature=read_signature(PUBLISHED / SIGNATURE))
    return arriving


def is_in_place(arriving: Arrival) -> bool:
    """Tell whether nothing is left to do."""
    if not _is_text(PUBLISHED / SIGNATURE, arriving.signature):
        return False
    for name, pointer in arriving.pointers.items():
        path = PUBLISHED / name
        own = path.with_name(pointer_name(name))
        if not path.is_file() or not own.is_file() or own.read_text() != arriving.texts[name]:
            return False
        if pointer_to(path).md5 != pointer.md5:
            return False
    return True


def lay_out(arriving: Arrival, staged: Path) -> list[Path]:
    """Put the pointers, and the files that are at hand, into the next folder.

    Returns:
        The pointers whose files are still to be fetched.
    """
    for kept in (*PUBLISHED.glob("*.dvc"), PUBLISHED / ".gitignore"):
        if kept.is_file() and kept.stem not in TRACKED:
            shutil.copyfile(kept, staged / kept.name)
    if arriving.signature is not None:
        (staged / SIGNATURE).write_text(arriving.signature, encoding="utf-8")
    missing = []
    for name, text in arriving.texts.items():
        pointer = staged / pointer_name(name)
        pointer.write_text(text, encoding="utf-8")
        at_hand = [arriving.files.get(name), PUBLISHED / name]
        source = next((path for path in at_hand if path and _is(path, parse_pointer(text))), None)
        if source is None:
            missing.append(pointer)
        else:
            shutil.copyfile(source, staged / name)
    return missing


def complete(arriving: Arrival, metadata: Metadata, staged: Path) -> None:
    """Add what DVC does not keep, as far as it is at hand and is what the metadata says."""
    for name, sha256 in metadata.files.items():
        for folder in (arriving.folder, PUBLISHED):
            if folder and (folder / name).is_file() and file_sha256(folder / name) == sha256:
                shutil.copyfile(folder / name, staged / name)
                break
    (staged / "weights").mkdir(exist_ok=True)
    for name in metadata.artifacts:
        if (staged / name).is_file():
            shutil.copyfile(staged / name, staged / "weights" / name)


def bring_reports(arriving: Arrival, metadata: Metadata) -> None:
    """Take the reports along, where they were downloaded with the model and are of it."""
    if arriving.folder is None:
        return
    for root in (arriving.folder, *arriving.folder.parents[: len(PUBLISHED.parts)]):
        if reported_version(root / REPORTS) == metadata.version:
            for name in (METRICS, CURVES):
                if (root / REPORTS / name).is_file():
                    replace_copy(root / REPORTS / name, REPORTS / name)
            return


def released_paths() -> list[Path]:
    """Name what a commit of a release holds."""
    pointers = [PUBLISHED / pointer_name(name) for name in TRACKED]
    others = [PUBLISHED / SIGNATURE, PUBLISHED / ".gitignore", REPORTS / METRICS, REPORTS / CURVES]
    return [path for path in (*pointers, *others) if path.is_file()]


def refuse_other_tag(tag: str, tagged: Mapping[Path, str | None], paths: Sequence[Path]) -> None:
    """See that a tag that is there already is of these pointers.

    Raises:
        VersioningError: If it is another model's.
    """
    for path in paths:
        if path.suffix == ".dvc" and tagged.get(path) != path.read_text(encoding="utf-8"):
            raise VersioningError(
                f"the tag {tag} is there already, and holds another {path.name}",
                hint="doors metadata --major takes the next number; or delete the tag, if it is "
                f"wrong: git tag -d {tag}",
            )


def _is_text(path: Path, text: str | None) -> bool:
    if text is None:
        return not path.exists()
    return path.is_file() and path.read_bytes() == text.encode()


def _is(path: Path, pointer: Pointer) -> bool:
    return path.is_file() and pointer_to(path).md5 == pointer.md5


def reported_version(reports: Path) -> str | None:
    """Tell which version the reports in a folder are of; None if there are none.

    Raises:
        RunError: If they are damaged.
    """
    metrics = reports / METRICS
    if not metrics.is_file():
        return None
    try:
        document = parse_json(read_bounded(metrics, MOST_JSON_BYTES))
    except ValueError:
        raise RunError(f"{metrics} is no JSON", hint="download it again, or delete it") from None
    return document.get("version") if isinstance(document, dict) else None
