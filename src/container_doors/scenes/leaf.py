"""One leaf of a container's door: ribbed panel, rubber seal, lock rods, markings, wear."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from container_doors.scenes import noise
from container_doors.scenes.numbers import ContainerNumber
from container_doors.scenes.sheet import Colour, Sheet, Texture, ribs, slopes

Side = Literal["left", "right"]
Size = tuple[float, float]

RUBBER: Colour = (30, 29, 28)
ROD_STANDS_OFF_M = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """The appearance that the two leaves of one container share."""

    colour: Colour
    ink: Colour
    """The colour of the markings."""
    rod: Colour
    number: ContainerNumber
    brand: str
    age: float
    """0 is new, 1 is rusty."""
    panels: int
    """The number of panels between the ribs, one above the other."""
    handle_m: float
    """The height of the handles above the leaf's lower edge."""
    is_high_cube: bool
    seed: int
    """The seed for wear and stickers, which differ between containers of one colour."""


def paint_leaf(look: Look, side: Side, size_m: Size, size_px: tuple[int, int]) -> Texture:
    """Paint the outside of a leaf without its rods; the hinges are at the named side."""
    rng = np.random.default_rng([look.seed, side == "right"])
    sheet = Sheet(size_m, size_px, look.colour)
    width, height = size_m
    columns, rows = size_px
    profile = ribs(height, pitch_m=height / look.panels, depth_m=0.036, margin_m=0.09)
    slope, depth = slopes(rows, height, profile)
    places = (np.arange(columns) + 0.5) / columns * width
    on_panel = ((places > 0.085) & (places < width - 0.085)).astype(np.float32)[None, :]
    shade = 1 + (depth * 7 + slope * 0.15)[:, None] * on_panel

    _wear(sheet, rng, look.age)
    _DECALS[side](sheet, rng, look)
    _seal(sheet, side, look.colour)
    sheet.multiply(_rod_shadow(sheet, side))
    return Texture(sheet.bgr, slope_down=slope[:, None] * on_panel, shade=shade.astype(np.float32))


def paint_inside(look: Look, size_m: Size, size_px: tuple[int, int]) -> Texture:
    """Paint the inner side of a leaf: ribs without rods and letters, and the seal's lip."""
    rng = np.random.default_rng([look.seed, 2])
    sheet = Sheet(size_m, size_px, look.colour)
    width, height = size_m
    profile = ribs(height, pitch_m=height / look.panels, depth_m=-0.036, margin_m=0.09)
    slope, _ = slopes(size_px[1], height, profile)
    _wear(sheet, rng, look.age * 0.5)
    for x in (0.0, width - 0.05):
        sheet.rectangle(x, 0, 0.05, height, RUBBER)
    for y in (0.0, height - 0.05):
        sheet.rectangle(0, y, width, 0.05, RUBBER)
    return Texture(sheet.bgr, slope_down=slope[:, None])


def paint_rods(look: Look, side: Side, size_m: Size, size_px: tuple[int, int]) -> Texture:
    """Paint the transparent layer of lock rods with cams, guides and handles in front of a leaf."""
    sheet = Sheet(size_m, size_px, look.rod, is_bare=True)
    width, height = size_m
    dark, bright = _scaled(look.rod, 0.62), _scaled(look.rod, 1.15)
    for x in rod_places(width, side):
        for y in np.linspace(0.16, 0.84, 4) * height:
            sheet.rectangle(x - 0.055, y - 0.04, 0.11, 0.08, _scaled(look.rod, 0.84))
            sheet.rectangle(x - 0.055, y + 0.026, 0.11, 0.014, dark)
        sheet.rectangle(x - 0.020, 0.0, 0.040, height, _scaled(look.rod, 0.62))
        sheet.rectangle(x - 0.017, 0.0, 0.028, height, look.rod)
        sheet.rectangle(x - 0.010, 0.0, 0.010, height, bright)
        for y in (0.0, height - 0.11):
            sheet.rectangle(x - 0.05, y, 0.10, 0.11, _scaled(look.rod, 0.9))
            sheet.rectangle(x - 0.02, y + 0.02, 0.04, 0.07, dark)
    _handles(sheet, look, side)
    return Texture(sheet.bgr, sheet.alpha)


