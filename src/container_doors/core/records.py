"""The values that pass from one step to the next, and the documents of a run.

A document (:class:`Document`) is written as JSON and read by a later command, perhaps on another
machine and by another release, so each has a schema number. It is raised only if an earlier
release would misread the document: new keys do no harm, because each release keeps the keys that
it does not know. A value that was not measured is null or absent; it is never a guess.
"""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic_core import from_json

from container_doors.core.archives import name_fault
from container_doors.core.config import Params, Training, known_params, known_training
from container_doors.core.errors import RunError
from container_doors.core.files import (
    NotAFileError,
    copy_of,
    read_file,
    replace_text,
    replace_text_twice,
)
from container_doors.core.printable import shortened
from container_doors.core.section import Fraction

SPLITS = ("train", "val", "test")

FITNESS = "val/mAP50-95"
"""The metric that the best epoch maximises; of equal epochs the later one is best."""

_SCHEMA: Literal[1] = 1
_MOST_SHOWN = 300

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(name: str) -> str:
    fault = name_fault(name)
    if fault is not None:
        raise ValueError(f"{shortened(name, 80)} {fault}")
    return name


FileName = Annotated[str, AfterValidator(_inside)]
"""A file's path below a folder: documents come from other machines, and their files are copied."""

Status = Literal["running", "stopped", "trained", "finished", "failed", "interrupted"]
"""``stopped``: stopped early on request, can be continued; ``trained``: the weights exist, and are
not yet evaluated and published."""


def short_name(image: str) -> str:
    """Return a photograph's short name: its path below the split's folder.

    >>> short_name("images/test/a/img_1.jpg")
    'a/img_1.jpg'
    """
    return image.split("/", 2)[-1]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault in a data set: the place, what was expected and found, and what to do."""

    severity: Literal["error", "warning"]
    rule: str
    """The check that found it, in kebab-case: ``label-out-of-range``."""
    path: Path
    """Relative to the data set's folder."""
    line: int | None
    """Counts from 1; None for a fault of the whole file."""
    expected: str
    found: str
    remedy: str
    dropped: bool = False
    """True if Ultralytics would leave this photograph out of training with only a warning."""
    other: Path | None = None
    """The other photograph, if the fault is one of two; relative as ``path``."""

    @property
    def where(self) -> str:
        """The place, in the form that editors and terminals turn into a link."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value that differs from the expected one, and what to do about it."""

    where: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a model, and its result."""

    name: str
    holds: str
    """The statement that is true if there is no mismatch."""
    mismatches: tuple[Mismatch, ...] = ()
    not_checked: str | None = None
    """Why it could not be checked; a mismatch found before that counts."""

    @property
    def is_ok(self) -> bool | None:
        """Whether the check passed; None if it was not made."""
        return False if self.mismatches else None if self.not_checked else True


@dataclass(frozen=True, slots=True)
class Epoch:
    """The trainer's report of one finished epoch."""

    number: int
    """Counts from 1."""
    metrics: dict[str, float]
    """By the names in ``docs/metrics.md``, such as ``val/mAP50``; absent if not measured."""


class _Part(BaseModel):
    """A frozen record. Fields that only a later release knows are kept, and not used."""

    model_config = ConfigDict(frozen=True, extra="allow")


def _newer_schema(content: bytes) -> int | None:
    """Return the schema number if it is of a later release; otherwise, or if unreadable, None."""
    try:
        document = from_json(content)
    except ValueError:
        return None
    number = document.get("schema_version") if isinstance(document, dict) else None
    return number if type(number) is int and number > _SCHEMA else None


