"""Measured values with their confidence intervals, and the JSON documents that hold them.

An undefined value is absent, never zero: a recall without a door, or a false-alarm rate without a
photograph that has no door.
"""

import math
from statistics import NormalDist
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from container_doors.core.records import Document, Latency, Sha256

CONFIDENCE_LEVEL = 0.95

PROVEN, NO_DOOR = "at least", "no door"
"""A slice's verdict: it begins with the first if its recall is proven; the second: no door."""


def wilson(hits: float, total: float, *, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Return Wilson's score interval of a fraction: doi.org/10.1080/01621459.1927.10502953.

    >>> [round(bound, 3) for bound in wilson(75, 76)]
    [0.929, 0.998]
    """
    return score_interval(hits / total, total, normal_quantile(level))


def score_interval(fraction: float, total: float, z: float) -> tuple[float, float]:
    """Return the score interval of a fraction of ``total`` samples.

    Args:
        fraction: Between 0 and 1.
        total: Above 0. An effective sample size need not be a whole number.
        z: The standard deviations on each side.
    """
    square = z**2
    centre = (fraction + square / (2 * total)) / (1 + square / total)
    spread = math.sqrt(fraction * (1 - fraction) / total + square / (4 * total**2))
    half = z * spread / (1 + square / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def normal_quantile(level: float) -> float:
    """Return how many standard deviations on each side contain a proportion of ``level``.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def format_fraction(fraction: float) -> str:
    """Write a fraction with two decimals, or with as many as it has.

    >>> format_fraction(0.9), format_fraction(0.985)
    ('0.90', '0.985')
    """
    return max(f"{fraction:.2f}", f"{fraction:g}", key=len)


class Value(BaseModel):
    """A frozen record. Fields that only a later release knows are kept, and not used."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Measured(Document):
    """A document measured on a trained model; it can be measured again without a new training."""

    repair_hint: ClassVar[str] = (
        "delete it, and measure it again with the doors command that wrote it"
    )


class UseCounts(Value):
    """How often a test set was used, the last use included."""

    at_this: int
    """Of this test set: exactly these photographs and labels."""
    at_any: int
    """Of any test set: also before a photograph or a label changed."""

    def __str__(self) -> str:
        more = "" if self.at_any == self.at_this else f" ({self.at_any} of any test set)"
        return f"{self.at_this}{more}"


class Estimate(Value):
    """A measured value, its confidence interval, and its sample size."""

    value: float
    low: float
    high: float
    n: int
    of: str
    """What ``n`` counts: ``doors``, ``detections``, ``photographs``."""
    level: float = CONFIDENCE_LEVEL

    def __str__(self) -> str:
        at = "" if self.level == CONFIDENCE_LEVEL else f" at {100 * self.level:.4g} %"
        return f"{self.value:.3f} ({self.bounds()}{at}, n = {self.n} {self.of})"

    def bounds(self, digits: int = 3) -> str:
        """Write the interval's bounds, rounded outwards.

        >>> Estimate(value=0.95, low=0.8999, high=0.9771, n=98, of="doors").bounds()
        '0.899 to 0.978'
        """
        scale = 10**digits
        low, high = math.floor(self.low * scale) / scale, math.ceil(self.high * scale) / scale
        return f"{low:.{digits}f} to {high:.{digits}f}"


BoxXyxy = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


class Photograph(Value):
    """One photograph: its labels, and every detection of the model."""

    image: str
    """Relative to the run's view of the data: ``images/test/img_001.jpg``."""
    width_px: int
    height_px: int
    doors_xyxy: list[BoxXyxy]
    scored_xyxy: list[BoxXyxy]
    """Detections down to a confidence of 0.001, for average precision."""
    scored_confidences: list[float]
    scored_is_door: list[Annotated[str, Field(pattern=r"^[01]{10}$")]] | None = None
    """For each detection: "1" (a door) or "0", at the IoU thresholds 0.50, 0.55, ..., 0.95, as
    Ultralytics matched it; None if the evaluator does not report its matches."""
    used_xyxy: list[BoxXyxy]
    """Detections in use: one photograph at a time, also down to a confidence of 0.001. Those at or
    above a threshold are the detections at that threshold."""
    used_confidences: list[float]
    duration_ms: float | None = None
    appearance: dict[str, str] | None = None
    """Brightness and sharpness in words, measured when it was detected; None in documents of
    earlier releases."""

    @model_validator(mode="after")
    def _every_box_has_its_own(self) -> "Photograph":
        rows = self.scored_xyxy if self.scored_is_door is None else self.scored_is_door
        if {len(self.scored_confidences), len(rows)} != {len(self.scored_xyxy)}:
            raise ValueError("expected a confidence for each scored box")
        if len(self.used_confidences) != len(self.used_xyxy):
            raise ValueError("expected a confidence for each box in use")
        return self


class Detected(Measured):
    """``runs/<experiment>/evaluation/<split>/detections.json``: all detections of ``best.pt``."""

    run_id: str
    weights_sha256: Sha256
    files_sha256: Sha256
    """Of the split's photographs and labels."""
    split: str
    image_size_px: int
    iou_threshold: float
    """Of non-maximum suppression, in use."""
    ultralytics: dict[str, float]
    device: str
    """The device of the detections and their timings."""
    timing_method: str
    photographs: list[Photograph]


class Slice(Value):
    """The scores on a part of the photographs, or of the doors."""

    attribute: str
    value: str
    photographs: int
    doors: int
    scores: dict[str, Estimate]
    """``recall``; also ``precision`` and ``AP50`` if the slice consists of whole photographs."""
    verdict: str
    """Begins with :data:`PROVEN`, or is :data:`NO_DOOR`, or names what is not proven."""

    @property
    def is_proven(self) -> bool:
        """Whether the recall is proven to reach the target, or the slice has no door."""
        return self.verdict == NO_DOOR or self.verdict.startswith(PROVEN)


class FalseAlarms(Value):
    """False alarms on photographs without a door, at one threshold."""

    conf_threshold: float
    per_photograph: Estimate
    photographs_with_one: Estimate


class Mistake(Value):
    """One wrong box, and its kind of error."""

    kind: str
    """``missed``, ``false alarm``, ``badly placed``, ``duplicate`` (as TIDE has them), ``loose``,
    or ``label in doubt``: a false alarm of high confidence."""
    image: str
    box_xyxy: BoxXyxy
    weight: float
    what: str


class ErrorKind(Value):
    """The cost of one kind of error, over all confidences: TIDE's totals (arXiv 2008.08115)."""

    kind: str
    count: int
    ap50_gain: float | None
    """How much higher AP50 (COCO's) would be without it; None if no door would be left."""
    low: float | None
    high: float | None
    """The bounds of the 95 % confidence interval; None if too few scenes have this error."""
    photographs: int

    def __str__(self) -> str:
        if self.ap50_gain is None:
            return f"undefined, n = {self.photographs} photographs: no door is found"
        bounds = (
            "too few scenes for an interval"
            if self.low is None
            else f"{self.low:.3f} to {self.high:.3f}"
        )
        return f"{self.ap50_gain:+.3f} ({bounds}, n = {self.photographs} photographs)"


class TargetCheck(Value):
    """An operating target, the threshold chosen for it on validation, and whether it is met."""

    promise: str
    conf_threshold: float
    chosen_split: str = "val"
    """``val``, or ``folds`` for the last model of a cross-validation."""
    chosen_on: Estimate
    checked_on: Estimate
    verdict: str
    """``met``, ``missed`` or ``unproven``; releases up to 0.1 wrote ``kept`` and ``broken``."""
    price: Estimate | None = None
    """The cost at that threshold, on the split of the check. For a target recall: the false alarms
    per photograph without a door. For target false alarms: the recall. None if it is undefined."""

    @field_validator("verdict")
    @classmethod
    def _as_it_is_called_now(cls, value: str) -> str:
        return {"kept": "met", "broken": "missed"}.get(value, value)


class Assessment(Value):
    """A split's scores, with their confidence intervals."""

    files_sha256: Sha256
    """Of the split's photographs and labels."""
    attributes_sha256: Sha256 | None
    """Of the scenes and attributes in attributes.csv; None: there is no such file. Earlier releases
    wrote the file's own hash, so their measurements with attributes are made again."""
    changed: list[str]
    """What has changed since the run was trained, in sentences."""
    split: str
    image_size_px: int
    photographs: int
    doors: int
    background_images: int
    scenes: int | None
    """Their number, if attributes.csv names them; None: each photograph counts as one scene."""
    conf_threshold: float
    recall_target: float
    """The recall that each slice should reach: 0.90, or that of the operating target."""
    scores: dict[str, Estimate]
    """By the names in ``docs/metrics.md``; an undefined score is in ``undefined`` instead."""
    undefined: dict[str, str]
    slices: list[Slice]
    false_alarms: list[FalseAlarms]
    mistakes: list[Mistake]
    """Worst first."""
    error_kinds: list[ErrorKind]
    """Empty without a door."""
    precision_recall: list[tuple[float, float]]
    """The points (recall, precision) at an IoU of 0.5, by COCO's matches: one for each found door,
    from the highest confidence to the lowest."""
    in_use: list[tuple[float, float]] | None = None
    """The points (recall, precision) in use, from the highest confidence to the lowest; the
    operating point is on this curve. None in documents of earlier releases."""
    device: str
    """Where the latency was measured."""
    latency: Latency | None
    latency_ms: Estimate | None
    """The median, bounded by order statistics; None for fewer than six photographs."""
    promise: TargetCheck | None = None
    looks: UseCounts | None = None
    """Uses of the test set; None for other splits."""


class SeverityScores(Value):
    """A model's scores on corrupted photographs, at one severity."""

    severity: float
    ap50: Estimate | None
    recall: Estimate | None


class CachedSeverity(Measured):
    """``.../robustness/<key>.json``: the scores at one severity, cached."""

    step: SeverityScores


class CorruptionScores(Value):
    """The scores under one corruption, the mildest severity first."""

    name: str
    unit: str
    """The unit of its severities."""
    steps: list[SeverityScores]
    falls_at: float | None
    """The first severity at which the measured recall is below the target; None if there is none,
    or if the recall is already below it on the clean photographs."""
    is_trained_on: bool = False
    """Whether ``augmentation.conditions`` had the like of it; releases before had no conditions."""


class Robustness(Value):
    """How a split's scores fall as its photographs are corrupted."""

    files_sha256: Sha256
    """Of the split's photographs and labels."""
    attributes_sha256: Sha256 | None
    """Of attributes.csv, as in :class:`Assessment`."""
    split: str
    photographs: int
    """With a door; the same for every severity."""
    doors: int
    conf_threshold: float
    recall_target: float
    clean: SeverityScores
    ladders: list[CorruptionScores]
    mean_ap50: float | None
    """Over all corruptions; None until every severity is measured."""
    retention: float | None
    """``mean_ap50`` as a fraction of the clean AP50; None also if that is undefined or 0."""
    unseen_retention: float | None = None
    """The like of ``retention``, over the corruptions that were not trained on; None also if there
    is no corruption that was."""
    not_measured: list[str]
    """The corruptions and severities for which there was no time."""
    promise: str | None = None
    """The operating target that chose the threshold on val; None: the threshold of the params."""
    looks: UseCounts | None


class Parity(Value):
    """How far two formats of one model differ on the same photographs."""

    photographs: int
    boxes: int
    """Of the first format, at the confidence threshold."""
    without_a_match: int
    """Boxes of one format that the other does not have."""
    most_box_px: float
    most_confidence: float
    box_tolerance_px: float
    confidence_tolerance: float
    holds: bool


class FormatTiming(Value):
    """A model's latency in one format, and whether its boxes are those of PyTorch."""

    format: str
    latency: Latency | None = None
    median_ms: Estimate | None = None
    parity: Parity | None = None
    """None for PyTorch itself."""
    not_measured: str | None = None


class Timings(Value):
    """A model's latency in each format."""

    split: str
    image_size_px: int
    formats: list[FormatTiming]


class Evaluated(Measured):
    """``runs/<experiment>/evaluation.json``: all measurements of ``best.pt``.

    The report, the card and the gate are made from it alone. Measurements of other weights are
    dropped when new ones are added.
    """

    experiment: str
    run_id: str
    weights_sha256: Sha256
    splits: dict[str, Assessment]
    robustness: dict[str, Robustness]
    """By split."""
    latency: dict[str, Timings]
    """By split."""


FOLDS = "folds"
"""The split of :class:`CrossValidation`: every photograph of train and val, each measured by the
model of the fold that was not trained on it."""


class FoldScores(Value):
    """One fold of a cross-validation: a model on the photographs that it was not trained on."""

    number: int
    seed: int | None = None
    """Of its training; None if each fold was trained once, and in documents of earlier releases."""
    run: str
    """The name of its run."""
    run_id: str
    weights_sha256: Sha256
    photographs: int
    doors: int
    best_epoch: int
    false_alarms: int
    """On all photographs of the fold, also those with a door."""
    scores: dict[str, Estimate]
    """By the names in ``docs/metrics.md``; an undefined score is absent."""


class _Spread(Value):
    """How much a score differs between several, each with the same weight."""

    mean: float
    deviation: float | None
    """The standard deviation of one (n - 1); None if there is only one."""
    lowest: float
    highest: float


class Spread(_Spread):
    """How much a score differs between folds; of several seeds, each fold has their mean."""

    folds: int
    """Those in which it is defined."""


class SeedSpread(_Spread):
    """How much a pooled score differs between the seeds of a cross-validation."""

    seeds: int
    """Those of which it is defined."""


class SeedScores(Value):
    """The pooled scores of one seed: a training of each fold, over all photographs."""

    seed: int
    false_alarms: int
    """On all photographs, also those with a door."""
    scores: dict[str, Estimate]
    """By the names in ``docs/metrics.md``, with intervals over scenes alone."""


class CrossValidation(Measured):
    """``runs/<experiment>/crossval.json``: the pooled scores of a cross-validation."""

    experiment: str
    params: dict[str, Any]
    """Those of the folds; ``data.fold`` is null."""
    dataset_path: str
    dataset_sha256: Sha256
    """Of train, val and ``folds.csv``."""
    folds: list[FoldScores]
    """One for each training: the folds of the first seed, those of the next, ..."""
    epochs: int
    """The median of the best epochs of the folds, by the first seed: the length of a training on
    everything."""
    pooled: Assessment
    """On :data:`FOLDS`. Its intervals are by scene. Of several seeds, its scores and false alarms
    are the means, and their intervals contain the variance between trainings; the rest is of the
    first seed."""
    spread: dict[str, Spread]
    """By the name of the score."""
    seeds: list[SeedScores] = Field(default_factory=list)
    """One for each seed; empty if each fold was trained once."""
    between_seeds: dict[str, SeedSpread] = Field(default_factory=dict)
    """By the name of the score; empty if each fold was trained once."""
    robustness: Robustness | None = None
    """Of the first seed. None if not all folds have measured it. Its intervals are by fold."""

    @property
    def number_of_folds(self) -> int:
        """How many folds there are, however often each was trained."""
        return len({one.number for one in self.folds})
