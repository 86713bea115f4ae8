"""Trailers, lorries, forklift trucks, people and goods."""

from functools import partial

import numpy as np

from container_doors.scenes import noise
from container_doors.scenes.container import paint_cartons
from container_doors.scenes.panel import Block, Paint, Panel, Pose, box_panels, plain
from container_doors.scenes.sheet import Colour, Sheet, Texture
from container_doors.scenes.yard import Thing

DECK_M = 1.22
"""The height of a trailer's deck, on which a container's floor rests."""

_TYRE: Colour = (34, 33, 33)
_PAINTS: tuple[Colour, ...] = (
    (40, 44, 150), (150, 80, 30), (30, 120, 210), (60, 110, 50), (205, 205, 202), (70, 70, 72),
)  # fmt: skip


def trailer(rng: np.random.Generator, pose: Pose, *, length_m: float, body: int) -> Thing:
    """Make a skeleton trailer under a container; its rear is at z = 0."""
    colour = _PAINTS[rng.integers(len(_PAINTS))]
    steel, dark = plain(colour), plain((38, 38, 40))
    beam = partial(_paint_rear_beam, int(rng.integers(1 << 31)), colour)
    panels = box_panels(
        pose, (-1.22, DECK_M - 0.34, -0.05), (1.22, DECK_M - 0.01, 0.3),
        {"front": beam, "else": steel}, body=body,
    )  # fmt: skip
    for x in (-0.55, 0.4):
        start, end = (x, DECK_M - 0.4, 0.2), (x + 0.15, DECK_M - 0.02, length_m)
        panels += box_panels(pose, start, end, {"else": steel}, body=body)
    stripes: Paint = partial(paint_stripes, (2.3, 0.13), (40, 40, 200), (215, 215, 215))
    panels += box_panels(
        pose, (-1.15, 0.45, -0.02), (1.15, 0.58, 0.08), {"front": stripes, "else": dark}, body=body
    )
    for axle in (1.3, 2.6)[: 1 + (length_m > 7)]:
        panels += _wheels(pose, axle, body)
    front = max(length_m - 1.8, 4.2)
    panels += _wheels(pose, front, body)
    flap = plain((28, 28, 30))
    for x in (-1.2, 0.62):
        panels += box_panels(pose, (x, 0.25, 0.62), (x + 0.58, 0.85, 0.64), {"front": flap})
    low, top = np.array([-1.2, 0.15, 0.0]), np.array([1.2, DECK_M, length_m])
    return panels, [Block(pose, low, top, body)]


def lorry(rng: np.random.Generator, pose: Pose, *, body: int) -> Thing:
    """Make a lorry that faces -z: a cab with a box behind it."""
    colour = _PAINTS[rng.integers(len(_PAINTS))]
    front: Paint = partial(_paint_cab_front, colour)
    side: Paint = partial(_paint_cab_side, colour)
    panels = box_panels(
        pose, (-1.2, 0.55, 0), (1.2, 3.0, 2.0),
        {"front": front, "left": side, "right": side, "else": plain(colour)}, body=body,
    )  # fmt: skip
    long = rng.uniform(6, 9)
    white = (int(rng.integers(150, 215)),) * 3
    wall = partial(_paint_curtain, int(rng.integers(1 << 31)), white, (long - 2.3, 2.7))
    rear: Paint = partial(_paint_lorry_rear, white)
    panels += box_panels(
        pose, (-1.22, 1.1, 2.3), (1.22, 3.8, long),
        {"left": wall, "right": wall, "back": rear, "else": plain(white)}, body=body,
    )  # fmt: skip
    panels += box_panels(
        pose, (-0.5, 0.6, 2.0), (0.5, 1.1, long), {"else": plain((40, 40, 42))}, body=body
    )
    for axle in (0.7, long - 1.4):
        panels += _wheels(pose, axle, body)
    low, top = np.array([-1.2, 0.3, 0.0]), np.array([1.2, 3.7, long])
    return panels, [Block(pose, low, top, body)]


