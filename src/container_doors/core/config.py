"""``params.yaml``, typed: read once, checked completely, immutable afterwards."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from container_doors.core.conditions import ROBUST, Conditions
from container_doors.core.errors import ConfigError
from container_doors.core.parsing import MOST_YAML_BYTES, ParsingError, parse_yaml, read_bounded
from container_doors.core.printable import one_line, shortened
from container_doors.core.section import Fraction, Section

Architecture = Literal["yolov11n", "yolov11s", "yolov11m", "yolov11l", "yolov11x"]
Optimizer = Literal["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSProp"]
Device = Annotated[str, BeforeValidator(lambda found: str(found) if type(found) is int else found)]
"""YAML reads the number of a GPU as a number; the setting is text."""
Name = Annotated[str, Field(min_length=1, max_length=128)]


_REQUIRED = {"epochs": 1, "batch_size": 16, "learning_rate": 0.001}
"""Values in place of faulty required keys, so that the other keys can be checked."""

_LONGEST_TAG = 64
_MOST_FAULTS, _LONGEST_FAULT = 50, 500
"""A file that is no params.yaml has a fault on every line."""

_MOST_RECORDED = 3
_NOT_IN_WANDB_NAMES = "/\\#?%:"


def _wandb_name(name: str) -> str:
    if name != name.strip() or not name or set(name) & set(_NOT_IN_WANDB_NAMES):
        raise ValueError(
            f"expected a name without any of {' '.join(_NOT_IN_WANDB_NAMES)} and without spaces "
            f"around it, found {name!r}"
        )
    return name


def _wandb_tag(tag: str) -> str:
    if not tag.strip() or len(tag) > _LONGEST_TAG:
        raise ValueError(f"expected 1 to {_LONGEST_TAG} characters, found {tag!r}")
    return tag


WandbName = Annotated[Name, AfterValidator(_wandb_name)]
"""The name of a project or an entity, as W&B allows it."""


_Section = TypeVar("_Section", bound=Section)


class Model(Section):
    """The network, and its weights at the start."""

    architecture: Architecture = "yolov11s"
    pretrained: bool = True
    """False starts from random weights."""
    weights: str | None = None
    """A local ``.pt`` file to start from. None: ``weights/pretrained/<architecture>.pt``,
    downloaded by Ultralytics if it is absent. Needs ``pretrained: true``."""

    @field_validator("weights")
    @classmethod
    def _weights_are_a_file(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or "://" in value or not value.isprintable()):
            raise ValueError(
                f"expected a file on this machine (download it first), found "
                f"{shortened(repr(value), 100)}"
            )
        return value

    @model_validator(mode="after")
    def _weights_need_pretrained(self) -> "Model":
        if self.weights is not None and not self.pretrained:
            raise ValueError("weights would be ignored, because pretrained is false")
        return self


class Data(Section):
    """Where the photographs are, and how many are required."""

    path: str = "data/processed/detection"
    """The folder of ``data.yaml``."""
    min_train_images: int = Field(default=101, ge=1)
    min_val_images: int = Field(default=21, ge=1)
    drawn_share: float = Field(default=0.0, ge=0, le=0.9)
    """The fraction of an epoch's photographs that are drawn ones: as many as that takes are drawn
    by lot for each epoch, and added to the real ones. Mixup, if it is on, takes any of them."""
    drawn_path: str = "data/drawn"
    """The folder of a drawn data set (``doors data sample``); only its train split is used."""
    fold: int | None = Field(default=None, ge=1)
    """A fold of ``folds.csv``, from 1: it is the run's test, the next fold its val, the others its
    train, and the test split is not used. None: the splits. ``doors crossval`` sets it."""
    trains_on: Literal["train", "all"] = "train"
    """``all``: train and val, for a last model whose number of epochs is known. Nothing is chosen
    on val then: the last epoch is the model. ``doors crossval`` sets it."""

    def drawn_each_epoch(self, photographs: int) -> int:
        """Return how many drawn photographs an epoch of so many real ones gets.

        >>> Data(drawn_share=0.2).drawn_each_epoch(100), Data().drawn_each_epoch(100)
        (25, 0)
        """
        if not self.drawn_share:
            return 0
        return max(1, round(photographs * self.drawn_share / (1 - self.drawn_share)))


class Training(Section):
    """How to train: length, batches, optimizer, device."""

    epochs: int = Field(gt=0)
    save_period: int = Field(default=1, ge=1)
    """Epochs between two resumable checkpoints; the newest two are kept."""
    batch_size: int = Field(gt=0)
    """Photographs per batch, over all GPUs together."""
    nominal_batch_size: int = Field(default=64, gt=0)
    """Photographs per optimizer step: gradients of smaller batches are accumulated up to it. With
    few photographs a smaller value learns faster."""
    optimizer: Optimizer = "AdamW"
    learning_rate: float = Field(gt=0, lt=1)
    weight_decay: float = Field(default=0.0005, ge=0, lt=1)
    warmup_epochs: float = Field(default=3, ge=0)
    warmup_bias_lr: float = Field(default=0.0, ge=0, lt=1)
    """The learning rate of the biases at the start of the warmup; Ultralytics' default, 0.1, ruins
    a training with AdamW."""
    lr_scheduler: Literal["cosine", "linear"] = "cosine"
    patience: int = Field(default=20, ge=0)
    """Early stopping: epochs without a better validation mAP50-95 before training stops; 0: off."""
    average_last: int = Field(default=0, ge=0)
    """The last epoch's weights become the mean of those of the last so many epochs, itself
    included; 0: its own. They are scored like any epoch, and are ``best.pt`` if they are the best.
    Needs all epochs: ``patience: 0``."""
    image_size_px: int = Field(default=640, ge=32, le=4096, multiple_of=32)
    """The longer side of the network's input; a multiple of its stride, 32."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Device = Field(default="auto", pattern=r"^(auto|cpu|cuda|\d+(,\d+)*)$")
    """``auto`` (one GPU, or the processor), ``cpu``, ``cuda``, or GPUs by number: ``0`` or
    ``0,1``."""
    workers: int = Field(default=8, ge=0, le=64)
    """Data loader processes at most; never more than there are cores."""
    cache: Literal["auto", "ram", "none"] = "auto"
    """Keep decoded photographs in memory. ``auto``: if they fit into half of the free memory."""

    @property
    def processes(self) -> int:
        """The number of training processes: one for each GPU that is named."""
        return self.device.count(",") + 1

    @field_validator("device")
    @classmethod
    def _each_gpu_once(cls, value: str) -> str:
        numbers = [int(number) for number in value.split(",") if number.isdecimal()]
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"expected each GPU once, found {value!r}")
        return value

    @field_validator("average_last")
    @classmethod
    def _one_is_no_average(cls, value: int) -> int:
        if value == 1:
            raise ValueError("the mean of one epoch is that epoch: write 0, or 2 and more, found 1")
        return value

    @model_validator(mode="after")
    def _average_needs_its_epochs(self) -> "Training":
        if self.average_last > self.epochs:
            most = f"{self.epochs} or less" if self.epochs > 1 else "0"
            raise ValueError(
                f"average_last of {self.average_last} epochs in a run of {self.epochs}: set it to "
                f"{most}"
            )
        if self.average_last and 0 < self.patience < self.epochs:
            raise ValueError(
                f"average_last needs the last epochs, and with a patience of {self.patience} the "
                "training may end before them: set patience to 0"
            )
        return self

    @model_validator(mode="after")
    def _batch_divides_evenly(self) -> "Training":
        if self.batch_size % self.processes:
            raise ValueError(
                f"{self.batch_size} photographs cannot be divided evenly among {self.processes} "
                "GPUs: "
                f"set batch_size to {-(-self.batch_size // self.processes) * self.processes}"
            )
        return self


