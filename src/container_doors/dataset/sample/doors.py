"""The door end of a container: frame, leaves, gasket, lock rods, hinges and markings.

Sizes are those of common dry boxes (ISO 668 and ISO 1496-1), rounded to the centimetre.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from container_doors.dataset.sample.camera import Vector
from container_doors.dataset.sample.lettering import write
from container_doors.dataset.sample.look import Look
from container_doors.dataset.sample.surface import RUST, Field, Surface, blank, weather_steel

POST_M = 0.09
"""The width of a corner post beside the leaves."""
HEADER_M = 0.13
SILL_M = 0.16
ROD_STANDOFF_M = 0.06
"""How far the lock rods stand before the leaves."""

GASKET = np.array([30.0, 29.0, 28.0])
DARK = np.array([16.0, 16.0, 16.0])
YELLOW = np.array([30.0, 190.0, 232.0])
_WHITE = np.array([228.0, 230.0, 230.0])


@dataclass(frozen=True, slots=True)
class Rods:
    """The lock rods of one leaf, which stand before it."""

    surface: Surface
    opacity: Field
    """uint8 (rows, columns), 255 on metal."""


def paint_frame(size_m: tuple[float, float], px_per_m: float, look: Look) -> Surface:
    """Paint posts, header, sill and corner castings; the leaves' place is left dark."""
    width, height = size_m
    frame = blank(size_m, px_per_m, look.paint * 0.95)
    frame.paint[frame.at(0, height - SILL_M, width, height)] *= 0.86
    hole = frame.at(POST_M, HEADER_M, width - POST_M, height - SILL_M)
    frame.height[hole] = -0.03
    frame.paint[hole] = DARK
    for x in (0.0, width - 0.165):
        for y in (0.0, height - 0.118):
            casting = frame.part(x, y, x + 0.165, y + 0.118)
            casting.height[:] = 0.012
            casting.paint[:] = look.paint * 0.82
            casting.paint[casting.at(0.05, 0.035, 0.115, 0.085)] = DARK
    if look.is_high_cube:
        _warning_stripes(frame, width)
    return frame


def _warning_stripes(frame: Surface, width: float) -> None:
    """Mark a box of 2.9 m the way that rail asks for."""
    for x0 in (0.2, width - 0.65):
        rows, columns = frame.at(x0, 0.03, x0 + 0.45, 0.1)
        y, x = np.indices(frame.height[rows, columns].shape)
        stripe = ((x + y) / frame.px_per_m % 0.09) < 0.045
        frame.paint[rows, columns] = np.where(stripe[..., None], YELLOW, DARK)


def paint_leaf(size_m: tuple[float, float], px_per_m: float, look: Look, *, is_left: bool) -> Surface:
    """Paint the outside of a leaf, without its rods."""
    leaf = blank(size_m, px_per_m, look.paint)
    width, height = size_m
    panel = leaf.part(0.07, 0.07, width - 0.07, height - 0.07)
    _press(panel, look)
    leaf.paint[:] *= _contact_shade(leaf.height)[..., None]
    _hinges(leaf, look, is_left=is_left)
    _gasket(leaf)
    if is_left:
        _brand_side(leaf, look)
    else:
        _number_side(leaf, look)
    return leaf


def paint_inside(size_m: tuple[float, float], px_per_m: float, look: Look) -> Surface:
    """Paint the side of a leaf that is seen when it stands open: no rods, a wide gasket."""
    width, height = size_m
    leaf = blank(size_m, px_per_m, look.paint * 0.5 + 62)
    _press(leaf.part(0.07, 0.07, width - 0.07, height - 0.07), look)
    leaf.height *= -0.7
    leaf.paint[:] *= _contact_shade(leaf.height)[..., None]
    for inset, reach in ((0.0, 0.03), (0.05, 0.075)):
        for strip in _border(leaf, inset, reach):
            leaf.paint[strip] = GASKET * 1.3
    return leaf


def _press(panel: Surface, look: Look) -> None:
    """Fold the panel: wide flats with narrow grooves between, or upright corrugation."""
    rows, columns = panel.height.shape
    width, height = panel.size_m
    n = rows if look.pressing == "horizontal" else columns
    length = height if look.pressing == "horizontal" else width
    count = look.grooves if look.pressing == "horizontal" else 3
    x = (np.arange(n) + 0.5) / n * length
    pitch = length / (count + (look.pressing == "horizontal") * 0.0)
    from_groove = np.abs((x - pitch / 2) % pitch - 0.0)
    from_groove = np.minimum(from_groove, pitch - from_groove)
    flat, slope = (0.045, 0.035) if look.pressing == "horizontal" else (0.07, 0.05)
    depth = np.clip((from_groove - flat) / slope, 0, 1).astype(np.float32) * 0.036 - 0.036
    if look.pressing == "horizontal":
        ends = np.clip(np.minimum(np.arange(columns), np.arange(columns)[::-1]) / panel.px_per_m / 0.04 - 0.4, 0, 1)
        panel.height[:] = depth[:, None] * ends.astype(np.float32)
    else:
        panel.height[:] = depth[None, :]


