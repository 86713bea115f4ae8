"""A scene, and its rendering to pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.scenes import noise
from container_doors.scenes.camera import Camera, Face
from container_doors.scenes.canvas import GROUND, Canvas
from container_doors.scenes.container import Container, container_panels
from container_doors.scenes.light import Light
from container_doors.scenes.panel import Block, Panel, in_shadow, light_texture
from container_doors.scenes.sheet import Colour

_FINEST_PX = 760
"""The maximum number of pixels along one side of a texture."""
_LEAST_PX = 0.7
"""Panels narrower than this in the picture are not drawn."""
_ASPHALT: tuple[tuple[noise.Grain, float, float, float], ...] = (
    ("fine", 90, 0.35, 9),
    ("rough", 22, 0.45, 25),
    ("soft", 9, 0.55, 90),
)
"""Grain, noise pixels per metre, strength, and the distance in metres of half the strength."""


@dataclass(slots=True)
class Scene:
    """The objects, the light and the camera."""

    camera: Camera
    light: Light
    containers: list[Container] = field(default_factory=list)
    """The containers whose doors are visible."""
    panels: list[Panel] = field(default_factory=list)
    """The panels of everything else."""
    blocks: list[Block] = field(default_factory=list)
    ground: Colour = (128, 132, 136)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Render:
    """A drawn scene."""

    bgr: NDArray[np.uint8]
    hidden: dict[int, float]
    """By door: the fraction of its outline in the picture that is hidden by something else."""


def render(scene: Scene) -> Render:
    """Draw a scene, without the effects of lens and sensor."""
    rng = np.random.default_rng([scene.seed, 1])
    canvas = Canvas(scene.camera, _sky(scene, rng))
    blocks = [*scene.blocks, *(container.block for container in scene.containers)]
    _draw_ground(canvas, scene, blocks, rng)
    panels = [*scene.panels, *(p for c in scene.containers for p in container_panels(c))]
    panels.sort(key=lambda panel: -_distance(panel, scene.camera))
    drawn = [_draw_panel(canvas, panel, scene.light, blocks) for panel in panels]
    if scene.light.is_wet:
        lit = [(panel, texture) for panel, texture in zip(panels, drawn, strict=True) if texture]
        _mirror(canvas, scene, lit, rng)
    return Render(canvas.bgr, _hidden(canvas, scene))


def _hidden(canvas: Canvas, scene: Scene) -> dict[int, float]:
    """Compare each door's visible area with its area if nothing were in front of it."""
    fractions = {}
    for container in scene.containers:
        alone = np.zeros(canvas.owner.shape, np.uint8)
        for leaf in container.leaves():
            corners = np.round(canvas.footprint_px(leaf) - 0.5).astype(np.int32)
            if len(corners) > 2:
                cv2.fillConvexPoly(alone, corners, 1)
        core = np.asarray(cv2.erode(alone, np.ones((3, 3), np.uint8))) > 0
        whole = int(np.count_nonzero(core))
        visible = int(np.count_nonzero(core & (canvas.owner == container.door)))
        fractions[container.door] = 1 - visible / whole if whole else 1.0
    return fractions


def _distance(panel: Panel, camera: Camera) -> float:
    return float(np.linalg.norm(panel.face.middle - camera.position))


def _draw_panel(
    canvas: Canvas, panel: Panel, light: Light, blocks: Sequence[Block]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None] | None:
    """Draw a panel if it is visible, and return its colours and alpha."""
    camera, face = canvas.camera, panel.face
    if not face.faces(camera):
        return None
    footprint = canvas.footprint_px(face)
    if len(footprint) < 3 or np.ptp(footprint, axis=0).min() < _LEAST_PX:
        return None
    depth = float(camera.view(face.middle)[2])
    texture = panel.paint(_texture_size(camera, panel))
    lit = light_texture(panel, texture, light, blocks, depth_m=max(depth, 1.0))
    canvas.draw(face, lit, texture.alpha, owner=panel.door)
    return lit, texture.alpha