def rod_places(width: float, side: Side) -> tuple[float, float]:
    """Return the rods' distances from the leaf's left edge."""
    outer, inner = 0.27 * width, 0.76 * width
    return (outer, inner) if side == "left" else (width - inner, width - outer)


def _handles(sheet: Sheet, look: Look, side: Side) -> None:
    """Paint each rod's handle, which lies flat and points to the middle of its leaf."""
    width, height = sheet.size_m
    dark = _scaled(look.rod, 0.6)
    first, second = rod_places(width, side)
    for index, (x, towards) in enumerate(((first, 1), (second, -1))):
        y = height - look.handle_m + (0.14 if index == (side == "left") else 0.0)
        reach = 0.43 * width * towards
        left = min(x, x + reach)
        sheet.rectangle(left, y + 0.016, abs(reach), 0.014, dark)
        sheet.rectangle(left, y - 0.016, abs(reach), 0.034, look.rod)
        sheet.rectangle(left, y - 0.012, abs(reach), 0.010, _scaled(look.rod, 1.2))
        hub = x + 0.62 * reach
        sheet.polygon(
            [(hub - 0.06, y + 0.05), (hub - 0.035, y - 0.06), (hub + 0.035, y - 0.06),
             (hub + 0.06, y + 0.05)],
            _scaled(look.rod, 0.92),
        )  # fmt: skip
        sheet.disc(hub, y - 0.005, 0.018, dark)
        sheet.rectangle(x - 0.045, y - 0.05, 0.09, 0.10, _scaled(look.rod, 0.86))


def _rod_shadow(sheet: Sheet, side: Side) -> NDArray[np.float32]:
    """Return the factor by which the rods darken the leaf, for light from any direction."""
    rows, columns = sheet.shape
    width, _ = sheet.size_m
    places = (np.arange(columns, dtype=np.float32) + 0.5) / columns * width
    factor = np.ones(columns, np.float32)
    for x in rod_places(width, side):
        factor *= 1 - 0.38 * np.exp(-(((places - x - 0.02) / 0.045) ** 2))
    return np.broadcast_to(factor, (rows, columns))


def _seal(sheet: Sheet, side: Side, colour: Colour) -> None:
    """Paint the rubber seal, wider where the leaves meet, and the hinges over it."""
    width, height = sheet.size_m
    rim = 0.032
    sheet.rectangle(0, 0, width, rim, RUBBER)
    sheet.rectangle(0, height - rim, width, rim, RUBBER)
    sheet.rectangle(0, 0, rim, height, RUBBER)
    sheet.rectangle(width - rim, 0, rim, height, RUBBER)
    hinge = 0.0 if side == "left" else width - 0.13
    steel = _scaled(colour, 0.8)
    for y in np.array([0.07, 0.36, 0.64, 0.93]) * height:
        sheet.rectangle(hinge, y - 0.05, 0.13, 0.10, steel)
        sheet.rectangle(hinge, y + 0.038, 0.13, 0.012, _scaled(steel, 0.5))
        pin = 0.012 if side == "left" else width - 0.042
        sheet.rectangle(pin, y - 0.065, 0.03, 0.13, _scaled(steel, 0.75))


def _wear(sheet: Sheet, rng: np.random.Generator, age: float) -> None:
    """Add wear: uneven paint, dirt that runs down, rust that starts at edges."""
    shape = sheet.shape
    height = sheet.size_m[1]
    uneven = noise.patch(rng, shape, grain="soft")
    runs = noise.patch(rng, shape, grain="rough", zoom=(10, 1))
    sheet.multiply(1 + (uneven - 0.5) * (0.12 + 0.4 * age) + (runs - 0.5) * (0.08 + 0.4 * age))
    low = (np.arange(shape[0]) + 0.5)[:, None] / shape[0]
    dirt = np.clip((low - 1 + 0.35 / height) * 3, 0, 1) * runs * (0.25 + 0.55 * age)
    sheet.mix((62, 74, 86), dirt)
    if age > 0.25:
        spots = noise.patch(rng, shape, grain="rough", zoom=(1.5, 1.5)) * 0.65 + runs * 0.35
        limit = 0.83 - 0.23 * age
        sheet.mix((38, 62, 105), np.clip((spots - limit) * 9, 0, 0.85))


