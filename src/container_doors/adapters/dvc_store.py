"""DVC, behind :class:`container_doors.ports.ArtifactStore`: its command, not its Python API.

The command is documented and the API is not. It may live in a virtual environment of its own
(``CONTAINER_DOORS_DVC`` names it), because its Google Drive plugin holds other packages back.
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from container_doors.adapters.shell import Finished, call
from container_doors.errors import MissingToolError, VersioningError
from container_doors.files import replace_text

EXECUTABLE = "CONTAINER_DOORS_DVC"
"""The environment variable that names the command, where it is neither beside us nor on PATH."""

INSTALL_DVC = f"pip install dvc (or 'dvc[gdrive]'), or name its command in {EXECUTABLE}"
DVC_ENVIRONMENT = {"GDRIVE_NON_INTERACTIVE": "1", "DVC_NO_ANALYTICS": "1"}
"""It never waits for a browser, and never tells its makers."""

_ATTEMPTS = 3
_PAUSE_S = 2.0
_PASSING = (
    "unable to acquire lock",
    "cannot connect",
    "connection reset",
    "timed out",
    "timeout",
    "temporary failure",
    "ratelimitexceeded",
    "error 429",
    "error 500",
    "error 502",
    "error 503",
)
"""What may be gone a moment later; the rest needs a person."""

_ADD_REMOTE = (
    "dvc remote add -d storage /path/to/folder, or gdrive://FOLDER_ID, or any URL that DVC knows"
)
_REMEDIES = (
    ("unable to acquire lock", "another dvc is at work here: wait for it, then run this again"),
    ("not inside of a dvc repository", "dvc init, in the repository's root"),
    ("is not a git repository", "git init, in the folder that holds .dvc; or clone it anew"),
    ("no remote specified", _ADD_REMOTE),
    ("is git-ignored", "git check-ignore -v FILE names the line of .gitignore to change"),
    ("storagequotaexceeded", "a service account cannot write to a personal Drive: use a "
     "Workspace drive, or a person's OAuth credentials"),
    ("no space left", "free some space there, then run this again: what arrived is not sent twice"),
    ("quota exceeded", "free some space there, then run this again"),
    ("read-only file system", "make the remote writable, or choose another: dvc remote list"),
    ("permission denied", "make the remote writable, or choose another: dvc remote list"),
    ("to be installed", "pip install the plugin that it names, where dvc itself is installed"),
    ("requires 'dvc", "pip install the plugin that it names, where dvc itself is installed"),
    ("invalid_grant", "the Drive token has expired or was revoked: sign in again"),
    ("authenticat", "check the credentials: dvc remote list, GDRIVE_CREDENTIALS_DATA"),
    ("access_token", "the credentials are of the other kind: a service account needs "
     "gdrive_use_service_account true, a person's needs it false"),
    ("forbidden", "the credentials may not use that remote: give their account access to it"),
    ("neither locally nor on remote", "the file is lost here and there: train again, or find "
     "another copy of it"),
    ("cannot connect", "is the network up? Then run this again: what arrived is not sent twice"),
    ("no such file or directory", "does the remote's folder exist? dvc remote list"),
)  # fmt: skip
"""What DVC says, in lower case, and what to do about it; the first that fits."""


class DvcStore:
    """The DVC repository around a folder."""

    def __init__(self, directory: Path = Path(), *, pause_s: float = _PAUSE_S) -> None:
        """Remember where; nothing runs yet.

        Args:
            directory: Inside of the DVC repository.
            pause_s: Before the second attempt; doubled before each that follows.
        """
        self._directory = directory
        self._pause_s = pause_s

    def check_ready(self) -> str:
        """Name the remote that a push would go to, and where it is.

        Raises:
            MissingToolError: If there is no ``dvc``.
            VersioningError: If there is no repository, or no default remote.
        """
        self._must("find its repository", "root")
        # Not `dvc remote list`, which breaks long URLs into lines.
        listed = self._must("read its configuration", "config", "--list").stdout.splitlines()
        config = dict(line.split("=", 1) for line in listed if "=" in line)
        remotes = {
            key.removeprefix("remote.").removesuffix(".url"): value
            for key, value in config.items()
            if key.startswith("remote.") and key.endswith(".url")
        }
        default = config.get("core.remote")
        if default in remotes:
            return f"{default} ({remotes[default]})"
        if remotes:
            raise VersioningError(
                f"DVC has no default remote; it knows {', '.join(sorted(remotes))}",
                hint=f"dvc remote default {min(remotes)}",
            )
        raise VersioningError("DVC has no remote to push to", hint=_ADD_REMOTE)

    def add(self, paths: Sequence[Path]) -> list[Path]:
        """Track files; returns the pointer of each, for git.

        A version that a pointer named is forgotten: it was that of the content before.

        Raises:
            VersioningError: If a file is not there, or a pointer that is there is damaged.
        """
        pointers = [pointer_of(path) for path in paths]
        for pointer in pointers:
            _forget(self._directory / pointer)
        self._must("add the files", "add", *map(str, paths))
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

    def pull(self, pointers: Sequence[Path]) -> None:
        """Fetch what the pointers name.

        Raises:
            VersioningError: If anything has not arrived.
        """
        self._send("pull", pointers)

    def _send(self, verb: str, pointers: Sequence[Path]) -> None:
        done = self._must(f"{verb} {_names(pointers)}", verb, *map(str, pointers))
        # DVC ends well when the content is nowhere, neither here nor there (3.67).
        if "neither locally nor on remote" in done.stderr:
            raise _refused(f"{verb} {_names(pointers)}", done)

    def _must(self, what: str, *arguments: str) -> Finished:
        """Run it to its good end, trying again after what may pass."""
        for attempt in range(_ATTEMPTS):
            done = self._dvc(*arguments)
            if done.exit_code == 0:
                return done
            if attempt == _ATTEMPTS - 1 or not _may_pass(done):
                break
            time.sleep(self._pause_s * 2**attempt)
        raise _refused(what, done)

    def _dvc(self, *arguments: str) -> Finished:
        return call(
            [find_dvc(), *arguments],
            cwd=self._directory,
            hint=INSTALL_DVC,
            environment=DVC_ENVIRONMENT,
        )


def find_dvc() -> Path:
    """Find DVC's command: as the environment says, beside our Python, or on PATH.

    Raises:
        MissingToolError: If it is nowhere, or not where the environment says.
    """
    named = os.environ.get(EXECUTABLE)
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise MissingToolError(
                f"{EXECUTABLE} names {named}, which is not a program", hint=f"unset {EXECUTABLE}"
            )
        return Path(named).absolute()
    beside = Path(sys.executable).with_name("dvc")
    if beside.exists():
        return beside
    on_path = shutil.which("dvc")
    if on_path is None:
        raise MissingToolError("dvc is not installed", hint=INSTALL_DVC)
    return Path(on_path)


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
        path.write_text("".join(f"/{name}\n" for name in names), encoding="utf-8")


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
        document = yaml.safe_load(pointer.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("meta") or {}, dict):
        raise VersioningError(
            f"{pointer} is not a pointer of DVC, perhaps after a merge that was not finished",
            hint=f"git checkout HEAD -- {pointer.name} restores it, in {pointer.parent}",
        )
    return document


def _replace(pointer: Path, document: dict[str, Any]) -> None:
    replace_text(pointer, yaml.safe_dump(document, sort_keys=False))


def _names(pointers: Sequence[Path]) -> str:
    return ", ".join(pointer.stem for pointer in pointers)


def _may_pass(done: Finished) -> bool:
    said = done.stderr.lower()
    return any(sign in said for sign in _PASSING)


def _refused(what: str, done: Finished) -> VersioningError:
    said = done.stderr.lower()
    hint = next((remedy for sign, remedy in _REMEDIES if sign in said), "dvc doctor says more")
    return VersioningError(f"DVC cannot {what}: {done.complaint}", hint=hint)
