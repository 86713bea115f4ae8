"""Compose a random scene: light, containers, surroundings, and the camera's position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from container_doors.scenes.camera import Camera, Vector, look_at
from container_doors.scenes.container import HEIGHT_M, LENGTH_M, WIDTH_M, Container
from container_doors.scenes.leaf import Look
from container_doors.scenes.light import Lighting, draw_light
from container_doors.scenes.numbers import draw_number
from container_doors.scenes.panel import Pose
from container_doors.scenes.scene import Scene
from container_doors.scenes.sheet import Colour
from container_doors.scenes.vehicles import (
    DECK_M,
    forklift,
    goods,
    lorry,
    person,
    pole,
    trailer,
)
from container_doors.scenes.yard import (
    BACKDROPS,
    Thing,
    blind_container,
    markings,
    mast,
    shed,
)

_LIGHTING: dict[Lighting, float] = {
    "daylight": 0.36,
    "overcast": 0.22,
    "low_sun": 0.14,
    "night": 0.15,
    "rain": 0.13,
}
_COLOURS: tuple[Colour, ...] = (
    (44, 52, 128), (38, 40, 150), (40, 54, 118), (52, 68, 112), (150, 82, 34), (128, 70, 46),
    (92, 60, 36), (160, 112, 44), (74, 112, 44), (96, 130, 56), (34, 98, 214), (46, 114, 196),
    (112, 110, 106), (92, 88, 84), (186, 188, 186), (150, 176, 186), (124, 160, 76),
)  # fmt: skip
"""Paint colours: reds and browns, as most containers have, blues, greens, oranges, greys."""
_OPEN = 0.13
"""The probability that a door is open, if it has room: small, as in photographs."""
_BRANDS = ("NORDSEA", "Talex", "BRG", "OCEVA", "HARMONY", "KALDER", "SVEA", "PQ LINE", "Zelmar")
_GROUNDS: tuple[Colour, ...] = ((112, 114, 116), (136, 140, 142), (150, 156, 160), (96, 96, 98))


@dataclass(slots=True)
class _Yard:
    """A scene under construction."""

    rng: np.random.Generator
    is_plain: bool = False
    things: list[Thing] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    has_room: bool = True
    """Whether leaves can swing out without hitting a neighbour."""

    def put(self, thing: Thing) -> None:
        self.things.append(thing)

    def put_container(self, pose: Pose, look: Look, *, has_door: bool, is_long: bool) -> None:
        """Add a container with its near end at the pose: the door end, or the blind end."""
        long = LENGTH_M["40 ft" if is_long else "20 ft"]
        if not has_door:
            far = Pose(pose.point((0, 0, long)), pose.heading_deg + 180)
            self.put(blind_container(far, look, length_m=long, body=next(self.numbers)))
            return
        angles = (0.0, 0.0)
        if not self.containers and self.has_room and self.rng.random() < _OPEN:
            first, second = self.rng.uniform(65, 160, 2)
            choices = ((first, 0.0), (0.0, second), (first, second))
            angles = choices[int(self.rng.choice(3, p=[0.36, 0.36, 0.28]))]
        high = HEIGHT_M["high cube" if look.is_high_cube else "standard"]
        self.containers.append(
            Container(
                pose, high, long, look, next(self.numbers), len(self.containers),
                angles, self.rng.uniform(0, 1),
            )
        )  # fmt: skip


def draw_scene(
    rng: np.random.Generator, *, has_door: bool, size_px: tuple[int, int], is_plain: bool
) -> Scene:
    """Draw one scene; a plain one has at most one closed door, and nothing in front of it.

    The scene may be unsuitable, with a door almost hidden or only a sliver at the edge: the caller
    checks that when it makes the labels, and draws another.
    """
    names = list(_LIGHTING)
    lighting = names[int(rng.choice(len(names), p=list(_LIGHTING.values())))]
    light = draw_light(rng, lighting)
    yard = _Yard(rng, is_plain=is_plain)
    middle: Vector
    if has_door:
        middle = _draw_main(yard, has_door=True)
    else:
        middle = _WITHOUT_DOOR[rng.integers(len(_WITHOUT_DOOR))](yard)
    camera = _camera(yard, middle, size_px, has_door=has_door)
    _draw_background(yard, is_night=lighting == "night")
    if rng.random() < 0.36 and not is_plain:
        _draw_foreground(yard, camera, middle)
    return Scene(
        camera,
        light,
        yard.containers,
        [panel for panels, _ in yard.things for panel in panels],
        [block for _, blocks in yard.things for block in blocks],
        _GROUNDS[rng.integers(len(_GROUNDS))],
        int(rng.integers(1 << 31)),
    )


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a container's colour, markings and age."""
    colour = _COLOURS[rng.integers(len(_COLOURS))]
    blue, green, red = (float(np.clip(c * rng.uniform(0.85, 1.15), 15, 225)) for c in colour)
    is_pale = blue + green + red > 480
    is_high_cube = bool(rng.random() < 0.45)
    steel = rng.uniform(130, 190)
    rod: Colour = (steel, steel, steel * 0.985)
    if rng.random() < 0.3:
        rod = (min(blue * 1.15 + 14, 255), min(green * 1.15 + 14, 255), min(red * 1.15 + 14, 255))
    return Look(
        colour=(blue, green, red),
        ink=(40, 36, 34) if is_pale else (225, 228, 228),
        rod=rod,
        number=draw_number(rng, size_type="45G1" if is_high_cube else "22G1"),
        brand=_BRANDS[rng.integers(len(_BRANDS))],
        age=float(rng.beta(1.3, 2.2)),
        panels=int(rng.integers(4, 7)),
        handle_m=rng.uniform(0.75, 1.1),
        is_high_cube=is_high_cube,
        seed=int(rng.integers(1 << 31)),
    )


