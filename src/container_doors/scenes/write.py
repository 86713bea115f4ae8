"""Draw a whole data set into a folder, each picture from its own seed."""

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.core.errors import DatasetError
from container_doors.core.files import force_name_to_disk, force_to_disk
from container_doors.scenes.compose import draw_scene
from container_doors.scenes.container import Container
from container_doors.scenes.light import Lighting
from container_doors.scenes.outline import Box, box_around
from container_doors.scenes.photo import take
from container_doors.scenes.scene import Scene, render

DoorState = Literal["closed", "one_open", "open"]

SPLITS = ("train", "val", "test")

MOST_HIDDEN = 0.6
"""The maximum hidden fraction of a door: no one could label a door with more."""
_LEAST_AREA = 0.025
"""The minimum fraction of the picture's area for a box: a smaller one is a sliver."""
_GREATEST_AREA = 0.8
"""The maximum fraction: a larger box leaves nothing visible around it."""
_NO_DOOR = 0.17
"""The proportion of pictures without a door."""
_ATTEMPTS = 60


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn photograph, with its labels and attributes."""

    bgr: NDArray[np.uint8]
    boxes: list[Box]
    """One for every door, the largest first."""
    lighting: Lighting
    sharpness: float
    """1 / (1 + s), s the standard deviation of the blur in pixels; 1 is no blur."""
    view_angle_deg: float | None = None
    """The angle between the largest door's normal and the line from its middle to the camera."""
    occlusion_fraction: float | None = None
    """The hidden fraction of the largest door, of its part in the picture."""
    door_state: DoorState | None = None
    """The state of the largest door."""


def _quiet(_done: int, _total: int) -> None:
    """Ignore progress."""