class Augmentation(Section):
    """Augmentation of the training photographs; names and units are Ultralytics'.

    After it come the conditions, which are ours: see below.
    """

    hsv_h: Fraction = 0.015
    hsv_s: Fraction = 0.7
    hsv_v: Fraction = 0.4
    degrees: float = Field(default=10.0, ge=0, le=180)
    translate: Fraction = 0.1
    scale: Fraction = 0.5
    shear: float = Field(default=10.0, ge=0, lt=90)
    perspective: float = Field(default=0.0, ge=0, le=0.001)
    flipud: Fraction = 0.0
    fliplr: Fraction = 0.5
    mosaic: Fraction = 1.0
    close_mosaic: int = Field(default=10, ge=0)
    """The number of last epochs without mosaic and without mixup."""
    mixup: Fraction = 0.0
    copy_paste: float = 0.0
    preset: Literal["robust"] | None = None
    """``robust`` turns all conditions on, with the probabilities below; a probability that
    ``conditions`` has, also 0, goes first."""
    conditions: Conditions = Conditions()

    @model_validator(mode="before")
    @classmethod
    def _preset_fills_conditions(cls, section: Any) -> Any:  # noqa: ANN401 - not validated yet
        if not isinstance(section, Mapping) or section.get("preset") != "robust":
            return section
        conditions = section.get("conditions", {})
        if not isinstance(conditions, Mapping):
            return section
        filled = {
            name: {**own, "probability": probability}
            for name, probability in ROBUST.items()
            if isinstance(own := conditions.get(name, {}), Mapping)
            and own.get("probability") is None
        }
        return {**section, "conditions": {**conditions, **filled}}

    @field_validator("copy_paste")
    @classmethod
    def _copy_paste_needs_masks(cls, value: float) -> float:
        if value != 0:
            raise ValueError(f"needs masks, but doors have boxes: write 0.0, found {value!r}")
        return value


