"""Immobile objects of a container yard: stacks, sheds, masts, cranes, trees."""

from collections.abc import Callable
from functools import partial

import numpy as np

from container_doors.scenes import noise
from container_doors.scenes.container import HEIGHT_M, WIDTH_M, paint_roof, paint_wall
from container_doors.scenes.leaf import Look
from container_doors.scenes.panel import Block, Paint, Panel, Pose, box_panels, plain
from container_doors.scenes.sheet import Colour, Sheet, Texture, ribs, slopes

Thing = tuple[list[Panel], list[Block]]
"""An object's visible panels, and its blocks that cast shadows."""


def blind_container(pose: Pose, look: Look, *, length_m: float, body: int) -> Thing:
    """Make a container without visible doors: all its walls are plain.

    Its origin and axes are those of a container with doors.
    """
    half = WIDTH_M / 2
    high = HEIGHT_M["high cube" if look.is_high_cube else "standard"]
    side: Paint = partial(paint_wall, look, (length_m, high), is_front_end=False)
    end: Paint = partial(paint_wall, look, (WIDTH_M, high), is_front_end=True)
    roof: Paint = partial(paint_roof, look, (WIDTH_M, length_m))
    low, top = np.array([-half, 0, 0]), np.array([half, high, length_m])
    paints = {"front": end, "back": end, "left": side, "right": side, "top": roof, "bottom": roof}
    panels = box_panels(pose, low, top, paints, body=body)
    return panels, [Block(pose, low, top, body)]


def shed(rng: np.random.Generator, pose: Pose, size_m: tuple[float, float]) -> Thing:
    """Make the wall of a warehouse: cladding or brick, with roller shutters and windows."""
    seed, is_brick = int(rng.integers(1 << 31)), bool(rng.random() < 0.35)
    wide, high = size_m
    face = pose.face((-wide / 2, high, 0), (wide, 0, 0), (0, -high, 0))
    front = Panel(face, partial(_paint_shed, seed, size_m, is_brick=is_brick))
    gable = plain((104, 108, 112))
    walls = box_panels(
        pose, (-wide / 2, 0, 0.01), (wide / 2, high, 14), {"left": gable, "right": gable}
    )
    return [front, *walls], []


def mast(rng: np.random.Generator, pose: Pose, *, is_lit: bool) -> Thing:
    """Make a lamp on a mast, with a halo if it is lit."""
    high = rng.uniform(7, 13)
    grey = plain((112, 114, 116))
    panels = box_panels(pose, (-0.08, 0, -0.08), (0.08, high, 0.08), {"else": grey})
    head = plain((235, 245, 250), glow=1.2) if is_lit else grey
    panels += box_panels(pose, (-0.7, high, -0.15), (0.7, high + 0.25, 0.15), {"else": head})
    if is_lit:
        reach = rng.uniform(1.6, 3.0)
        colour: Colour = (120, 200, 255) if rng.random() < 0.5 else (240, 245, 255)
        face = pose.face((-reach, high + reach, -0.3), (2 * reach, 0, 0), (0, -2 * reach, 0))
        panels.append(Panel(face, partial(_paint_halo, colour)))
    return panels, []


def crane(rng: np.random.Generator, pose: Pose) -> Thing:
    """Make a gantry crane: four legs, two girders, a cabin."""
    colours: tuple[Colour, ...] = ((40, 50, 180), (30, 150, 220), (160, 110, 40), (190, 190, 190))
    steel = plain(colours[rng.integers(len(colours))])
    wide, high, deep = rng.uniform(16, 26), rng.uniform(13, 20), 8.0
    panels: list[Panel] = []
    for x in (-wide / 2, wide / 2):
        for z in (0.0, deep):
            panels += box_panels(pose, (x - 0.5, 0, z), (x + 0.5, high, z + 0.8), {"else": steel})
        panels += box_panels(pose, (x - 0.4, 3, 0), (x + 0.4, 4, deep), {"else": steel})
    for z in (0.0, deep):
        low, top = (-wide / 2 - 4, high, z), (wide / 2 + 4, high + 1.6, z + 0.9)
        panels += box_panels(pose, low, top, {"else": steel})
    x = rng.uniform(-wide / 3, wide / 3)
    cabin = plain((70, 70, 66))
    panels += box_panels(pose, (x, high - 2.4, 1), (x + 2.4, high, 4), {"else": cabin})
    for rope in (x + 0.3, x + 2.0):
        low, top = (rope - 0.03, high - 7, 2), (rope + 0.03, high, 2.06)
        panels += box_panels(pose, low, top, {"else": plain((40, 40, 40))})
    return panels, []


def trees(rng: np.random.Generator, pose: Pose, width_m: float) -> Thing:
    """Make a row of trees, as a cut-out."""
    high = rng.uniform(4, 9)
    face = pose.face((-width_m / 2, high, 0), (width_m, 0, 0), (0, -high, 0))
    return [Panel(face, partial(_paint_trees, int(rng.integers(1 << 31)), (width_m, high)))], []


def markings(rng: np.random.Generator, pose: Pose) -> Thing:
    """Make worn lines on the ground."""
    colour: Colour = (60, 175, 215) if rng.random() < 0.5 else (205, 208, 208)
    seed = int(rng.integers(1 << 31))
    panels = []
    for x in np.arange(-3, 4) * rng.uniform(2.8, 4.5):
        long = rng.uniform(14, 40)
        face = pose.face((x - 0.06, 0.004, 22), (0.13, 0, 0), (0, 0, -long))
        panels.append(Panel(face, partial(_paint_line, seed, (0.13, long), colour)))
    return panels, []


