"""DVC, behind :class:`container_doors.core.ports.ArtifactStore`."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from container_doors.adapters.dvc.command import PAUSE_S, STALL_S, Dvc, dvc_error
from container_doors.core.errors import MissingContentError, VersioningError
from container_doors.core.files import replace_text
from container_doors.core.parsing import MOST_YAML_BYTES, ParsingError, parse_yaml, read_bounded
from container_doors.core.ports import Progress
from container_doors.publishing.pointers import restoring
from container_doors.storage.complaints import ADD_REMOTE
from container_doors.storage.remotes import kind_of

_MOST_ARGUMENTS = 2000
"""Arguments of one command: Linux allows 2 MiB of them."""


class DvcStore:
    """The DVC repository around a folder."""

    def __init__(
        self,
        directory: Path = Path(),
        *,
        progress: Progress | None = None,
        pause_s: float = PAUSE_S,
        stall_s: float = STALL_S,
    ) -> None:
        """Store the settings; nothing runs yet.

        Args:
            directory: A folder inside the DVC repository.
            progress: Receives the progress of transfers.
            pause_s: The pause before the second attempt; doubled before each further one.
            stall_s: How long a transfer may print nothing before it is restarted.
        """
        self._directory = directory
        self._dvc = Dvc(directory, progress=progress, pause_s=pause_s, stall_s=stall_s)

    def check_ready(self) -> str:
        """Return the name and the address of the remote that a push would go to.

        Raises:
            MissingToolError: If there is no ``dvc``.
            VersioningError: If there is no repository, or no default remote.
        """
        return self._default_remote()[0]

    def _default_remote(self) -> tuple[str, Path | None]:
        """Return the default remote's name, and its folder if it is one."""
        root = self._directory / self._dvc.run_checked("find its repository", "root").stdout.strip()
        # Not `dvc remote list`, which wraps long URLs.
        listed = self._dvc.run_checked(
            "read its configuration", "config", "--list"
        ).stdout.splitlines()
        config = dict(line.split("=", 1) for line in listed if "=" in line)
        remotes = {
            key.removeprefix("remote.").removesuffix(".url"): value
            for key, value in config.items()
            if key.startswith("remote.") and key.endswith(".url")
        }
        default = config.get("core.remote")
        if default in remotes:
            folder = self._refuse_vanished(remotes[default], root)
            return f"{default} ({remotes[default]})", folder
        if remotes:
            raise VersioningError(
                f"DVC has no default remote; it knows {', '.join(sorted(remotes))}",
                hint=f"dvc remote default {min(remotes)}",
            )
        raise VersioningError("DVC has no remote to push to", hint=ADD_REMOTE)

    def _refuse_vanished(self, url: str, root: Path) -> Path | None:
        """Raise if a remote's folder is missing: DVC would create an empty one, and push to it."""
        folder = root / ".dvc" / url  # DVC (3.67) lists and writes it as an absolute path
        if kind_of(url) != "directory":
            return None
        if not folder.is_dir():
            raise VersioningError(
                f"the remote's folder {folder.resolve()} does not exist",
                hint="mount or restore it, or create a new one: doors storage set DIRECTORY",
            )
        return folder

    def add(self, paths: Sequence[Path]) -> list[Path]:
        """Track files; return the pointer of each, for git.

        A version in an existing pointer is removed: it was that of the earlier content.

        Raises:
            VersioningError: If a file is missing, or an existing pointer is damaged.
        """
        pointers = [pointer_of(path) for path in paths]
        for pointer in pointers:
            _forget(self._directory / pointer)
        self._dvc.run_checked("add the files", "add", *map(str, paths))
        for folder in dict.fromkeys(path.parent for path in paths):
            _ignore(
                self._directory / folder, [path.name for path in paths if path.parent == folder]
            )
        return pointers

    def adopt(self, path: Path) -> None:
        """Take a folder into the cache as if it had been pulled; its pointer does not change.

        Raises:
            VersioningError: If DVC finds other content in it than the pointer names.
        """
        pointer = self._directory / pointer_of(path)
        before = pointer.read_bytes()
        try:
            (found,) = self.add([path])
            is_same = self.content_of(path) == _content(_read(pointer, before))
        finally:
            if pointer.read_bytes() != before:
                replace_text(pointer, before.decode())
        if not is_same:
            raise VersioningError(
                f"DVC finds other files in {path} than {found} names",
                hint="does .dvcignore exclude some of them? Change it, then run this again",
            )

    def annotate(self, pointers: Sequence[Path], version: str) -> None:
        """Write the version into each pointer; DVC does not change ``meta``."""
        for pointer in pointers:
            document = _read(self._directory / pointer)
            meta = {**(document.get("meta") or {}), "version": version}
            _replace(self._directory / pointer, {**document, "meta": meta})

    def push(self, pointers: Sequence[Path]) -> None:
        """Send the files of the pointers; only missing ones are sent, so it can be repeated.

        Raises:
            VersioningError: If anything was not sent.
        """
        self._send("push", pointers)

    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        """Fetch the files of the pointers.

        Args:
            pointers: Pointers of files and folders.
            force: Whether to replace files that differ here, even without another copy.

        Raises:
            MissingContentError: If an object is neither here nor on the remote.
            VersioningError: If anything else failed.
        """
        self._send("pull", pointers, *(["--force"] if force else []))

    def fetch_objects(self, pointers: Sequence[Path], scratch: Path) -> dict[str, Path | None]:
        """Fetch the remote's object of each file, past the cache; None if it has none.

        Raises:
            VersioningError: If the remote cannot be reached.
        """
        from container_doors.adapters.dvc.remote_objects import fetch_objects

        return fetch_objects(pointers, scratch, directory=self._directory)

    def object_folder(
        self, pointers: Sequence[Path], scratch: Path, *, fetch: bool
    ) -> tuple[Path, bool] | None:
        """Return the folder of the remote's objects, and whether it is the remote's own.

        Raises:
            VersioningError: If the remote cannot be reached.
        """
        folder = self._default_remote()[1]
        if folder is not None:
            return folder / "files" / "md5", True
        if not fetch:
            return None
        from container_doors.adapters.dvc.remote_objects import fetch_into_cache

        return fetch_into_cache(pointers, scratch, directory=self._directory), False

    def ignored(self, paths: Sequence[Path]) -> set[Path]:
        """Return the files that ``.dvcignore`` excludes."""
        found: set[Path] = set()
        for first in range(0, len(paths), _MOST_ARGUMENTS):
            batch = paths[first : first + _MOST_ARGUMENTS]
            done = self._dvc.run("check-ignore", *map(str, batch))
            if done.exit_code not in (0, 1):  # 1: none of them
                raise dvc_error("read .dvcignore", done)
            found.update(map(Path, done.stdout.splitlines()))
        return found

    def content_of(self, path: Path) -> str | None:
        """Return the MD5 that DVC tracks a file or folder by; None if it does not."""
        pointer = self._directory / pointer_of(path)
        if not pointer.exists():
            return None
        return _content(_read(pointer))

    def version_of(self, path: Path) -> str | None:
        """Return the version that :meth:`annotate` wrote into the pointer of a file or folder."""
        pointer = self._directory / pointer_of(path)
        meta = (_read(pointer).get("meta") or {}) if pointer.exists() else {}
        return str(meta["version"]) if "version" in meta else None

    def content_with(self, files: Mapping[str, str]) -> str:
        """Return the MD5 that DVC would track a folder with exactly these files by.

        https://doc.dvc.org/user-guide/project-structure/internal-files#directories
        """
        listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]
        text = json.dumps(listing)
        return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"

    def files_of(self, folder: Path) -> dict[str, str]:
        """Return the MD5 of every file of a tracked folder, without those that DVC ignores."""
        md5 = self.content_of(folder) or ""
        # https://dvc.org/doc/user-guide/project-structure/internal-files#structure-of-the-cache-directory
        listing = self._directory / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        if listing.is_file():  # a second faster than running DVC
            files = json.loads(listing.read_text(encoding="utf-8"))
            return {file["relpath"]: file["md5"] for file in files}
        arguments = ("list", ".", str(folder), "--recursive", "--dvc-only", "--json")
        listed = self._dvc.run_checked(f"list {folder}", *arguments).stdout
        return {file["path"]: file["md5"] for file in json.loads(listed)}

    def _send(self, verb: str, pointers: Sequence[Path], *options: str) -> None:
        try:
            self._dvc.transfer(verb, pointers, *options)
        except MissingContentError as error:
            self.check_ready()  # if the remote's folder is missing, that is the better message
            raise MissingContentError(
                f"{self._describe(error.objects, pointers)}: neither here nor on the remote",
                hint=f"on a machine that still has it: dvc push {' '.join(map(str, pointers))}",
                objects=error.objects,
            ) from None

    def _describe(self, objects: Sequence[str], pointers: Sequence[Path]) -> str:
        """Describe lost objects by their files; those of a tracked folder are only counted."""
        tracked = [path.with_name(path.name.removesuffix(".dvc")) for path in pointers]
        by_md5 = {self.content_of(path): path.name for path in tracked}
        names = [by_md5[one] for one in objects if one in by_md5]
        parts = len(objects) - len(names)
        if parts:
            names.append(f"{parts} object(s) of {', '.join(path.name for path in tracked)}")
        return ", ".join(names)


