"""Write, read and delete a small file on DVC's default remote; run by DVC's own Python.

Its file systems come from its plugins, and its command cannot delete a file without listing all.
Prints the name of each step before trying it; an error is a traceback.
"""

import os
import sys
import tempfile
import uuid


def main() -> None:
    """Test the remote of the repository in the working directory."""
    from dvc.repo import Repo

    _print_step("opening")
    remote = Repo().cloud.get_remote()
    remote_path, content = (
        remote.fs.join(remote.path, f"doors-probe-{uuid.uuid4().hex}"),
        b"a probe",
    )
    with tempfile.TemporaryDirectory() as temporary:
        local_path = os.path.join(temporary, "probe")  # noqa: PTH118 - DVC's file systems need text
        with open(local_path, "wb") as file:  # noqa: PTH123
            file.write(content)
        if remote.fs.protocol == "local" and not os.path.isdir(remote.path):  # noqa: PTH112
            _print_step("vanished")
            sys.exit(1)
        _print_step("writing")
        try:
            remote.fs.put_file(local_path, remote_path)
        except Exception:
            if remote.fs.exists(remote.path):
                _print_step("readable")
            raise
        _print_step("reading")
        remote.fs.get_file(remote_path, local_path + ".back")
        with open(local_path + ".back", "rb") as file:  # noqa: PTH123
            is_same = file.read() == content
        _print_step("deleting")
        remote.fs.rm_file(remote_path)
    _print_step("done" if is_same else "differs")


def _print_step(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