class Document(_Part):
    """A value that is stored as a JSON file."""

    repair_hint: ClassVar[str] = (
        "restore a copy of it, or train again: doors train --replace keeps what is there"
    )
    """The hint for a document that cannot be read, and has no copy."""
    has_copy: ClassVar[bool] = False
    """Whether it is written twice, because it could not be made again."""
    schema_version: Literal[1] = _SCHEMA

    @classmethod
    def read(cls, path: Path, *, repair: str | None = None) -> Self:
        """Read a document.

        Args:
            path: The file.
            repair: The hint for a document that cannot be read, where the usual one does not help.

        Raises:
            RunError: If it is absent, damaged, or of a schema that this release does not know.
        """
        try:
            content = read_file(path).removeprefix(b"\xef\xbb\xbf")
        except FileNotFoundError:
            raise RunError(
                f"no {path.name} at {path}",
                hint=cls._restore_hint(path) or "was this run trained here? See: doors train",
            ) from None
        except NotAFileError as error:
            raise RunError(
                f"{path} cannot be read: {error.strerror}",
                hint=f"move that {error.kind} away; {repair or cls._repair(path)}",
            ) from None
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise cls._unreadable(path, content, error, repair or cls._repair(path)) from None

    @classmethod
    def _restore_hint(cls, path: Path) -> str | None:
        """Return the command that restores it from its copy; None without a whole copy."""
        copy = copy_of(path)
        try:
            cls.model_validate_json(read_file(copy))
        except (OSError, ValidationError):
            return None
        return f"its copy is whole: {shlex.join(['cp', str(copy), str(path)])}"

    @classmethod
    def _repair(cls, path: Path) -> str:
        """Return how to restore a document that cannot be read."""
        return cls._restore_hint(path) or cls.repair_hint

    @classmethod
    def _unreadable(
        cls, path: Path, content: bytes, error: ValidationError, repair: str
    ) -> RunError:
        """Return the error for a document that cannot be read."""
        newer = _newer_schema(content)
        if newer is not None:
            return RunError(
                f"{path} was written by another version of container-doors, which needs schema "
                f"{newer}; this one reads schema {_SCHEMA}",
                hint="use that version, or a later one: git pull && uv sync --locked",
            )
        first = error.errors(include_url=False, include_input=False)[0]
        words = [".".join(map(str, first["loc"])), first["msg"]]
        if not content.strip(b"\0 \t\r\n"):
            words = ["it is empty" if not content else "it is blank, as a power cut leaves a file"]
        return RunError(
            f"{path} cannot be read: {': '.join(filter(None, words))[:_MOST_SHOWN]}",
            hint="it is damaged, was changed by hand, or was written by another version of "
            f"container-doors (then use that version); {repair}",
        )

    def write(self, path: Path) -> None:
        """Replace ``path`` as one step: a reader finds the old document or the new one."""
        write = replace_text_twice if self.has_copy else replace_text
        write(path, self.to_json())

    def to_json(self) -> str:
        """Return JSON with sorted keys and a final newline: equal documents are equal files."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


class SplitCounts(_Part):
    """The size of one split."""

    images: int
    doors: int
    background_images: int
    """Photographs without a door."""


class DatasetFacts(_Part):
    """The data that a run was trained on."""

    path: str
    sha256: Sha256
    """Of the sorted list of (relative path, sha256) of data.yaml, every image and every label."""
    splits: dict[str, SplitCounts]


class DatasetFiles(Document):
    """``runs/<experiment>/dataset.json``: the sha256 of every file that a run was trained on."""

    has_copy: ClassVar[bool] = True
    files: dict[str, Sha256]
    """By path relative to the data set; :attr:`DatasetFacts.sha256` is made from these."""


class CodeState(_Part):
    """The code that a run was made with."""

    commit: str | None
    """None outside of a git repository, or before its first commit."""
    clean: bool | None
    """Whether the code had no uncommitted change (data and outputs do not count); None without a
    repository."""


class StartingWeights(_Part):
    """The weights at the start of a training."""

    source: Literal["random", "file", "download"]
    path: str | None = None
    sha256: Sha256 | None = None
    official: bool | None = None
    """Whether these are the official COCO weights, by hash; None for random ones."""


class Hardware(_Part):
    """The machine that a run was made on."""

    device: str
    """PyTorch's name: ``cpu`` or ``cuda:0``. The first of ``devices``, if there are any."""
    devices: list[str] = []
    """The devices that train together, if there are several; otherwise empty."""
    description: str
    """For people: ``Tesla T4, 14.6 GiB`` or the processor's name."""
    cpu: str
    cores: int
    memory_gib: float
    gpus: list[str] = []
    cuda: str | None = None
    driver: str | None = None


class Environment(_Part):
    """The programs that a run was made with."""

    python: str
    platform: str
    packages: dict[str, str]
    """Distribution name to version; a package that is not installed is absent."""


class Artifact(_Part):
    """A result file of a run."""

    sha256: Sha256
    size_bytes: int


