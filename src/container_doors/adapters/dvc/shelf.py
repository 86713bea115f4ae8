"""Put, get, hash, list and remove files by name on DVC's remote; run by DVC's own Python.

    python shelf.py put FILE FOLDER [OLD NAME ...] | get FOLDER/NAME FILE | sha256 FOLDER/NAME
                        | names FOLDER | remove FOLDER/NAME ...

Its file systems come from its plugins, and its command identifies files only by content. FOLDER is
below ``checkpoints/`` of the remote named ``checkpoints``, or of the default one if there is none.
An error is a traceback.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
from typing import Any

_AT_ONCE = 2**20


def main() -> None:
    """Run one command in the repository of the working directory."""
    from dvc.repo import Repo

    verb, first, *more = sys.argv[1:]
    repo = Repo()
    own = "checkpoints" if "checkpoints" in repo.config["remote"] else None
    remote = repo.cloud.get_remote(own)
    fs, root = remote.fs, remote.fs.join(remote.path, "checkpoints")
    if fs.protocol == "local" and not os.path.isdir(remote.path):  # noqa: PTH112
        raise FileNotFoundError(2, "No such file or directory", remote.path)
    if verb == "put":
        folder = fs.join(root, *more[0].split("/"))
        put(fs, first, folder)
        remove(fs, [fs.join(folder, name) for name in more[1:]])
        sys.stdout.write("".join(f"{name}\n" for name in names(fs, folder)))
    elif verb == "get":
        fs.get_file(fs.join(root, *first.split("/")), more[0])
    elif verb == "sha256":
        sys.stdout.write(f"{sha256(fs, fs.join(root, *first.split('/')))}\n")
    elif verb == "names":
        folder = fs.join(root, *first.split("/"))
        sys.stdout.write("".join(f"{name}\n" for name in names(fs, folder)))
    elif verb == "remove":
        remove(fs, [fs.join(root, *path.split("/")) for path in (first, *more)])


def put(fs: Any, path: str, folder: str) -> None:  # noqa: ANN401 - of DVC
    """Send a file atomically: under a temporary name first, then under its own.

    File and name are synced to disk, and the file is read back, before an older one is deleted.
    """
    target = fs.join(folder, os.path.basename(path))  # noqa: PTH119 - DVC's file systems need text
    is_local = fs.protocol == "local"  # on other remotes a file appears only when it is complete
    staged = f"{target}.part" if is_local else target
    fs.makedirs(folder)
    if is_local:  # if killed, DVC's own copy would leave a file with an unknown name
        shutil.copyfile(path, staged)
        force_to_disk(staged)
    else:
        fs.put_file(path, staged)
    with open(path, "rb") as file:  # noqa: PTH123
        sent = hashlib.file_digest(file, "sha256").hexdigest()
    found = sha256(fs, staged)
    if found != sent:
        remove(fs, [staged])
        raise OSError(f"{target} differs when read back: expected sha256 {sent}, found {found}")
    if is_local:
        os.replace(staged, target)  # noqa: PTH105
        for _ in range(3):  # checkpoints/NAME may be new, too
            force_to_disk(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120


def sha256(fs: Any, path: str) -> str:  # noqa: ANN401
    """Hash a file in place, piece by piece."""
    digest = hashlib.sha256()
    with fs.open(path, "rb") as file:
        if fs.protocol == "local" and hasattr(
            os, "posix_fadvise"
        ):  # read from the disk, not from memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := file.read(_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()


def names(fs: Any, folder: str) -> list[str]:  # noqa: ANN401
    """List the files of a folder; empty if it does not exist."""
    return [fs.name(path) for path in fs.ls(folder, detail=False)] if fs.isdir(folder) else []


def remove(fs: Any, paths: list[str]) -> None:  # noqa: ANN401
    """Delete files; another machine may have deleted them already."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            fs.rm_file(path)


def force_to_disk(path: str) -> None:
    """Sync a file, or the names in a folder, to disk, if the file system supports it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
