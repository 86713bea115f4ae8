"""Pack a commit as git objects, and check that it can be rebuilt from them elsewhere."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from container_doors.core.errors import VersioningError
from container_doors.core.files import make_folder
from container_doors.core.ports import PackedCode
from container_doors.kaggle.confidential import contains_credentials
from container_doors.kaggle.worker import WHOLE_WHEN_SENT, JobError, printable, rebuild

_THE_SAME_EVERYWHERE = ("--window=0", "--no-reuse-delta", "--no-reuse-object", "--threads=1",
                        "--compression=6")  # fmt: skip
"""The pack's bytes depend only on its objects, so that the same pack is not sent twice."""

_AT_ONCE = 500
"""Names in one command: Linux allows two million bytes of arguments."""

_WAYS_OUT = (
    ("file name too long", "commit it under a shorter path"),
    ("no space left", "free space, or set TMPDIR to another folder"),
    ("unable to read", "an object of the commit is missing or damaged: git fsck lists it"),
    ("invalid path", "commit it under another name"),
)
"""Git's messages when it cannot rebuild a commit, and the remedies."""


class Git(Protocol):
    """Runs git and returns its output."""

    def __call__(
        self, what: str, *arguments: str, stdin: bytes = ..., variables: Mapping[str, str] = ...
    ) -> bytes:
        """Run git.

        Args:
            what: The action, for the error message.
            arguments: Git's arguments.
            stdin: Its standard input.
            variables: Additional environment variables.
        """


def bundle_code(
    commit: str, target: Path, changed: Sequence[Path], *, git: Git, directory: Path
) -> PackedCode:
    """Pack a commit with the files that differ from it, and rebuild it from the pack.

    Args:
        commit: The commit's hash.
        target: The path of the pack.
        changed: Files of the working directory that are sent in their present state.
        git: See :class:`Git`.
        directory: The repository's root.

    Raises:
        VersioningError: If it cannot be rebuilt; the message names the reason.
    """
    with TemporaryDirectory(prefix="doors-") as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"} if changed else {}
        git = partial(git, variables=_own_objects(Path(scratch), directory, git) | index)
        tree = own = _line(git("read the commit", "rev-parse", f"{commit}^{{tree}}"))
        if changed:
            tree = _changed_tree(commit, changed, git=git, directory=directory)
        entries = {root: list(_entries(root, git)) for root in dict.fromkeys((own, tree))}
        _refuse_credentials(entries[tree], directory)
        objects = {commit, *entries}
        for below in entries.values():
            objects |= {
                name for kind, name, _ in below if kind != "commit"
            }  # not a submodule's commit
        output = git(
            "pack the commit", "-c", "pack.packSizeLimit=0", "pack-objects", "-q",
            *_THE_SAME_EVERYWHERE, f"{scratch}/code",
            stdin="".join(f"{name}\n" for name in sorted(objects)).encode(),
        )  # fmt: skip
        pack = Path(scratch) / f"code-{_line(output)}.pack"
        _prove(commit, tree, pack, Path(scratch) / "repository")
        make_folder(target.parent)
        shutil.move(pack, target)
        files = [path for kind, _, path in entries[tree] if kind == "blob"]
        return PackedCode(commit, tree, len(files), _filtered_paths(files, git))


def _refuse_credentials(entries: Sequence[tuple[str, str, bytes]], directory: Path) -> None:
    """Check that no file in the commit contains credentials; older commits are not sent."""
    names = [os.fsdecode(path) for kind, _, path in entries if kind == "blob"]
    found = [name for name in names if contains_credentials(directory / name)]
    if found:
        raise VersioningError(
            f"the commit contains what looks like credentials: {', '.join(map(ascii, found[:5]))}; "
            "nothing was sent",
            hint="git rm --cached FILE, git commit, and make a new key if the old one was pushed",
        )