def _decals_right(sheet: Sheet, rng: np.random.Generator, look: Look) -> None:
    """Add the number at the top, the weights below it (ISO 6346), and a plate at the bottom."""
    width, height = sheet.size_m
    number, ink = look.number, look.ink
    first, second = rod_places(width, "right")
    sheet.text(f"{number.owner}U", (0.07, 0.17), 0.11, ink, first - 0.13)
    sheet.text(number.serial, (first + 0.05, 0.17), 0.11, ink, second - first - 0.12)
    box = second + 0.06
    sheet.rectangle(box, 0.155, 0.105, 0.14, ink)
    sheet.rectangle(box + 0.011, 0.166, 0.083, 0.118, look.colour)
    sheet.text(str(number.check_digit), (box + 0.03, 0.175), 0.10, ink, 0.045)
    sheet.text(number.size_type, (first + 0.05, 0.34), 0.11, ink, 0.32)
    gross, tare = 30_480, int(rng.integers(215, 390)) * 10
    y = 0.28 * height
    for label, kilograms in (("MAX.GR.", gross), ("TARE", tare), ("NET", gross - tare)):
        sheet.text(label, (0.07, y), 0.058, ink, 0.16 if len(label) < 5 else 0.2)
        for line, unit, value in ((0, "KG", kilograms), (1, "LB", kilograms * 2.20462)):
            text = f"{value / 1000:6.3f} {unit}".replace(".", " ")
            sheet.text(text, (first + 0.05, y + line * 0.075), 0.055, ink, 0.38)
        y += 0.21
    sheet.text("CU.CAP.", (0.07, y), 0.058, ink, 0.2)
    sheet.text(f"{rng.uniform(32, 77):.1f} CU.M", (first + 0.05, y), 0.055, ink, 0.38)
    if rng.random() < 0.7:
        sheet.rectangle(first + 0.14, 0.78 * height, 0.22, 0.30, (150, 155, 158))
        sheet.rectangle(first + 0.16, 0.79 * height, 0.18, 0.10, (118, 122, 126))
    if rng.random() < 0.5:
        sheet.rectangle(width - 0.32, 0.93 * height, 0.2, 0.08, (225, 225, 225))


def _decals_left(sheet: Sheet, rng: np.random.Generator, look: Look) -> None:
    """Add the owner's name, and some of the required signs."""
    width, height = sheet.size_m
    first, second = rod_places(width, "left")
    middle = (first + second) / 2
    if rng.random() < 0.75:
        y = rng.uniform(0.09, 0.16) * height
        sheet.text(look.brand, (first - 0.12, y), 0.15, look.ink, 0.60)
    if rng.random() < 0.6:
        y = rng.uniform(0.24, 0.38) * height
        sheet.disc(middle, y, 0.085, (232, 232, 232))
        sheet.disc(middle, y, 0.06, (150, 110, 60) if rng.random() < 0.5 else (60, 60, 160))
    if rng.random() < 0.6:
        y = rng.uniform(0.42, 0.5) * height
        rim = [(middle - 0.14, y + 0.24), (middle, y), (middle + 0.14, y + 0.24)]
        sheet.polygon(rim, (20, 20, 20))
        sheet.polygon(
            [(middle - 0.12, y + 0.228), (middle, y + 0.025), (middle + 0.12, y + 0.228)],
            (30, 190, 235),
        )
    if look.is_high_cube:
        x, y = max(first - 0.2, 0.06), 0.60 * height
        sheet.rectangle(x, y, 0.34, 0.28, (40, 200, 240))
        for line, text in enumerate(("CAUTION", "9'6\" HIGH", "CONTAINER")):
            sheet.text(text, (x + 0.03, y + 0.03 + line * 0.08), 0.055, (20, 20, 20), 0.28)
    if rng.random() < 0.6:
        sheet.rectangle(0.13, rng.uniform(0.75, 0.82) * height, 0.2, 0.24, (150, 155, 158))


def _scaled(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255.0, c * factor) for c in colour)
    return (blue, green, red)


_DECALS: dict[Side, Callable[[Sheet, np.random.Generator, Look], None]] = {
    "left": _decals_left,
    "right": _decals_right,
}
