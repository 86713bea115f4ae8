"""Check that a data set matches its DVC pointers: on this machine, and on the remote."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from container_doors.core.parsing import (
    MOST_JSON_BYTES,
    parse_json,
    parse_yaml,
    read_bounded,
)
from container_doors.core.records import Check, Mismatch
from container_doors.publishing.comparison import first_difference, format_value
from container_doors.publishing.pointers import (
    md5_of,
    pointer_name,
    pointer_text,
    pointer_to,
)
from container_doors.publishing.ways_back import DVC_PULL, pointer_back

_ENTRIES = ("md5", "size", "nfiles", "hash", "path")
_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class Folder:
    """A data set as DVC sees it."""

    root: Path
    files: Mapping[str, tuple[str, int]] | None
    """MD5 and size in bytes, by relative path with forward slashes; None if it is not here."""

    @property
    def pointer(self) -> Path:
        """The pointer file that git tracks instead of the data set."""
        return self.root.with_name(pointer_name(self.root.name))

    @property
    def out(self) -> dict[str, object]:
        """The entries that its pointer should have."""
        files = self.files or {}
        return {
            "md5": folder_md5({name: md5 for name, (md5, _) in files.items()}),
            "size": sum(size for _, size in files.values()),
            "nfiles": len(files),
            "hash": "md5",
            "path": self.root.name,
        }


def hash_files(root: Path, names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Hash files of a folder as DVC does: MD5 and size in bytes."""
    pointers = {name: pointer_to(root / name) for name in names}
    return {name: (pointer.md5, pointer.size_bytes) for name, pointer in pointers.items()}


def folder_md5(md5s: Mapping[str, str]) -> str:
    r"""Hash a folder as DVC does: its files' names and MD5s, by name, as JSON.

    https://doc.dvc.org/user-guide/project-structure/internal-files#structure-of-the-cache-directory

    >>> folder_md5({})
    'd751713988987e9331980363e24189ce.dir'
    """
    entries = [{"md5": md5s[name], "relpath": name} for name in sorted(md5s)]
    text = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"


def data_pointers_check(
    folder: Folder, archives: Sequence[Path], committed: Mapping[Path, str], *, is_changed: bool
) -> Check:
    """Compare the pointers of a data set and of its archives with the files.

    Args:
        folder: The data set.
        archives: Those that have pointers, whether they are on this machine or not.
        committed: The pointers' texts in git's last commit, by path.
        is_changed: Whether another check has already reported that the data set changed.
    """
    if not folder.pointer.is_file() and folder.pointer not in committed:
        return Check("data pointers", f"none: DVC does not track {folder.root}")
    mismatches = [*_of_folder(folder, committed, is_changed=is_changed)]
    for archive in archives:
        mismatches += _of_archive(archive, pointer_md5(folder.pointer), committed)
    return Check("data pointers", f"{1 + len(archives)} of {folder.root}", tuple(mismatches))


def data_objects_check(
    folder: Folder, pointers: Sequence[Path], objects: Path, remote: str, *, is_own: bool
) -> Check:
    """Hash a data set's objects on a remote: file by file, as archives, or both.

    Args:
        folder: The data set.
        pointers: Its own and those of its archives, without damaged ones.
        objects: The folder of the remote's objects, by hash.
        remote: Its name, for messages.
        is_own: Whether that folder is the remote's own, not a copy.
    """
    stored = _RemoteObjects(objects, remote, is_own=is_own)
    archives = [path for path in pointers if path != folder.pointer]
    mismatches = [
        fault for path in archives for fault in stored.faults(pointer_md5(path), path, path)
    ]
    md5 = pointer_md5(folder.pointer) if folder.pointer in pointers else None
    if md5 is not None and (stored.path(md5).is_file() or not archives):
        mismatches += stored.faults(md5, folder.pointer, folder.root)
        mismatches += stored.faults_of_listed(md5, folder)
    return Check("remote data", f"what {remote} has of {folder.root}", tuple(mismatches))


