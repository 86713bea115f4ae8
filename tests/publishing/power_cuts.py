"""What a power cut leaves of a folder, worked out while a command runs; used by the tests.

The files are what the command sees. Beside them stands what is on the disk for sure: of each file
what it held when it was last forced there, of each folder the names it had then. A cut may leave
exactly that (``nothing``), or all names but only that much content (``names``), or all content
under only those names (``content``), or that without what was deleted (``deletions``).

Folders that others write (git's, DVC's) are taken as they are: their programs answer for them.
"""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.publishing.calls import is_change, is_removal

WAYS = ("nothing", "names", "content", "deletions")
"""What of that which was not forced to the disk is there all the same."""

_OTHERS = (".git", ".dvc")

AT_THE_END: list[Callable[[], None]] = []
"""Cuts the power when a command has ended, which must have lost nothing."""

Inode = int


@dataclass
class Disk:
    """What is on the disk for sure of everything below ``root``."""

    root: Path
    content: dict[Inode, bytes] = field(default_factory=dict)
    names: dict[Inode, dict[str, Inode]] = field(default_factory=dict)
    _kept: dict[Inode, int] = field(default_factory=dict)
    """Open descriptors, so that no number of a file is used again."""
    _links: dict[Inode, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (self.root, *_below(self.root)):
            self.force(path)

    def force(self, path: Path) -> None:
        """Take down what is forced to the disk now."""
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            self.names[status.st_ino] = {one.name: self._met(one) for one in path.iterdir()}
            self._met(path)
        elif stat.S_ISREG(status.st_mode):
            self._met(path)
            self.content[status.st_ino] = path.read_bytes()

    def force_open(self, descriptor: int) -> None:
        """Take down what is forced to the disk by a descriptor, if it is of this disk."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_relative_to(self.root) and path.exists():
            self.force(path)

    def see(self) -> None:
        """Meet what is new, before it can go."""
        for path in _below(self.root):
            self._met(path)

    def left(self, way: str, target: Path) -> None:
        """Make what a power cut leaves now."""
        self._make(self._met(self.root), self.root, way, target)

    def _met(self, path: Path) -> Inode:
        status = path.lstat()
        inode = status.st_ino
        if stat.S_ISLNK(status.st_mode):
            self._links[inode] = str(path.readlink())
        elif inode not in self._kept and not stat.S_ISSOCK(status.st_mode):
            self._kept[inode] = os.open(path, os.O_RDONLY)
        return inode

    def _make(self, inode: Inode, there: Path | None, way: str, target: Path) -> None:
        if there is not None and there.name in _OTHERS:
            shutil.copytree(there, target, symlinks=True)
        elif inode in self._links:
            target.symlink_to(self._links[inode])
        elif stat.S_ISREG(os.fstat(self._kept[inode]).st_mode):
            target.write_bytes(self._content(inode, way))
        else:
            target.mkdir(mode=0o755)
            for name, below in self._names(inode, way).items():
                path = there / name if there is not None and (there / name).exists() else None
                self._make(below, path, way, target / name)

    def _names(self, folder: Inode, way: str) -> dict[str, Inode]:
        forced = self.names.get(folder, {})
        if way not in {"names", "deletions"}:
            return forced
        there = Path(f"/proc/self/fd/{self._kept[folder]}")
        now = {path.name: self._met(path) for path in there.iterdir()}
        if way == "names":
            return now
        # What a rename replaced has no name either; but no disk loses the one without the other.
        return {name: one for name, one in forced.items() if name in now or self._has_name(one)}

    def _has_name(self, inode: Inode) -> bool:
        return inode in self._links or os.fstat(self._kept[inode]).st_nlink > 0

    def _content(self, file: Inode, way: str) -> bytes:
        os.lseek(self._kept[file], 0, os.SEEK_SET)
        now = b"".join(iter(lambda: os.read(self._kept[file], 2**20), b""))
        if way == "content":
            return now
        forced = self.content.get(file, b"")
        if way == "names":  # its size is, and zeros where nothing was written
            return forced + bytes(max(0, len(now) - len(forced)))
        return forced


@dataclass
class Countdown:
    """Counts the calls of one process, and cuts the power at the one that is due."""

    left: int
    way: str
    disk: Disk
    ours: int = field(default_factory=os.getpid)
    is_busy: bool = False

    def count(self, event: str, arguments: Any) -> None:
        """Cut the power, if this call is the one."""
        if self.is_busy or os.getpid() != self.ours or not is_change(event, arguments):
            return
        self.is_busy = True
        if is_removal(event):
            self.disk.see()
        self.left -= 1
        if self.left < 0:
            self.cut()
            os.kill(self.ours, 9)
        self.is_busy = False

    def cut(self) -> None:
        """Put what is left in the place of what is there."""
        self.is_busy = True
        root = self.disk.root
        self.disk.see()
        self.disk.left(self.way, root.with_name("cut"))
        root.rename(root.with_name("gone"))
        root.with_name("cut").rename(root)


def cut_at(root: Path, *ways: str) -> Callable[[int], None]:
    """Make a killer: at a step it leaves ``root`` as a power cut there does, and dies.

    The ways take turns, step by step.
    """

    def killer(number: int) -> None:
        calls, fsync = Countdown(number, ways[number % len(ways)], Disk(root)), os.fsync

        def forced(descriptor: int) -> None:
            calls.count("os.fsync", None)
            fsync(descriptor)
            if os.getpid() == calls.ours:
                calls.disk.force_open(descriptor)

        AT_THE_END.append(calls.cut)
        setattr(os, "fsync", forced)  # noqa: B010 - it takes descriptors alone
        sys.addaudithook(calls.count)

    return killer


@contextmanager
def watched(root: Path) -> Iterator[Disk]:
    """Take down what is forced to the disk while the block runs; nothing is cut off."""
    disk, fsync = Disk(root), os.fsync

    def forced(descriptor: int) -> None:
        fsync(descriptor)
        disk.force_open(descriptor)

    setattr(os, "fsync", forced)  # noqa: B010 - it takes descriptors alone
    try:
        yield disk
    finally:
        setattr(os, "fsync", fsync)  # noqa: B010


def _below(root: Path) -> list[Path]:
    paths = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _OTHERS]
        paths += [Path(folder, name) for name in (*folders, *files)]
    return paths
