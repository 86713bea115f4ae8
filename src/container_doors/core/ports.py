"""The outside world, as the pipeline would like it to be.

Each protocol has one real implementation in :mod:`container_doors.adapters` and one in
``tests/fakes.py``. A collaborator that needs no fake needs no protocol.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from container_doors.core.config import Params
from container_doors.core.records import (
    CodeState,
    Environment,
    Epoch,
    Hardware,
    Metadata,
    Predictions,
    Recovery,
    RunRecord,
    StartingWeights,
)
from container_doors.core.run import Run


class Progress(Protocol):
    """Someone who waits and would like to know how long."""

    def say(self, text: str) -> None:
        """Tell one thing, on a line of its own."""

    def step(self, what: str, done: int, total: int) -> None:
        """Tell how far a long piece of work is; ``done == total`` ends it."""

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Tell what a finished epoch brought."""


class TrainingListener(Protocol):
    """What the trainer calls while it works."""

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Hear of a step; epochs and batches count from 1."""

    def epoch_finished(self, epoch: Epoch) -> None:
        """Hear of an epoch, after its checkpoint is on disk."""

    def set_back(self, setback: Recovery) -> None:
        """Hear that epochs were lost, and how training goes on."""

    def wish_to_stop(self, epoch_s: float) -> str | None:
        """Say why to stop rather than begin an epoch of ``epoch_s``; None to go on."""


class Stopping(Protocol):
    """Someone who may wish a training to end early. Several GPUs get it pickled."""

    def wish(self, epoch_s: float) -> str | None:
        """Say why to stop rather than begin an epoch of ``epoch_s``; None if there is no reason."""

    def training(self) -> AbstractContextManager[None]:
        """While inside, wait for the end of an epoch; elsewhere stop at once."""


class Trainer(Protocol):
    """Something that can turn params and a data set into weights."""

    def describe_hardware(self, params: Params) -> Hardware:
        """Choose the device and name it.

        Raises:
            ConfigError: If the device that params ask for is not there.
        """

    def starting_weights(self, params: Params) -> StartingWeights:
        """Find, download or do without pretrained weights, and check that they fit.

        Raises:
            WeightsError: If they cannot be had, are damaged, or are of another architecture.
        """

    def train(
        self,
        params: Params,
        run: Run,
        *,
        data_yaml: Path,
        weights: StartingWeights,
        listener: TrainingListener,
        resume: bool = False,
    ) -> None:
        """Train to the end, leaving ``run.best_weights`` and ``run.last_weights`` behind.

        With several GPUs the listener is pickled, and hears in a process of its own.

        Args:
            params: What is asked for; where a training goes on, the same as before.
            run: Where everything is put.
            data_yaml: The data set; it may have moved since the checkpoint.
            weights: What to start from, unless a training goes on.
            listener: Hears of each epoch; again of those that a setback took back.
            resume: Whether to go on after ``run.resumable`` rather than begin.

        Raises:
            RunError: If training fails in a way to put right, or cannot go on from there.
            ToBeContinued: If it was wished to stop; ``run.resumable`` is there to go on from.
        """


@dataclass(frozen=True, slots=True)
class Detections:
    """The boxes found in one photograph.

    ``boxes_xyxy`` holds left, top, right and bottom in pixels of the photograph as people see
    it (after EXIF orientation); ``confidences`` are in [0, 1], in the same order.
    """

    image: Path
    width_px: int
    height_px: int
    boxes_xyxy: Sequence[tuple[float, float, float, float]]
    confidences: Sequence[float]
    duration_ms: float | None = None
    is_door: Sequence[Sequence[bool]] | None = None
    """Whether the evaluator takes each for a door, at the IoU thresholds 0.50, 0.55, ..., 0.95;
    None where it was not asked."""


class Detector(Protocol):
    """A finished model."""

    def validate(
        self, *, data_yaml: Path, split: str, conf_threshold: float, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        """Score a split by the trainer's own definitions, and leave its plots.

        Scores and curves are over all confidences; the confusion matrix is at
        ``conf_threshold``, because it is of no use without one.

        Returns:
            ``mAP50``, ``mAP50-95``, ``precision`` and ``recall`` (empty if the split has no
            door), and every detection down to a confidence of 0.001, as mAP needs them.
        """

    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> Sequence[Detections]:
        """Find doors one photograph at a time, timed, after a warm-up."""

    @property
    def timing_method(self) -> str:
        """Say what ``duration_ms`` covers, and on what it was measured."""

    @property
    def device(self) -> str:
        """Name what it computes on, for people."""


class Corrupt(Protocol):
    """A library that makes photographs worse in common ways."""

    def __call__(
        self, kind: str, severity: int, name: str, picture: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Make an RGB picture of the same size worse, 1 to 5; the same each time it is asked."""