def _own_objects(scratch: Path, directory: Path, git: Git) -> dict[str, str]:
    """Create a separate object folder: the user's own is not changed, and may be read-only."""
    found = git("find its objects", "rev-parse", "--git-path", "objects")
    objects = directory.absolute() / os.fsdecode(found.removesuffix(b"\n"))
    quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"')
    (scratch / "objects").mkdir()
    return {
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
    }


def _changed_tree(commit: str, changed: Sequence[Path], *, git: Git, directory: Path) -> str:
    """Return the tree of the present files, byte for byte, without git's filters."""
    git("read the commit", "read-tree", commit)
    deleted = [path for path in changed if _is_deleted(directory / path)]
    lines = [f"0 {'0' * len(commit)}\t{path}\0" for path in deleted]
    present = sorted(set(changed).difference(deleted))
    lines += [
        f"{mode} {name}\t{path}\0"
        for path, mode, name in _hash_files(present, git=git, root=directory)
    ]
    git("pack changes", "update-index", "-z", "--index-info", stdin=os.fsencode("".join(lines)))
    return _line(git("pack changes", "write-tree"))


def _is_deleted(path: Path) -> bool:
    """Return whether a file is deleted, or replaced by a folder.

    Raises:
        VersioningError: If it is something that git does not track.
    """
    if path.is_symlink() or path.is_file():
        return False
    if os.path.lexists(path / ".git"):
        raise VersioningError(
            f"{_printable(path)} is a git repository of its own, whose files would not be sent",
            hint="move it out of this one, or add it to .gitignore",
        )
    if path.exists() and not path.is_dir():
        raise VersioningError(
            f"{_printable(path)} is neither a file nor a link, and cannot be sent", hint="remove it"
        )
    return True


def _hash_files(paths: Sequence[Path], *, git: Git, root: Path) -> Iterator[tuple[Path, str, str]]:
    """Store files and links in git unchanged; yield each with its mode and its hash."""
    write = partial(git, "pack changes", "hash-object", "-w", "--no-filters")
    links = [path for path in paths if (root / path).is_symlink()]
    for link in links:
        target = os.readlink(os.fsencode(root / link))  # noqa: PTH115 - pathlib normalizes it
        yield link, "120000", _line(write("--stdin", stdin=target))
    files = [path for path in paths if path not in set(links)]
    for first in range(0, len(files), _AT_ONCE):
        some = files[first : first + _AT_ONCE]
        names = write("--", *map(str, some)).decode("ascii").split()
        for path, name in zip(some, names, strict=True):
            is_program = (root / path).stat().st_mode & 0o100
            yield path, "100755" if is_program else "100644", name


def _entries(tree: str, git: Git) -> Iterator[tuple[str, str, bytes]]:
    """Yield the kind, the hash and the path of everything below a tree."""
    listed = git("read its files", "ls-tree", "-r", "-t", "-z", "--full-tree", tree)
    for line in listed.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        _, kind, name = facts.decode("ascii").split()
        yield kind, name, path


def _filtered_paths(files: Sequence[bytes], git: Git) -> list[Path]:
    """List the files that git filters on checkout, as LFS does."""
    stdin = b"".join(path + b"\0" for path in files)
    answers = git("read attributes", "check-attr", "-z", "--stdin", "filter", stdin=stdin)
    words = answers.split(b"\0")[:-1]
    return [
        Path(os.fsdecode(path))
        for path, value in zip(words[::3], words[2::3], strict=True)
        if value not in {b"unspecified", b"unset", b"set"}
    ]


def _prove(commit: str, tree: str, pack: Path, repository: Path) -> None:
    try:
        rebuild(pack, repository, {"id": commit, "tree": tree, "not_code": []})
    except JobError as error:
        why, remedy = error.args
        if remedy == WHOLE_WHEN_SENT:
            known = (way for sign, way in _WAYS_OUT if sign in why.lower())
            remedy = next(known, "git fsck shows more")
        raise VersioningError(
            f"commit {commit[:12]} cannot be rebuilt elsewhere: {why}", hint=remedy
        ) from None


def _printable(path: Path) -> str:
    return printable(os.fsencode(path))


def _line(output: bytes) -> str:
    return output.decode("ascii").strip()
