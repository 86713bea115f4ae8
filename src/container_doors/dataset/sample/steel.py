"""Containers made visible: walls, roofs, doors and what is seen through open ones."""

import dataclasses
from typing import Any

import cv2
import numpy as np

from container_doors.dataset.sample import doors
from container_doors.dataset.sample.camera import Face, Vector
from container_doors.dataset.sample.canvas import Canvas, Pixels, with_opacity
from container_doors.dataset.sample.container import WIDTH_M, Container
from container_doors.dataset.sample.lettering import write
from container_doors.dataset.sample.light import Light
from container_doors.dataset.sample.look import Look
from container_doors.dataset.sample.noise import patch
from container_doors.dataset.sample.surface import Field, Surface, blank, corrugation, weather_steel

_CARTON = np.array([86.0, 124.0, 158.0])
_SACK = np.array([196.0, 204.0, 208.0])
_PLYWOOD = np.array([70.0, 98.0, 122.0])


def draw_container(
    canvas: Canvas, container: Container, rng: np.random.Generator, *, owner: int = 0
) -> None:
    """Paint a container where it stands.

    Args:
        canvas: The picture; what is behind the container is on it already.
        container: What to paint.
        rng: For wear and dirt.
        owner: The number of its door on the canvas.
    """
    camera, look = canvas.camera, container.look
    if container.roof.faces(camera):
        _lay(canvas, _roof(container, _scale(canvas, container.roof, 60)), container.roof, rng, look)
    for i, wall in enumerate(container.walls):
        if wall.faces(camera):
            scale = _scale(canvas, wall, 90)
            surface = paint_wall(wall.size_m, scale, look, with_brand=i < 2 and wall.size_m[0] > 4)
            _lay(canvas, surface, wall, rng, look)
    if container.end.faces(camera):
        _draw_end(canvas, container, rng, owner)


def _scale(canvas: Canvas, face: Face, most: float) -> float:
    """Choose texels per metre: what the nearest corner is seen at, within reason."""
    nearest = max(float(canvas.camera.view(face.corners)[:, 2].min()), 1.0)
    return float(np.clip(canvas.camera.focal_px / nearest * 1.1, 24, most))


def _lay(
    canvas: Canvas, surface: Surface, face: Face, rng: np.random.Generator, look: Look
) -> None:
    weather_steel(surface, rng, look.age)
    canvas.paste(surface.bake(canvas.light, face), face)


def paint_wall(size_m: tuple[float, float], px_per_m: float, look: Look, *, with_brand: bool) -> Surface:
    """Paint a corrugated wall between its rails and posts."""
    width, height = size_m
    wall = blank(size_m, px_per_m, look.paint)
    folds = wall.part(0.1, 0.1, width - 0.1, height - 0.15)
    n = folds.height.shape[1]
    profile = corrugation(width, n, pitch_m=0.278, depth_m=0.036)
    folds.height[:] = profile - 0.036
    folds.paint *= (0.82 + 0.18 * profile / 0.036)[None, :, None]
    wall.paint[wall.at(0, height - 0.15, width, height)] *= 0.8
    for x in (0.0, width - 0.17):
        for y in (0.0, height - 0.12):
            wall.paint[wall.at(x, y, x + 0.17, y + 0.12)] = look.paint * 0.72
            wall.paint[wall.at(x + 0.05, y + 0.035, x + 0.12, y + 0.085)] = doors.DARK
    if with_brand:
        letters = 0.42 + 0.1 * (len(look.brand) % 4)
        wide = min(letters * len(look.brand) * 0.8, width - 1.2)
        if int(look.number.serial) % 4:
            write(wall, look.brand, ((width - wide) / 2, height * 0.36), letters, look.ink, width_m=wide)
        number = f"{look.number.owner}U {look.number.serial} {look.number.check_digit}"
        write(wall, number, (width - 1.9, 0.22), 0.11, look.ink, width_m=1.1)
        write(wall, look.number.size_type, (width - 1.2, 0.4), 0.1, look.ink, width_m=0.3)
    return wall


def _roof(container: Container, px_per_m: float) -> Surface:
    roof = blank(container.roof.size_m, px_per_m, container.look.paint * 0.9 + 8)
    length = container.length_m
    profile = corrugation(length, roof.height.shape[0], pitch_m=0.21, depth_m=0.02)
    roof.part(0.08, 0, WIDTH_M - 0.08, length).height[:] = profile[:, None]
    return roof


def _draw_end(canvas: Canvas, container: Container, rng: np.random.Generator, owner: int) -> None:
    """Paint the door end; leaves that stand open come last, the farther one first."""
    scale = _scale(canvas, container.end, 210)
    seed = int(rng.integers(2**32))
    frame = doors.paint_frame(container.end.size_m, scale, container.look)
    shut = [side for side in (0, 1) if container.open_deg[side] == 0]
    swung = [side for side in (0, 1) if container.open_deg[side] > 0]
    if swung:
        _draw_inside(canvas, container, rng)
    _draw_frame(canvas, container, frame, np.random.default_rng([seed, 2]), hole=bool(swung))
    distance = [
        -np.linalg.norm(container.leaf(side).at(0.5, 0.5) - canvas.camera.position)
        for side in (0, 1)
    ]
    for side in shut + sorted(swung, key=lambda side: float(distance[side])):
        _draw_leaf(canvas, container, side, np.random.default_rng([seed, side]), owner)


