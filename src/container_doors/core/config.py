"""``params.yaml``, typed: read once, checked whole, frozen afterwards."""

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
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from container_doors.core.errors import ConfigError
from container_doors.core.parsing import (
    MOST_YAML_BYTES,
    ParsingError,
    parse_yaml,
    read_bounded,
    shortened,
)
from container_doors.core.printable import one_line

Architecture = Literal["yolov11n", "yolov11s", "yolov11m", "yolov11l", "yolov11x"]
Optimizer = Literal["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSProp"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Device = Annotated[str, BeforeValidator(lambda found: str(found) if type(found) is int else found)]
"""YAML reads a GPU's number as a number."""
Name = Annotated[str, Field(min_length=1, max_length=128)]


_REQUIRED = {"epochs": 1, "batch_size": 16, "learning_rate": 0.001}
"""Stand in for required keys that are faulty, while the others are looked at."""

_LONGEST_TAG = 64
_MOST_FAULTS, _LONGEST_FAULT = 50, 500
"""A file that is none of ours has a fault for each of its lines."""

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
"""A project or an entity, as W&B takes it."""


class Section(BaseModel):
    """A section of ``params.yaml``: unknown keys and wrong types are errors, not guesses."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_Section = TypeVar("_Section", bound=Section)


class Model(Section):
    """Which network, and what it knows at the start."""

    architecture: Architecture = "yolov11s"
    pretrained: bool = True
    """False starts from random weights."""
    weights: str | None = None
    """A local ``.pt`` to start from. None: ``weights/pretrained/<architecture>.pt``,
    downloaded by Ultralytics when it is not there. Needs ``pretrained: true``."""

    @model_validator(mode="after")
    def _weights_need_pretrained(self) -> "Model":
        if self.weights is not None and not self.pretrained:
            raise ValueError("weights would be ignored, because pretrained is false")
        return self


class Data(Section):
    """Where the photographs are, and how many are enough."""

    path: str = "data/processed/detection"
    """The folder of ``data.yaml``."""
    min_train_images: int = Field(default=101, ge=1)
    min_val_images: int = Field(default=21, ge=1)


class Training(Section):
    """How long and how hard to train."""

    epochs: int = Field(gt=0)
    save_period: int = Field(default=1, ge=1)
    """Epochs between two resumable checkpoints; the newest two are kept."""
    batch_size: int = Field(gt=0)
    """Photographs per step over all GPUs together."""
    nominal_batch_size: int = Field(default=64, gt=0)
    """Photographs per change of the weights: smaller batches are summed until so many were seen.
    A run of few photographs learns faster with a smaller one."""
    optimizer: Optimizer = "AdamW"
    learning_rate: float = Field(gt=0, lt=1)
    weight_decay: float = Field(default=0.0005, ge=0, lt=1)
    warmup_epochs: float = Field(default=3, ge=0)
    warmup_bias_lr: float = Field(default=0.0, ge=0, lt=1)
    """The rate at which biases start to warm up; Ultralytics' 0.1 ruins AdamW."""
    lr_scheduler: Literal["cosine", "linear"] = "cosine"
    patience: int = Field(default=20, ge=0)
    """Epochs without a better validation mAP50-95 before training stops; 0 never stops it."""
    image_size_px: int = Field(default=640, ge=32, le=4096, multiple_of=32)
    """The longer side that the network sees; its stride is 32."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Device = Field(default="auto", pattern=r"^(auto|cpu|cuda|\d+(,\d+)*)$")
    """``auto`` (one GPU, or the processor), ``cpu``, ``cuda``, or GPUs by number: ``0`` or
    ``0,1``."""
    workers: int = Field(default=8, ge=0, le=64)
    """Loader processes at most; never more than there are cores."""
    cache: Literal["auto", "ram", "none"] = "auto"
    """Decoded photographs in memory. ``auto``: when half of the free memory holds them."""

    @property
    def processes(self) -> int:
        """How many train together: one for each GPU that is named."""
        return self.device.count(",") + 1

    @field_validator("device")
    @classmethod
    def _each_gpu_once(cls, value: str) -> str:
        numbers = [int(number) for number in value.split(",") if number.isdecimal()]
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"expected each GPU once, found {value!r}")
        return value

    @model_validator(mode="after")
    def _batch_is_shared_evenly(self) -> "Training":
        if self.batch_size % self.processes:
            raise ValueError(
                f"{self.batch_size} photographs a step cannot be shared by {self.processes} GPUs: "
                f"set batch_size to {-(-self.batch_size // self.processes) * self.processes}"
            )
        return self


class Augmentation(Section):
    """How training photographs are varied; the names and units are Ultralytics'."""

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
    """The last epochs, that are trained without mosaic and without mixup."""
    mixup: Fraction = 0.0
    copy_paste: float = 0.0

    @field_validator("copy_paste")
    @classmethod
    def _copy_paste_needs_masks(cls, value: float) -> float:
        if value != 0:
            raise ValueError(f"needs masks, and doors have boxes: write 0.0, found {value!r}")
        return value


class Validation(Section):
    """The operating point: how the model will be used. mAP is never measured at it."""

    conf_threshold: Fraction = 0.25
    iou_threshold: Fraction = 0.45
    """Two boxes that overlap more than this are one door (non-maximum suppression)."""


class Wandb(Section):
    """Where a run is shown."""

    project: WandbName = "container-id-research"
    entity: WandbName | None = None
    """None: the default of whoever's key it is."""
    name: Name = "detection_exp001_yolo11s_baseline"
    """The experiment's name where the command line gives none."""
    tags: list[Annotated[str, AfterValidator(_wandb_tag)]] = Field(default_factory=list)

    @field_validator("tags")
    @classmethod
    def _each_tag_once(cls, tags: list[str]) -> list[str]:
        if len(set(tags)) < len(tags):
            raise ValueError(f"expected each tag once, found {tags!r}")
        return tags

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """``auto``: online with a key, offline without one; WANDB_MODE decides where it is set."""


class Tensorboard(Section):
    """The same curves for TensorBoard, written into the run's folder."""

    enabled: bool = False


class Checkpoints(Section):
    """Where a cut-off run is gone on with from another machine."""

    publish: bool = True
    """Send the newest checkpoint to DVC's remote while training; without a remote none is sent."""
    every_minutes: float = Field(default=10, gt=0)
    """At most so often: what a lost machine costs."""


class Versioning(Section):
    """What a published model and its checkpoints have to prove."""

    require_signature: bool = False
    """Publish and take only what is signed by a key of ``.allowed_signers``."""


class Publishing(Section):
    """When a training that has ended well puts its model in the place of the published one."""

    when: Literal["better", "always"] = "better"
    """``better``: only with a higher mAP50-95 on val, on the same photographs and labels."""


class Params(Section):
    """The whole of ``params.yaml``'s ``detection`` section."""

    model: Model = Model()
    data: Data = Data()
    training: Training
    augmentation: Augmentation = Augmentation()
    validation: Validation = Validation()
    wandb: Wandb = Wandb()
    tensorboard: Tensorboard = Tensorboard()
    checkpoints: Checkpoints = Checkpoints()
    publishing: Publishing = Publishing()
    versioning: Versioning = Versioning()


@dataclass(frozen=True, slots=True)
class Warned:
    """A combination that is allowed and will hurt."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.remedy}"


def load_params(path: Path, overrides: Sequence[str] = ()) -> Params:
    """Read and check the configuration.

    Args:
        path: The YAML file; only its ``detection`` section is read.
        overrides: ``detection.training.epochs=3``, each value read as YAML.

    Raises:
        ConfigError: Listing every fault at once, each with the key that it concerns.
    """
    return _checked(_read(path), overrides, str(path))


def params_with(params: Params, overrides: Sequence[str], *, where: str) -> Params:
    """Override single keys, as :func:`load_params` does, of params that stand elsewhere.

    Args:
        params: What is known.
        overrides: See :func:`load_params`.
        where: Names the two.

    Raises:
        ConfigError: As :func:`load_params`.
    """
    return _checked({"detection": params.model_dump(mode="json")}, overrides, where)


def _checked(document: dict[str, Any], overrides: Sequence[str], where: str) -> Params:
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
            hint="each line names the key to mend, in the file or after --set",
            faults=lines,
        )
    return params


def known_params(recorded: Mapping[str, Any], where: str) -> Params:
    """Read params that a document keeps, as far as this release knows them.

    What it does not know is left out: a later release wrote it. What an earlier one did not know
    has today's default.

    Args:
        recorded: The ``detection`` section, as it was resolved.
        where: Names the document.

    Raises:
        ConfigError: If a value is none that this release can use.
    """
    return _known(Params, recorded, where, "detection")


def known_training(recorded: Mapping[str, Any], where: str) -> Training:
    """Read the ``training`` section alone, as :func:`known_params` does.

    Raises:
        ConfigError: If a value is none that this release can use.
    """
    return _known(Training, recorded.get("training"), where, "detection.training")


def _known(section: type[_Section], recorded: object, where: str, key: str) -> _Section:
    try:
        return section.model_validate(_without_unknown(section, recorded))
    except ValidationError as error:
        faults = [f"{'.'.join([key, *map(str, one['loc'])])}: {one['msg']}"[:_LONGEST_FAULT]
                  for one in error.errors()[:_MOST_RECORDED]]  # fmt: skip
        raise ConfigError(
            f"{where} has params that this release cannot use: {'; '.join(faults)}",
            hint="it was written by another version of container-doors, which needs these: use "
            "that one (git log -- pyproject.toml), or a later one; if it was changed by hand, "
            "put that back",
        ) from None


def with_defaults(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Add to recorded params what their release did not know: its default, as of today.

    What a later release knew stays, so that these are not taken for params without it.
    """
    return _filled(Params, recorded)


def _filled(section: type[BaseModel], recorded: object) -> dict[str, Any]:
    filled = dict(recorded) if isinstance(recorded, Mapping) else {"": recorded}  # equal to none
    for key, field in section.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            filled[key] = _filled(below, filled.get(key, {}))
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


def warnings(params: Params) -> list[Warned]:
    """Name what is allowed and harmful, each with the remedy."""
    return [warned for rule in _HARMFUL for warned in rule(params)]


def without_effect(params: Params) -> list[str]:
    """Name what was chosen and would change nothing, because of another setting.

    A run that was recorded with it stays readable; a file or an override with it is refused.
    """
    return [fault for rule in _WITHOUT_EFFECT for fault in rule(params)]


def dump(params: Params) -> str:
    """Write params the way that :func:`load_params` reads them."""
    return yaml.safe_dump({"detection": params.model_dump()}, sort_keys=False)


def versioning_of(text: str, where: str) -> Versioning:
    """Read what a ``params.yaml`` that is not here asks for, all its other sections aside.

    Only a section or key that is absent has its default: what cannot be understood is no "no".

    Args:
        text: What it says.
        where: Names it.

    Raises:
        ConfigError: If it is no configuration, or the section is faulty.
    """
    asked = _document(text, where)["detection"].get("versioning", {})
    try:
        return Versioning.model_validate(asked)
    except ValidationError as error:
        faults = [
            _explain({**fault, "loc": ("versioning", *fault["loc"])})
            for fault in error.errors()[:_MOST_RECORDED]
        ]
        raise ConfigError(
            f"{where}: {shortened('; '.join(faults), _LONGEST_FAULT)}",
            hint="mend it in a commit there; if a later release of container-doors wrote it, use "
            "that one",
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
            hint="start from the params.yaml of this repository",
        )
    return document


def _not_yaml(path: str, error: ParsingError) -> ConfigError:
    where = path if error.line is None else f"{path}:{error.line}"
    return ConfigError(
        f"{where} is not YAML: {one_line(error)}",
        hint="mend the line, or start from another params.yaml",
    )


def _without_effect_beside(error: ValidationError, document: dict[str, Any]) -> list[str]:
    """Look at what is left when the faulty keys are not: all faults are named at once."""
    faulty = {tuple(fault["loc"][:2]) for fault in error.errors()}
    sound = {
        section: {key: one for key, one in value.items() if (section, key) not in faulty}
        for section, value in document.items()
        if isinstance(value, dict) and (section,) not in faulty
    }
    sound["training"] = _REQUIRED | sound.get("training", {})
    try:
        return without_effect(Params.model_validate(sound))
    except ValidationError:
        return []


def _apply(overrides: Sequence[str], document: dict[str, Any]) -> Iterator[str]:
    """Set each override in ``document``; yield the faults of those that cannot be.

    A key is written with ``detection.`` or without it, as documents and messages name it.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        *sections, leaf = key.strip().split(".")
        if sections[:1] != ["detection"] and sections and sections[0] in Params.model_fields:
            sections = ["detection", *sections]
        if not equals or sections[:1] != ["detection"]:
            fault = f"--set {shortened(override)}: expected detection.SECTION.KEY=VALUE"
            yield fault + _meant(key.strip().removeprefix("detection."))
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


def _explain(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, kept at arm's length
    """Turn one pydantic fault into a line that a person would write."""
    key = ".".join(str(part) for part in ("detection", *fault["loc"]))
    return f"{key}: {_complaint(fault)}"


def _complaint(fault: Any) -> str:  # noqa: ANN401, PLR0911 - a table with a row per kind of fault
    found = fault["input"]
    match fault["type"]:
        case "missing":
            return "required, and absent"
        case "extra_forbidden":
            return "no such key" + _nearest(str(fault["loc"][-1]), _keys(fault["loc"]))
        case "literal_error":
            allowed = fault["ctx"]["expected"]
            return f"expected {allowed}, found {found!r}" + _nearest(
                str(found), re.findall(r"'([^']*)'", allowed)
            )
        case "value_error":
            return f"{fault['ctx']['error']}"
        case "string_pattern_mismatch":
            return f"expected auto, cpu, cuda, or GPUs by number such as 0 or 0,1, found {found!r}"
        case "float_type" | "int_type" if isinstance(found, str) and _is_number(found):
            return f"YAML reads {found} as text; write {float(found)!r}" + (
                f" or {_with_point(found)}" if "e" in found.lower() else ""
            )
        case "float_type" | "int_type":
            kind = "a number" if fault["type"] == "float_type" else "a whole number"
            return f"expected {kind}, found {found!r}"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, found {found!r}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _with_point(text: str) -> str:
    """Spell ``1e-3`` the way that YAML 1.1 reads as a number: with a point and a sign.

    >>> _with_point("1e-3"), _with_point("2.5e4")
    ('1.0e-3', '2.5e+4')
    """
    mantissa, exponent = text.lower().split("e")
    sign = "" if exponent[0] in "+-" else "+"
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{sign}{exponent}"


def _nearest(found: str, known: Sequence[str]) -> str:
    """Suggest a spelling, or list what there is when nothing is near."""
    if not known:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(found[:100].lower(), by_lower, n=1)
    if near:
        return f"; did you mean '{by_lower[near[0]]}'?"
    return f"; known here: {', '.join(known)}"


def _meant(key: str) -> str:
    """Suggest the whole of a key of which a part was written, or something near it."""
    known = [
        f"detection.{name}.{leaf}"
        for name, field in Params.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for leaf in field.annotation.model_fields
    ]
    ends = [name for name in known if name.endswith(f".{key}")]
    near = ends or difflib.get_close_matches(f"detection.{key[:100]}", known, n=1)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _keys(location: Sequence[str | int]) -> list[str]:
    """List every key of the section that ``location`` lies in."""
    section: type[BaseModel] = Params
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        section = annotation
    return list(section.model_fields)


def _patience_above_epochs(params: Params) -> Iterator[Warned]:
    training = params.training
    if training.patience >= training.epochs > 1:
        yield Warned(
            "detection.training.patience",
            f"{training.patience} epochs of patience in a run of {training.epochs} "
            "can never stop it early",
            f"set it below {training.epochs}, or to 0 to say that it never stops early",
        )


def _warmup_longer_than_the_run(params: Params) -> Iterator[Warned]:
    training = params.training
    if training.warmup_epochs >= training.epochs:
        yield Warned(
            "detection.training.warmup_epochs",
            f"the rate is still rising when a run of {training.epochs} epoch(s) ends",
            f"set it to {max(training.epochs // 10, 0)}",
        )


def _adaptive_optimizer_with_bias_warmup(params: Params) -> Iterator[Warned]:
    training = params.training
    if training.warmup_bias_lr > 0 and training.warmup_epochs > 0 and training.optimizer != "SGD":
        yield Warned(
            "detection.training.warmup_bias_lr",
            f"{training.optimizer} starts its biases at a rate of {training.warmup_bias_lr:g} "
            "and forgets in the first epoch what it knew",
            "set it to 0.0",
        )


def _upside_down_doors(params: Params) -> Iterator[Warned]:
    if params.augmentation.flipud > 0:
        yield Warned(
            "detection.augmentation.flipud",
            "no camera sees a container's doors upside down",
            "set it to 0.0",
        )


def _never_mixed(params: Params) -> Iterator[Warned]:
    augmentation, epochs = params.augmentation, params.training.epochs
    mixing = [name for name in ("mosaic", "mixup") if getattr(augmentation, name) > 0]
    if mixing and augmentation.close_mosaic >= epochs:
        yield Warned(
            "detection.augmentation.close_mosaic",
            f"the last {augmentation.close_mosaic} epochs have no mosaic and no mixup, "
            f"and the run has {epochs}: {' and '.join(mixing)} "
            f"{'is' if len(mixing) == 1 else 'are'} never used",
            f"set it to {epochs // 10}",
        )
    if not mixing and 0 < augmentation.close_mosaic == _default(augmentation, "close_mosaic"):
        yield Warned(
            "detection.augmentation.close_mosaic",
            f"{augmentation.close_mosaic} changes nothing, because mosaic and mixup are 0",
            "set it to 0",
        )


def _shown_to_nobody(params: Params) -> Iterator[Warned]:
    """Not refused: one run of a team's file may be private."""
    chosen = [
        key
        for key in ("entity", "project")
        if getattr(params.wandb, key) != _default(params.wandb, key)
    ]
    if params.wandb.mode == "disabled" and chosen:
        yield Warned(
            "detection.wandb.mode",
            f"{' and '.join(chosen)} of detection.wandb are not used, because W&B is disabled",
            "set it to auto, online or offline, if the run is to be shown",
        )


_HARMFUL = (
    _patience_above_epochs,
    _warmup_longer_than_the_run,
    _adaptive_optimizer_with_bias_warmup,
    _upside_down_doors,
    _never_mixed,
    _shown_to_nobody,
)


def _bias_rate_without_warmup(params: Params) -> Iterator[str]:
    training = params.training
    if training.warmup_bias_lr > 0 and training.warmup_epochs == 0:
        yield (
            f"detection.training.warmup_bias_lr: {training.warmup_bias_lr:g} would be ignored, "
            "because warmup_epochs is 0; write 0.0"
        )


def _end_of_what_never_begins(params: Params) -> Iterator[str]:
    """Only where somebody chose it: the default stands beside any mosaic."""
    augmentation = params.augmentation
    last = augmentation.close_mosaic
    is_chosen = last not in {0, _default(augmentation, "close_mosaic")}
    if is_chosen and augmentation.mosaic == augmentation.mixup == 0:
        yield (
            f"detection.augmentation.close_mosaic: {last} would be ignored, because mosaic and "
            "mixup are 0; write 0"
        )


def _pace_of_what_is_not_sent(params: Params) -> Iterator[str]:
    checkpoints = params.checkpoints
    usual = _default(checkpoints, "every_minutes")
    if not checkpoints.publish and checkpoints.every_minutes != usual:
        yield (
            f"detection.checkpoints.every_minutes: {checkpoints.every_minutes:g} would be ignored, "
            f"because publish is false; leave it at {usual}"
        )


def _default(section: Section, key: str) -> object:
    return type(section).model_fields[key].default


_WITHOUT_EFFECT = (
    _bias_rate_without_warmup,
    _end_of_what_never_begins,
    _pace_of_what_is_not_sent,
)
