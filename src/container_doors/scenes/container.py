"""A freight container in 3D, after ISO 668: its frame, its walls and its two door leaves."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from container_doors.scenes import noise
from container_doors.scenes.camera import Face
from container_doors.scenes.leaf import (
    ROD_STANDS_OFF_M,
    Look,
    Side,
    paint_inside,
    paint_leaf,
    paint_rods,
)
from container_doors.scenes.panel import Block, Paint, Panel, Pose, box_panels
from container_doors.scenes.sheet import Colour, Sheet, Texture, ribs, slopes

WIDTH_M = 2.438
HEIGHT_M = {"standard": 2.591, "high cube": 2.896}
LENGTH_M = {"20 ft": 6.058, "40 ft": 12.192}

_POST, _HEADER, _SILL = 0.085, 0.135, 0.135
_RECESS = 0.03
"""Distance of the leaves behind the frame's front."""


@dataclass(frozen=True, slots=True)
class Container:
    """Its origin is the middle of the lower edge of the door end; the doors face -z."""

    pose: Pose
    height_m: float
    length_m: float
    look: Look
    body: int
    door: int
    """The number of its door in the picture."""
    open_deg: tuple[float, float] = (0.0, 0.0)
    """Opening angles of the left and right leaf; 0 is closed."""
    cargo: float = 0.0
    """The filled fraction of the inside; visible when open."""

    @property
    def block(self) -> Block:
        """The block that shades other objects."""
        half = WIDTH_M / 2
        low, high = np.array([-half, 0, 0]), np.array([half, self.height_m, self.length_m])
        return Block(self.pose, low, high, self.body)

    def leaves(self) -> tuple[Face, Face]:
        """Return the outer faces of the left and the right leaf in their present position."""
        return self._leaf("left"), self._leaf("right")

    def _leaf(self, side: Side) -> Face:
        angle = np.radians(self.open_deg[side == "right"])
        width = WIDTH_M / 2 - _POST
        down = (0, -(self.height_m - _HEADER - _SILL), 0)
        top = self.height_m - _HEADER
        hinge = WIDTH_M / 2 - _POST
        x, z = width * np.cos(angle), -width * np.sin(angle)
        if side == "left":
            return self.pose.face((-hinge, top, _RECESS), (x, 0, z), down)
        return self.pose.face((hinge - x, top, _RECESS + z), (x, 0, -z), down)


def container_panels(container: Container) -> list[Panel]:
    """Return the panels of a container's outside, and of its inside if it is open."""
    panels = _walls(container) + _frame(container)
    look, door = container.look, container.door
    sides: tuple[Side, Side] = ("left", "right")
    for side, leaf, angle in zip(sides, container.leaves(), container.open_deg, strict=True):
        size = leaf.size_m
        outside: Paint = partial(paint_leaf, look, side, size)
        rods: Paint = partial(paint_rods, look, side, size)
        panels.append(Panel(leaf, outside, container.body, door))
        panels += [
            Panel(leaf.shifted(ROD_STANDS_OFF_M * fraction), rods, container.body, door)
            for fraction in (0.45, 1.0)
        ]
        if angle > 0:
            back = Face(leaf.corner + leaf.right, -leaf.right, leaf.down).shifted(0.045)
            panels.append(Panel(back, partial(paint_inside, look, size), container.body, door))
    if max(container.open_deg) > 0:
        panels += _room(container)
    return panels


def _walls(container: Container) -> list[Panel]:
    half, look = WIDTH_M / 2, container.look
    high, long = container.height_m, container.length_m
    side: Paint = partial(paint_wall, look, (long, high), is_front_end=False)
    ends: dict[str, Paint] = {
        "left": side,
        "right": side,
        "top": partial(paint_roof, look, (WIDTH_M, long)),
        "back": partial(paint_wall, look, (WIDTH_M, high), is_front_end=True),
        "bottom": partial(paint_roof, look, (WIDTH_M, long)),
    }
    return box_panels(container.pose, (-half, 0, 0), (half, high, long), ends, body=container.body)


