"""What the stand-in for Kaggle knows: accounts, data sets and kernels, on disk."""

import re
import shutil
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from tests.loopback.kaggle_session import Session


class RefusedError(Exception):
    """An answer with an HTTP status that says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Account:
    """A person; tokens are for the header ``Bearer``, a key for ``Basic``."""

    name: str
    tokens: set[str] = field(default_factory=set)
    key: str = ""
    is_phone_verified: bool = True
    gpu_used_s: float = 0.0
    gpu_allowed_s: float = 30 * 3600.0


@dataclass
class Blob:
    """A file on its way in."""

    name: str
    size: int
    path: Path
    is_expired: bool = False

    @property
    def received(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size if self.path.exists() else 0


@dataclass
class Dataset:
    """A data set; it is ``ready`` after so many questions."""

    owner: str
    slug: str
    title: str
    is_private: bool
    folder: Path
    polls_left: int = 0
    status: str = "READY"
    collaborators: list[str] = field(default_factory=list)

    def asked_status(self) -> str:
        """Say how it is, one question nearer to the end."""
        if self.polls_left > 0:
            self.polls_left -= 1
            return "BLOBS_RECEIVED"
        return self.status


@dataclass
class Kernel:
    """A kernel and its sessions, the last of which counts."""

    owner: str
    slug: str
    title: str
    request: dict[str, object]
    is_private: bool
    number: int
    last_run_at: datetime
    sessions: list[Session] = field(default_factory=list)
    version: int = 1

    @property
    def ref(self) -> str:
        """Owner and slug."""
        return f"{self.owner}/{self.slug}"

    @property
    def session(self) -> Session:
        """The last one."""
        return self.sessions[-1]


class KaggleState:
    """Everything, under a lock.

    Attributes:
        home: Where files are.
        unpacks: Whether archives in data sets are unpacked, as Kaggle does with the common kinds.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.unpacks = home, True
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.blobs: dict[str, Blob] = {}
        self.datasets: dict[str, Dataset] = {}
        self.kernels: dict[str, Kernel] = {}
        self.signed: dict[str, tuple[Path, float]] = {}

    def add_account(self, name: str) -> Account:
        """Open an account with a token and a key."""
        account = Account(name, {f"KGAT_{uuid4().hex}"}, key=uuid4().hex)
        self.accounts[name] = account
        return account

    def whose(self, token: str) -> Account | None:
        """Find who has a token."""
        return next((each for each in self.accounts.values() if token in each.tokens), None)

    def start_blob(self, name: str, size: int) -> str:
        """Make room for a file; returns its token."""
        token = uuid4().hex
        folder = self.home / "blobs"
        folder.mkdir(parents=True, exist_ok=True)
        self.blobs[token] = Blob(name, size, folder / token)
        return token

    def add_dataset(self, dataset: Dataset, tokens: list[str]) -> None:
        """Keep a data set made of files that have arrived."""
        dataset.folder.mkdir(parents=True)
        for token in tokens:
            blob = self.blobs.get(token)
            if blob is None or blob.received != blob.size:
                raise RefusedError(400, "A file of the dataset was not uploaded")
            shutil.copyfile(blob.path, dataset.folder / blob.name)
            if self.unpacks:
                _unpack(dataset.folder / blob.name)
        self.datasets[f"{dataset.owner}/{dataset.slug}"] = dataset

    def sign(self, path: Path, good_for_s: float) -> str:
        """Make an address that is good for a while; returns its signature."""
        signature = uuid4().hex
        self.signed[signature] = (path, time.monotonic() + good_for_s)
        return signature

    def running(self, owner: str) -> list[Kernel]:
        """The account's kernels that hold a GPU, or wait for one."""
        return [
            kernel
            for kernel in self.kernels.values()
            if kernel.owner == owner and not kernel.session.is_over and kernel.session.has_gpu
        ]


def slug_of(title: str) -> str:
    """Make a slug as Kaggle does."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def _unpack(path: Path) -> None:
    """Put a folder in the place of an archive; its name without the ending."""
    into = path.parent / re.sub(r"\.(zip|tar|tar\.gz|tgz)$", "", path.name)
    if into == path:
        return
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(into)
        path.unlink()
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            tar.extractall(into, filter="data")
        path.unlink()