def forklift(rng: np.random.Generator, pose: Pose, *, body: int) -> Thing:
    """Make a forklift truck with its mast towards +z."""
    paints: tuple[Colour, ...] = ((30, 170, 230), (36, 110, 225), (50, 60, 190), (60, 140, 60))
    colour = paints[rng.integers(len(paints))]
    steel, dark = plain(colour), plain((42, 42, 44))
    panels = box_panels(pose, (-0.55, 0.3, 0), (0.55, 1.05, 1.7), {"else": steel}, body=body)
    panels += box_panels(
        pose, (-0.5, 0.35, -0.35), (0.5, 1.15, 0.02), {"else": plain((52, 52, 54))}, body=body
    )
    for x in (-0.5, 0.42):
        for z in (0.25, 1.5):
            start, end = (x, 1.05, z), (x + 0.08, 2.1, z + 0.08)
            panels += box_panels(pose, start, end, {"else": dark}, body=body)
        start, end = (x, 0.1, 1.85), (x + 0.1, 2.4, 1.98)
        panels += box_panels(pose, start, end, {"else": dark}, body=body)
        start, end = (x, 0.12, 1.98), (x + 0.12, 0.17, 3.0)
        panels += box_panels(pose, start, end, {"else": dark}, body=body)
    panels += box_panels(pose, (-0.55, 2.1, 0.2), (0.55, 2.17, 1.65), {"else": dark}, body=body)
    panels += box_panels(
        pose, (-0.25, 1.05, 0.45), (0.25, 1.65, 0.55), {"else": plain((30, 30, 34))}, body=body
    )
    for z in (0.15, 1.35):
        panels += [_disc(pose, side, z, radius=0.3, half_m=0.58, body=body) for side in (-1, 1)]
    low, top = np.array([-0.55, 0.2, -0.35]), np.array([0.55, 1.1, 1.95])
    return panels, [Block(pose, low, top, body)]


def person(rng: np.random.Generator, pose: Pose, *, body: int) -> Thing:
    """Make a person in a helmet and a bright vest, as a cut-out."""
    high = rng.uniform(1.6, 1.88)
    face = pose.face((-0.35, high, 0), (0.7, 0, 0), (0, -high, 0))
    panel = Panel(face, partial(_paint_person, int(rng.integers(1 << 31)), high), body)
    block = Block(pose, np.array([-0.18, 0, -0.1]), np.array([0.18, high, 0.1]), body)
    return [panel], [block]


def pole(rng: np.random.Generator, pose: Pose, *, body: int) -> Thing:
    """Make a striped bollard or a tall post."""
    is_tall = rng.random() < 0.5
    high, thick = (4.5, 0.07) if is_tall else (1.1, 0.1)
    stripes: Paint = partial(paint_stripes, (2 * thick, high), (25, 25, 25), (30, 180, 225))
    paint = plain((120, 122, 122)) if is_tall else stripes
    low, top = np.array([-thick, 0, -thick]), np.array([thick, high, thick])
    return box_panels(pose, low, top, {"else": paint}, body=body), [Block(pose, low, top, body)]


def goods(rng: np.random.Generator, pose: Pose, *, body: int) -> Thing:
    """Make a loaded pallet: cartons, or goods under a tarpaulin."""
    high = rng.uniform(0.6, 1.5)
    seed = int(rng.integers(1 << 31))
    load: Paint = partial(paint_cartons, seed, (1.1, high))
    if rng.random() < 0.5:
        colours: tuple[Colour, ...] = ((150, 90, 30), (60, 90, 40), (120, 125, 128), (40, 110, 200))
        load = partial(_paint_tarpaulin, seed, colours[rng.integers(len(colours))])
    panels = box_panels(pose, (-0.6, 0, -0.5), (0.6, 0.14, 0.5), {"else": _paint_pallet}, body=body)
    low, top = np.array([-0.56, 0.14, -0.46]), np.array([0.56, 0.14 + high, 0.46])
    panels += box_panels(pose, low, top, {"else": load}, body=body)
    return panels, [Block(pose, low * (1, 0, 1), top, body)]


def paint_stripes(
    size_m: tuple[float, float], dark: Colour, bright: Colour, size_px: tuple[int, int]
) -> Texture:
    """Paint slanted warning stripes, across the longer side."""
    sheet = Sheet(size_m, size_px, bright)
    wide, high = size_m
    step = 0.3
    if wide > high:
        for x in np.arange(-step, wide, step):
            a = float(x)
            sheet.polygon([(a, high), (a + 0.15, high), (a + 0.3, 0), (a + 0.15, 0)], dark)
    else:
        for y in np.arange(0, high, step):
            sheet.rectangle(0, float(y), wide, 0.15, dark)
    return Texture(sheet.bgr)


def _wheels(pose: Pose, axle_m: float, body: int) -> list[Panel]:
    """Return a pair of double wheels: discs from the side, treads from behind."""
    panels = [_disc(pose, side, axle_m, radius=0.5, half_m=1.2, body=body) for side in (-1, 1)]
    for side in (-1, 1):
        for offset in (0.86, 1.2):
            x = side * offset - (0.28 if side > 0 else 0)
            face = pose.face((x, 0.94, axle_m - 0.3), (0.28, 0, 0), (0, -0.93, 0))
            panels.append(Panel(face, _paint_tread, body))
    return panels