def _frame(container: Container) -> list[Panel]:
    """Return the posts, header and sill around the leaves, and the corner castings."""
    half, high = WIDTH_M / 2, container.height_m
    look, pose = container.look, container.pose
    pieces = [
        (-half, high, _POST, high),
        (half - _POST, high, _POST, high),
        (-half, high, WIDTH_M, _HEADER),
        (-half, _SILL, WIDTH_M, _SILL),
    ]
    panels = [
        Panel(
            pose.face((x, y, 0), (wide, 0, 0), (0, -tall, 0)),
            partial(
                _paint_steel, look, (wide, tall), hazard=look.is_high_cube and y == high > tall
            ),
            container.body,
        )
        for x, y, wide, tall in pieces
    ]
    jambs = {
        "left": ((-half + _POST, high, 0), (0, 0, _RECESS), (0, -high, 0)),
        "right": ((half - _POST, high, _RECESS), (0, 0, -_RECESS), (0, -high, 0)),
        "top": ((-half, high - _HEADER, 0), (WIDTH_M, 0, 0), (0, 0, _RECESS)),
        "sill": ((-half, _SILL, _RECESS), (WIDTH_M, 0, 0), (0, 0, -_RECESS)),
    }
    panels += [
        Panel(pose.face(*place), partial(_paint_steel, look, (0.1, 0.1)), container.body)
        for place in jambs.values()
    ]
    for x in (-half - 0.004, half + 0.004 - 0.162):
        for y in (-0.004, high + 0.004 - 0.118):
            for z, end in ((-0.006, "front"), (container.length_m + 0.006 - 0.178, "back")):
                low, top = (x, y, z), (x + 0.162, y + 0.118, z + 0.178)
                cast: Paint = partial(_paint_casting, look)
                sides = dict.fromkeys((end, "left" if x < 0 else "right"), cast)
                panels += box_panels(pose, low, top, sides, body=container.body)
    return panels


def _room(container: Container) -> list[Panel]:
    """Return the inside, which gets light only through the doorway."""
    half, high, long = WIDTH_M / 2 - 0.06, container.height_m - 0.1, container.length_m - 0.1
    opening = container.pose.face((-half, high, _RECESS), (2 * half, 0, 0), (0, -(high - _SILL), 0))
    wall: Paint = partial(paint_wall, container.look, (long, high), is_front_end=True)
    floor: Paint = partial(_paint_floor, (2 * half, long))
    places: list[tuple[Paint, tuple[tuple[float, float, float], ...]]] = [
        (wall, ((-half, high, 0.04), (0, 0, long), (0, -high, 0))),
        (wall, ((half, high, long), (0, 0, -long), (0, -high, 0))),
        (wall, ((-half, high, long), (2 * half, 0, 0), (0, -high, 0))),
        (wall, ((-half, high, 0.04), (2 * half, 0, 0), (0, 0, long))),
        (floor, ((-half, _SILL + 0.01, long), (2 * half, 0, 0), (0, 0, -long))),
    ]
    panels = [
        Panel(container.pose.face(*place), paint, container.body, container.door, opening)
        for paint, place in places
    ]
    rng = np.random.default_rng([container.look.seed, 3])
    tall = container.cargo * (high - _SILL)
    if tall < 0.4:
        return panels
    start = rng.uniform(0.25, 1.4)
    for x in (-1.06, 0.03):
        top = _SILL + tall * rng.uniform(0.75, 1.0)
        paint = partial(paint_cartons, int(rng.integers(1 << 30)), (1.0, tall))
        load = box_panels(
            container.pose, (x, _SILL, start), (x + 1.03, top, long - 0.5), {"else": paint}
        )
        panels += [
            Panel(panel.face, panel.paint, container.body, container.door, opening)
            for panel in load
        ]
    return panels


def paint_wall(
    look: Look, size_m: tuple[float, float], size_px: tuple[int, int], *, is_front_end: bool
) -> Texture:
    """Paint corrugated steel between rails and posts, with the owner's name if it is a side."""
    rng = np.random.default_rng([look.seed, 4, is_front_end])
    sheet = Sheet(size_m, size_px, look.colour)
    length, height = size_m
    columns, rows = size_px
    slope, depth = slopes(
        columns, length, ribs(length, pitch_m=0.278, depth_m=0.036, margin_m=0.17)
    )
    weather(sheet, rng, look.age)
    if not is_front_end and length > 3:
        if rng.random() < 0.65:
            tall = rng.uniform(0.5, 0.95)
            wide = tall * 0.62 * len(look.brand)
            left = rng.uniform(0.15, 0.6) * max(length - wide, 0.5)
            sheet.text(look.brand, (left, rng.uniform(0.25, 0.4) * height), tall, look.ink, wide)
        number = look.number
        text = f"{number.owner}U {number.serial} {number.check_digit}"
        sheet.text(text, (length - 1.9, 0.14 * height), 0.12, look.ink, 1.3)
    on_web = np.ones(rows, np.float32)
    edge = (np.arange(rows) + 0.5) / rows * height
    on_web[(edge < 0.10) | (edge > height - 0.16)] = 0
    for x in (0.0, length - 0.17):
        for y in (0.0, height - 0.118):
            sheet.rectangle(x, y, 0.17, 0.118, _dark(look.colour, 0.62))
            sheet.rectangle(x + 0.05, y + 0.03, 0.07, 0.055, (18, 18, 18))
    sheet.rectangle(0, 0.098, length, 0.012, _dark(look.colour, 0.6))
    sheet.rectangle(0, height - 0.16, length, 0.014, _dark(look.colour, 0.55))
    return Texture(
        sheet.bgr,
        slope_right=slope[None, :] * on_web[:, None],
        shade=(1 + (depth * 5.5 - slope * 0.16)[None, :] * on_web[:, None]).astype(np.float32),
    )