def draw_sample(
    out: Path,
    *,
    counts: Mapping[str, int],
    seed: int,
    image_size_px: tuple[int, int] = (640, 480),
    is_plain: bool = False,
    on_progress: Callable[[int, int], None] = _quiet,
) -> None:
    """Draw a data set: pictures, labels, ``data.yaml`` and ``attributes.csv``.

    A picture depends only on the seed, its split and its index in the split, so more pictures in
    one split change nothing in another. ``attributes.csv`` has a row per picture;
    ``view_angle_deg``, ``occlusion_fraction`` and ``door_state`` are of its largest door (see
    :class:`Picture`) and empty if there is none. ``lighting`` is daylight, overcast, low_sun,
    night or rain; ``door_state`` is closed, one_open or open.

    Args:
        out: The folder to create; it may exist if it is empty. It appears only when complete.
        counts: The number of pictures by split: train, val, test.
        seed: The same seed gives the same bytes.
        image_size_px: Width and height.
        is_plain: Draw one closed door per picture with nothing in front of it, which a small
            network learns from few pictures.
        on_progress: Receives the numbers of pictures done and in total.

    Raises:
        DatasetError: If the folder is not empty, or the counts are not valid.
    """
    _check(out, counts)
    total, done = sum(counts.values()), 0
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        staged.mkdir()
        rows = []
        for split in SPLITS:
            for kind in ("images", "labels"):
                (staged / kind / split).mkdir(parents=True)
            for index in range(counts.get(split, 0)):
                picture = draw_picture(
                    seed, split, index, image_size_px=image_size_px, is_plain=is_plain
                )
                rows.append(_save(picture, staged, split, f"{split}_{index:05d}"))
                done += 1
                on_progress(done, total)
        _write_tables(staged, rows)
        if out.exists():
            out.rmdir()
        force_to_disk(staged)
        staged.rename(out)
        force_name_to_disk(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def draw_picture(
    seed: int,
    split: str,
    index: int,
    *,
    image_size_px: tuple[int, int] = (640, 480),
    is_plain: bool = False,
) -> Picture:
    """Draw one picture of a data set."""
    for scene, rng in _scenes(seed, split, index, image_size_px, is_plain=is_plain):
        boxes = _boxes(scene)
        if boxes is None:
            continue
        rendered = render(scene)
        if any(fraction > MOST_HIDDEN for fraction in rendered.hidden.values()):
            continue
        bgr, sharpness = take(rendered.bgr, scene.light, rng)
        boxes.sort(key=lambda pair: -pair[1].area_px)
        if not boxes:
            return Picture(bgr, [], scene.light.lighting, sharpness)
        main = boxes[0][0]
        return Picture(
            bgr,
            [box for _, box in boxes],
            scene.light.lighting,
            sharpness,
            view_angle_deg=_view_angle_deg(scene, main),
            occlusion_fraction=max(0.0, rendered.hidden[main.door]),
            door_state=_STATES[sum(angle > 0 for angle in main.open_deg)],
        )
    raise AssertionError(f"no suitable scene in {_ATTEMPTS} attempts: {seed}, {split}, {index}")


_STATES: tuple[DoorState, ...] = ("closed", "one_open", "open")


def _scenes(
    seed: int, split: str, index: int, size_px: tuple[int, int], *, is_plain: bool
) -> Iterator[tuple[Scene, np.random.Generator]]:
    key = [seed, crc32(split.encode()), index]
    has_door = np.random.default_rng(key).random() >= _NO_DOOR
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([*key, attempt])
        scene = draw_scene(rng, has_door=bool(has_door), size_px=size_px, is_plain=is_plain)
        yield scene, rng


def _boxes(scene: Scene) -> list[tuple[Container, Box]] | None:
    """Return the box of every door; None if one is a sliver, too large, or too near."""
    boxes = []
    width, height = scene.camera.size_px
    for container in scene.containers:
        leaves = container.leaves()
        depth = min(float(scene.camera.view(leaf.corners)[:, 2].min()) for leaf in leaves)
        box = box_around(scene.camera, leaves)
        if box is None:
            return None
        slim = min(box.right - box.left, (box.bottom - box.top) * 0.7) < 0.09 * width
        fraction = box.area_px / (width * height)
        if depth < 0.5 or slim or not _LEAST_AREA < fraction < _GREATEST_AREA:
            return None
        boxes.append((container, box))
    return boxes


def _view_angle_deg(scene: Scene, container: Container) -> float:
    middle = container.pose.point((0, container.height_m / 2, 0))
    line = scene.camera.position - middle
    normal = container.pose.turn @ np.array([0, 0, -1.0])
    return float(np.degrees(np.arccos(line @ normal / np.linalg.norm(line))))


def _check(out: Path, counts: Mapping[str, int]) -> None:
    for split, count in counts.items():
        if split not in SPLITS:
            raise DatasetError(
                f"expected the splits {', '.join(SPLITS)}, found {split!r}",
                hint="use the names of these splits",
            )
        if count < 0:
            raise DatasetError(
                f"the number of {split} pictures must be 0 or more, found {count}",
                hint=f"pass --{split} with a number that is not negative",
            )
    if not any(counts.values()):
        raise DatasetError(
            "a sample needs at least 1 picture, found 0", hint="pass --train, --val or --test"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(
            f"{out}: expected a new or empty folder, found one with files in it",
            hint="choose another with --out, or delete it first",
        )


def _save(picture: Picture, folder: Path, split: str, name: str) -> list[Any]:
    height, width = picture.bgr.shape[:2]
    _, coded = cv2.imencode(".jpg", picture.bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
    image = f"images/{split}/{name}.jpg"
    (folder / image).write_bytes(coded.tobytes())
    lines = [
        "0 " + " ".join(f"{value:.6f}" for value in box.yolo((width, height)))
        for box in picture.boxes
    ]
    label = "".join(f"{line}\n" for line in lines)
    (folder / "labels" / split / f"{name}.txt").write_text(label, encoding="utf-8")
    return [
        image,
        split,
        _number(picture.view_angle_deg, 1),
        picture.lighting,
        _number(picture.occlusion_fraction, 3),
        _number(picture.sharpness, 3),
        picture.door_state or "",
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _write_tables(folder: Path, rows: list[list[Any]]) -> None:
    lines = [f"{split}: images/{split}" for split in SPLITS]
    text = "\n".join([*lines, "nc: 1", "names: ['container_door']", ""])
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    with (folder / "attributes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["image", "split", "view_angle_deg", "lighting", "occlusion_fraction", "sharpness",
             "door_state"]
        )  # fmt: skip
        writer.writerows(rows)