def _contact_shade(height: Field) -> Field:
    """Darken what lies lower than its surroundings."""
    around = cv2.blur(height, (9, 9))
    return np.clip(1 - (around - height) * 9 + np.minimum(height, 0) * 3, 0.5, 1.12)


def _border(leaf: Surface, inset: float, reach: float) -> list[tuple[slice, slice]]:
    width, height = leaf.size_m
    return [
        leaf.at(inset, inset, width - inset, reach),
        leaf.at(inset, height - reach, width - inset, height - inset),
        leaf.at(inset, inset, reach, height - inset),
        leaf.at(width - reach, inset, width - inset, height - inset),
    ]


def _gasket(leaf: Surface) -> None:
    for strip in _border(leaf, 0.0, 0.026):
        leaf.paint[strip] = GASKET
        leaf.height[strip] = -0.008


def _hinges(leaf: Surface, look: Look, *, is_left: bool) -> None:
    width, height = leaf.size_m
    for part in (0.06, 0.28, 0.5, 0.72, 0.94):
        y = part * height
        x0, x1 = (0.0, 0.13) if is_left else (width - 0.13, width)
        hinge = leaf.part(x0, y - 0.045, x1, y + 0.045)
        hinge.height[:] = 0.022
        hinge.paint[:] = look.paint * 0.9
        pin = (0.0, 0.035) if is_left else (0.095, 0.13)
        hinge.paint[hinge.at(pin[0], 0, pin[1], 0.09)] = look.paint * 0.6


def _number_side(leaf: Surface, look: Look) -> None:
    """Write the number, its check digit in a box, the size and type, and the weights."""
    width, _ = leaf.size_m
    number, ink = look.number, look.ink
    y, high = 0.17, 0.115
    edge = width - 0.1
    write(leaf, f"{number.owner}U", (0.1, y), high, ink, width_m=0.3)
    write(leaf, number.serial, (edge - 0.49, y), high, ink, width_m=0.36)
    box = leaf.part(edge - 0.105, y - 0.02, edge + 0.005, y + high + 0.02)
    for strip in _border(box, 0.0, 0.016):
        box.paint[strip] = ink
    write(leaf, str(number.check_digit), (edge - 0.08, y), high, ink, width_m=0.06)
    write(leaf, number.size_type, (edge - 0.42, y + 0.19), high, ink, width_m=0.27)
    gross = 30_480 if look.number.size_type[0] == "2" else 32_500
    tare = 2_200 + 37 * int(number.serial[-2:]) // 4
    lines = (("MAX.GROSS", gross), ("TARE", tare), ("NET", gross - tare), ("CU.CAP.", 67))
    for i, (label, value) in enumerate(lines):
        top = y + 0.46 + 0.21 * i
        write(leaf, label, (0.12, top + 0.02), 0.06, ink)
        unit = ("KGS", "LBS") if value > 100 else ("CU.M", "CU.FT")
        write(leaf, f"{value:,} {unit[0]}".replace(",", " "), (edge - 0.42, top), 0.052, ink)
        other = value * (2.2046 if value > 100 else 35.315)
        write(leaf, f"{other:,.0f} {unit[1]}".replace(",", " "), (edge - 0.42, top + 0.075), 0.052, ink)


def _brand_side(leaf: Surface, look: Look) -> None:
    width, height = leaf.size_m
    letters = min(0.17, 0.8 / max(len(look.brand), 4) * 1.35)
    write(leaf, look.brand, (0.12, 0.2), letters, look.ink)
    plate = leaf.part(0.12, height * 0.74, 0.34, height * 0.74 + 0.3)
    plate.paint[:] = np.array([142.0, 148.0, 150.0])
    plate.height[:] = 0.004
    for i in range(6):
        plate.paint[plate.at(0.02, 0.03 + 0.045 * i, 0.19, 0.045 + 0.045 * i)] *= 0.62
    serial = int(look.number.serial)
    if serial % 3:
        _triangle(leaf, (width * 0.56, 0.62 + 0.1 * (serial % 5)))
    if look.is_high_cube and serial % 4:
        _caution(leaf, (width * 0.1, height * 0.47))
    if serial % 5 < 3:
        at = (width * 0.14, 0.62 + 0.08 * (serial % 7))
        sticker = leaf.part(at[0], at[1], at[0] + 0.16, at[1] + 0.18)
        sticker.paint[:] = _WHITE
        sticker.paint[sticker.at(0.03, 0.03, 0.13, 0.11)] = YELLOW[::-1] * (0.5 + serial % 2 * 0.4)