def _mirror(
    canvas: Canvas,
    scene: Scene,
    drawn: Sequence[tuple[Panel, tuple[NDArray[np.uint8], NDArray[np.uint8] | None]]],
    rng: np.random.Generator,
) -> None:
    """Draw the scene's reflection on wet ground, at half the resolution and blurred."""
    camera = scene.camera
    width, height = camera.size_px
    half = Camera(camera.position, camera.axes, camera.focal_px / 2, (width // 2, height // 2))
    below = Canvas(half, np.full((height // 2, width // 2, 3), scene.light.haze, np.uint8))
    flip = np.array([1.0, -1.0, 1.0])
    for panel, (lit, alpha) in drawn:
        face = panel.face
        below.draw(Face(face.corner * flip, face.right * flip, face.down * flip), lit, alpha)
    image = cv2.GaussianBlur(cv2.blur(below.bgr, (1, 9)), (0, 0), 1.2)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    puddles = np.clip((noise.patch(rng, (height, width), zoom=(1, 3)) - 0.42) * 5, 0.25, 1)
    far = np.clip(0.12 / np.maximum(-camera.rays(1)[..., 1], 0.02), 0.2, 1)
    weight = (puddles * far * 0.6 * canvas.is_ground)[..., None].astype(np.float32)
    mixed = canvas.bgr + (image.astype(np.float32) - canvas.bgr) * weight
    np.copyto(canvas.bgr, mixed.astype(np.uint8))


def _texture_size(camera: Camera, panel: Panel) -> tuple[int, int]:
    """Choose columns and rows so that a texture pixel is slightly smaller than a picture's."""
    corners = camera.view(panel.face.corners)
    near = np.maximum(corners[:, 2], 0.6)
    flat = corners[:, :2] / near[:, None] * camera.focal_px * 1.15
    top, right, bottom, left = (float(np.linalg.norm(flat[i] - flat[i - 3])) for i in range(4))
    columns = int(np.clip(max(top, bottom), 2, _FINEST_PX))
    rows = int(np.clip(max(left, right), 2, _FINEST_PX))
    return columns, rows


def _sky(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    camera, light = scene.camera, scene.light
    rays = camera.rays(4)
    up = rays[..., 1] / np.linalg.norm(rays, axis=-1)
    weight = np.clip(up / 0.5, 0, 1)[..., None] ** 0.6
    small = light.haze + (light.zenith - light.haze) * weight
    cloud = noise.patch(rng, small.shape[:2], grain="soft", zoom=(0.5, 1.0))[..., None]
    strength = rng.uniform(0, 1) * (0.25 if light.lighting == "night" else 1.0)
    small = small + (light.haze * 1.06 - small) * np.clip((cloud - 0.45) * 4 * strength, 0, 1)
    width, height = camera.size_px
    large = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(large, 0, 255), np.uint8)


def _draw_ground(
    canvas: Canvas, scene: Scene, blocks: Sequence[Block], rng: np.random.Generator
) -> None:
    """Draw the ground up to the horizon, with its shadows."""
    camera = scene.camera
    rays = camera.rays(1)
    is_ground = rays[..., 1] < -2e-3
    rows = np.flatnonzero(is_ground.any(axis=1))
    if not len(rows):
        return
    first = int(rows[0])
    is_ground, rays = is_ground[first:], rays[first:]
    gain, veil = _ground_light(scene, blocks)
    drawn = _ground_texture(scene, rays, rng)[..., None] * gain[first:]
    drawn *= np.array(scene.ground, np.float32)
    drawn += veil[first:]
    np.clip(drawn, 0, 255, out=drawn)
    cv2.copyTo(drawn.astype(np.uint8), is_ground.astype(np.uint8), canvas.bgr[first:])
    nearness = rays[..., 1] * (-1 / float(camera.position[1]))
    np.copyto(canvas.nearness[first:], nearness, where=is_ground)
    canvas.owner[first:][is_ground] = GROUND


def _ground_light(
    scene: Scene, blocks: Sequence[Block]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the light on the ground and the haze in front of it, for every pixel.

    Shadows are computed for one pixel in sixteen, and their edges are smoothed.
    """
    camera, light = scene.camera, scene.light
    rays = camera.rays(4).astype(float)
    far = np.minimum(camera.position[1] / np.maximum(-rays[..., 1:2], 1e-3), 400)
    points = camera.position + rays * far
    normal = np.array([0.0, 1.0, 0.0])
    lit = np.broadcast_to(light.ambient(normal), points.shape)
    for block in blocks:
        lit = lit * (1 - 0.62 * np.exp(-block.distance(points)[..., None] / 0.4))
    sun = light.sun * max(0.0, float(light.towards_sun[1]))
    if sun.any():
        lit = lit + sun * ~in_shadow(points, light.towards_sun, blocks)[..., None]
    lit = cv2.GaussianBlur((lit + light.lamps_on(points, normal)).astype(np.float32), (0, 0), 0.9)
    clear = np.exp(-light.haze_per_m * far).astype(np.float32)
    gain = cv2.resize(np.sqrt(lit) * clear, camera.size_px)
    veil = cv2.resize((light.haze * (1 - clear)).astype(np.float32), camera.size_px)
    return np.asarray(gain), np.asarray(veil)


def _ground_texture(
    scene: Scene, rays: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the asphalt's tone for every ray: grain and cracks nearby, broad stains everywhere."""
    eye_x, eye_y, eye_z = (float(value) for value in scene.camera.position)
    far = np.float32(eye_y) / np.maximum(-rays[..., 1], np.float32(2e-3))
    x, z = rays[..., 0] * far + eye_x, rays[..., 2] * far + eye_z
    tone = np.ones(x.shape, np.float32)
    for grain, per_m, strength, fades_m in _ASPHALT:
        shift, turn = rng.uniform(0, 512, 2)
        u, v = x * per_m + float(shift), z * per_m + float(turn)
        found = cv2.remap(noise.tile(grain), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        tone += (found - np.float32(0.5)) * (strength / (1 + (far / fades_m) ** 2))
    return tone
