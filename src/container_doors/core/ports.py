"""The interfaces to the outside world: trainer, trackers, git, storage, GPU host.

Each protocol has one real implementation in :mod:`container_doors.adapters` and one in
``tests/fakes.py``. A collaborator that needs no fake needs no protocol.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

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

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """Receives progress messages."""

    def say(self, text: str) -> None:
        """Show one message, on its own line."""

    def step(self, what: str, done: int, total: int) -> None:
        """Show the progress of a long step; ``done == total`` ends it."""

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Show the metrics of a finished epoch."""


class TrainingListener(Protocol):
    """Receives the events of a training."""

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Receive a finished batch; epochs and batches count from 1."""

    def epoch_finished(self, epoch: Epoch) -> None:
        """Receive a finished epoch, after its checkpoint is on disk."""

    def training_recovered(self, recovery: Recovery) -> None:
        """Receive a recovery: epochs were lost, and the training continues."""

    def reason_to_stop(self, epoch_s: float) -> str | None:
        """Return why to stop before the next epoch, of ``epoch_s`` seconds; None to continue."""


class Stopping(Protocol):
    """May ask a training to stop early. With several GPUs it is pickled."""

    def reason_to_stop(self, epoch_s: float) -> str | None:
        """Return why to stop before the next epoch, of ``epoch_s`` seconds; None to continue."""

    def training(self) -> AbstractContextManager[None]:
        """While inside, a stop waits for the end of an epoch; outside it is immediate."""


class Trainer(Protocol):
    """Trains weights from params and a data set."""

    def describe_hardware(self, params: Params) -> Hardware:
        """Choose the device, and describe it.

        Raises:
            ConfigError: If the device that params ask for does not exist.
        """

    def starting_weights(self, params: Params) -> StartingWeights:
        """Find or download pretrained weights, if params ask for any, and check that they fit.

        Raises:
            WeightsError: If they are not available, damaged, or of another architecture.
        """

    def refused_checkpoint(self, folder: Path) -> str | None:
        """Return why a checkpoint with the right hashes cannot be resumed from; None if it can.

        Hashes prove that it arrived as it was sent, not that it is safe to load.
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
        """Train to the end, and write ``run.best_weights`` and ``run.last_weights``.

        With several GPUs the listener is pickled, and is called in another process.

        Args:
            params: The params; for a resumed training the same as before.
            run: Where all files are written.
            data_yaml: The data set; it may have moved since the checkpoint.
            weights: The starting weights; not used by a resumed training.
            listener: Receives each epoch; an epoch that is repeated after a recovery comes again.
            resume: Whether to resume from ``run.resumable``.

        Raises:
            RunError: If training fails for a reason that the user can correct, or cannot resume.
            ToBeContinued: If it was asked to stop; ``run.resumable`` is there to resume from.
        """


@dataclass(frozen=True, slots=True)
class Detections:
    """The boxes detected in one photograph.

    ``boxes_xyxy`` are left, top, right and bottom in pixels of the photograph as people see it
    (after EXIF orientation); ``confidences`` are in [0, 1], in the same order.
    """

    image: Path
    width_px: int
    height_px: int
    boxes_xyxy: Sequence[tuple[float, float, float, float]]
    confidences: Sequence[float]
    duration_ms: float | None = None
    is_door: Sequence[Sequence[bool]] | None = None
    """Whether the evaluator counts each as a door, at the IoU thresholds 0.50, 0.55, ..., 0.95;
    None if it does not report this."""


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """The boxes that a network finds in one picture, the most confident first.

    ``boxes_xyxy`` has the shape (n, 4): left, top, right, bottom in pixels of the picture, clipped
    to it; ``confidences`` and ``class_ids`` have the shape (n,).
    """

    boxes_xyxy: NDArray[np.float32]
    confidences: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    prepare_ms: float
    network_ms: float
    suppress_ms: float


class Network(Protocol):
    """A trained network, opened for use on one picture after the other."""

    backend: str
    """``pytorch``, ``onnx``, ``openvino``, ..."""
    device: str
    """For people."""

    def find(
        self,
        picture: NDArray[np.uint8],
        *,
        conf_threshold: float,
        iou_threshold: float,
        max_detections: int,
    ) -> FoundBoxes:
        """Find doors in a picture.

        Not thread-safe: one call at a time.

        Args:
            picture: Upright, shape (height, width, 3), BGR as OpenCV decodes it.
            conf_threshold: Boxes of less confidence are left out.
            iou_threshold: Of non-maximum suppression.
            max_detections: The most boxes that are returned.
        """