class LoadDetector(Protocol):
    """Opens a weight file."""

    def __call__(self, weights: Path, *, image_size_px: int, hardware: Hardware) -> Detector:
        """Open ``weights`` for use on the device that ``hardware`` names.

        Raises:
            WeightsError: If the file is absent or damaged.
        """


class ExportDetector(Protocol):
    """Writes weights in another format, and opens that."""

    def __call__(
        self, weights: Path, name: str, *, image_size_px: int, hardware: Hardware
    ) -> Detector:
        """Write ``weights`` in the format ``name``, beside them.

        Raises:
            MissingToolError: If what it takes is not installed.
        """


@dataclass(frozen=True, slots=True)
class Results:
    """What a finished run has to show beside its epochs."""

    metadata: Metadata
    weights: Path
    """``best.pt``."""
    plots: Mapping[str, Path]
    """By the name under which it is shown, such as ``test/PR_curve``."""
    predictions: Predictions
    images: Path
    """The folder that :attr:`records.Prediction.image` is relative to."""


class Tracker(Protocol):
    """Somewhere to watch a run from outside, such as W&B. It may fail; the run goes on.

    Every method may raise :class:`errors.TrackingError`.
    """

    def start(self, record: RunRecord) -> int:
        """Open the run there, or take it up again.

        Returns:
            The last epoch that is there already, 0 if there is none; it is not to be sent again.
        """

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        """Show one epoch's metrics."""

    def log_results(self, results: Results) -> None:
        """Show what the finished model scored, its plots, its pictures and itself."""

    def finish(self, *, exit_code: int) -> None:
        """Say that no more will come, and whether the run ended well; wait until all is there."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What a tracking server says that it has of a run."""

    url: str
    last_epoch: int
    results_of: str | None
    """sha256 of the weights whose results are there; None without results."""
    is_over: bool
    """Whether it knows that the run has ended."""


class TrackingServer(Protocol):
    """Where runs are shown on-line; every method may raise :class:`errors.TrackingError`."""

    def ask(self, record: RunRecord) -> Remote | None:
        """Ask what it has of a run; None if it knows no such run."""

    def send_recordings(self, *, after_epoch: int) -> None:
        """Send what was recorded while off-line and fits on to ``after_epoch``."""

    def tracker(self, record: RunRecord) -> Tracker:
        """Make a tracker for a run that is on-line, or fails."""


class Follower(Protocol):
    """Shows a run to trackers while it is written to disk, without the run waiting for them."""

    def settle(self, run: Run, *, progress: Progress) -> None:
        """Wait, not for ever, until whoever follows an earlier attempt of this run has ended."""

    def start(self, run: Run, *, progress: Progress) -> None:
        """Begin to follow; returns at once."""

    def finish(self, *, exit_code: int) -> None:
        """Say how the run ended, and wait, not for ever, until the trackers have it all."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a branch follows, after it was fetched."""

    name: str | None
    """Such as ``origin/main``; None if it follows nothing."""
    commit: str | None
    """Where a fast-forward would lead; None if there is nothing to get."""


@dataclass(frozen=True, slots=True)
class PackedCode:
    """What was packed of a repository."""

    commit: str
    tree: str
    """The files that are to lie there: those of the commit, or as they are changed."""
    files: int
    filtered: Sequence[Path] = ()
    """That a filter of git's, such as LFS, makes other files of here than git keeps."""


class Repository(Protocol):
    """The git repository around the working directory, if there is one."""

    def code_state(self, *, beside: Sequence[Path] = ()) -> CodeState:
        """Name the commit, and whether the code differs from it; data and outputs are none.

        Args:
            beside: Paths that are no code either.
        """

    def tags(self, pattern: str) -> list[str]:
        """List the tags that match a glob; none where there is no repository."""

    def fetch(self) -> Upstream:
        """Fetch what the branch follows; nothing in the working directory changes.

        Raises:
            VersioningError: If the remote refuses, or if both sides have commits of their own.
        """

    def fast_forward(self, commit: str, *, same: Sequence[Path]) -> None:
        """Move the branch and the working directory to a commit.

        Args:
            commit: A descendant of the present one.
            same: Files that are here already what they are there.

        Raises:
            VersioningError: If that would overwrite something.
        """

    def commit(self, paths: Sequence[Path], message: str) -> str | None:
        """Commit these files and nothing else; returns the commit, or None if nothing changed."""

    def create_tag(self, tag: str, message: str) -> None:
        """Tag the present commit."""

    def changes(self, *, beside: Sequence[Path]) -> list[Path]:
        """List what differs from the commit, untracked files too, but for ``beside``.

        Raises:
            VersioningError: If there is no commit, or this is not the repository's root.
        """

    def is_unchanged(self, paths: Sequence[Path]) -> bool:
        """Tell whether what git tracks below some paths is as it was committed."""

    def pack(self, target: Path, *, changed: Sequence[Path] = ()) -> PackedCode:
        """Write the objects of the present commit to a file, and prove that they make it anew.

        Args:
            target: The file.
            changed: What of the working directory is packed as well, as it is there.

        Raises:
            VersioningError: If they do not, elsewhere; what is in the way is named.
        """

    def holds(self, commit: str) -> bool | None:
        """Tell whether a commit is there, whole; None where there is no repository."""

    def show(self, revision: str, path: Path) -> str | None:
        """Read a file as it was in a revision; None if it was not there, or the revision is not."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature it is."""

    key: str
    """Kind and fingerprint, such as ``ED25519 SHA256:...``."""
    name: str | None = None
    """What the list of allowed signers calls the key; None where there is no list."""

    def __str__(self) -> str:
        return f"{self.name} ({self.key})" if self.name else self.key


