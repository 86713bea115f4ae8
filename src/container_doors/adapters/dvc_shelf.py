"""Put, get, list and remove files by name on DVC's remote; run by DVC's own Python.

    python dvc_shelf.py put FILE FOLDER | get FOLDER/NAME FILE | names FOLDER
                        | remove FOLDER/NAME ...

Its file systems are its plugins', and its command knows files by their content alone. FOLDER is
below ``checkpoints/`` of the remote named ``checkpoints``, or of the default one if there is no
such. What goes wrong is a traceback.
"""

import os
import sys
from typing import Any


def main() -> None:
    """Do one thing in the repository of the working directory."""
    from dvc.repo import Repo

    verb, first, *more = sys.argv[1:]
    repo = Repo()
    own = "checkpoints" if "checkpoints" in repo.config["remote"] else None
    remote = repo.cloud.get_remote(own)
    fs, root = remote.fs, remote.fs.join(remote.path, "checkpoints")
    if fs.protocol == "local" and not os.path.isdir(remote.path):  # noqa: PTH112
        raise FileNotFoundError(2, "No such file or directory", remote.path)
    if verb == "put":
        put(fs, first, fs.join(root, *more[0].split("/")))
    elif verb == "get":
        fs.get_file(fs.join(root, *first.split("/")), more[0])
    elif verb == "names":
        folder = fs.join(root, *first.split("/"))
        names = fs.ls(folder, detail=False) if fs.isdir(folder) else []
        sys.stdout.write("".join(f"{fs.name(name)}\n" for name in names))
    elif verb == "remove":
        for path in (first, *more):
            fs.rm_file(fs.join(root, *path.split("/")))


def put(fs: Any, path: str, folder: str) -> None:  # noqa: ANN401 - of DVC
    """Send a file under a name that nobody looks for, then give it its own: all of it, or none."""
    name = os.path.basename(path)  # noqa: PTH119 - DVC's file systems want text
    fs.makedirs(folder)
    there = fs.join(folder, name)
    if fs.protocol == "local":  # elsewhere a file appears when all of it has arrived
        fs.put_file(path, f"{there}.part")
        os.replace(f"{there}.part", there)  # noqa: PTH105
    else:
        fs.put_file(path, there)
    found, sent = fs.size(there), os.path.getsize(path)  # noqa: PTH202
    if found != sent:
        raise OSError(f"{there}: expected {sent} bytes, found {found}")


if __name__ == "__main__":
    main()
