"""How one container looks: colour, wear, owner and the make of its doors."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from container_doors.dataset.sample.camera import Vector
from container_doors.dataset.sample.numbers import ContainerNumber, draw_number

BRANDS = ("NORDSEA", "TLX", "BERGEN LINE", "OCEANA", "HAMAR", "KALDERA", "SOLVA", "PAQUEL",
          "ZELAND", "MARIN CO", "GREAT WESTERN", "AXIS", "tandem", "Borealis", "delta")
"""Shipping lines that do not exist."""

_PAINTS_RGB = (
    (122, 44, 38), (138, 58, 44), (150, 52, 40), (104, 36, 40), (160, 74, 52),
    (34, 74, 138), (40, 58, 104), (44, 104, 168), (24, 46, 82), (70, 98, 130),
    (38, 104, 70), (58, 126, 84), (28, 84, 66),
    (206, 92, 34), (196, 110, 48), (188, 150, 66), (198, 178, 126),
    (120, 124, 128), (176, 178, 176), (206, 206, 200), (78, 82, 90), (58, 146, 148),
)

_COMMONEST = 5
"""Oxide reds, the first of the paints, are drawn as often as all the others together."""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything about a container that is not its place."""

    paint: Vector
    ink: Vector
    """Of the numbers and the brand."""
    brand: str
    number: ContainerNumber
    age: float
    """From 0, new, to 1, scrap."""
    pressing: Literal["horizontal", "vertical"]
    """How the panels of the door leaves are folded."""
    grooves: int
    rods: Vector
    """The colour of the lock rods."""
    rod_places: tuple[float, float]
    """Of a leaf's two rods, in fractions of its width from the hinges."""
    handle_height: float
    """In fractions of the leaf's height from its foot."""
    is_high_cube: bool


def draw_look(rng: np.random.Generator, *, is_high_cube: bool, is_long: bool) -> Look:
    """Draw a container's looks."""
    red = _PAINTS_RGB[rng.integers(_COMMONEST)]
    any_paint = _PAINTS_RGB[rng.integers(len(_PAINTS_RGB))]
    paint = np.array((red if rng.random() < 0.3 else any_paint)[::-1], float)
    paint = np.clip(paint * rng.uniform(0.85, 1.15) + rng.uniform(-10, 10, 3), 14, 225)
    white = np.array([226.0, 228.0, 228.0])
    galvanised = np.array([168.0, 170.0, 170.0]) * rng.uniform(0.85, 1.15)
    size_type = ("4" if is_long else "2") + ("5" if is_high_cube else "2") + "G1"
    return Look(
        paint=paint,
        ink=white if paint.mean() < 150 else np.array([44.0, 40.0, 38.0]),
        brand=BRANDS[rng.integers(len(BRANDS))],
        number=draw_number(rng, size_type=size_type),
        age=float(rng.beta(1.4, 2.4)),
        pressing="horizontal" if rng.random() < 0.8 else "vertical",
        grooves=int(rng.integers(3, 6)),
        rods=galvanised if rng.random() < 0.72 else paint * 1.08 + 8,
        rod_places=(rng.uniform(0.28, 0.4), rng.uniform(0.74, 0.82)),
        handle_height=rng.uniform(0.24, 0.4),
        is_high_cube=is_high_cube,
    )
