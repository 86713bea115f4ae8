"""A marker in every secret variable that the project knows of, and which of them a program has."""

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "dvc:s3",
    "AWS_SESSION_TOKEN": "dvc:s3",
    "AZURE_STORAGE_CONNECTION_STRING": "dvc:azure",
    "AZURE_STORAGE_KEY": "dvc:azure",
    "CLOUDFLARE_TUNNEL_TOKEN": "",
    "COMET_API_KEY": "",
    "DOORS_TOKEN": "",
    "DVC_SERVICE_ACCOUNT_JSON": "",
    "DVC_STUDIO_TOKEN": "",
    "GCM_CREDENTIAL_STORE": "git",
    "GDRIVE_CREDENTIALS_DATA": "dvc:gdrive",
    "GH_ENTERPRISE_TOKEN": "",
    "GH_TOKEN": "",
    "GITHUB_ENTERPRISE_TOKEN": "",
    "GITHUB_TOKEN": "",
    "GITLAB_ACCESS_TOKEN": "",
    "GITLAB_TOKEN": "",
    "GIT_TOKEN": "git",
    "GOOGLE_API_KEY": "dvc:gs",
    "HF_TOKEN": "",
    "HUGGING_FACE_HUB_TOKEN": "",
    "KAGGLE_API_TOKEN": "",
    "KAGGLE_KEY": "",
    "KAGGLE_SECRET_DVC_JSON": "",
    "KAGGLE_SECRET_WANDB_KEY": "",
    "KAGGLE_USER_SECRETS_TOKEN": "",
    "MISE_GITHUB_TOKEN": "",
    "MLFLOW_TRACKING_PASSWORD": "",
    "OAUTH_TOKEN": "",
    "OSS_ACCESS_KEY_SECRET": "dvc:oss",
    "PIP_INDEX_URL": "uv",
    "PYTHON_KEYRING_PASSWORD": "",
    "SOMETHING": "",
    "TORCH_TOKEN": "",
    "TUNNEL_TOKEN": "",
    "UV_PUBLISH_TOKEN": "uv",
    "WANDB_API_KEY": "wandb",
    "XDG_SECRET": "",
    "YOLO_API_KEY": "",
}
"""Who sees it: a program, or DVC with a remote of a kind; nobody where it is empty."""

_MARKER = re.compile(r"marker_of_(\w+?)__x")


def marker_of(name: str) -> str:
    """Return what a variable holds: as long as the longest of the keys whose length is checked."""
    return f"marker_of_{name}__{'x' * 40}"


def marked_environment() -> dict[str, str]:
    """Return a value for each of :data:`SECRETS`, and for a proxy whose address has a password."""
    return {
        **{name: marker_of(name) for name in SECRETS},
        "PIP_INDEX_URL": f"http://me:{marker_of('PIP_INDEX_URL')}@127.0.0.1:9/simple",
        "HTTPS_PROXY": f"http://me:{marker_of('HTTPS_PROXY')}@127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def markers_in(texts: str | Mapping[str, str] | Sequence[str]) -> set[str]:
    """Name the variables whose value is in there, under whatever name."""
    if isinstance(texts, Mapping):
        texts = list(texts.values())
    return set(_MARKER.findall(texts if isinstance(texts, str) else "\n".join(texts)))


@dataclass(frozen=True)
class Started:
    """A program, as the system knows it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


class StandIns:
    """Programs in front of PATH that note what they are started with, and then are the real one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._notes = folder / "programs", folder / "notes"
        for path in (self.folder, self._notes):
            path.mkdir(parents=True)

    def add(self, name: str, then: str, *, folder: Path | None = None) -> Path:
        """Make one.

        Args:
            name: The program's.
            then: The shell command that it is afterwards, such as ``exec /usr/bin/git "$@"``.
            folder: Where it is; by default the one that is put in front of PATH.
        """
        path = (folder or self.folder) / name
        path.unlink(missing_ok=True)
        note = f"{self._notes}/{name} $$"
        path.write_text(
            f'#!/bin/sh\ncat /proc/$$/cmdline > "{note} argv"\n'
            f'cat /proc/$$/environ > "{note} env"\n{then}\n'
        )
        path.chmod(0o755)
        return path

    def add_python(self) -> Path:
        """Make every Python program note itself before its own first line.

        Whoever looks at it from outside may come late: our programs wipe their secrets early.

        Returns:
            The folder for PYTHONPATH.
        """
        folder = self.folder.with_name("python")
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            "import os, pathlib\n"
            f"note = pathlib.Path({str(self._notes)!r}, f'python {{os.getpid()}} argv')\n"
            "system = pathlib.Path('/proc/self')\n"
            "note.with_name(f'python {os.getpid()} env')"
            ".write_bytes((system / 'environ').read_bytes())\n"
            "note.write_bytes(b'sh\\0sitecustomize\\0' + (system / 'cmdline').read_bytes())\n"
        )
        return folder

    def started(self, name: str) -> list[Started]:
        """List every start of one of them."""
        return [
            Started(_split(path.read_bytes())[2:], _variables(path.with_name(f"{stem} env")))
            for path in self._notes.glob(f"{name} * argv")
            if (stem := path.name.removesuffix(" argv"))
        ]

    def argv(self) -> list[str]:
        """List what all of them were started with."""
        return [word for path in self._notes.glob("* argv") for word in _split(path.read_bytes())]


class Watch:
    """A context: every process below this one meanwhile, as the system shows it."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float, tuple[str, ...]], Started] = {}
        self._looks: dict[tuple[int, float, tuple[str, ...]], int] = {}
        self._parents: dict[int, int] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def started(self, *words: str) -> list[Started]:
        """List those whose arguments have all of these words in them."""
        return [
            one for one in self._seen.values()
            if all(any(word in part for part in one.argv) for word in words)
        ]  # fmt: skip

    def forked(self) -> list[Started]:
        """List those that go on with the program of the one that started them.

        What was seen once may have been about to become another program.
        """
        argv_of = {pid: argv for pid, _, argv in self._seen}
        return [
            one for key, one in self._seen.items()
            if argv_of.get(self._parents[key[0]]) == key[2] and self._looks[key] > 1
        ]  # fmt: skip

    def argv(self) -> list[str]:
        """List what all of them were started with."""
        return [word for one in self._seen.values() for word in one.argv]

    def _look_on(self) -> None:
        this = psutil.Process()
        while not self._is_over.wait(0.2):
            for process in this.children(recursive=True):
                with suppress(psutil.Error, OSError):
                    self._note(process)

    def _note(self, process: psutil.Process) -> None:
        argv = tuple(process.cmdline())
        key = (process.pid, process.create_time(), argv)
        self._looks[key] = self._looks.get(key, 0) + 1
        if argv:
            self._parents.setdefault(process.pid, process.ppid())
            found = _variables(Path(f"/proc/{process.pid}/environ"))
            # Of a program that is just being started the system may show a part.
            before = self._seen[key].environment if key in self._seen else {}
            self._seen[key] = Started(argv, {**before, **found})


def _split(listed: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(listed).split("\0")[:-1])


def _variables(path: Path) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in _split(path.read_bytes()) if "=" in entry)


def real(program: str) -> str:
    """Spell the shell command that is a program of this machine."""
    path = subprocess.check_output(["which", program], text=True).strip()
    return f'exec {path} "$@"'


def whole_environment(_: object) -> dict[str, str]:
    """Return this process's variables, and what the system shows of them."""
    return {"": Path("/proc/self/environ").read_text(), **os.environ}
