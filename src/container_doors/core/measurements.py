"""Measured values with how surely they are known, and the documents that hold them.

What is undefined (a recall without a door, a false-alarm rate without a photograph to raise one
on) is absent, never zero.
"""

import math
from statistics import NormalDist
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from container_doors.core.records import Document, Latency, Sha256

CONFIDENCE_LEVEL = 0.95

PROVEN, NO_DOOR = "at least", "no door"
"""How the verdicts of parts begin that are good enough, and that cannot be judged."""


def wilson(hits: float, total: float, *, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Bound a fraction by the score interval: doi.org/10.1080/01621459.1927.10502953.

    >>> [round(bound, 3) for bound in wilson(75, 76)]
    [0.929, 0.998]
    """
    return score_interval(hits / total, total, normal_quantile(level))


def score_interval(fraction: float, total: float, z: float) -> tuple[float, float]:
    """Bound a fraction of ``total`` things, by ``z`` standard deviations each way.

    Args:
        fraction: Between 0 and 1.
        total: Above 0; it need not be whole where it is of an effective sample.
        z: How many standard deviations.
    """
    square = z**2
    centre = (fraction + square / (2 * total)) / (1 + square / total)
    spread = math.sqrt(fraction * (1 - fraction) / total + square / (4 * total**2))
    half = z * spread / (1 + square / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def normal_quantile(level: float) -> float:
    """How many standard deviations each way hold a share of ``level``.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def said(share: float) -> str:
    """Write a share with two digits, or as many as it has.

    >>> said(0.9), said(0.985)
    ('0.90', '0.985')
    """
    return max(f"{share:.2f}", f"{share:g}", key=len)


class Value(BaseModel):
    """Frozen; what a later release writes beside what is known here is kept, and not looked at."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Measured(Document):
    """What is measured on a trained model, and can be measured again without training it."""

    mending: ClassVar[str] = "delete it, and measure it again with the doors command that did"


class TestUses(Value):
    """How often somebody has looked at a test split, with the last look."""

    at_this: int
    """At these very photographs and labels."""
    at_any: int
    """At any test split: also before a photograph or a label was changed."""

    def __str__(self) -> str:
        more = "" if self.at_any == self.at_this else f" ({self.at_any} at any test split)"
        return f"{self.at_this}{more}"


class Estimate(Value):
    """A measured value, its interval, and how much it was measured on."""

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
        """Write the ends of the interval, rounded so that no more is claimed than is known.

        >>> Estimate(value=0.95, low=0.8999, high=0.9771, n=98, of="doors").bounds()
        '0.899 to 0.978'
        """
        scale = 10**digits
        low, high = math.floor(self.low * scale) / scale, math.ceil(self.high * scale) / scale
        return f"{low:.{digits}f} to {high:.{digits}f}"


BoxXyxy = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


class Photograph(Value):
    """One photograph: what is labelled there, and everything that the model would ever say."""

    image: str
    """Relative to the run's view of the data: ``images/test/img_001.jpg``."""
    width_px: int
    height_px: int
    doors_xyxy: list[BoxXyxy]
    scored_xyxy: list[BoxXyxy]
    """Down to a confidence of 0.001, as average precision needs them."""
    scored_confidences: list[float]
    scored_is_door: list[Annotated[str, Field(pattern=r"^[01]{10}$")]] | None = None
    """Of each: "1" or "0" for the IoU thresholds 0.50, 0.55, ..., 0.95, as Ultralytics matched it;
    None where the evaluator did not say."""
    used_xyxy: list[BoxXyxy]
    """As the model will be used, one photograph at a time; down to 0.001 too, so that those of
    any threshold are the ones above it."""
    used_confidences: list[float]
    duration_ms: float | None = None

    @model_validator(mode="after")
    def _every_box_has_its_own(self) -> "Photograph":
        rows = self.scored_xyxy if self.scored_is_door is None else self.scored_is_door
        if {len(self.scored_confidences), len(rows)} != {len(self.scored_xyxy)}:
            raise ValueError("expected a confidence for each box that is scored")
        if len(self.used_confidences) != len(self.used_xyxy):
            raise ValueError("expected a confidence for each box in use")
        return self


class Detected(Measured):
    """``runs/<experiment>/evaluation/<split>/detections.json``: all that ``best.pt`` says."""

    run_id: str
    weights_sha256: Sha256
    files_sha256: Sha256
    """Of the split's photographs and labels."""
    split: str
    image_size_px: int
    iou_threshold: float
    """Of the suppression of boxes that overlap, in use."""
    ultralytics: dict[str, float]
    device: str
    """What it was detected and timed on."""
    timing_method: str
    photographs: list[Photograph]


class Slice(Value):
    """How the model does on a part of the photographs, or of the doors."""

    attribute: str
    value: str
    photographs: int
    doors: int
    scores: dict[str, Estimate]
    """``recall``, and ``precision`` and ``AP50`` where whole photographs were chosen."""
    verdict: str
    """Begins with :data:`PROVEN`, or is :data:`NO_DOOR`, or says what is not proven."""

    @property
    def is_proven(self) -> bool:
        """Whether its recall is good enough; a part without a door lacks nothing."""
        return self.verdict == NO_DOOR or self.verdict.startswith(PROVEN)


class FalseAlarms(Value):
    """What happens on photographs without a door, at one threshold."""

    conf_threshold: float
    per_photograph: Estimate
    photographs_with_one: Estimate


class Mistake(Value):
    """One box that is wrong, and how."""

    kind: str
    """``missed``, ``false alarm``, ``badly placed``, ``duplicate`` (as TIDE has them), ``loose``,
    or ``label in doubt``: a false alarm that the model is sure of."""
    image: str
    box_xyxy: BoxXyxy
    weight: float
    what: str


class ErrorKind(Value):
    """What one kind of error costs, over all confidences: TIDE's totals (arXiv 2008.08115)."""

    kind: str
    count: int
    ap50_gain: float | None
    """By how much AP50 (COCO's) would be higher without it; None where no door would be left."""
    low: float | None
    high: float | None
    """The ends of the interval of 95 %; None where too few scenes have such an error."""
    photographs: int

    def __str__(self) -> str:
        if self.ap50_gain is None:
            return f"undefined, n = {self.photographs} photographs: no door is found at all"
        bounds = (
            "in too few scenes to bound it"
            if self.low is None
            else f"{self.low:.3f} to {self.high:.3f}"
        )
        return f"{self.ap50_gain:+.3f} ({bounds}, n = {self.photographs} photographs)"


class TargetCheck(Value):
    """A promise, the threshold that was chosen for it on validation, and what became of it."""

    promise: str
    conf_threshold: float
    chosen_on: Estimate
    checked_on: Estimate
    verdict: str
    price: Estimate | None = None
    """At that threshold, where it was checked: the false alarms of a photograph without a door, of
    a promised recall; the recall, of promised false alarms. None where it is undefined."""


class Assessment(Value):
    """A split's scores, with their intervals."""

    files_sha256: Sha256
    """Of the split's photographs and labels."""
    attributes_sha256: Sha256 | None
    """Of what attributes.csv says of scenes and parts; None: there is none. Earlier releases wrote
    that of the file, so what they measured with one is measured anew."""
    changed: list[str]
    """What is not as it was when the run was trained: sentences."""
    split: str
    image_size_px: int
    photographs: int
    doors: int
    background_images: int
    scenes: int | None
    """How many, where attributes.csv names them; None: each photograph is taken for one."""
    conf_threshold: float
    recall_target: float
    """What the recall of each slice is held against: 0.90, or what is promised."""
    scores: dict[str, Estimate]
    """By the names of ``docs/metrics.md``; what is undefined is absent, and in ``undefined``."""
    undefined: dict[str, str]
    slices: list[Slice]
    false_alarms: list[FalseAlarms]
    mistakes: list[Mistake]
    """Worst first."""
    error_kinds: list[ErrorKind]
    """Empty without a door."""
    precision_recall: list[tuple[float, float]]
    """Recall and precision at an IoU of 0.5, by COCO's matches: where each door that is found joins
    those of which the model is surer. Over all confidences."""
    in_use: list[tuple[float, float]] | None = None
    """Recall and precision as the model is used, from the highest confidence to the lowest: its
    operating point is on it. None in what earlier releases wrote."""
    device: str
    """What the latency is of."""
    latency: Latency | None
    latency_ms: Estimate | None
    """The median, by order statistics; None of fewer than six photographs, which bound none."""
    promise: TargetCheck | None = None
    looks: TestUses | None = None
    """None for other splits than test."""


class SeverityScores(Value):
    """How a model does on photographs that were made harder, to one severity."""

    severity: float
    ap50: Estimate | None
    recall: Estimate | None


class CachedSeverity(Measured):
    """``.../robustness/<key>.json``: a step that need not be measured again."""

    step: SeverityScores


class Ladder(Value):
    """One hard condition, mildest first."""

    name: str
    unit: str
    """What its severities are."""
    steps: list[SeverityScores]
    falls_at: float | None
    """The first severity at which the measured recall is below the target; None: none of those, or
    it is below on the photographs as they are."""


class Robustness(Value):
    """How a split's scores fall as its photographs are made harder."""

    files_sha256: Sha256
    """Of the split's photographs and labels."""
    attributes_sha256: Sha256 | None
    """Of what attributes.csv says, as in :class:`Assessment`."""
    split: str
    photographs: int
    """With a door; the same for every step."""
    doors: int
    conf_threshold: float
    recall_target: float
    clean: SeverityScores
    ladders: list[Ladder]
    mean_ap50: float | None
    """Over all ladders; None until each step is measured."""
    retention: float | None
    """The same as a share of the clean AP50; None where that is undefined or 0, too."""
    not_measured: list[str]
    """The steps for which there was no time."""
    promise: str | None = None
    """What the threshold was chosen for, on val; None: the threshold of the params."""
    looks: TestUses | None


class Parity(Value):
    """How far two forms of one model are apart, on the same photographs."""

    photographs: int
    boxes: int
    """Of the first form, at the confidence threshold."""
    without_a_match: int
    """Boxes of either that the other does not have."""
    most_box_px: float
    most_confidence: float
    box_tolerance_px: float
    confidence_tolerance: float
    holds: bool


class FormatTiming(Value):
    """How fast a model answers in one format, and whether it says what PyTorch says."""

    format: str
    latency: Latency | None = None
    median_ms: Estimate | None = None
    parity: Parity | None = None
    """None for PyTorch itself."""
    not_measured: str | None = None


class Timings(Value):
    """How fast a model answers, in each format."""

    split: str
    image_size_px: int
    formats: list[FormatTiming]


class Evaluated(Measured):
    """``runs/<experiment>/evaluation.json``: all that was measured of ``best.pt``.

    Every table, chart and sentence of the report, the card and the gate is made of it. What is of
    other weights is dropped when something is added.
    """

    experiment: str
    run_id: str
    weights_sha256: Sha256
    splits: dict[str, Assessment]
    robustness: dict[str, Robustness]
    """By split."""
    latency: dict[str, Timings]
    """By split."""