def _disc(pose: Pose, side: int, z: float, *, radius: float, half_m: float, body: int) -> Panel:
    start, along = (z - radius, 2 * radius) if side > 0 else (z + radius, -2 * radius)
    face = pose.face((side * half_m, 2 * radius, start), (0, 0, along), (0, -2 * radius, 0))
    return Panel(face, _paint_wheel, body)


def _paint_wheel(size_px: tuple[int, int]) -> Texture:
    sheet = Sheet((1, 1), size_px, _TYRE, is_bare=True)
    sheet.disc(0.5, 0.5, 0.5, _TYRE)
    sheet.disc(0.5, 0.5, 0.29, (120, 122, 124))
    sheet.disc(0.5, 0.5, 0.22, (74, 76, 78))
    sheet.disc(0.5, 0.5, 0.11, (140, 142, 144))
    return Texture(sheet.bgr, sheet.alpha)


def _paint_tread(size_px: tuple[int, int]) -> Texture:
    sheet = Sheet((0.28, 0.93), size_px, _TYRE, is_bare=True)
    sheet.polygon(
        [(0.03, 0), (0.25, 0), (0.28, 0.1), (0.28, 0.85), (0.25, 0.93), (0.03, 0.93), (0, 0.85),
         (0, 0.1)],
        _TYRE,
    )  # fmt: skip
    for x in (0.06, 0.13, 0.20):
        sheet.rectangle(x, 0.02, 0.02, 0.88, (18, 18, 18))
    return Texture(sheet.bgr, sheet.alpha)


def _paint_rear_beam(seed: int, colour: Colour, size_px: tuple[int, int]) -> Texture:
    rng = np.random.default_rng(seed)
    sheet = Sheet((2.44, 0.33), size_px, colour)
    grime = noise.patch(rng, sheet.shape, grain="rough")
    for side in (0.12, 1.72):
        sheet.rectangle(side, 0.07, 0.6, 0.18, (30, 30, 32))
        for lamp, tone in enumerate(((40, 40, 210), (30, 30, 190), (30, 130, 230))):
            sheet.disc(side + 0.1 + 0.2 * lamp, 0.16, 0.075, tone)
    sheet.rectangle(0.95, 0.09, 0.54, 0.14, (200, 210, 212))
    sheet.text(
        f"{rng.integers(10, 99)} {rng.integers(1000, 9999)}", (1.0, 0.115), 0.09, (30, 30, 30), 0.44
    )
    sheet.multiply(0.75 + 0.5 * grime)
    return Texture(sheet.bgr)


def _paint_cab_front(colour: Colour, size_px: tuple[int, int]) -> Texture:
    sheet = Sheet((2.4, 2.45), size_px, colour)
    sheet.rectangle(0.12, 0.35, 2.16, 0.85, (52, 44, 36))
    sheet.polygon([(0.3, 1.2), (0.9, 0.35), (1.3, 0.35), (0.7, 1.2)], (88, 78, 66))
    sheet.rectangle(0.35, 1.35, 1.7, 0.5, (36, 36, 38))
    for y in (1.45, 1.57, 1.69):
        sheet.rectangle(0.35, y, 1.7, 0.035, (120, 120, 122))
    sheet.rectangle(0, 2.0, 2.4, 0.45, (58, 58, 60))
    for x in (0.08, 1.92):
        sheet.rectangle(x, 2.02, 0.4, 0.18, (225, 228, 230))
    sheet.rectangle(0.95, 2.2, 0.5, 0.13, (205, 210, 210))
    return Texture(sheet.bgr)


def _paint_cab_side(colour: Colour, size_px: tuple[int, int]) -> Texture:
    sheet = Sheet((2.0, 2.45), size_px, colour)
    sheet.rectangle(0.4, 0.45, 1.1, 0.7, (56, 48, 40))
    for x in (0.35, 1.55):
        sheet.rectangle(x, 0.35, 0.025, 1.8, (30, 30, 32))
    sheet.rectangle(0, 2.15, 2.0, 0.3, (58, 58, 60))
    return Texture(sheet.bgr)


def _paint_curtain(
    seed: int, colour: Colour, size_m: tuple[float, float], size_px: tuple[int, int]
) -> Texture:
    """Paint the canvas side of a lorry, with straps."""
    sheet = Sheet(size_m, size_px, colour)
    folds = noise.patch(np.random.default_rng(seed), sheet.shape, grain="soft", zoom=(6, 1))
    sheet.multiply(0.8 + 0.4 * folds)
    for x in np.arange(0.3, size_m[0], 0.6):
        sheet.rectangle(float(x), size_m[1] - 0.45, 0.04, 0.4, (60, 60, 62))
    sheet.rectangle(0, size_m[1] - 0.08, size_m[0], 0.08, (70, 70, 72))
    return Texture(sheet.bgr)


