"""An incoming model, trained elsewhere: its pointers, its files, and what it may replace."""

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
from container_doors.publishing.publication import (
    BESIDE_WEIGHTS,
    METADATA,
    WEIGHTS,
    read_published,
)
from container_doors.publishing.signatures import SIGNATURE, check_signature_size, read_signature

NEEDED = ("best.pt", METADATA)
"""The files that a model must have; ``last.pt`` is only needed to continue training."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The pointers of a model, and those of its files that are already here."""

    source: str
    """Where the pointers are from, for messages."""
    texts: Mapping[str, str]
    """The text of each pointer, by the name of its file."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Downloaded files that match their pointers; the others are on the remote."""
    folder: Path | None = None
    """A folder that may have more files of the model, such as its plots."""
    signature: str | None = None
    """The signature of its metadata; None if it is not signed."""

    @property
    def pointers(self) -> dict[str, Pointer]:
        """Each pointer, parsed, by the name of its file."""
        return {name: parse_pointer(text) for name, text in self.texts.items()}


def arrival(texts: Mapping[str, str], source: str, signature: str | None = None) -> Arrival:
    """Return an incoming model from the pointers that git has.

    Raises:
        VersioningError: If a pointer is missing, is not a pointer, or is of another version.
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
        versions[name] = _parse(name, text, source).version
    if len(set(versions.values())) > 1:
        raise VersioningError(
            f"{source}: expected pointers of one version, found "
            + ", ".join(f"{name} of {version}" for name, version in versions.items()),
            hint="take all of them from one training: doors version writes them together",
        )
    return Arrival(source, texts, signature=signature and check_signature_size(signature, source))


def _parse(name: str, text: str, source: str) -> Pointer:
    """Parse the pointer to a file.

    Raises:
        VersioningError: If it is another text, or the pointer to another file.
    """
    try:
        pointer = parse_pointer(text)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        pointer = None
    if pointer is None or pointer.path != name:
        raise VersioningError(
            f"{source}: {pointer_name(name)}: expected a pointer to {name}, found other text",
            hint="download it again; or finish the merge, if one is unfinished",
        )
    return pointer


def find_download(directory: Path) -> Arrival:
    """Find a model in a download, with or without its original folders.

    Raises:
        VersioningError: If pointers are missing or damaged, or a file does not match its pointer.
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
    # Written again, because DVC would act on other keys of a pointer, such as a command.
    rewritten = {name: pointer.to_yaml() for name, pointer in found.pointers.items()}
    return Arrival(found.source, rewritten, files, folder, read_signature(folder / SIGNATURE))


def find_weights_only(directory: Path) -> Arrival | None:
    """Find a ``best.pt.dvc`` that has no metadata beside it; None if there is metadata.

    Raises:
        VersioningError: If it is not a pointer to ``best.pt``.
    """
    folder = _folder_of_pointers(directory)
    path = folder / pointer_name("best.pt")
    if not path.is_file() or any((folder / f"{METADATA}{end}").is_file() for end in ("", ".dvc")):
        return None
    pointer = _parse("best.pt", pointer_text(path), str(folder))
    return Arrival(str(folder), {"best.pt": pointer.to_yaml()}, folder=folder)


def _folder_of_pointers(directory: Path) -> Path:
    folders = [directory / PUBLISHED, *(path.parent for path in directory.rglob("best.pt.dvc"))]
    return next((one for one in folders if (one / "best.pt.dvc").is_file()), directory)


def refuse_to_lose(
    arriving: Arrival,
    committed: Mapping[str, str] | None,
    *,
    has_copy: Callable[[Path], bool] = lambda _: False,
) -> None:
    """Refuse to replace a model that has no other copy.

    Args:
        arriving: The model that would replace it.
        committed: The pointers of git's last commit, by name; None where there is no git.
        has_copy: Returns whether a published file without a pointer has another copy.

    Raises:
        VersioningError: If there is no other copy; the hint names the command that keeps it.
    """
    for name, pointer in arriving.pointers.items():
        path = PUBLISHED / name
        own = path.with_name(pointer_name(name))
        if path.is_file():
            md5 = pointer_to(path).md5
            is_versioned = own.is_file() and read_pointer(own).md5 == md5
            if md5 != pointer.md5 and not is_versioned and not has_copy(path):
                raise _never_versioned(path, own)
        is_new = own.is_file() and committed is not None and committed.get(name) != own.read_text()
        if is_new and own.read_text() != arriving.texts[name]:
            raise VersioningError(
                f"{own} is of a version that was never committed, and another one would replace it",
                hint=f"git add {PUBLISHED}/*.dvc && git commit keeps it; git checkout HEAD -- "
                f"{PUBLISHED} gives it up",
            )