class Validation(Section):
    """The operating point: the thresholds in use. mAP does not depend on it."""

    conf_threshold: Fraction = 0.25
    iou_threshold: Fraction = 0.45
    """Two boxes with a higher IoU count as one door (non-maximum suppression)."""


class QualityLimits(Section):
    """When a detected door is refused: by default where the next step, quality, refuses it.

    See docs/predictions.md for the measures. They change no training and no box.
    """

    min_area_share: Fraction = 0.10
    """Of the photograph's area; a smaller door is refused."""
    max_area_share: Fraction = 0.90
    max_edges_touched: int = Field(default=2, ge=0, le=4)
    """Edges of the photograph that a door may touch; with more it is cut off."""
    min_brightness: Fraction = 0.25
    min_contrast: Fraction = 0.30
    min_sharpness: Fraction = 0.40

    @model_validator(mode="after")
    def _some_area_is_accepted(self) -> "QualityLimits":
        if self.min_area_share > self.max_area_share:
            raise ValueError(
                f"expected min_area_share <= max_area_share, found {self.min_area_share:g} and "
                f"{self.max_area_share:g}: every door would be refused"
            )
        return self


class Wandb(Section):
    """Where a run is tracked: Weights & Biases."""

    project: WandbName = "container-id-research"
    entity: WandbName | None = None
    """None: the default entity of the API key's owner."""
    name: Name = "detection_exp001_yolo11s_baseline"
    """The experiment's name, if the command line gives none."""
    tags: list[Annotated[str, AfterValidator(_wandb_tag)]] = Field(default_factory=list)

    @field_validator("tags")
    @classmethod
    def _each_tag_once(cls, tags: list[str]) -> list[str]:
        if len(set(tags)) < len(tags):
            raise ValueError(f"expected each tag once, found {tags!r}")
        return tags

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """``auto``: online with an API key, offline without one; WANDB_MODE overrides it."""


class Tensorboard(Section):
    """The same curves for TensorBoard, written into the run's folder."""

    enabled: bool = False


