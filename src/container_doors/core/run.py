"""One experiment and all paths of its run: no other module builds such a path."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container_doors.core.errors import RunError
from container_doors.core.files import copy_of
from container_doors.core.printable import shortened

PUBLISHED = Path("weights/detection")
"""The model that the team uses, published from a finished run."""

PRETRAINED = Path("weights/pretrained")
"""Weights to start from, by the architecture's name."""

REPORTS = Path("reports")
"""The part of a model that git stores: small texts for ``dvc metrics`` and ``dvc plots``."""

TEST_USES = REPORTS / "test_looks.jsonl"
"""One line for each use of a test set: every decision based on it makes it less reliable."""

JOBS = Path("runs/.jobs")
"""The Kaggle jobs of this clone (:mod:`container_doors.kaggle`)."""

LABEL_BACKUPS = Path("runs/.label_backups")
"""Label files as they were before ``doors data review`` changed them."""

RUNS = Path("runs")
"""All runs of this clone, one folder each."""

WORKSPACE_MARKS = ("params.yaml", ".dvc", ".git")
"""A folder with at least one of these is the workspace; all these paths are relative to it."""

_NAME = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")
_LONGEST_NAME = 100
_EARLIER = re.compile(r"(?P<name>.+)~(?P<number>[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Run:
    """A named experiment under ``root``.

    The trainer gets ``trainer_dir`` only: with several GPUs Ultralytics deletes its directory
    before it starts, so none of our files may be there.
    """

    name: str
    root: Path = RUNS
    aside: int | None = None
    """The number of an earlier run of this name, from 1, kept as ``NAME~1``; None for the present
    run."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            last = self.name.rstrip("/").rpartition("/")[2]
            meant = (
                f"did you mean {last}? Or " if _NAME.fullmatch(last) and last != self.name else ""
            )
            raise RunError(
                f"{shortened(repr(self.name), 80)} cannot name an experiment",
                hint=f"{meant}use letters and digits joined by single '-' or '_', "
                f"{_LONGEST_NAME} characters at most, for example detection_exp002",
            )

    @classmethod
    def named(cls, label: str, root: Path = RUNS) -> Self:
        """Return the run with a label: ``exp1``, or ``exp1~1`` for an earlier one.

        >>> str(Run.named("exp1~2").directory)
        'runs/exp1~2'

        Raises:
            RunError: If no experiment can have such a name.
        """
        match = _EARLIER.fullmatch(label)
        return cls(match["name"], root, int(match["number"])) if match else cls(label, root)

    @property
    def label(self) -> str:
        """Its name, with ``~1`` for an earlier run."""
        return self.name if self.aside is None else f"{self.name}~{self.aside}"

    @property
    def directory(self) -> Path:
        """The folder with all files of this run."""
        return self.root / self.label

    @property
    def record(self) -> Path:
        """Its params, data, code, and how it ended (:class:`records.RunRecord`)."""
        return self.directory / "run.json"

    @property
    def has_record(self) -> bool:
        """Whether it was started here: there is its record, or at least the record's copy."""
        return self.record.exists() or copy_of(self.record).exists()

    @property
    def lock(self) -> Path:
        """Locked by the process that trains this run; the system frees it if that dies.

        It is beside the directory, which may be renamed while the lock is held.
        """
        return self.root / f".{self.label}.lock"

    @property
    def tracking_lock(self) -> Path:
        """Locked by the one process that sends this run to trackers."""
        return self.root / f".{self.label}.tracking.lock"

    @property
    def stop_request(self) -> Path:
        """Exists if the training was asked to stop early; it contains the reason."""
        return self.root / f".{self.label}.stop"

    @property
    def dataset(self) -> Path:
        """The hash of every file that it was trained on (:class:`records.DatasetFiles`)."""
        return self.directory / "dataset.json"

    @property
    def materials(self) -> Path:
        """Bill of materials: packages, data, code; CycloneDX (:mod:`publishing.materials`)."""
        return self.directory / "sbom.cdx.json"

    @property
    def metrics_jsonl(self) -> Path:
        """One line per finished epoch, on disk before the epoch is reported anywhere."""
        return self.directory / "metrics.jsonl"

    @property
    def train_log(self) -> Path:
        """The detailed log, with levels."""
        return self.directory / "train.log"

    @property
    def data_view(self) -> Path:
        """The trainer's view of the data set: links, so that it cannot write to the real one."""
        return self.directory / "data"

    @property
    def mixed_view(self) -> Path:
        """The view that the trainer gets if drawn photographs are mixed in."""
        return self.directory / "data-mixed"

    @property
    def trainer_dir(self) -> Path:
        """The trainer's own directory: it may empty it at any time."""
        return self.directory / "trainer"

    @property
    def best_weights(self) -> Path:
        """The weights of the epoch with the highest validation mAP50-95."""
        return self.trainer_dir / "weights" / "best.pt"

    @property
    def last_weights(self) -> Path:
        """The weights of the last finished epoch."""
        return self.trainer_dir / "weights" / "last.pt"

    @property
    def resumable(self) -> Path:
        """The newest checkpoint: the trainer's whole state, every ``save_period`` epochs."""
        return self.directory / "checkpoint" / "resume.pt"

    @property
    def previous_checkpoint(self) -> Path:
        """The folder of the checkpoint before, to resume from if the newest is damaged."""
        return self.directory / "checkpoint-previous"

    @property
    def scores(self) -> Path:
        """The scores of ``best.pt`` after training, by split (:class:`records.Evaluation`)."""
        return self.directory / "scores.json"

    @property
    def evaluation(self) -> Path:
        """All later measurements of ``best.pt`` (:class:`measurements.Evaluated`)."""
        return self.directory / "evaluation.json"

    @property
    def crossval(self) -> Path:
        """The pooled scores of a cross-validation (:class:`measurements.CrossValidation`)."""
        return self.directory / "crossval.json"

    @property
    def out_of_fold(self) -> Path:
        """What each photograph's model detected that was not trained on it (:class:`Detected`)."""
        return self.directory / "crossval" / "detections.json"

    def out_of_fold_of(self, seed: int) -> Path:
        """The same by another seed than the first of a cross-validation."""
        return self.out_of_fold.with_name(f"detections-seed{seed}.json")

    @property
    def predictions(self) -> Path:
        """Test photographs with the boxes detected at the operating point."""
        return self.directory / "predictions"

    @property
    def metadata(self) -> Path:
        """The metadata of the published model (:class:`records.Metadata`); absent before that."""
        return self.directory / "metadata.json"

    @property
    def curves(self) -> Path:
        """The chart of all finished epochs, drawn on request."""
        return self.directory / "curves.png"

    @property
    def tracking(self) -> Path:
        """The files of the trackers: W&B's, TensorBoard's."""
        return self.directory / "tracking"

    @property
    def sweep(self) -> Path:
        """The trials of the sweep of this name, and its winner (:class:`sweeps.Sweep`)."""
        return self.directory / "sweep.json"

    @property
    def sweep_db(self) -> Path:
        """The database of the sweep of this name, in SQLite."""
        return self.directory / "sweep.db"

    @property
    def sweep_page(self) -> Path:
        """The page of the sweep of this name."""
        return self.directory / "sweep.html"

    def fold(self, number: int, *, seed: int | None = None) -> "Run":
        """The run of one fold, from 1, of this experiment's cross-validation.

        Args:
            number: Of the fold.
            seed: Of the training, if it is not the experiment's own seed.

        >>> Run("exp1").fold(2).name, Run("exp1").fold(2, seed=1).name
        ('exp1-fold2', 'exp1-fold2-seed1')
        """
        of_seed = "" if seed is None else f"-seed{seed}"
        return Run(f"{self.name}-fold{number}{of_seed}", self.root)

    def predictions_json(self, split: str) -> Path:
        """The predictions for each photograph of a split (:class:`records.Predictions`)."""
        return self.evaluation_dir(split) / "predictions.json"

    def detections_json(self, split: str) -> Path:
        """All detections on a split, at any confidence (:class:`Detected`)."""
        return self.evaluation_dir(split) / "detections.json"

    def robustness_step(self, split: str, key: str) -> Path:
        """The scores at one severity of a corruption, by a key of all that they depend on."""
        return self.evaluation_dir(split) / "robustness" / f"{key}.json"

    def evaluation_dir(self, split: str) -> Path:
        """The folder with the curves and matrices of one split."""
        return self.directory / "evaluation" / split


def runs_in(root: Path = RUNS) -> list[Run]:
    """List every run that has a record, earlier ones too; other folders are left out.

    Args:
        root: The folder of the runs.
    """
    found = []
    for path in sorted(root.glob("*/run.json")):
        with suppress(RunError):
            found.append(Run.named(path.parent.name, root))
    return found