class Recovery(_Part):
    """A recovery: why a training was interrupted, and where it continued."""

    reason: Literal["out of memory", "not finite"]
    after_epoch: int
    """The last epoch that was not lost; 0 for none."""
    batch_size: int
    """The batch size from there on."""

    def __str__(self) -> str:
        where = f"after epoch {self.after_epoch}" if self.after_epoch else "from the beginning"
        if self.reason == "out of memory":
            return f"out of memory: continuing {where} with batches of {self.batch_size}"
        return f"the loss is not finite: continuing {where} with another random seed"


class RunRecord(Document):
    """``runs/<experiment>/run.json``: a run's params, data, code, and how it ended."""

    has_copy: ClassVar[bool] = True
    run_id: str
    """Always unique, unlike the experiment's name."""
    experiment: str
    status: Status
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    """When training ended, successfully or not."""
    duration_s: float | None = None
    """Of the training only, measured; the sum of its epochs, if several processes trained it."""
    params: dict[str, Any]
    """The ``detection`` section, with all defaults filled in."""
    params_sha256: Sha256
    code: CodeState
    dataset: DatasetFacts
    drawn: DatasetFacts | None = None
    """The drawn photographs that were mixed in; None if there were none."""
    starting_weights: StartingWeights
    hardware: Hardware
    environment: Environment
    seed: int
    epochs_finished: int | None = None
    best_epoch: int | None = None
    """The epoch with the highest validation mAP50-95; counts from 1."""
    artifacts: dict[FileName, Artifact] = {}
    """``best.pt`` and ``last.pt``, after a successful training."""
    message: str | None = None
    """Why a run failed."""
    resumed_after: list[int] = []
    """The epoch after which it was resumed, for each time."""
    setbacks: list[Recovery] = []
    """The recoveries of the training, in order."""
    replaces: list[str] = []
    """The earlier runs of the same name: the first eight characters of their ids. Empty in
    documents of earlier releases."""

    @property
    def known_params(self) -> Params:
        """Its params, as far as this release knows them.

        Raises:
            ConfigError: If this release cannot use a value.
        """
        return known_params(self.params, f"run.json of {self.experiment}")

    @property
    def known_training(self) -> Training:
        """The ``training`` section only, with the same error."""
        return known_training(self.params, f"run.json of {self.experiment}")

    @property
    def epochs_asked(self) -> int | None:
        """The requested number of epochs; None if that cannot be read."""
        epochs = _section(self.params, "training").get("epochs")
        return epochs if type(epochs) is int else None

    @property
    def architecture(self) -> str:
        """The name of the network; perhaps one that only a later release knows."""
        return str(_section(self.params, "model").get("architecture", "unknown"))