@dataclass(frozen=True, slots=True)
class _RemoteObjects:
    objects: Path
    remote: str
    is_own: bool

    def path(self, md5: str) -> Path:
        return self.objects / md5[:2] / md5[2:]

    def faults(
        self, md5: str | None, pointer: Path, what: Path, *, within: str | None = None
    ) -> Iterator[Mismatch]:
        """Yield a mismatch if an object is missing, or its content does not match its name.

        Args:
            md5: Its name; None if the pointer cannot be read.
            pointer: The pointer that names it or its folder.
            what: The file or folder that is stored in it.
            within: The folder's object. While it exists, DVC (3.67) assumes that all is pushed.
        """
        if md5 is None:
            return  # its pointer cannot be read; another check reports that
        path = self.path(md5)
        found = md5_of(path) if path.is_file() else None
        if found != md5.removesuffix(".dir"):
            found_text = f"md5 {found}" if found else "nothing"
            wrong = [md5] if found else []
            back = self._back([*wrong, within] if within else wrong, f"dvc push {pointer}")
            yield Mismatch(f"{self.remote}: {what}", f"md5 {md5}", found_text, back)

    def faults_of_listed(self, md5: str, folder: Folder) -> Iterator[Mismatch]:
        path = self.path(md5)
        if not path.is_file() or md5_of(path) != md5.removesuffix(".dir"):
            return  # reported already
        try:
            listing = parse_json(read_bounded(path, MOST_JSON_BYTES))
            md5s = {str(entry["relpath"]): str(entry["md5"]) for entry in listing}
        except _UNREADABLE:
            back = self._back([md5], f"dvc push {folder.pointer}")
            yield Mismatch(f"{self.remote}: {folder.root}", "a list of files", "other text", back)
            return
        for name, its in md5s.items():
            yield from self.faults(its, folder.pointer, folder.root / name, within=md5)

    def _back(self, wrong: Sequence[str], push: str) -> str:
        if not wrong:
            return push
        if self.is_own:
            return f"rm -f {' '.join(str(self.path(md5)) for md5 in wrong)} && {push}"
        names = ", ".join(f"files/md5/{md5[:2]}/{md5[2:]}" for md5 in wrong)
        return f"delete {names} there, then: {push}"


def _of_folder(
    folder: Folder, committed: Mapping[Path, str], *, is_changed: bool
) -> Iterator[Mismatch]:
    path, old = folder.pointer, committed.get(folder.pointer)
    hint = pointer_back(path, old, f"rm -f {path} && dvc add {folder.root}")
    text = pointer_text(path) if path.is_file() else ""
    try:
        out = _out(text)
    except _UNREADABLE:
        yield Mismatch(str(path), f"DVC's pointer to {folder.root}", "something else", hint)
        return
    if folder.files is None or is_changed:
        if old is not None and text != old:
            yield Mismatch(str(path), *first_difference(old, text), hint)
        return
    for key in _ENTRIES:
        if out.get(key) != folder.out[key] and text != old:
            yield Mismatch(
                f"{path}: {key}", format_value(folder.out[key]), format_value(out.get(key)), hint
            )
            return
        if out.get(key) != folder.out[key]:
            back = f"doors data pull --force --path {folder.root}"
            yield Mismatch(
                str(folder.root), format_value(out.get(key)), format_value(folder.out[key]), back
            )
            return
    canonical = yaml.safe_dump(parse_yaml(text), sort_keys=False)
    if text not in {old, canonical}:
        yield Mismatch(str(path), *first_difference(old or canonical, text), hint)


def _of_archive(
    archive: Path, version: str | None, committed: Mapping[Path, str]
) -> Iterator[Mismatch]:
    path = archive.with_name(pointer_name(archive.name))
    old, text = committed.get(path), pointer_text(path)
    hint = pointer_back(path, old, f"rm -f {path} && doors data pack")
    if text == old:
        if archive.is_file() and pointer_to(archive).md5 != pointer_md5(path):
            expected, found = f"md5 {pointer_md5(path)}", f"md5 {pointer_to(archive).md5}"
            yield Mismatch(str(archive), expected, found, DVC_PULL.format(path))
    elif old is not None:
        yield Mismatch(str(path), *first_difference(old, text), hint)
    elif archive.is_file():
        expected = pointer_to(archive, version).to_yaml()
        if text != expected:
            yield Mismatch(str(path), *first_difference(expected, text), hint)
    elif pointer_md5(path) is None:
        yield Mismatch(str(path), f"a pointer to {archive.name}", "something else", hint)


def pointer_md5(pointer: Path) -> str | None:
    """Return the MD5 in a pointer; None if it cannot be read."""
    try:
        return str(_out(pointer_text(pointer))["md5"])
    except (*_UNREADABLE, OSError):
        return None


def _out(text: str) -> dict[str, Any]:
    (out,) = parse_yaml(text)["outs"]
    return dict(out)