def pointer_of(path: Path) -> Path:
    """Return the pointer of a file: the small file that git tracks instead of it.

    >>> str(pointer_of(Path("weights/detection/best.pt")))
    'weights/detection/best.pt.dvc'
    """
    return path.with_name(f"{path.name}.dvc")


def _ignore(folder: Path, names: Sequence[str]) -> None:
    """Write the ``.gitignore`` that DVC omits if a parent folder ignores the files already.

    The specification commits it, and it keeps the files out of git if the other rule is removed.
    """
    path = folder / ".gitignore"
    if not path.exists():
        replace_text(path, "".join(f"/{name}\n" for name in names))


def _forget(pointer: Path) -> None:
    if not pointer.exists():
        return
    document = _read(pointer)
    meta = dict(document.get("meta") or {})
    if meta.pop("version", None) is None:
        return
    rest = {name: value for name, value in document.items() if name != "meta"}
    _replace(pointer, {**rest, "meta": meta} if meta else rest)


def _content(document: Mapping[str, Any]) -> str | None:
    (out,) = document.get("outs") or [{}]
    return str(out["md5"]) if "md5" in out else None


def _read(pointer: Path, text: bytes | None = None) -> dict[str, Any]:
    try:
        document = parse_yaml(read_bounded(pointer, MOST_YAML_BYTES) if text is None else text)
    except ParsingError:
        document = None
    if not _is_pointer(document):
        raise VersioningError(
            f"{pointer} is not a DVC pointer; perhaps a merge was not finished",
            hint=restoring(pointer, f"dvc add {shlex.quote(str(pointer.with_suffix('')))}"),
        )
    return document


def _is_pointer(document: object) -> TypeGuard[dict[str, Any]]:
    if not isinstance(document, dict) or not isinstance(document.get("meta") or {}, dict):
        return False
    outs = document.get("outs") or []
    return isinstance(outs, list) and len(outs) <= 1 and all(isinstance(o, dict) for o in outs)


def _replace(pointer: Path, document: dict[str, Any]) -> None:
    replace_text(pointer, yaml.safe_dump(document, sort_keys=False))
