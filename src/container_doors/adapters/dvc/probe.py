"""Write, read and delete a small file on DVC's default remote; run by DVC's own Python.

Its file systems are its plugins', and its command deletes nothing without listing everything.
Prints each step before it is tried; what goes wrong is a traceback.
"""

import os
import sys
import tempfile
import uuid


def main() -> None:
    """Try the remote of the repository in the working directory."""
    from dvc.repo import Repo

    _tell("opening")
    remote = Repo().cloud.get_remote()
    there, content = remote.fs.join(remote.path, f"doors-probe-{uuid.uuid4().hex}"), b"a probe"
    with tempfile.TemporaryDirectory() as temporary:
        here = os.path.join(temporary, "probe")  # noqa: PTH118 - DVC's file systems want text
        with open(here, "wb") as file:  # noqa: PTH123
            file.write(content)
        if remote.fs.protocol == "local" and not os.path.isdir(remote.path):  # noqa: PTH112
            _tell("vanished")
            sys.exit(1)
        _tell("writing")
        try:
            remote.fs.put_file(here, there)
        except Exception:
            if remote.fs.exists(remote.path):
                _tell("readable")
            raise
        _tell("reading")
        remote.fs.get_file(there, here + ".back")
        with open(here + ".back", "rb") as file:  # noqa: PTH123
            is_same = file.read() == content
        _tell("deleting")
        remote.fs.rm_file(there)
    _tell("done" if is_same else "differs")


def _tell(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