def _paint_line(
    seed: int, size_m: tuple[float, float], colour: Colour, size_px: tuple[int, int]
) -> Texture:
    sheet = Sheet(size_m, (max(size_px[0], 8), size_px[1]), colour, is_bare=True)
    sheet.rectangle(0, 0, *size_m, colour)
    worn = noise.patch(np.random.default_rng(seed), sheet.shape, grain="rough", zoom=(1, 0.3))
    if sheet.alpha is not None:
        sheet.alpha = (sheet.alpha * np.clip((worn - 0.3) * 3.5, 0.1, 0.85)).astype(np.uint8)
    return Texture(sheet.bgr, sheet.alpha)


def _paint_shed(
    seed: int, size_m: tuple[float, float], size_px: tuple[int, int], *, is_brick: bool
) -> Texture:
    rng = np.random.default_rng(seed)
    wide, high = size_m
    tones: tuple[Colour, ...] = (
        (172, 176, 178), (150, 140, 124), (126, 150, 160), (160, 128, 92), (198, 202, 204),
    )  # fmt: skip
    colour: Colour = (68, 84, 132) if is_brick else tones[rng.integers(len(tones))]
    sheet = Sheet(size_m, size_px, colour)
    if is_brick:
        grain = noise.patch(rng, sheet.shape, grain="fine", zoom=(3, 8))
        sheet.multiply(1 + (grain - 0.5) * 0.7)
        if sheet.scale[1] > 10:
            for y in np.arange(0.08, high, 0.16):
                sheet.rectangle(0, float(y), wide, 0.015, (128, 136, 142))
    else:
        band = tones[rng.integers(len(tones))]
        sheet.rectangle(0, 0, wide, high * rng.uniform(0.1, 0.3), _scaled(band, 0.8))
    runs = noise.patch(rng, sheet.shape, grain="rough", zoom=(10, 1))
    sheet.multiply(1 + (runs - 0.5) * 0.3)
    pitch = rng.uniform(5.0, 8.0)
    shutter: Colour = tuple(float(c) for c in rng.uniform(70, 190, 3) * 0.3 + 110)  # type: ignore[assignment]
    for x in np.arange(1.0, wide - 4.2, pitch):
        if rng.random() < 0.7:
            _shutter(sheet, float(x), 3.4, min(4.2, high * 0.62), shutter)
        else:
            for pane in range(3):
                sheet.rectangle(x + pane * 1.3, high * 0.45, 1.1, 1.0, (70, 62, 54))
                sheet.rectangle(x + pane * 1.3, high * 0.45 + 0.48, 1.1, 0.06, (190, 190, 190))
    slope = None
    if not is_brick:
        slope, _ = slopes(size_px[0], wide, ribs(wide, pitch_m=0.33, depth_m=0.03))
        slope = slope[None, :] * 0.6
    return Texture(sheet.bgr, slope_right=slope)


def _shutter(sheet: Sheet, x: float, wide: float, high: float, colour: Colour) -> None:
    """Paint a roller shutter down to the ground, in a frame, with bumpers at its foot."""
    bottom = sheet.size_m[1]
    sheet.rectangle(x - 0.15, bottom - high - 0.35, wide + 0.3, high + 0.35, (62, 62, 60))
    sheet.rectangle(x, bottom - high, wide, high, colour)
    for y in np.arange(bottom - high, bottom, 0.18):
        sheet.rectangle(x, float(y), wide, 0.05, _scaled(colour, 0.78))
    for edge in (x - 0.15, x + wide - 0.1):
        sheet.rectangle(edge, bottom - 1.0, 0.25, 0.55, (30, 160, 200))


def _paint_halo(colour: Colour, size_px: tuple[int, int]) -> Texture:
    del size_px
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    alpha = (np.clip(1 - np.hypot(x, y), 0, 1) ** 2.5 * 125).astype(np.uint8)
    return Texture(np.full((48, 48, 3), colour, np.uint8), alpha, glow=1.0)


def _paint_trees(seed: int, size_m: tuple[float, float], size_px: tuple[int, int]) -> Texture:
    rng = np.random.default_rng(seed)
    sheet = Sheet(size_m, size_px, (44, 74, 58))
    leaves = noise.patch(rng, sheet.shape, grain="rough")
    sheet.multiply(0.35 + 1.3 * leaves)
    rows, columns = sheet.shape
    crown = noise.patch(rng, (1, columns), grain="rough")[0] * 1.1 - 0.1
    up = 1 - (np.arange(rows)[:, None] + 0.5) / rows
    alpha = np.clip((crown[None, :] + (leaves - 0.5) * 0.4 - up) * 30, 0, 1) * 255
    return Texture(sheet.bgr, alpha.astype(np.uint8))


def _scaled(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


BACKDROPS: tuple[Callable[[np.random.Generator, Pose], Thing], ...] = (
    lambda rng, pose: shed(rng, pose, (rng.uniform(24, 60), rng.uniform(6, 10))),
    lambda rng, pose: trees(rng, pose, rng.uniform(40, 120)),
    crane,
)