def _draw_frame(
    canvas: Canvas, container: Container, frame: Surface, rng: np.random.Generator, *, hole: bool
) -> None:
    weather_steel(frame, rng, min(container.look.age * 1.1, 1))
    baked = frame.bake(canvas.light, container.end)
    if hole:
        opacity = np.full(frame.height.shape, 255, np.uint8)
        width, height = container.end.size_m
        opacity[
            frame.at(doors.POST_M, doors.HEADER_M, width - doors.POST_M, height - doors.SILL_M)
        ] = 0
        baked = with_opacity(baked, opacity)
    canvas.paste(baked, container.end)


def _draw_leaf(
    canvas: Canvas, container: Container, side: int, rng: np.random.Generator, owner: int
) -> None:
    face, look = container.leaf(side), container.look
    size, is_left = container.leaf_size_m, side == 0
    scale = _scale(canvas, face, 210)
    if not face.faces(canvas.camera):
        back = Face(face.corner + face.right, -face.right, face.down).shifted(0.04)
        inside = doors.paint_inside(size, scale, look)
        weather_steel(inside, rng, look.age)
        canvas.paste(inside.bake(canvas.light, back), face_flush(back), owner=owner)
        return
    leaf = doors.paint_leaf(size, scale, look, is_left=is_left)
    rods = doors.paint_rods(size, scale, look, is_left=is_left)
    weather_steel(leaf, rng, look.age)
    doors.rust_rods(rods, rng, look.age)
    shadow = doors.rod_shadow(rods, _main_light(canvas.light, face))
    leaf.paint *= (0.45 + 0.55 * cv2.blur(shadow, (5, 5)))[..., None]
    canvas.paste(leaf.bake(canvas.light, face, shadow), face, owner=owner)
    standing = face.shifted(doors.ROD_STANDOFF_M)
    metal = rods.surface.bake(canvas.light, standing)
    canvas.paste(with_opacity(metal, rods.opacity), standing, owner=owner)


def face_flush(back: Face) -> Face:
    """Bring the inside of a leaf back to the plane that the label is computed from."""
    return back.shifted(-0.04)


def _main_light(light: Light, face: Face) -> Vector:
    """Give the strongest light's direction in the face's own directions."""
    towards = light.lamps[0].position - face.at(0.5, 0.5) if light.lamps else light.towards_sun
    towards = towards / np.linalg.norm(towards)
    across, down = (v / np.linalg.norm(v) for v in (face.right, face.down))
    return np.array([towards @ across, towards @ down, towards @ face.normal])


def _draw_inside(canvas: Canvas, container: Container, rng: np.random.Generator) -> None:
    """Paint the hold, darker the deeper it is, and what it carries."""
    dim = dataclasses.replace(canvas.light, sun=canvas.light.sun * 0.12, sky=canvas.light.sky * 0.8)
    end, floor, ceiling, left, right = container.inside
    for face, gradient in (
        (end, np.full((1, 2), 0.12)),
        (floor, np.linspace(0.15, 0.8, 24)[:, None]),
        (ceiling, np.linspace(0.5, 0.1, 24)[:, None]),
        (left, np.linspace(0.75, 0.12, 24)[None, :]),
        (right, np.linspace(0.12, 0.75, 24)[None, :]),
    ):
        if not face.faces(canvas.camera):
            continue
        surface = blank(face.size_m, 30, _PLYWOOD if face is floor else container.look.paint * 0.6 + 50)
        if face not in (floor, ceiling):
            profile = corrugation(face.size_m[0], surface.height.shape[1], pitch_m=0.278, depth_m=0.03)
            surface.height[:] = profile
        _darken(surface.paint, gradient)
        canvas.paste(surface.bake(dim, face), face)
    if container.cargo:
        _draw_cargo(canvas, container, dim, rng)


def _darken(paint: Field, gradient: Field) -> None:
    shape = paint.shape[1], paint.shape[0]
    paint *= cv2.resize(gradient.astype(np.float32), shape)[..., None]


def _draw_cargo(
    canvas: Canvas, container: Container, dim: Light, rng: np.random.Generator
) -> None:
    deep, tall = rng.uniform(0.5, 2.4), rng.uniform(1.3, container.height_m - 0.5)
    face = container.face([0.1, 0.17 + tall, deep], [WIDTH_M - 0.2, 0, 0], [0, -tall, 0])
    surface = cargo_front(face.size_m, 70, container.cargo, rng)
    surface.paint *= max(0.95 - 0.25 * deep, 0.3)
    canvas.paste(surface.bake(dim, face), face)


def cargo_front(
    size_m: tuple[float, float], px_per_m: float, kind: int, rng: np.random.Generator
) -> Surface:
    """Paint a stack of cartons (1) or sacks (2)."""
    surface = blank(size_m, px_per_m, _CARTON if kind == 1 else _SACK)
    wide, high = (0.5, 0.38) if kind == 1 else (0.8, 0.22)
    y = 0.0
    while y < size_m[1]:
        x = -rng.uniform(0, wide)
        while x < size_m[0]:
            tone: Any = rng.uniform(0.8, 1.12)
            surface.paint[surface.at(x, y, x + wide - 0.015, y + high - 0.015)] *= tone
            surface.paint[surface.at(x + wide - 0.015, y, x + wide, y + high)] *= 0.35
            if kind == 1:
                surface.paint[surface.at(x, y + high / 2 - 0.02, x + wide, y + high / 2 + 0.02)] *= 1.12
            x += wide
        surface.paint[surface.at(0, y + high - 0.015, size_m[0], y + high)] *= 0.4
        y += high
    surface.paint *= (0.8 + 0.4 * patch(rng, surface.height.shape, grain="rough"))[..., None]
    return surface


def texture_of(surface: Surface, light: Light, face: Face) -> Pixels:
    """Light a surface for a face; a short name for the many places that do it."""
    return surface.bake(light, face)