class Checkpoints(Section):
    """Checkpoints on the remote, to resume a run on another machine."""

    publish: bool = True
    """Send the newest checkpoint to DVC's remote while training; without a remote none is sent."""
    every_minutes: float = Field(default=10, gt=0)
    """The shortest interval; a lost machine costs about as much training."""


class Versioning(Section):
    """Signatures of published models and checkpoints."""

    require_signature: bool = False
    """Publish and accept only what is signed by a key in ``.allowed_signers``."""


class Publishing(Section):
    """When a finished training replaces the published model."""

    when: Literal["better", "always", "never"] = "better"
    """``better``: only with a higher mAP50-95 on val, on the same photographs and labels;
    ``never``: ``doors publish`` does it."""


class Params(Section):
    """The ``detection`` section of ``params.yaml``."""

    model: Model = Model()
    data: Data = Data()
    training: Training
    augmentation: Augmentation = Augmentation()
    validation: Validation = Validation()
    quality: QualityLimits = QualityLimits()
    wandb: Wandb = Wandb()
    tensorboard: Tensorboard = Tensorboard()
    checkpoints: Checkpoints = Checkpoints()
    publishing: Publishing = Publishing()
    versioning: Versioning = Versioning()


@dataclass(frozen=True, slots=True)
class ConfigWarning:
    """A combination of settings that is allowed but harmful."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.remedy}"


def load_params(path: Path, overrides: Sequence[str] = ()) -> Params:
    """Read and check the configuration.

    Args:
        path: The YAML file; only its ``detection`` section is read.
        overrides: Such as ``detection.training.epochs=3``; each value is read as YAML.

    Raises:
        ConfigError: With all faults at once, each with its key.
    """
    return _validate(_read(path), overrides, str(path))


def params_with(params: Params, overrides: Sequence[str], *, where: str) -> Params:
    """Override single keys of params that are not in a file, as :func:`load_params` does.

    Args:
        params: The params.
        overrides: See :func:`load_params`.
        where: The name of their source, for messages.

    Raises:
        ConfigError: As :func:`load_params`.
    """
    return _validate({"detection": params.model_dump(mode="json")}, overrides, where)


def _validate(document: dict[str, Any], overrides: Sequence[str], where: str) -> Params:
    faults = list(_apply(overrides, document))
    more = 0
    try:
        params = Params.model_validate(document["detection"])
        faults += without_effect(params)
    except ValidationError as error:
        faults += [_explain(fault) for fault in error.errors()[:_MOST_FAULTS]]
        more = max(0, error.error_count() - _MOST_FAULTS)
        faults += _without_effect_beside(error, document["detection"])
    if faults:
        lines = [shortened(fault, _LONGEST_FAULT) for fault in faults]
        lines += [f"and {more} more"] * bool(more)
        raise ConfigError(
            f"{where} has {len(faults) + more} fault(s):",
            hint="each line names the key to correct, in the file or after --set",
            faults=lines,
        )
    return params


def known_params(recorded: Mapping[str, Any], where: str) -> Params:
    """Read recorded params, as far as this release knows them.

    Unknown keys are left out: a later release wrote them. Keys that an earlier release did not
    know get the present default.

    Args:
        recorded: The ``detection`` section, with all defaults filled in.
        where: The document's name, for messages.

    Raises:
        ConfigError: If this release cannot use a value.
    """
    return _validate_known(Params, recorded, where, "detection")


def known_training(recorded: Mapping[str, Any], where: str) -> Training:
    """Read only the ``training`` section, as :func:`known_params` does.

    Raises:
        ConfigError: If this release cannot use a value.
    """
    return _validate_known(Training, recorded.get("training"), where, "detection.training")


def _validate_known(section: type[_Section], recorded: object, where: str, key: str) -> _Section:
    try:
        return section.model_validate(_without_unknown(section, recorded))
    except ValidationError as error:
        faults = [f"{'.'.join([key, *map(str, one['loc'])])}: {one['msg']}"[:_LONGEST_FAULT]
                  for one in error.errors()[:_MOST_RECORDED]]  # fmt: skip
        raise ConfigError(
            f"{where} has params that this release cannot use: {'; '.join(faults)}",
            hint="another version of container-doors wrote it: use that version "
            "(git log -- pyproject.toml), or a later one; if it was changed by hand, "
            "undo the change",
        ) from None


def with_defaults(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Add the present default of each key that the release of recorded params did not know.

    Keys that only a later release knows stay, so that params with and without them differ.
    """
    return _fill_defaults(Params, recorded)