def _paint_lorry_rear(colour: Colour, size_px: tuple[int, int]) -> Texture:
    """Paint a roller shutter between posts, and lamps below it."""
    wide, high = 2.44, 2.7
    sheet = Sheet((wide, high), size_px, colour)
    bright: Colour = (colour[0] * 1.08, colour[1] * 1.08, colour[2] * 1.08)
    sheet.rectangle(0.12, 0.16, wide - 0.24, high - 0.46, bright)
    for y in np.arange(0.16, high - 0.3, 0.3):
        sheet.rectangle(0.12, float(y), wide - 0.24, 0.025, (84, 84, 86))
    sheet.rectangle(1.0, high - 0.5, 0.44, 0.07, (60, 60, 62))
    sheet.rectangle(0, high - 0.26, wide, 0.26, (58, 58, 60))
    for x in (0.08, wide - 0.4):
        sheet.rectangle(x, high - 0.2, 0.32, 0.13, (36, 36, 190))
    return Texture(sheet.bgr)


def _paint_person(seed: int, high: float, size_px: tuple[int, int]) -> Texture:
    rng = np.random.default_rng(seed)
    sheet = Sheet((0.7, high), size_px, (50, 46, 44), is_bare=True)
    tall = high / 1.75
    vest: Colour = (40, 225, 200) if rng.random() < 0.5 else (30, 110, 250)
    trousers: Colour = (78, 56, 42) if rng.random() < 0.6 else (52, 52, 54)
    stride = rng.uniform(0.02, 0.14)
    for foot in (-stride - 0.06, stride + 0.06):
        x = 0.35 + foot
        sheet.polygon(
            [(0.27 + foot * 0.3, 0.9 * tall), (0.43 + foot * 0.3, 0.9 * tall),
             (x + 0.06, 1.68 * tall), (x - 0.06, 1.68 * tall)],
            trousers,
        )  # fmt: skip
        sheet.rectangle(x - 0.07, 1.67 * tall, 0.17, 0.08 * tall, (24, 24, 26))
    for arm in (-1, 1):
        swing = rng.uniform(0.0, 0.08)
        x = 0.35 + arm * 0.2
        sheet.polygon(
            [(x - 0.05, 0.35 * tall), (x + 0.05, 0.35 * tall),
             (x + arm * swing + 0.04, 0.92 * tall), (x + arm * swing - 0.04, 0.92 * tall)],
            (86, 66, 52),
        )  # fmt: skip
        sheet.disc(x + arm * swing, 0.94 * tall, 0.045, (120, 150, 196))
    sheet.polygon(
        [(0.16, 0.33 * tall), (0.26, 0.29 * tall), (0.44, 0.29 * tall), (0.54, 0.33 * tall),
         (0.5, 0.95 * tall), (0.2, 0.95 * tall)],
        vest,
    )  # fmt: skip
    for y in (0.6, 0.78):
        sheet.rectangle(0.19, y * tall, 0.32, 0.045, (222, 226, 226))
    sheet.rectangle(0.3, 0.2 * tall, 0.1, 0.1, (110, 140, 186))
    sheet.disc(0.35, 0.15 * tall, 0.095, (120, 150, 196))
    helmet: Colour = (40, 200, 240) if rng.random() < 0.5 else (228, 228, 228)
    sheet.polygon(
        [(0.245, 0.13 * tall), (0.27, 0.04), (0.35, 0.0), (0.43, 0.04), (0.455, 0.13 * tall)],
        helmet,
    )
    return Texture(sheet.bgr, sheet.alpha)


def _paint_pallet(size_px: tuple[int, int]) -> Texture:
    sheet = Sheet((1.2, 0.14), size_px, (92, 132, 164))
    for x in (0.1, 0.66):
        sheet.rectangle(x, 0.03, 0.44, 0.08, (22, 30, 38))
    return Texture(sheet.bgr)


def _paint_tarpaulin(seed: int, colour: Colour, size_px: tuple[int, int]) -> Texture:
    rng = np.random.default_rng(seed)
    sheet = Sheet((1, 1), size_px, colour)
    folds = noise.patch(rng, sheet.shape, grain="soft", zoom=(3, 0.6))
    sheet.multiply(0.55 + 0.9 * folds)
    return Texture(sheet.bgr)