def _never_versioned(path: Path, own: Path) -> VersioningError:
    """Return the error for a file that was never versioned, or that is damaged."""
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
            f"{path} is damaged: it does not match its pointer",
            hint=f"dvc pull --force {own}, then run this again",
        )
    return VersioningError(
        f"{path} is of a model that was never versioned, and another one would replace it",
        hint=f"doors version keeps it, rm -r {PUBLISHED} && git checkout HEAD "
        f"-- {PUBLISHED} gives it up; then run this again",
    )


def with_own_signature(arriving: Arrival) -> Arrival:
    """Keep the present signature if the incoming model has none and its metadata is the same."""
    if arriving.signature is None and _matches(PUBLISHED / METADATA, arriving.pointers[METADATA]):
        return replace(arriving, signature=read_signature(PUBLISHED / SIGNATURE))
    return arriving


def is_in_place(arriving: Arrival) -> bool:
    """Return whether this very model is already published."""
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
    """Put the pointers, and the files that are already here, into the staged folder.

    Returns:
        The pointers whose files must still be fetched.
    """
    for path in (*PUBLISHED.glob("*.dvc"), PUBLISHED / ".gitignore"):
        if path.is_file() and path.stem not in TRACKED:
            shutil.copyfile(path, staged / path.name)
    if arriving.signature is not None:
        (staged / SIGNATURE).write_text(arriving.signature, encoding="utf-8")
    missing = []
    for name, text in arriving.texts.items():
        pointer = staged / pointer_name(name)
        pointer.write_text(text, encoding="utf-8")
        paths = [arriving.files.get(name), PUBLISHED / name]
        source = next(
            (path for path in paths if path and _matches(path, parse_pointer(text))), None
        )
        if source is None:
            missing.append(pointer)
        else:
            shutil.copyfile(source, staged / name)
    return missing


def complete(arriving: Arrival, metadata: Metadata, staged: Path) -> None:
    """Add the files that DVC does not store, if they are here and match the metadata.

    Only those that a publication writes: others could be pointers, or git's own files.
    """
    for name in BESIDE_WEIGHTS & metadata.files.keys():
        sha256 = metadata.files[name]
        for folder in (arriving.folder, PUBLISHED):
            if folder and (folder / name).is_file() and file_sha256(folder / name) == sha256:
                shutil.copyfile(folder / name, staged / name)
                break
    (staged / "weights").mkdir(exist_ok=True)
    for name in WEIGHTS:
        if name in metadata.artifacts and (staged / name).is_file():
            shutil.copyfile(staged / name, staged / "weights" / name)


def copy_reports(arriving: Arrival, metadata: Metadata) -> None:
    """Copy the reports that were downloaded with the model, if they are of its version."""
    if arriving.folder is None:
        return
    for root in (arriving.folder, *arriving.folder.parents[: len(PUBLISHED.parts)]):
        if reported_version(root / REPORTS) == metadata.version:
            for name in (METRICS, CURVES):
                if (root / REPORTS / name).is_file():
                    replace_copy(root / REPORTS / name, REPORTS / name)
            return


def released_paths() -> list[Path]:
    """List the files that a commit of a release contains."""
    pointers = [PUBLISHED / pointer_name(name) for name in TRACKED]
    others = [PUBLISHED / SIGNATURE, PUBLISHED / ".gitignore", REPORTS / METRICS, REPORTS / CURVES]
    return [path for path in (*pointers, *others) if path.is_file()]


def refuse_other_tag(tag: str, tagged: Mapping[Path, str | None], paths: Sequence[Path]) -> None:
    """Check that an existing tag is of these pointers.

    Raises:
        VersioningError: If the tag is of another model.
    """
    for path in paths:
        if path.suffix == ".dvc" and tagged.get(path) != path.read_text(encoding="utf-8"):
            raise VersioningError(
                f"the tag {tag} exists already, with another {path.name}",
                hint="doors metadata --minor takes the next number; or delete the tag, if it is "
                f"wrong: git tag -d {tag}",
            )


def _is_text(path: Path, text: str | None) -> bool:
    if text is None:
        return not path.exists()
    return path.is_file() and path.read_bytes() == text.encode()


def _matches(path: Path, pointer: Pointer) -> bool:
    return path.is_file() and pointer_to(path).md5 == pointer.md5


def reported_version(reports: Path) -> str | None:
    """Return the version of the reports in a folder; None if there are no reports.

    Raises:
        RunError: If they are damaged.
    """
    metrics = reports / METRICS
    if not metrics.is_file():
        return None
    try:
        document = parse_json(read_bounded(metrics, MOST_JSON_BYTES))
    except ValueError:
        raise RunError(f"{metrics} is not JSON", hint="download it again, or delete it") from None
    return document.get("version") if isinstance(document, dict) else None
