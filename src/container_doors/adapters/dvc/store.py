"""DVC, behind :class:`container_doors.core.ports.ArtifactStore`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from container_doors.adapters.dvc.command import PAUSE_S, STALL_S, Dvc, refused
from container_doors.core.errors import MissingContentError, VersioningError
from container_doors.core.files import replace_text
from container_doors.core.parsing import MOST_YAML_BYTES, ParsingError, parse_yaml, read_bounded
from container_doors.core.ports import Progress
from container_doors.storage.complaints import ADD_REMOTE
from container_doors.storage.remotes import kind_of

_MOST_ARGUMENTS = 2000
"""Of one command: Linux takes 2 MiB of them."""


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
        """Remember where; nothing runs yet.

        Args:
            directory: Inside of the DVC repository.
            progress: Told how far transfers are.
            pause_s: Before the second attempt; doubled before each that follows.
            stall_s: How long a transfer may say nothing before it is begun again.
        """
        self._directory = directory
        self._dvc = Dvc(directory, progress=progress, pause_s=pause_s, stall_s=stall_s)

    def check_ready(self) -> str:
        """Name the remote that a push would go to, and where it is.

        Raises:
            MissingToolError: If there is no ``dvc``.
            VersioningError: If there is no repository, or no default remote.
        """
        return self._default_remote()[0]

    def _default_remote(self) -> tuple[str, Path | None]:
        """Name the default remote, and find its folder, if it is one."""
        root = self._directory / self._dvc.must("find its repository", "root").stdout.strip()
        # Not `dvc remote list`, which breaks long URLs into lines.
        listed = self._dvc.must("read its configuration", "config", "--list").stdout.splitlines()
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
        """DVC would make an empty folder in its place, and say that it has pushed."""
        folder = root / ".dvc" / url  # DVC lists it as absolute (3.67), and writes it so
        if kind_of(url) != "directory":
            return None
        if not folder.is_dir():
            raise VersioningError(
                f"the remote's folder {folder.resolve()} is not there",
                hint="mount or restore it, or begin a new one: doors remote set DIRECTORY",
            )
        return folder

    def add(self, paths: Sequence[Path]) -> list[Path]:
        """Track files; returns the pointer of each, for git.

        A version that a pointer named is forgotten: it was that of the content before.

        Raises:
            VersioningError: If a file is not there, or a pointer that is there is damaged.
        """
        pointers = [pointer_of(path) for path in paths]
        for pointer in pointers:
            _forget(self._directory / pointer)
        self._dvc.must("add the files", "add", *map(str, paths))
        for folder in dict.fromkeys(path.parent for path in paths):
            _ignore(
                self._directory / folder, [path.name for path in paths if path.parent == folder]
            )
        return pointers

    def annotate(self, pointers: Sequence[Path], version: str) -> None:
        """Write the version into each pointer, where git keeps it; DVC leaves ``meta`` alone."""
        for pointer in pointers:
            document = _read(self._directory / pointer)
            meta = {**(document.get("meta") or {}), "version": version}
            _replace(self._directory / pointer, {**document, "meta": meta})

    def push(self, pointers: Sequence[Path]) -> None:
        """Send what the pointers name. Sending it again is harmless, and sends what is missing.

        Raises:
            VersioningError: If anything has not arrived.
        """
        self._send("push", pointers)

    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        """Fetch what the pointers name.

        Args:
            pointers: Of files and folders.
            force: Whether to replace what differs from them here, though it is kept nowhere.

        Raises:
            MissingContentError: If something is neither here nor on the remote.
            VersioningError: If anything else has not arrived.
        """
        self._send("pull", pointers, *(["--force"] if force else []))

    def fetch_objects(self, pointers: Sequence[Path], scratch: Path) -> dict[str, Path | None]:
        """Fetch what the remote has of each file, past the cache; None for what it has not.

        Raises:
            VersioningError: If the remote cannot be asked.
        """
        from container_doors.adapters.dvc.remote_objects import fetch_objects

        return fetch_objects(pointers, scratch, directory=self._directory)

    def object_folder(
        self, pointers: Sequence[Path], scratch: Path, *, fetch: bool
    ) -> tuple[Path, bool] | None:
        """Find the folder of what the remote holds, and whether it is the remote's own.

        Raises:
            VersioningError: If the remote cannot be asked.
        """
        folder = self._default_remote()[1]
        if folder is not None:
            return folder / "files" / "md5", True
        if not fetch:
            return None
        from container_doors.adapters.dvc.remote_objects import fetch_into_cache

        return fetch_into_cache(pointers, scratch, directory=self._directory), False

    def ignored(self, paths: Sequence[Path]) -> set[Path]:
        """Ask what ``.dvcignore`` says of files."""
        found: set[Path] = set()
        for first in range(0, len(paths), _MOST_ARGUMENTS):
            batch = paths[first : first + _MOST_ARGUMENTS]
            done = self._dvc.run("check-ignore", *map(str, batch))
            if done.exit_code not in (0, 1):  # 1: none of them
                raise refused("see what .dvcignore names", done)
            found.update(map(Path, done.stdout.splitlines()))
        return found

    def content_of(self, path: Path) -> str | None:
        """The MD5 that DVC tracks a file or folder by, None if it does not."""
        pointer = self._directory / pointer_of(path)
        if not pointer.exists():
            return None
        (out,) = _read(pointer).get("outs") or [{}]
        return str(out["md5"]) if "md5" in out else None

    def version_of(self, path: Path) -> str | None:
        """What :meth:`annotate` wrote into the pointer of a file or folder."""
        pointer = self._directory / pointer_of(path)
        meta = (_read(pointer).get("meta") or {}) if pointer.exists() else {}
        return str(meta["version"]) if "version" in meta else None

    def files_of(self, folder: Path) -> dict[str, str]:
        """Every file of a tracked folder and its MD5; what ``.dvcignore`` names is none of it."""
        tracked_as = self.content_of(folder) or ""
        # https://dvc.org/doc/user-guide/project-structure/internal-files#structure-of-the-cache-directory
        listing = self._directory / ".dvc/cache/files/md5" / tracked_as[:2] / tracked_as[2:]
        if listing.is_file():  # a second faster than asking
            files = json.loads(listing.read_text(encoding="utf-8"))
            return {file["relpath"]: file["md5"] for file in files}
        arguments = ("list", ".", str(folder), "--recursive", "--dvc-only", "--json")
        listed = self._dvc.must(f"list {folder}", *arguments).stdout
        return {file["path"]: file["md5"] for file in json.loads(listed)}

    def _send(self, verb: str, pointers: Sequence[Path], *options: str) -> None:
        try:
            self._dvc.transfer(verb, pointers, *options)
        except MissingContentError as error:
            self.check_ready()  # a folder that has vanished has nothing, and is the better reason
            raise MissingContentError(
                f"{self._named(error.objects, pointers)}: neither here nor on the remote",
                hint=f"where it is still: dvc push {' '.join(map(str, pointers))}",
                objects=error.objects,
            ) from None

    def _named(self, objects: Sequence[str], pointers: Sequence[Path]) -> str:
        """Name lost objects by their files; those of a tracked folder are counted."""
        tracked = [path.with_name(path.name.removesuffix(".dvc")) for path in pointers]
        named = {self.content_of(path): path.name for path in tracked}
        names = [named[one] for one in objects if one in named]
        parts = len(objects) - len(names)
        if parts:
            names.append(f"{parts} object(s) of {', '.join(path.name for path in tracked)}")
        return ", ".join(names)


def pointer_of(path: Path) -> Path:
    """Name the small file that git keeps in a large one's place.

    >>> str(pointer_of(Path("weights/detection/best.pt")))
    'weights/detection/best.pt.dvc'
    """
    return path.with_name(f"{path.name}.dvc")


def _ignore(folder: Path, names: Sequence[str]) -> None:
    """Write the ``.gitignore`` that DVC leaves out where a folder above ignores the files already.

    The specification commits it, and the files stay out of git should the rule above go.
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


def _read(pointer: Path) -> dict[str, Any]:
    try:
        document = parse_yaml(read_bounded(pointer, MOST_YAML_BYTES))
    except ParsingError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("meta") or {}, dict):
        raise VersioningError(
            f"{pointer} is not a pointer of DVC, perhaps after a merge that was not finished",
            hint=f"git checkout HEAD -- {pointer.name} restores it, in {pointer.parent}",
        )
    return document


def _replace(pointer: Path, document: dict[str, Any]) -> None:
    replace_text(pointer, yaml.safe_dump(document, sort_keys=False))
