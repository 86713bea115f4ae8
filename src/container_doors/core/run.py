"""One experiment and every path that it owns: no other module spells a path of a run."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container_doors.core.errors import RunError
from container_doors.core.files import copy_of

PUBLISHED = Path("weights/detection")
"""The model that the team uses, from the last run that ended well."""

PRETRAINED = Path("weights/pretrained")
"""Weights to start from, by the architecture's name."""

REPORTS = Path("reports")
"""What git keeps of a model: small texts for ``dvc metrics`` and ``dvc plots``."""

TEST_LOOKS = REPORTS / "test_looks.jsonl"
"""One line for each look at a test split: every decision made by one makes it worth less."""

JOBS = Path("runs/.jobs")
"""What this clone knows of trainings on lent GPUs (:mod:`container_doors.kaggle`)."""

RUNS = Path("runs")
"""Every run of this clone, a folder each."""

WORKSPACE_MARKS = ("params.yaml", ".dvc", ".git")
"""What the folder has, one at least, that all of these paths are relative to."""

_NAME = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")
_LONGEST_NAME = 100
_SET_ASIDE = re.compile(r"(?P<name>.+)~(?P<number>[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Run:
    """A named experiment under ``root``.

    The trainer is given ``trainer_dir`` alone: with several GPUs Ultralytics deletes the
    directory that it is given before it starts, so nothing of ours may live there.
    """

    name: str
    root: Path = RUNS
    aside: int | None = None
    """Which of the earlier runs of this name, counted from 1, that were set aside for another; None
    for the present one."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            raise RunError(
                f"{self.name!r} cannot name an experiment",
                hint="use letters and digits joined by single '-' or '_', "
                f"{_LONGEST_NAME} characters at most, for example detection_exp002",
            )

    @classmethod
    def named(cls, label: str, root: Path = RUNS) -> Self:
        """Find the place of a run by what a person calls it: ``exp1``, or ``exp1~1``.

        >>> str(Run.named("exp1~2").directory)
        'runs/exp1~2'

        Raises:
            RunError: If no experiment can have such a name.
        """
        match = _SET_ASIDE.fullmatch(label)
        return cls(match["name"], root, int(match["number"])) if match else cls(label, root)

    @property
    def label(self) -> str:
        """What a person calls it: its name, with ``~1`` if it was set aside."""
        return self.name if self.aside is None else f"{self.name}~{self.aside}"

    @property
    def directory(self) -> Path:
        """Everything that this run leaves behind."""
        return self.root / self.label

    @property
    def record(self) -> Path:
        """What was asked, with what, and how it ended (:class:`records.RunRecord`)."""
        return self.directory / "run.json"

    @property
    def has_record(self) -> bool:
        """Whether it was begun here: its record is there, or the copy alone."""
        return self.record.exists() or copy_of(self.record).exists()

    @property
    def lock(self) -> Path:
        """Held by the process that trains this run, and released by the system if it dies.

        Beside the directory, which may be moved away while the lock is held.
        """
        return self.root / f".{self.label}.lock"

    @property
    def tracking_lock(self) -> Path:
        """Held by the one process that shows this run to trackers."""
        return self.root / f".{self.label}.tracking.lock"

    @property
    def stop_request(self) -> Path:
        """There as soon as someone wishes the training to end early; it holds the reason."""
        return self.root / f".{self.label}.stop"

    @property
    def dataset(self) -> Path:
        """What it was trained on, file by file (:class:`records.DatasetFiles`)."""
        return self.directory / "dataset.json"

    @property
    def materials(self) -> Path:
        """What it was made with: packages, data, code; CycloneDX (:mod:`versioning.materials`)."""
        return self.directory / "sbom.cdx.json"

    @property
    def metrics_jsonl(self) -> Path:
        """One line per finished epoch, on disk before anything else hears of it."""
        return self.directory / "metrics.jsonl"

    @property
    def train_log(self) -> Path:
        """The detailed log, with levels."""
        return self.directory / "train.log"

    @property
    def data_view(self) -> Path:
        """The data set as the trainer sees it: links, so that it cannot write to the real one."""
        return self.directory / "data"

    @property
    def trainer_dir(self) -> Path:
        """Owned by the trainer: it may empty this directory at any time."""
        return self.directory / "trainer"

    @property
    def best_weights(self) -> Path:
        """The epoch of the highest validation mAP50-95."""
        return self.trainer_dir / "weights" / "best.pt"

    @property
    def last_weights(self) -> Path:
        """The last finished epoch."""
        return self.trainer_dir / "weights" / "last.pt"

    @property
    def resumable(self) -> Path:
        """The trainer's whole state, every ``save_period`` epochs; the newest of the two kept."""
        return self.directory / "checkpoint" / "resume.pt"

    @property
    def previous_checkpoint(self) -> Path:
        """The folder of the checkpoint before, to go on from where the newest is damaged."""
        return self.directory / "checkpoint-previous"

    @property
    def scores(self) -> Path:
        """What ``best.pt`` scored after training, by split (:class:`records.Evaluation`)."""
        return self.directory / "scores.json"

    @property
    def evaluation(self) -> Path:
        """All that was measured of ``best.pt`` since (:class:`measurements.Evaluated`)."""
        return self.directory / "evaluation.json"

    @property
    def predictions(self) -> Path:
        """Test photographs with the boxes found at the operating point."""
        return self.directory / "predictions"

    @property
    def metadata(self) -> Path:
        """What was published of this run (:class:`records.Metadata`); absent before that."""
        return self.directory / "metadata.json"

    @property
    def curves(self) -> Path:
        """The picture of every finished epoch, drawn when it is asked for."""
        return self.directory / "curves.png"

    @property
    def tracking(self) -> Path:
        """What is shown elsewhere, as the trackers keep it: W&B's files, TensorBoard's."""
        return self.directory / "tracking"

    def predictions_json(self, split: str) -> Path:
        """What was found in each photograph of a split (:class:`records.Predictions`)."""
        return self.evaluation_dir(split) / "predictions.json"

    def detections_json(self, split: str) -> Path:
        """Everything that was found on a split, at any confidence (:class:`Detected`)."""
        return self.evaluation_dir(split) / "detections.json"

    def robustness_step(self, split: str, key: str) -> Path:
        """How the scores fell at one step of a ladder, by what that depends on."""
        return self.evaluation_dir(split) / "robustness" / f"{key}.json"

    def evaluation_dir(self, split: str) -> Path:
        """The curves and matrices of one split."""
        return self.directory / "evaluation" / split


def runs_in(root: Path = RUNS) -> list[Run]:
    """List every run that has a record, those that were set aside too; what is no run is left out.

    Args:
        root: Where they are.
    """
    found = []
    for path in sorted(root.glob("*/run.json")):
        with suppress(RunError):
            found.append(Run.named(path.parent.name, root))
    return found