def paint_roof(look: Look, size_m: tuple[float, float], size_px: tuple[int, int]) -> Texture:
    """Paint shallow ribs across; a roof fades and rusts more than a wall."""
    rng = np.random.default_rng([look.seed, 5])
    sheet = Sheet(size_m, size_px, look.colour)
    slope, _ = slopes(size_px[1], size_m[1], ribs(size_m[1], pitch_m=0.21, depth_m=0.02))
    weather(sheet, rng, min(1.0, look.age + 0.25))
    return Texture(sheet.bgr, slope_down=slope[:, None])


def weather(sheet: Sheet, rng: np.random.Generator, age: float) -> None:
    """Fade, streak and rust a wall."""
    uneven = noise.patch(rng, sheet.shape, grain="soft")
    runs = noise.patch(rng, sheet.shape, grain="rough", zoom=(9, 1))
    sheet.multiply(1 + (uneven - 0.5) * (0.15 + 0.4 * age) + (runs - 0.5) * (0.1 + 0.45 * age))
    if age > 0.25:
        spots = noise.patch(rng, sheet.shape, grain="rough") * 0.6 + runs * 0.4
        sheet.mix((40, 64, 106), np.clip((spots - 0.83 + 0.22 * age) * 9, 0, 0.85))


def paint_cartons(seed: int, size_m: tuple[float, float], size_px: tuple[int, int]) -> Texture:
    """Paint stacked cardboard boxes."""
    rng = np.random.default_rng(seed)
    sheet = Sheet(size_m, size_px, (92, 136, 176))
    across, up = 3, max(2, round(size_m[1] / 0.36))
    wide, tall = size_m[0] / across, size_m[1] / up
    for row in range(up):
        for column in range(across):
            tone = rng.uniform(0.78, 1.1)
            x, y = column * wide, row * tall
            brown: Colour = (92 * tone, 136 * tone, 176 * tone)
            sheet.rectangle(x + 0.008, y + 0.008, wide - 0.016, tall - 0.016, brown)
            sheet.rectangle(x, y + 0.45 * tall, wide, 0.03, (120 * tone, 165 * tone, 200 * tone))
            sheet.rectangle(x, y, 0.012, tall, (40, 56, 70))
        sheet.rectangle(0, row * tall, size_m[0], 0.014, (40, 56, 70))
    return Texture(sheet.bgr)


def _paint_floor(size_m: tuple[float, float], size_px: tuple[int, int]) -> Texture:
    sheet = Sheet(size_m, size_px, (70, 96, 122))
    for x in np.arange(0.3, size_m[0], 0.3):
        sheet.rectangle(float(x), 0, 0.015, size_m[1], (34, 46, 60))
    return Texture(sheet.bgr)


def _paint_steel(
    look: Look, size_m: tuple[float, float], size_px: tuple[int, int], *, hazard: bool = False
) -> Texture:
    rng = np.random.default_rng([look.seed, 6, round(size_m[0] * 1000)])
    sheet = Sheet(size_m, size_px, _dark(look.colour, 0.93))
    if hazard and size_m[0] > 1:
        for start in (0.2, size_m[0] - 0.56):
            sheet.rectangle(start, 0.03, 0.36, 0.07, (30, 190, 230))
            for x in np.arange(start, start + 0.32, 0.09):
                a = float(x)
                stripe = [(a, 0.10), (a + 0.03, 0.03), (a + 0.07, 0.03), (a + 0.04, 0.10)]
                sheet.polygon(stripe, (22, 22, 22))
    weather(sheet, rng, look.age)
    return Texture(sheet.bgr)


def _paint_casting(look: Look, size_px: tuple[int, int]) -> Texture:
    sheet = Sheet((0.17, 0.118), size_px, _dark(look.colour, 0.8))
    sheet.rectangle(0.055, 0.03, 0.06, 0.058, (14, 14, 15))
    return Texture(sheet.bgr)


def _dark(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