def _fill_defaults(section: type[BaseModel], recorded: object) -> dict[str, Any]:
    filled = dict(recorded) if isinstance(recorded, Mapping) else {"": recorded}  # equal to none
    for key, field in section.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            filled[key] = _fill_defaults(below, filled.get(key, {}))
        elif key not in filled and not field.is_required():
            filled[key] = field.get_default(call_default_factory=True)
    return filled


def _without_unknown(section: type[BaseModel], recorded: object) -> object:
    if not isinstance(recorded, Mapping):
        return recorded
    known = {key: recorded[key] for key in section.model_fields if key in recorded}
    for key, value in known.items():
        below = section.model_fields[key].annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            known[key] = _without_unknown(below, value)
    return known


def warnings(params: Params) -> list[ConfigWarning]:
    """List harmful combinations of settings, each with the remedy."""
    return [warning for rule in _HARMFUL for warning in rule(params)]


def without_effect(params: Params) -> list[str]:
    """List settings without effect, because of another setting.

    A recorded run with one stays readable; a file or an override with one is refused.
    """
    return [fault for rule in _WITHOUT_EFFECT for fault in rule(params)]


def dump(params: Params) -> str:
    """Write params as YAML, for :func:`load_params`."""
    return yaml.safe_dump({"detection": params.model_dump()}, sort_keys=False)


