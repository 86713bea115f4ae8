"""Documents of ``doors monitor``: what a deployed model sees, and the sample that is labelled."""

from typing import Literal

from pydantic import Field

from container_doors.core.measurements import Estimate, Value
from container_doors.core.records import Document, Sha256

Stratum = Literal["no door", "less certain", "certain"]
"""By what the model found: nothing, or a door of less or of more confidence than is usual."""


class Drift(Value):
    """How one measure differs between now and the test."""

    measure: str
    """``confidence``, ``box size``, ``brightness``, ``without a door``."""
    tested: float
    """Its median on the test photographs; of ``without a door`` the proportion."""
    now: float
    tested_n: int
    now_n: int
    distance: float = Field(ge=0, le=1)
    """The largest difference of the two cumulative distributions (Kolmogorov-Smirnov); of
    ``without a door`` the difference of the proportions."""
    p_value: float = Field(ge=0, le=1)
    """By permutation, times the number of measures where needed (Holm)."""
    has_changed: bool


class SampledPhotograph(Value):
    """A photograph that is to be labelled."""

    path: str
    """As in the predictions."""
    copy_name: str
    """The name of its copy in the folder for labelling."""
    stratum: Stratum
    boxes_xyxy: list[tuple[float, float, float, float]]
    """What the model found, in pixels of the upright photograph."""
    confidences: list[float]
    size_px: tuple[int, int]
    """Width and height."""


class LabelSample(Document):
    """``monitor/sample.json``: which photographs are to be labelled, drawn once and kept.

    To draw again after some are labelled would bias the estimate.
    """

    weights_sha256: Sha256
    conf_threshold: float
    photographs: int
    """Those it was drawn from."""
    strata: dict[Stratum, int]
    """The photographs of each stratum."""
    sampled: list[SampledPhotograph]


class RecallNow(Value):
    """The recall on the photographs of the predictions, estimated from labels of a sample."""

    recall: Estimate
    target: float
    target_source: str
    verdict: Literal["holds", "missed", "unproven"]
    labelled: int
    """Photographs."""
    not_labelled: list[str]
    """Photographs of the sample that have no label yet; the estimate assumes chance."""
    false_alarms: int
    """On the labelled photographs."""


class Monitored(Document):
    """What ``doors monitor`` found, for a scheduler."""

    version: str | None
    weights_sha256: Sha256
    conf_threshold: float
    photographs: int
    not_read: int
    """Photographs that could not be read."""
    reference: str
    """Where the predictions of the test come from."""
    drifts: list[Drift]
    not_compared: dict[str, str]
    """Measures that could not be compared, with the reason."""
    recall: RecallNow | None = None
    verdict: Literal["as tested", "changed", "recall missed"]