class Signatures(Protocol):
    """Signs documents with the key that git signs commits with, and tells who signed one."""

    def sign(self, document: Path, *, namespace: str) -> str:
        """Sign a file's bytes, for one purpose alone; returns the signature.

        Raises:
            NoSigningKeyError: If git has no SSH key to sign with.
            VersioningError: If it has one, and it cannot be used.
            MissingToolError: If the program itself is not there.
        """

    def signer(
        self, document: Path, signature: str, *, namespace: str, allowed: str | None
    ) -> Signer:
        """Tell who signed a file's bytes.

        Args:
            document: The file.
            signature: As :meth:`sign` returned it.
            namespace: The purpose that it has to be for.
            allowed: The list of those who may sign; None if there is no list.

        Raises:
            SignatureError: If it is no signature of these bytes for this purpose, or if the list
                does not allow its key.
            MissingToolError: If the program itself is not there.
        """


class ArtifactStore(Protocol):
    """Where large files are kept by content, and pointed to from git."""

    def check_ready(self) -> str:
        """Name the remote that a push would go to.

        Raises:
            VersioningError: If there is no repository, or no remote.
            MissingToolError: If the program itself is not there.
        """

    def add(self, paths: Sequence[Path]) -> list[Path]:
        """Track files; returns the pointer of each, for git."""

    def annotate(self, pointers: Sequence[Path], version: str) -> None:
        """Write the version into the pointers, so that git tells which model they name."""

    def push(self, pointers: Sequence[Path]) -> None:
        """Send what the pointers name. Sending it again is harmless."""

    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        """Put what the pointers name beside them; with ``force`` also over what differs.

        Raises:
            MissingContentError: If something is neither here nor there.
            VersioningError: If anything else has not arrived.
        """

    def fetch_objects(self, pointers: Sequence[Path], scratch: Path) -> dict[str, Path | None]:
        """Fetch what the remote has of each file, past the cache; None for what it has not.

        Raises:
            VersioningError: If the remote cannot be asked.
        """

    def object_folder(
        self, pointers: Sequence[Path], scratch: Path, *, fetch: bool
    ) -> tuple[Path, bool] | None:
        """Find the folder of what the remote holds, ``ab/cdef...`` by hash.

        Returns:
            That folder, and whether it is the remote's own; with ``fetch`` it may be a copy of
            what the pointers name, in ``scratch``. None if it would have to be, and is not.

        Raises:
            VersioningError: If the remote cannot be asked.
        """

    def ignored(self, paths: Sequence[Path]) -> set[Path]:
        """Tell which files would not be kept, though they lie in a tracked folder."""

    def content_of(self, path: Path) -> str | None:
        """The hash of what a file or folder is tracked as, None if it is not tracked."""

    def version_of(self, path: Path) -> str | None:
        """What :meth:`annotate` wrote into the pointer of a file or folder."""

    def files_of(self, folder: Path) -> Mapping[str, str]:
        """Every file of a tracked folder, relative to it with forward slashes, and its MD5."""


class Storage(Protocol):
    """The remote that large files are pushed to and pulled from.

    Every method may raise :class:`errors.VersioningError`.
    """

    @property
    def url(self) -> str | None:
        """Its address, None if none was chosen yet."""

    def configure(self, url: str, options: Mapping[str, str]) -> None:
        """Choose an address, for everybody, and options, for this machine alone."""

    def keep_credentials(self, text: str) -> Path:
        """Keep a secret where its owner alone can read it, and git never sees it."""

    def probe(self) -> str:
        """Write, read and delete a small file; returns the address."""