def versioning_of(text: str, where: str) -> Versioning:
    """Read only the ``versioning`` section, from the text of another ``params.yaml``.

    Only an absent section or key gets its default: a value that cannot be read is an error.

    Args:
        text: The content of the file.
        where: Its name, for messages.

    Raises:
        ConfigError: If it is no configuration, or the section is faulty.
    """
    section = _document(text, where)["detection"].get("versioning", {})
    try:
        return Versioning.model_validate(section)
    except ValidationError as error:
        faults = [
            _explain({**fault, "loc": ("versioning", *fault["loc"])})
            for fault in error.errors()[:_MOST_RECORDED]
        ]
        raise ConfigError(
            f"{where}: {shortened('; '.join(faults), _LONGEST_FAULT)}",
            hint="correct it in a commit there; if a later release of container-doors wrote it, "
            "use that release",
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return _document(read_bounded(path, MOST_YAML_BYTES), str(path))
    except FileNotFoundError:
        raise ConfigError(
            f"no configuration at {path}", hint="run from the repository's root, or pass --config"
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder", hint="pass the file: --config FILE") from None
    except ParsingError as error:
        raise _not_yaml(str(path), error) from None


def _document(content: str | bytes, where: str) -> dict[str, Any]:
    try:
        document = parse_yaml(content)
    except ParsingError as error:
        raise _not_yaml(where, error) from None
    if not isinstance(document, dict) or not isinstance(document.get("detection"), dict):
        raise ConfigError(
            f"{where}: expected a section 'detection' with keys, found none",
            hint="doors init ../another writes a complete params.yaml: copy its section detection",
        )
    return document


def _not_yaml(path: str, error: ParsingError) -> ConfigError:
    where = path if error.line is None else f"{path}:{error.line}"
    return ConfigError(
        f"{where} is not YAML: {one_line(error)}",
        hint="correct the line, or start from another params.yaml",
    )


def _without_effect_beside(error: ValidationError, document: dict[str, Any]) -> list[str]:
    """Check the keys that are not faulty, so that all faults are reported at once."""
    faulty = {tuple(fault["loc"][:2]) for fault in error.errors()}
    valid = {
        section: {key: one for key, one in value.items() if (section, key) not in faulty}
        for section, value in document.items()
        if isinstance(value, dict) and (section,) not in faulty
    }
    valid["training"] = _REQUIRED | valid.get("training", {})
    try:
        return without_effect(Params.model_validate(valid))
    except ValidationError:
        return []


def _apply(overrides: Sequence[str], document: dict[str, Any]) -> Iterator[str]:
    """Set each override in ``document``; yield the faults of those that cannot be set.

    A key may begin with ``detection.`` or not.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        *sections, leaf = key.strip().split(".")
        if sections[:1] != ["detection"] and sections and sections[0] in Params.model_fields:
            sections = ["detection", *sections]
        if not equals:
            fault = f"--set {shortened(override)}: expected KEY=VALUE, found no '='"
            yield fault + _with_value(key)
            continue
        if sections[:1] != ["detection"]:
            fault = f"--set {shortened(override)}: expected detection.SECTION.KEY=VALUE"
            yield fault + _suggest_key(key.strip().removeprefix("detection."))
            continue
        try:
            value = parse_yaml(text)
        except ParsingError:
            yield f"--set {shortened(override)}: the value is not YAML; quote it"
            continue
        node = document
        for section in sections:
            below = node.setdefault(section, {})
            if not isinstance(below, dict):
                yield f"--set {override}: '{section}' is a value, not a section"
                break
            node = below
        else:
            node[leaf] = value


def _explain(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, not imported
    """Write one pydantic fault as a readable line."""
    key = ".".join(str(part) for part in ("detection", *fault["loc"]))
    return f"{key}: {_describe(fault)}"


def _describe(fault: Any) -> str:  # noqa: ANN401, C901, PLR0911 - a table with a row per kind of fault
    found = fault["input"]
    match fault["type"]:
        case "missing":
            return "required, but absent"
        case "extra_forbidden":
            return "no such key" + _suggest(str(fault["loc"][-1]), _keys(fault["loc"]))
        case "literal_error":
            allowed = fault["ctx"]["expected"]
            return f"expected {allowed}, found {_as_read(found)}" + _suggest(
                str(found), re.findall(r"'([^']*)'", allowed)
            )
        case "value_error":
            return f"{fault['ctx']['error']}"
        case "model_type":
            keys = ", ".join(_keys((*fault["loc"], "")))
            return f"expected a section with {keys}, found {_as_read(found)}"
        case "string_pattern_mismatch":
            return f"expected auto, cpu, cuda, or GPUs by number such as 0 or 0,1, found {found!r}"
        case "float_type" | "int_type" if isinstance(found, str) and _is_number(found):
            return f"YAML reads {found} as text; write {float(found)!r}" + (
                f" or {_with_point(found)}" if "e" in found.lower() else ""
            )
        case "float_type" | "int_type":
            kind = "a number" if fault["type"] == "float_type" else "a whole number"
            return f"expected {kind}, found {found!r}"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, found {_as_read(found)}"


def _as_read(found: object) -> str:
    """Write a value as YAML read it; a boolean may have been meant as a word.

    >>> _as_read(False), _as_read(3)
    ('false (YAML reads off, no and false without quotes so)', '3')
    """
    if not isinstance(found, bool):
        return repr(found)
    words = "on, yes and true" if found else "off, no and false"
    return f"{str(found).lower()} (YAML reads {words} without quotes so)"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _with_point(text: str) -> str:
    """Write ``1e-3`` as YAML 1.1 reads a number: with a point and a sign.

    >>> _with_point("1e-3"), _with_point("2.5e4")
    ('1.0e-3', '2.5e+4')
    """
    mantissa, exponent = text.lower().split("e")
    sign = "" if exponent[0] in "+-" else "+"
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{sign}{exponent}"


def _suggest(found: str, known: Sequence[str]) -> str:
    """Suggest a similar name, or list the known names if none is similar."""
    if not known:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(found[:100].lower(), by_lower, n=1)
    if near:
        return f"; did you mean '{by_lower[near[0]]}'?"
    return f"; known here: {', '.join(known)}"


def _suggest_key(key: str) -> str:
    """Suggest the complete key for a part of one, or a similar key."""
    near = _near_keys(key)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _with_value(key: str) -> str:
    """Write the option with the complete key, for one that was given without a value."""
    near = [f"--set {one}=VALUE" for one in _near_keys(key.strip().removeprefix("detection."))]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _near_keys(key: str) -> list[str]:
    known = list(_leaves(Params, "detection"))
    ends = [name for name in known if name.endswith(f".{key}")]
    return ends or difflib.get_close_matches(f"detection.{key[:100]}", known, n=1)


def _leaves(section: type[BaseModel], key: str) -> Iterator[str]:
    """Yield the complete key of every value in a section and the sections in it."""
    for name, field in section.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, Section):
            yield from _leaves(below, f"{key}.{name}")
        else:
            yield f"{key}.{name}"


def _keys(location: Sequence[str | int]) -> list[str]:
    """List the keys of the section that contains ``location``."""
    section: type[BaseModel] = Params
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        section = annotation
    return list(section.model_fields)


def _patience_above_epochs(params: Params) -> Iterator[ConfigWarning]:
    training = params.training
    if training.patience >= training.epochs > 1:
        yield ConfigWarning(
            "detection.training.patience",
            f"{training.patience} epochs of patience in a run of {training.epochs} "
            "can never stop it early",
            f"set it below {training.epochs}, or to 0 to turn early stopping off",
        )


def _warmup_longer_than_the_run(params: Params) -> Iterator[ConfigWarning]:
    training = params.training
    if training.warmup_epochs >= training.epochs:
        yield ConfigWarning(
            "detection.training.warmup_epochs",
            f"the learning rate is still rising when a run of {training.epochs} epoch(s) ends",
            f"set it to {max(training.epochs // 10, 0)}",
        )


def _adaptive_optimizer_with_bias_warmup(params: Params) -> Iterator[ConfigWarning]:
    training = params.training
    if training.warmup_bias_lr > 0 and training.warmup_epochs > 0 and training.optimizer != "SGD":
        yield ConfigWarning(
            "detection.training.warmup_bias_lr",
            f"{training.optimizer} starts its biases at a learning rate of "
            f"{training.warmup_bias_lr:g}, which ruins pretrained weights in the first epoch",
            "set it to 0.0",
        )


def _upside_down_doors(params: Params) -> Iterator[ConfigWarning]:
    if params.augmentation.flipud > 0:
        yield ConfigWarning(
            "detection.augmentation.flipud",
            "no camera sees container doors upside down",
            "set it to 0.0",
        )


def _mixing_never_used(params: Params) -> Iterator[ConfigWarning]:
    augmentation, epochs = params.augmentation, params.training.epochs
    mixing = [name for name in ("mosaic", "mixup") if getattr(augmentation, name) > 0]
    if mixing and augmentation.close_mosaic >= epochs:
        yield ConfigWarning(
            "detection.augmentation.close_mosaic",
            f"the last {augmentation.close_mosaic} epochs have no mosaic and no mixup, "
            f"and the run has {epochs}: {' and '.join(mixing)} "
            f"{'is' if len(mixing) == 1 else 'are'} never used",
            f"set it to {epochs // 10}",
        )
    if not mixing and 0 < augmentation.close_mosaic == _default(augmentation, "close_mosaic"):
        yield ConfigWarning(
            "detection.augmentation.close_mosaic",
            f"{augmentation.close_mosaic} changes nothing, because mosaic and mixup are 0",
            "set it to 0",
        )


def _unused_wandb_settings(params: Params) -> Iterator[ConfigWarning]:
    """Warn, but do not refuse: one run with a team's file may be private."""
    chosen = [
        key
        for key in ("entity", "project")
        if getattr(params.wandb, key) != _default(params.wandb, key)
    ]
    if params.wandb.mode == "disabled" and chosen:
        yield ConfigWarning(
            "detection.wandb.mode",
            f"{' and '.join(chosen)} of detection.wandb are not used, because W&B is disabled",
            "set it to auto, online or offline, if W&B should show the run",
        )


def _nominal_batch_below_the_batch(params: Params) -> Iterator[ConfigWarning]:
    training = params.training
    nominal, batch = training.nominal_batch_size, training.batch_size
    if nominal < batch:
        yield ConfigWarning(
            "detection.training.nominal_batch_size",
            f"{nominal} is less than batch_size {batch}: the weights still change once in a batch, "
            f"and Ultralytics multiplies the weight decay by {batch / nominal:g}",
            f"set it to {batch} or more, or batch_size to {nominal}",
        )


_HARMFUL = (
    _nominal_batch_below_the_batch,
    _patience_above_epochs,
    _warmup_longer_than_the_run,
    _adaptive_optimizer_with_bias_warmup,
    _upside_down_doors,
    _mixing_never_used,
    _unused_wandb_settings,
)


def _bias_rate_without_warmup(params: Params) -> Iterator[str]:
    training = params.training
    if training.warmup_bias_lr > 0 and training.warmup_epochs == 0:
        yield (
            f"detection.training.warmup_bias_lr: {training.warmup_bias_lr:g} would be ignored, "
            "because warmup_epochs is 0; write 0.0"
        )


def _close_mosaic_without_mixing(params: Params) -> Iterator[str]:
    """Yield a fault only for a chosen value: the default is allowed without mosaic."""
    augmentation = params.augmentation
    last = augmentation.close_mosaic
    is_chosen = last not in {0, _default(augmentation, "close_mosaic")}
    if is_chosen and augmentation.mosaic == augmentation.mixup == 0:
        yield (
            f"detection.augmentation.close_mosaic: {last} would be ignored, because mosaic and "
            "mixup are 0; write 0"
        )


def _interval_without_publishing(params: Params) -> Iterator[str]:
    checkpoints = params.checkpoints
    default = _default(checkpoints, "every_minutes")
    if not checkpoints.publish and checkpoints.every_minutes != default:
        yield (
            f"detection.checkpoints.every_minutes: {checkpoints.every_minutes:g} would be ignored, "
            f"because publish is false; leave it at {default}"
        )


def _folder_without_share(params: Params) -> Iterator[str]:
    data = params.data
    if not data.drawn_share and data.drawn_path != _default(data, "drawn_path"):
        yield (
            f"detection.data.drawn_path: {data.drawn_path} would be ignored, because drawn_share "
            f"is 0; leave it at {_default(data, 'drawn_path')}"
        )


def _range_without_probability(params: Params) -> Iterator[str]:
    conditions = params.augmentation.conditions
    for name, condition in conditions.each():
        for key in ("low", "high"):
            value = getattr(condition, key)
            if not condition.probability and value != _default(condition, key):
                yield (
                    f"detection.augmentation.conditions.{name}.{key}: {value:g} would be ignored, "
                    f"because probability is 0; leave it at {_default(condition, key)}"
                )


def _fold_of_everything(params: Params) -> Iterator[str]:
    if params.data.fold is not None and params.data.trains_on == "all":
        yield (
            f"detection.data.fold: {params.data.fold} would be ignored, because trains_on is all; "
            "write null"
        )


def _patience_without_val(params: Params) -> Iterator[str]:
    patience = params.training.patience
    if params.data.trains_on == "all" and patience:
        yield (
            f"detection.training.patience: {patience} would stop the training by photographs that "
            "are trained on, because trains_on is all; write 0"
        )


def _default(section: Section, key: str) -> object:
    return type(section).model_fields[key].default


_WITHOUT_EFFECT = (
    _bias_rate_without_warmup,
    _close_mosaic_without_mixing,
    _interval_without_publishing,
    _range_without_probability,
    _folder_without_share,
    _fold_of_everything,
    _patience_without_val,
)