def _section(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = params.get(name)
    return section if isinstance(section, Mapping) else {}


class OperatingPoint(_Part):
    """The model's scores in use: at a fixed confidence, one image at a time.

    A prediction matches a door if their IoU is at least 0.5; each door is matched once, in the
    order of confidence. Precision is null without a prediction, recall without a door.
    """

    conf_threshold: Fraction
    iou_threshold: Fraction
    true_positives: int
    false_positives: int
    missed: int
    precision: float | None
    recall: float | None

    @property
    def figures(self) -> dict[str, float]:
        """What trackers are told of it; an undefined ratio is absent."""
        named = {
            "conf_threshold": self.conf_threshold,
            "precision": self.precision,
            "recall": self.recall,
            "false_alarms": self.false_positives,
        }
        return {
            name: float(value)
            for name, value in named.items()
            if value is not None and math.isfinite(value)
        }


class Latency(_Part):
    """Milliseconds per photograph, measured on this machine."""

    median_ms: float
    p95_ms: float
    images: int
    method: str
    """What was timed, on which device, at which image size, after which warm-up."""


class SplitScores(_Part):
    """The scores of ``best.pt`` on one split. An undefined score is null."""

    images: int
    doors: int
    background_images: int
    ultralytics: dict[str, float]
    """``mAP50``, ``mAP50-95``, ``precision``, ``recall`` by Ultralytics' definitions; precision
    and recall are those at the confidence of the highest F1. Empty without doors."""
    coco: dict[str, float]
    """``AP``, ``AP50``, ``AP75`` by COCO's definitions (pycocotools'). Empty without doors."""
    operating_point: OperatingPoint
    latency: Latency | None = None


class Evaluation(Document):
    """``runs/<experiment>/scores.json``: the scores of ``best.pt`` after training, by split."""

    has_copy: ClassVar[bool] = True
    run_id: str
    weights_sha256: Sha256
    image_size_px: int = Field(gt=0, le=4096)
    splits: dict[str, SplitScores]


class FoundBox(_Part):
    """A detection: a box that the model predicts."""

    box_xyxy: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels."""
    confidence: float
    correct: bool
    """Whether it matches a labelled door (:class:`OperatingPoint`)."""


class Prediction(_Part):
    """The detections in one photograph at the operating point, and its labels."""

    image: str
    """Relative to the run's view of the data: ``images/test/img_001.jpg``."""
    width_px: int
    height_px: int
    found: list[FoundBox]
    labelled_xyxy: list[tuple[float, float, float, float]]
    missed: int

    @property
    def correct(self) -> int:
        """The number of detections that are doors."""
        return sum(box.correct for box in self.found)

    @property
    def false_alarms(self) -> int:
        """The number of detections that are no door."""
        return len(self.found) - self.correct


class Predictions(Document):
    """``runs/<experiment>/evaluation/<split>/predictions.json``."""

    has_copy: ClassVar[bool] = True
    run_id: str
    split: str
    pictures: list[Prediction]

    def worst_first(self) -> list[Prediction]:
        """Sort the photographs by their number of mistakes, highest first."""
        return sorted(self.pictures, key=lambda one: -(one.missed + one.false_alarms))


class Version(_Part):
    """The version of a released model."""

    major: int = Field(ge=0)
    minor: int = Field(ge=0)
    date: str = Field(pattern=r"^\d{8}$")
    experiment: str


class ChosenThreshold(_Part):
    """A confidence threshold that was chosen for an operating target."""

    target: str
    """``recall>=0.98@95%``"""
    conf_threshold: Fraction
    checked_on: str
    """A split."""
    verdict: str
    """``met``, ``missed`` or ``unproven, n = ...``"""


class Metadata(Document):
    """``metadata.json`` beside a published model: the specification's fields, and lineage."""

    repair_hint: ClassVar[str] = "doors verify names the command that restores it"
    """Of a published model."""

    experiment_name: str
    model_architecture: str
    trained_on: AwareDatetime
    training_duration_hours: float
    hyperparameters: dict[str, Any]
    metrics: dict[str, float]
    """``val_mAP50``, ``val_mAP50_95``, ``test_mAP50``, ``test_mAP50_95``, the same with
    ``coco_`` before ``AP``, and precision and recall; absent if undefined."""
    dataset_info: dict[str, Any]
    version: str
    """``detection_v1.0_20261123_exp001``"""
    git_tag: str
    """The version as a git tag, in GTO's form: ``detection@v1.0.0+20261123.exp001``."""
    run_id: str
    code: CodeState
    dataset_sha256: Sha256
    params_sha256: Sha256
    starting_weights: StartingWeights
    artifacts: dict[FileName, Artifact]
    hardware: Hardware
    environment: Environment
    seed: int
    epochs_finished: int
    best_epoch: int
    evaluation: Evaluation
    records: dict[FileName, Sha256] = {}
    """sha256 of the documents behind the figures, by path in the run's folder; ``run.json`` as it
    was after training. Empty in documents of earlier releases."""
    files: dict[FileName, Sha256] = {}
    """sha256 of the files published beside the weights, by name. Empty in those documents too."""
    operating_target: ChosenThreshold | None = None
    """The target whose threshold the model is used at; None: at the threshold of its params."""

    @model_serializer(mode="wrap")
    def _as_before_without_target(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a document of an earlier release as it was: its pointer has its hash."""
        written: dict[str, Any] = write(self)
        if self.operating_target is None:
            written.pop("operating_target", None)
        return written

    @classmethod
    def _repair(cls, path: Path) -> str:
        if not path.with_name("run.json").exists():
            return cls.repair_hint
        return (
            f"if its model is published, {cls.repair_hint}; if not, "
            f"{shlex.join(['rm', str(path)])}: the next doors publish {path.parent.name} writes it"
        )

    @property
    def known_params(self) -> Params:
        """The hyperparameters, as far as this release knows them.

        Raises:
            ConfigError: If this release cannot use a value.
        """
        return known_params(self.hyperparameters, f"metadata.json of {self.experiment_name}")