def _draw_main(yard: _Yard, *, has_door: bool) -> Vector:
    """Stand the container that the picture is about at the origin, and give its end's middle."""
    rng = yard.rng
    probabilities = [0.5, 0.5, 0, 0] if yard.is_plain else [0.34, 0.3, 0.22, 0.14]
    layout = rng.choice(["alone", "trailer", "row", "stack"], p=probabilities)
    yard.has_room = layout != "row" and not yard.is_plain
    floor = DECK_M if layout == "trailer" else 0.0
    look, is_long = draw_look(rng), bool(rng.random() < 0.5)
    pose = Pose(np.array([0.0, floor, 0.0]))
    yard.put_container(pose, look, has_door=has_door, is_long=is_long)
    high = HEIGHT_M["high cube" if look.is_high_cube else "standard"]
    if layout == "trailer":
        long = LENGTH_M["40 ft" if is_long else "20 ft"]
        body = next(yard.numbers)
        yard.put(trailer(rng, Pose(np.zeros(3)), length_m=long, body=body))
    elif layout == "row":
        for side in rng.permutation([-1, 1])[: rng.integers(1, 3)]:
            x = side * (WIDTH_M + rng.uniform(0.06, 0.5))
            beside = Pose(np.array([x, 0.0, rng.uniform(-0.15, 0.5)]))
            doors = has_door and rng.random() < 0.6
            yard.put_container(beside, draw_look(rng), has_door=bool(doors), is_long=is_long)
    elif layout == "stack":
        above = Pose(np.array([rng.uniform(-0.03, 0.03), high, rng.uniform(0, 0.06)]))
        doors = has_door and rng.random() < 0.5
        yard.put_container(above, draw_look(rng), has_door=bool(doors), is_long=is_long)
    return np.array([0.0, floor + high / 2, 0.0])


def _blind_end(yard: _Yard) -> Vector:
    return _draw_main(yard, has_door=False)


def _long_side(yard: _Yard) -> Vector:
    """Add a container's side, viewed almost at a right angle."""
    rng = yard.rng
    look, is_long = draw_look(rng), bool(rng.random() < 0.5)
    long = LENGTH_M["40 ft" if is_long else "20 ft"]
    pose = Pose(np.array([-long / 2, 0.0, 0.0]), 90.0 + rng.uniform(-12, 12))
    yard.put(blind_container(pose, look, length_m=long, body=next(yard.numbers)))
    return np.array([rng.uniform(-2, 2), 1.3, 0.0])


def _lorry_alone(yard: _Yard) -> Vector:
    rng = yard.rng
    pose = Pose(np.array([0.0, 0.0, 0.0]), rng.choice([0.0, 180.0]) + rng.uniform(-25, 25))
    yard.put(lorry(rng, pose, body=next(yard.numbers)))
    return np.array([0.0, 1.6, 0.0])


def _shutters(yard: _Yard) -> Vector:
    """Add a nearby warehouse with roller shutters."""
    rng = yard.rng
    yard.put(shed(rng, Pose(np.array([0.0, 0.0, 1.0])), (rng.uniform(18, 30), rng.uniform(5, 8))))
    return np.array([rng.uniform(-3, 3), 2.0, 0.0])


def _empty_yard(yard: _Yard) -> Vector:
    return np.array([0.0, yard.rng.uniform(0.8, 2.5), 0.0])


_WITHOUT_DOOR: tuple[Callable[[_Yard], Vector], ...] = (
    _blind_end, _blind_end, _long_side, _long_side, _lorry_alone, _shutters, _empty_yard,
)  # fmt: skip


