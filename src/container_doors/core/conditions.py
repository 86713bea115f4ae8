"""Hard conditions that training photographs are given: how often, and how severe.

Severities have the units of ``doors robustness``.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import model_validator

from container_doors.core.section import Fraction, Section


class Condition(Section):
    """How often a photograph gets one condition, and between which severities."""

    unit: ClassVar[str]
    """The unit of ``low`` and ``high``."""
    no_effect: ClassVar[float]
    """The severity that changes nothing: one end of what is allowed."""
    limit: ClassVar[float]
    """The other end; beyond it there is nothing to see."""
    corruptions: ClassVar[tuple[str, ...]]
    """The corruptions of ``doors robustness`` that look like it."""

    probability: Fraction | None = None
    """None: what the preset says, and 0 without one."""
    low: float
    high: float

    @model_validator(mode="after")
    def _range_is_visible(self) -> "Condition":
        least, most = sorted((self.no_effect, self.limit))
        for key, value in (("low", self.low), ("high", self.high)):
            if not least <= value <= most:
                hides = (value < least) == (self.limit < self.no_effect)
                why = ", which leaves nothing to see" if hides else ""
                raise ValueError(
                    f"expected {key} from {least:g} to {most:g} ({self.unit}), found {value:g}{why}"
                )
        if self.low > self.high:
            raise ValueError(f"expected low <= high, found {self.low:g} and {self.high:g}")
        if self.probability and self.low == self.high == self.no_effect:
            raise ValueError(
                f"would have no effect, because low and high are {self.no_effect:g} "
                f"({self.unit}): write probability: 0, or change them"
            )
        return self


class Darkness(Condition):
    """Less light, and the noise of an amplified sensor."""

    unit, no_effect, limit = "fraction of the light", 1.0, 0.02
    corruptions = ("darkness",)
    low: float = 0.04
    high: float = 0.5


class BackLight(Condition):
    """The sun behind the container: glare from above, shade elsewhere."""

    unit, no_effect, limit = "strength of glare", 0.0, 0.95
    corruptions = ("back light",)
    low: float = 0.2
    high: float = 0.8


class Rain(Condition):
    """Streaks of drops, and haze."""

    unit, no_effect, limit = "fraction of a downpour", 0.0, 1.5
    corruptions = ("rain",)
    low: float = 0.2
    high: float = 1.0


class Dirt(Condition):
    """Spots on the lens, out of focus."""

    unit, no_effect, limit = "fraction of the image", 0.0, 0.6
    corruptions = ("lens dirt",)
    low: float = 0.05
    high: float = 0.4


class MotionBlur(Condition):
    """A blur along a line, as of a passing vehicle."""

    unit, no_effect, limit = "fraction of the longer side", 0.0, 0.15
    corruptions = ("motion", "motion_blur")
    low: float = 0.01
    high: float = 0.06


class Occluder(Condition):
    """A flat patch over each door, from one side."""

    unit, no_effect, limit = "fraction of the door", 0.0, 0.8
    corruptions = ("occluder",)
    low: float = 0.1
    high: float = 0.6


class Noise(Condition):
    """Noise of a sensor, in each pixel by itself."""

    unit, no_effect, limit = "severity of gaussian_noise, 5 is the worst", 0.0, 5.0
    corruptions = ("gaussian_noise", "shot_noise", "speckle_noise")
    low: float = 0.5
    high: float = 3.0


class Jpeg(Condition):
    """Blocks of a strong compression."""

    unit, no_effect, limit = "severity of jpeg_compression, 5 is the worst", 0.0, 5.0
    corruptions = ("jpeg_compression",)
    low: float = 0.5
    high: float = 4.0


class Conditions(Section):
    """What photographs are given after the augmentation, to train for it; off by default.

    Each is drawn by itself, with its probability, so one photograph may get several. Its severity
    is drawn evenly between ``low`` and ``high``; of ``darkness`` by its logarithm. A label stays,
    unless occluders hide more than 0.8 of its door.
    """

    darkness: Darkness = Darkness()
    back_light: BackLight = BackLight()
    rain: Rain = Rain()
    dirt: Dirt = Dirt()
    motion_blur: MotionBlur = MotionBlur()
    occluder: Occluder = Occluder()
    noise: Noise = Noise()
    jpeg: Jpeg = Jpeg()

    def each(self) -> Iterator[tuple[str, Condition]]:
        """Yield every condition with its name, in the order of the fields."""
        for name in type(self).model_fields:
            yield name, getattr(self, name)

    def corruptions(self) -> frozenset[str]:
        """Return the corruptions of ``doors robustness`` that look like what is turned on."""
        return frozenset(
            name for _, one in self.each() if one.probability for name in one.corruptions
        )


def in_words(conditions: Conditions) -> str:
    """Describe what photographs were given, for a report.

    >>> in_words(Conditions(rain=Rain(probability=0.2)))
    'rain on 20 % of the photographs (0.2 to 1 fraction of a downpour)'
    """
    return (
        "; ".join(
            f"{name.replace('_', ' ')} on {100 * one.probability:g} % of the photographs "
            f"({one.low:g} to {one.high:g} {one.unit})"
            for name, one in conditions.each()
            if one.probability
        )
        or "none"
    )


ROBUST: Mapping[str, float] = MappingProxyType(
    {
        "darkness": 0.15, "back_light": 0.1, "rain": 0.1, "dirt": 0.1,
        "motion_blur": 0.1, "occluder": 0.1, "noise": 0.1, "jpeg": 0.1,
    }
)  # fmt: skip
"""The probabilities of the preset ``robust``; two of five photographs stay as they are."""