def _triangle(leaf: Surface, at_m: tuple[float, float]) -> None:
    scale = leaf.px_per_m
    mask = np.zeros(leaf.height.shape, np.uint8)
    for grow, value in ((0.0, 255), (0.028, 90)):
        tip = np.array([[0, -0.1 + grow], [0.115 - grow, 0.1 - grow / 2], [-0.115 + grow, 0.1 - grow / 2]])
        cv2.fillPoly(mask, [np.round((tip + at_m) * scale * 16).astype(np.int32)], value, cv2.LINE_AA, 4)
    leaf.stain((slice(None), slice(None)), (mask > 40).astype(np.float32), DARK)
    leaf.stain((slice(None), slice(None)), ((mask > 40) & (mask < 140)).astype(np.float32), YELLOW)


def _caution(leaf: Surface, at_m: tuple[float, float]) -> None:
    x, y = at_m
    leaf.paint[leaf.at(x, y, x + 0.36, y + 0.3)] = YELLOW
    for i, line in enumerate(("CAUTION", "9'6\" HIGH", "CONTAINER")):
        write(leaf, line, (x + 0.03, y + 0.04 + 0.085 * i), 0.06, DARK, width_m=0.3)


def paint_rods(
    size_m: tuple[float, float], px_per_m: float, look: Look, *, is_left: bool
) -> Rods:
    """Paint the two lock rods of a leaf with cams, guides and handles."""
    width, height = size_m
    metal = blank(size_m, px_per_m, look.rods)
    opacity = np.zeros(metal.height.shape, np.uint8)

    def plate(x: float, y: float, half_x: float, half_y: float, tone: float) -> None:
        where = metal.at(x - half_x, y - half_y, x + half_x, y + half_y)
        opacity[where] = 255
        metal.height[where] = 0.02
        metal.paint[where] = look.rods * tone

    for place in look.rod_places:
        x = place * width if is_left else width - place * width
        inward = 1 if (place < 0.5) == is_left else -1
        _bar(metal, opacity, (x, 0.03, x, height - 0.03), 0.021)
        for y in (0.09, height - 0.09):
            plate(x, y, 0.036, 0.055, 0.92)
        for part in (0.2, 0.5, 0.8):
            plate(x, part * height, 0.045, 0.028, 0.85)
        y = height * (1 - look.handle_height) + (0.05 if place < 0.5 else 0.0)
        _bar(metal, opacity, (x, y, x + inward * 0.3 * width, y + 0.012), 0.015)
        plate(x, y, 0.034, 0.05, 0.95)
        plate(x + inward * 0.24 * width, y + 0.02, 0.03, 0.05, 0.8)
    return Rods(metal, opacity)


def _bar(
    metal: Surface, opacity: Field, line_m: tuple[float, float, float, float], radius: float
) -> None:
    """Lay a round bar; its height is that of a cylinder, so that it takes the light like one."""
    x0, y0, x1, y1 = line_m
    upright = abs(y1 - y0) > abs(x1 - x0)
    box = (
        (x0 - radius, y0, x0 + radius, y1)
        if upright
        else (min(x0, x1), y0 - radius, max(x0, x1), y0 + radius)
    )
    where = metal.at(*box)
    opacity[where] = 255
    shape = opacity[where].shape
    n = shape[1] if upright else shape[0]
    across = (np.arange(n) + 0.5) / n * 2 - 1
    profile = radius * np.sqrt(1 - across**2 * 0.9)
    metal.height[where] = (profile if upright else profile[:, None]).astype(np.float32)


def rust_rods(rods: Rods, rng: np.random.Generator, age: float) -> None:
    """Soil and rust the metal."""
    weather_steel(rods.surface, rng, min(age * 0.8, 0.7))
    if rng.random() < age * 0.6:
        everywhere = (slice(None), slice(None))
        rods.surface.stain(everywhere, rng.uniform(0.2, 0.6), RUST * 1.2)


def rod_shadow(rods: Rods, towards_light: Vector) -> Field:
    """Give the part of the direct light that the rods leave to the leaf behind them.

    Args:
        rods: Of one leaf.
        towards_light: In the leaf's own directions: right, down, and out of it.
    """
    right, down, out = towards_light
    reach = ROD_STANDOFF_M / max(float(out), 0.25) * rods.surface.px_per_m
    move = np.array([[1, 0, -right * reach], [0, 1, -down * reach]], np.float32)
    size = rods.opacity.shape[::-1]
    shadow = cv2.blur(cv2.warpAffine(rods.opacity, move, size), (3, 3))
    return 1 - shadow.astype(np.float32) / 255 * 0.8