def _camera(yard: _Yard, middle: Vector, size_px: tuple[int, int], *, has_door: bool) -> Camera:
    """Return a camera in front of the main door, within 55 degrees to either side."""
    rng = yard.rng
    yaw = np.radians(rng.uniform(-55, 55) if rng.random() < 0.6 else rng.normal(0, 10))
    yaw = float(np.clip(yaw, -0.96, 0.96))
    area_fraction = float(
        np.exp(rng.uniform(np.log(0.15 if yard.is_plain else 0.09), np.log(0.62)))
    )
    focal = size_px[0] * rng.uniform(0.72, 1.5)
    door_px = np.sqrt(area_fraction * size_px[0] * size_px[1] / np.cos(yaw))
    distance = max(2.8, focal * 2.3 / door_px) * (1.0 if has_door else 1.2)
    height = rng.uniform(1.1, 2.2) if rng.random() < 0.8 else rng.uniform(2.2, 5.0)
    position = np.array([distance * np.sin(yaw), height, -distance * np.cos(yaw)])
    free = 0.25 + 1.6 * max(0.0, 0.5 - area_fraction)
    aim = middle + np.array([rng.normal(0, 1.0) * free, rng.normal(0, 0.45) * free, 0])
    return look_at(
        position, aim, roll_deg=float(np.clip(rng.normal(0, 2.5), -7, 7)),
        focal_px=float(focal), size_px=size_px,
    )  # fmt: skip


def _draw_background(yard: _Yard, *, is_night: bool) -> None:
    """Add sheds, stacks, masts and lorries behind the main container."""
    rng = yard.rng
    far = rng.uniform(28, 60)
    for _ in range(rng.integers(1, 3)):
        backdrop = BACKDROPS[rng.integers(len(BACKDROPS))]
        place = np.array([rng.uniform(-18, 18), 0.0, far])
        yard.put(backdrop(rng, Pose(place, rng.uniform(-12, 12))))
        far += 12
    if rng.random() < 0.75:
        for side in rng.permutation([-1, 1])[: rng.integers(1, 3)]:
            _stack(yard, side)
    if rng.random() < 0.25:
        x = rng.choice([-1, 1]) * rng.uniform(6, 12)
        pose = Pose(np.array([x, 0.0, rng.uniform(6, 18)]), rng.uniform(-60, 60))
        yard.put(lorry(rng, pose, body=next(yard.numbers)))
    if is_night or rng.random() < 0.35:
        for _ in range(rng.integers(1, 4)):
            pose = Pose(np.array([rng.uniform(-16, 16), 0.0, rng.uniform(14, 30)]))
            yard.put(mast(rng, pose, is_lit=is_night))
    if rng.random() < 0.45:
        yard.put(markings(rng, Pose(np.zeros(3), rng.uniform(-30, 30))))


def _stack(yard: _Yard, side: int) -> None:
    """Add stacked containers at one side, which show their walls or the ends without doors."""
    rng = yard.rng
    shows_ends = rng.random() < 0.4
    columns = int(rng.integers(2, 4)) if shows_ends else 1
    long = LENGTH_M["20 ft" if rng.random() < 0.5 else "40 ft"]
    z = rng.uniform(13.5, 24)
    start = side * rng.uniform(2.0, 6)
    for column in range(columns):
        for tier in range(int(rng.integers(1, 4))):
            floor = tier * HEIGHT_M["standard"]
            x = start + side * column * (WIDTH_M + 0.12)
            pose = Pose(np.array([x, floor, z + rng.uniform(0, 0.1)]))
            if not shows_ends:
                pose = Pose(np.array([start - (side < 0) * long, floor, z]), 90.0)
            look = draw_look(rng)
            yard.put(blind_container(pose, look, length_m=long, body=next(yard.numbers)))


def _draw_foreground(yard: _Yard, camera: Camera, middle: Vector) -> None:
    """Add objects between the camera and the door, mostly to one side."""
    rng = yard.rng
    makers = (person, person, goods, goods, pole, forklift, forklift)
    for _ in range(rng.integers(1, 3)):
        make = makers[rng.integers(len(makers))]
        along = rng.uniform(0.58, 0.88)
        place = camera.position + (middle - camera.position) * along
        reach = float(np.linalg.norm(middle - camera.position)) * (1 - along)
        place = place + camera.axes[0] * rng.choice([-1, 1]) * rng.uniform(0.3, 1.9) * (
            1 + 0.1 * reach
        )
        place[1] = 0.0
        if place[2] > -1.3:
            continue
        heading = rng.uniform(-180, 180)
        if make is person:
            away = place - camera.position
            heading = float(np.degrees(np.arctan2(away[0], away[2])))
        yard.put(make(rng, Pose(place, heading), body=next(yard.numbers)))