class CheckpointRemote(Protocol):
    """Where checkpoints outlive the machine; every method may raise :class:`VersioningError`."""

    where: str
    """For people."""

    def names(self, experiment: str) -> list[str]:
        """List the files of an experiment, in any order."""

    def put(self, path: Path, experiment: str, *, instead_of: Sequence[str] = ()) -> list[str]:
        """Send a file, all of it or nothing, and read it back; then delete ``instead_of``.

        Returns:
            What is there then of the experiment, as :meth:`names` lists it.

        Raises:
            VersioningError: Also if what was read back is not what was sent.
        """

    def get(self, name: str, experiment: str, into: Path) -> None:
        """Fetch a file into a folder, which is made if there is none."""

    def sha256(self, name: str, experiment: str) -> str:
        """Read a file there to its end, and hash it; nothing is kept of it."""

    def remove(self, names: Sequence[str], experiment: str) -> None:
        """Delete files; those that are not there are no error."""


class Tunnel(Protocol):
    """A way in to this machine, from wherever a person is."""

    def open(self) -> str:
        """Open it; returns the host name by which it is reached.

        Raises:
            RateLimitedError: If none is given out for now.
            TunnelError: If it cannot be opened.
        """

    def wait(self) -> str:
        """Wait until it ends by itself; returns why, for people."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may still use of a host's GPUs."""

    used_h: float
    allowed_h: float
    renewed_at: datetime | None
    """When it starts anew, in UTC; None if the host does not say."""


@dataclass(frozen=True, slots=True)
class JobState:
    """Where a job on another machine is, as its host says; the host may be behind the truth."""

    phase: Literal["queued", "running", "complete", "failed", "cancelled"]
    message: str = ""
    """Why it failed, in the host's words."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the account, as the host lists it."""

    ref: str
    """Owner and slug: ``someone/doors-v1-0-3f2a``."""
    url: str
    """The page with its Stop button."""
    last_run_at: datetime | None


class GpuHost(Protocol):
    """Runs a script on a GPU that is lent by the hour, without anybody watching.

    Every method may raise :class:`errors.HostError`, :class:`errors.UnreachableError` where asking
    again later may help, and :class:`errors.AbsentError` of what is not there; none waits for ever.
    """

    def owner(self) -> str:
        """Name the account."""

    def quota(self) -> Quota | None:
        """Ask for the GPU hours left; None if the host does not say."""

    def dataset_state(self, slug: str) -> Literal["absent", "processing", "ready", "failed"]:
        """Say whether a job can read a data set of the account."""

    def send_dataset(self, folder: Path, *, slug: str, title: str, progress: Progress) -> None:
        """Upload a folder's files as a private data set; it is then ``processing``."""

    def dataset_is_private(self, slug: str) -> bool:
        """Say whether nobody but the account can read a data set."""

    def start(self, folder: Path) -> Job:
        """Start the job that a folder describes, under a name that was never used before.

        A second start is a second job. Where the answer is lost the host is asked whether it
        began: an error means that it did not, or says that this is not known.
        """

    def is_private(self, ref: str) -> bool:
        """Say whether nobody but the account can read a job."""

    def state(self, ref: str) -> JobState:
        """Say where a job is."""

    def log(self, ref: str) -> Iterator[str]:
        """Read a job's log from its beginning, line by line, while it is written.

        The iterator ends when the log does, when the host cuts it, or when nothing is written for
        a minute: then read again, skipping as many lines as were read.
        """

    def files(self, ref: str) -> list[str]:
        """List what a job has left so far, by path."""

    def download(self, ref: str, name: str, target: Path, *, progress: Progress) -> None:
        """Download one of :meth:`files`, whole or not at all; a cut download is taken up again.

        Compare what came with a hash of your own: the host says nothing of the content.
        """

    def jobs(self, prefix: str) -> list[Job]:
        """List the account's jobs whose slug begins with ``prefix``, newest first."""

    def delete(self, ref: str) -> None:
        """End a job and destroy all that it has left."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A package that is installed here."""

    name: str
    version: str
    licence: str | None
    """An SPDX expression, as the package states it; None if it states none."""
    licence_name: str | None
    """What it says of its licence otherwise."""
    sha256: str | None
    """Of the file that it was installed from; None where the installer has not kept it."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside that training a run needs."""

    trainer: Trainer
    stopping: Stopping
    load_detector: LoadDetector
    follower: Follower
    checkpoints: CheckpointRemote | None
    repository: Repository
    progress: Progress
    environment: Environment
    installed: Callable[[], Sequence[Installed]] = tuple
    """What is installed here; nothing is listed where nothing is found."""
    fetch_published: Callable[[], object] | None = None
    """Brings the published model here where only its pointers are; None where nobody can."""