class Detector(Protocol):
    """A trained model."""

    def validate(
        self, *, data_yaml: Path, split: str, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        """Score a split by the trainer's own definitions, and write its plots.

        Scores and curves are over all confidences.

        Returns:
            ``mAP50``, ``mAP50-95``, ``precision`` and ``recall`` (empty if the split has no
            door), and every detection down to a confidence of 0.001, as mAP needs them.
        """

    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> Sequence[Detections]:
        """Detect doors one photograph at a time, timed, after a warm-up."""

    @property
    def timing_method(self) -> str:
        """What ``duration_ms`` covers, and on which device it was measured."""

    @property
    def device(self) -> str:
        """The device's name, for people."""


class Corrupt(Protocol):
    """A library of common image corruptions."""

    def __call__(
        self, kind: str, severity: int, name: str, picture: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Corrupt an RGB picture, severity 1 to 5, same size; equal calls give equal pictures."""


class LoadDetector(Protocol):
    """Opens a weight file."""

    def __call__(self, weights: Path, *, image_size_px: int, hardware: Hardware) -> Detector:
        """Open ``weights`` for use on the device that ``hardware`` names.

        Raises:
            WeightsError: If the file is absent or damaged.
        """


class ExportDetector(Protocol):
    """Exports weights to another format, and opens the result."""

    def __call__(
        self, weights: Path, name: str, *, image_size_px: int, hardware: Hardware
    ) -> Detector:
        """Export ``weights`` to the format ``name``, beside them, and open it.

        Raises:
            MissingToolError: If a package that it needs is not installed.
        """


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a finished run, besides its epochs."""

    metadata: Metadata
    weights: Path
    """``best.pt``."""
    plots: Mapping[str, Path]
    """By the name under which it is shown, such as ``test/PR_curve``."""
    predictions: Predictions
    images: Path
    """The folder that :attr:`records.Prediction.image` is relative to."""


class Tracker(Protocol):
    """A tracking service such as W&B. It may fail; the run continues.

    Every method may raise :class:`errors.TrackingError`.
    """

    def start(self, record: RunRecord) -> int:
        """Create the run there, or resume it.

        Returns:
            The last epoch that the service has, 0 for none; do not send it again.
        """

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        """Send one epoch's metrics."""

    def log_results(self, results: Results) -> None:
        """Send the finished model, its scores, plots and pictures."""

    def finish(self, *, exit_code: int) -> None:
        """Report that the run has ended, and how; wait until everything is sent."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A run's state on a tracking server."""

    url: str
    last_epoch: int
    results_of: str | None
    """sha256 of the weights whose results are there; None without results."""
    is_over: bool
    """Whether the server knows that the run has ended."""


class TrackingServer(Protocol):
    """A server that shows runs online; every method may raise :class:`errors.TrackingError`."""

    def ask(self, record: RunRecord) -> Remote | None:
        """Ask for the state of a run; None if the server has no such run."""

    def send_recordings(self, *, after_epoch: int) -> None:
        """Send the offline recordings that continue from ``after_epoch``."""

    def tracker(self, record: RunRecord) -> Tracker:
        """Make a tracker that is online, or fails."""


class Follower(Protocol):
    """Sends a run to trackers while it is written to disk; the run does not wait for them."""

    def settle(self, run: Run, *, progress: Progress) -> None:
        """Wait, for a limited time, until the follower of an earlier attempt has ended."""

    def start(self, run: Run, *, progress: Progress) -> None:
        """Start to follow; returns at once."""

    def finish(self, *, exit_code: int) -> None:
        """Report how the run ended, and wait, for a limited time, until everything is sent."""


@dataclass(frozen=True, slots=True)
class Hook:
    """The check before each commit."""

    path: Path
    is_written: bool
    """Whether it was written now; else it was there."""
    instead_of: Path | None = None
    """The person's own hook, or the place that git looks for it, which does not run this one."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The upstream of a branch, after a fetch."""

    name: str | None
    """Such as ``origin/main``; None if the branch has no upstream."""
    commit: str | None
    """The commit to fast-forward to; None if there is nothing new."""


@dataclass(frozen=True, slots=True)
class PackedCode:
    """The content of a git pack file of the code."""

    commit: str
    tree: str
    """The git tree to check out: that of the commit, or one with the changes."""
    files: int
    filtered: Sequence[Path] = ()
    """Files that differ here from what git stores, because of a filter such as LFS."""


class Repository(Protocol):
    """The git repository of the working directory, if there is one."""

    def code_state(self, *, beside: Sequence[Path] = ()) -> CodeState:
        """Return the commit, and whether the code differs from it; data and outputs are ignored.

        Args:
            beside: Other paths that are not code.
        """

    def tags(self, pattern: str) -> list[str]:
        """List the tags that match a glob; none if there is no repository."""

    def fetch(self) -> Upstream:
        """Fetch the upstream of the branch; nothing in the working directory changes.

        Raises:
            VersioningError: If the remote refuses, or if both sides have commits of their own.
        """

    def fast_forward(self, commit: str, *, same: Sequence[Path]) -> None:
        """Move the branch and the working directory to a commit.

        Args:
            commit: A descendant of the present one.
            same: Files that are already the same here as in that commit.

        Raises:
            VersioningError: If that would overwrite something.
        """

    def commit(self, paths: Sequence[Path], message: str) -> str | None:
        """Commit only these files; return the commit, or None if nothing changed."""

    def create_tag(self, tag: str, message: str) -> None:
        """Tag the present commit."""

    def changes(self, *, beside: Sequence[Path]) -> list[Path]:
        """List the files that differ from the commit, untracked ones too, except ``beside``.

        Raises:
            VersioningError: If there is no commit, or this is not the repository's root.
        """

    def is_unchanged(self, paths: Sequence[Path]) -> bool:
        """Return whether the tracked files below some paths are as committed."""

    def pack(self, target: Path, *, changed: Sequence[Path] = ()) -> PackedCode:
        """Write the objects of the present commit to a file, and check that it can be rebuilt.

        Args:
            target: The file.
            changed: Changed files of the working directory, which are packed as well.

        Raises:
            VersioningError: If another machine could not rebuild it; the message names why.
        """

    def has_commit(self, commit: str) -> bool | None:
        """Return whether a commit and all its objects exist; None if there is no repository."""

    def show(self, revision: str, path: Path) -> str | None:
        """Read a file of a revision; None if there is no such file or revision."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that made a signature."""

    key: str
    """Kind and fingerprint, such as ``ED25519 SHA256:...``."""
    name: str | None = None
    """The key's name in the list of allowed signers; None if there is no list."""

    def __str__(self) -> str:
        return f"{self.name} ({self.key})" if self.name else self.key


class Signatures(Protocol):
    """Signs documents with git's signing key, and checks signatures."""

    def sign(self, document: Path, *, namespace: str) -> str:
        """Sign a file's bytes for one purpose; return the signature.

        Raises:
            NoSigningKeyError: If git has no SSH key to sign with.
            VersioningError: If it has one that cannot be used.
            MissingToolError: If the program is not installed.
        """

    def signer(
        self, document: Path, signature: str, *, namespace: str, allowed: str | None
    ) -> Signer:
        """Return who signed a file's bytes.

        Args:
            document: The file.
            signature: As returned by :meth:`sign`.
            namespace: The purpose that the signature must have.
            allowed: The list of allowed signers; None if there is no list.

        Raises:
            SignatureError: If it is no signature of these bytes for this purpose, or if the list
                does not allow its key.
            MissingToolError: If the program is not installed.
        """


class ArtifactStore(Protocol):
    """Stores large files by content; git has pointers to them."""

    def check_ready(self) -> str:
        """Return the remote that a push would go to.

        Raises:
            VersioningError: If there is no repository, or no remote.
            MissingToolError: If the program is not installed.
        """

    def add(self, paths: Sequence[Path]) -> list[Path]:
        """Track files; return the pointer of each, for git."""

    def adopt(self, path: Path) -> None:
        """Take in a folder that was filled in another way; its pointer does not change.

        Raises:
            VersioningError: If the folder is not what its pointer names.
        """

    def annotate(self, pointers: Sequence[Path], version: str) -> None:
        """Write the version into the pointers, so that git shows which model they name."""

    def push(self, pointers: Sequence[Path]) -> None:
        """Send the content of the pointers. Sending it again is harmless."""

    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        """Put the content of the pointers beside them; with ``force`` replace what differs.

        Raises:
            MissingContentError: If a file is neither here nor on the remote.
            VersioningError: If the pull fails for another reason.
        """

    def fetch_objects(self, pointers: Sequence[Path], scratch: Path) -> dict[str, Path | None]:
        """Fetch each file from the remote, not from the cache; None for a missing one.

        Raises:
            VersioningError: If the remote cannot be read.
        """

    def object_folder(
        self, pointers: Sequence[Path], scratch: Path, *, fetch: bool
    ) -> tuple[Path, bool] | None:
        """Return the folder of the remote's objects, ``ab/cdef...`` by hash.

        Returns:
            That folder, and whether it is the remote's own. With ``fetch`` it may be a copy of the
            pointers' content, in ``scratch``. None if a copy is needed, and ``fetch`` is False.

        Raises:
            VersioningError: If the remote cannot be read.
        """

    def ignored(self, paths: Sequence[Path]) -> set[Path]:
        """Return the files that would be ignored, although they are in a tracked folder."""

    def content_of(self, path: Path) -> str | None:
        """Return the hash of a tracked file or folder, None if it is not tracked."""

    def version_of(self, path: Path) -> str | None:
        """Return what :meth:`annotate` wrote into the pointer of a file or folder."""

    def content_with(self, files: Mapping[str, str]) -> str:
        """Return the hash by which a folder with exactly these files would be tracked.

        Args:
            files: The MD5 of each, by relative path with slashes.
        """

    def files_of(self, folder: Path) -> Mapping[str, str]:
        """Return the MD5 of every file of a tracked folder, by relative path with slashes."""


class Storage(Protocol):
    """The remote that large files are pushed to and pulled from.

    Every method may raise :class:`errors.VersioningError`.
    """

    @property
    def url(self) -> str | None:
        """Its address, None if none is configured."""

    def configure(self, url: str, options: Mapping[str, str]) -> None:
        """Set the address, for everyone, and options, for this machine only."""

    def keep_credentials(self, text: str) -> Path:
        """Save a secret where only its owner can read it, and git ignores it."""

    def probe(self) -> str:
        """Write, read and delete a small file; return the address."""


class CheckpointRemote(Protocol):
    """A remote for checkpoints; every method may raise :class:`VersioningError`."""

    where: str
    """Its name, for people."""

    def names(self, experiment: str) -> list[str]:
        """List the files of an experiment, in any order."""

    def put(self, path: Path, experiment: str, *, instead_of: Sequence[str] = ()) -> list[str]:
        """Send a file, completely or not at all, and read it back; then delete ``instead_of``.

        Returns:
            The files of the experiment afterwards, as :meth:`names` lists them.

        Raises:
            VersioningError: Also if the file that was read back differs.
        """

    def get(self, name: str, experiment: str, into: Path) -> None:
        """Fetch a file into a folder, which is made if there is none."""

    def sha256(self, name: str, experiment: str) -> str:
        """Read and hash a file of the remote; save nothing."""

    def remove(self, names: Sequence[str], experiment: str) -> None:
        """Delete files; those that do not exist are no error."""


class Tunnel(Protocol):
    """A tunnel to this machine, from anywhere."""

    def open(self) -> str:
        """Open it; return its host name.

        Raises:
            RateLimitedError: If the service gives out no more at present.
            TunnelError: If it cannot be opened.
        """

    def wait(self) -> str:
        """Wait until it ends by itself; return why, for people."""


@dataclass(frozen=True, slots=True)
class Quota:
    """An account's quota of a host's GPUs, in hours."""

    used_h: float
    allowed_h: float
    renewed_at: datetime | None
    """When it is renewed, in UTC; None if the host does not report it."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job, as its host reports it; the report may be late."""

    phase: Literal["queued", "running", "complete", "failed", "cancelled"]
    message: str = ""
    """The host's message on why it failed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the host's list."""

    ref: str
    """Owner and slug: ``someone/doors-v1-0-3f2a``."""
    url: str
    """The page with its Stop button."""
    last_run_at: datetime | None


class GpuHost(Protocol):
    """A host such as Kaggle that runs scripts on its GPUs, as batch jobs.

    Every method may raise :class:`errors.HostError`, :class:`errors.UnreachableError` if a later
    attempt may succeed, and :class:`errors.AbsentError` if the object does not exist. Every wait
    is limited.
    """

    def owner(self) -> str:
        """Return the account's name."""

    def quota(self) -> Quota | None:
        """Ask for the GPU hours left; None if the host does not report them."""

    def dataset_state(self, slug: str) -> Literal["absent", "processing", "ready", "failed"]:
        """Return whether a job can read a data set of the account."""

    def send_dataset(self, folder: Path, *, slug: str, title: str, progress: Progress) -> None:
        """Upload a folder's files as a private data set; it is then ``processing``."""

    def dataset_is_private(self, slug: str) -> bool:
        """Return whether only the account can read a data set."""

    def start(self, folder: Path) -> Job:
        """Start the job that a folder describes, under a name that was never used before.

        A second start is a second job. If the answer is lost, the host is asked whether the job
        started: an error means that it did not, or that this is not known.
        """

    def is_private(self, ref: str) -> bool:
        """Return whether only the account can read a job."""

    def state(self, ref: str) -> JobState:
        """Return the state of a job."""

    def log(self, ref: str) -> Iterator[str]:
        """Read a job's log from its beginning, line by line, while it is written.

        The iterator ends when the log ends, when the host cuts it, or when nothing is written for
        a minute: then read again, and skip as many lines as were read.
        """

    def files(self, ref: str) -> list[str]:
        """List the files that a job has written so far, by path."""

    def download(self, ref: str, name: str, target: Path, *, progress: Progress) -> None:
        """Download one of :meth:`files`, completely or not at all; resume after an interruption.

        Check the file with a hash from elsewhere: the host does not give one.
        """

    def jobs(self, prefix: str) -> list[Job]:
        """List the account's jobs whose slug begins with ``prefix``, newest first."""

    def delete(self, ref: str) -> None:
        """End a job and delete all its files."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A package that is installed here."""

    name: str
    version: str
    licence: str | None
    """The package's SPDX expression; None if it has none."""
    licence_name: str | None
    """Its other statement of the licence."""
    sha256: str | None
    """Of the file that it was installed from; None if the installer has not stored it."""


@dataclass(frozen=True, slots=True)
class World:
    """All adapters that training a run needs."""

    trainer: Trainer
    stopping: Stopping
    load_detector: LoadDetector
    follower: Follower
    checkpoints: CheckpointRemote | None
    repository: Repository
    progress: Progress
    environment: Environment
    installed: Callable[[], Sequence[Installed]] = tuple
    """Lists the installed packages; the default lists none."""
    fetch_published: Callable[[], object] | None = None
    """Downloads the published model if only its pointers are here; None if that is impossible."""


class Workers(Protocol):
    """Processes, on one machine or several, that work through items; each prepares once."""

    def work(
        self,
        prepare: Callable[[], Callable[[Item], Result]],
        chunks: Sequence[Sequence[Item]],
        *,
        give_up: Callable[[Item, str], Result],
    ) -> Iterator[tuple[int, list[Result]]]:
        """Work through all items.

        Args:
            prepare: Makes the function that is applied to each item: it may open a model, which is
                kept. It is sent to other processes, as the items are.
            chunks: The items; a chunk is sent and answered together.
            give_up: Makes the result of an item that its workers die of, from the item and the
                reason.

        Yields:
            The number of a chunk and its results, in the order of its items; the chunks in any
            order.

        Raises:
            ClusterError: If the machines are not there, cannot be used, or are lost.
        """


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """An ordinary run to train, as one of many."""

    name: str
    """The run's name."""
    params: Params
    floors: Mapping[int, float] = field(default_factory=dict)
    """The least that the best val mAP50-95 up to an epoch may be, by the epoch; below it the
    training is pruned. They are part of the task, so that the same is pruned after a kill."""


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task ended."""

    name: str
    outcome: Literal["finished", "pruned", "failed"]
    reason: str | None = None
    """Why it was pruned or has failed; None if it is finished."""


class Trainings(Protocol):
    """Trains many runs, here or elsewhere."""

    at_once: int
    """How many tasks are trained side by side."""

    def train(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        """Train each task; yield each as it ends, in any order.

        What was begun is resumed, what is finished or pruned is not trained again; what has failed
        is tried again. Only a training that fails by itself is a failed task.

        Raises:
            DoorsError: If a task cannot be started: its data, weights or device cannot be used, or
                a run of its name has other params.
            ToBeContinued: If it was asked to stop; nothing is lost.
        """
