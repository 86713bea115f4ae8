"""The modules that come next in this line of work, rebuilt from what is public about them.

They know nothing of this project: only its JSON lines, its crops and the photographs.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray
from PIL import Image

from container_doors.core.config import QualityLimits
from container_doors.core.predictions import PhotographResult, json_schema
from container_doors.prediction.doors import doors_in
from container_doors.prediction.pictures import decode
from tests.prediction.finding import USED, Box, failed, found, load, opened


@dataclass
class DoorFound:
    shape: tuple[int, int]
    box: tuple[int, int, int, int]
    confidence: float


def read_door(line: str) -> DoorFound | None:
    """The reader of the door detector's result; it takes the surest door."""
    result = json.loads(line)
    assert result["status"] in {"SUCCESS", "FAILED"}
    if result["status"] == "FAILED" or not result["detections"]:
        return None
    height, width = result["original_shape"]
    assert type(height) is type(width) is int
    confidences = [one["confidence"] for one in result["detections"]]
    assert confidences == sorted(confidences, reverse=True)
    surest = result["detections"][0]
    x_min, y_min, x_max, y_max = surest["bbox_tight"]
    assert all(type(one) is int for one in surest["bbox_tight"])
    assert 0 <= x_min < x_max <= width
    assert 0 <= y_min < y_max <= height
    assert type(surest["confidence"]) is float
    assert surest["class_id"] == 0
    return DoorFound((height, width), (x_min, y_min, x_max, y_max), surest["confidence"])


def is_taken(photograph: NDArray[np.uint8], door: DoorFound) -> bool:
    """The quality module, without naturalness."""
    x_min, y_min, x_max, y_max = door.box
    height, width = photograph.shape[:2]
    share = (x_max - x_min) * (y_max - y_min) / (height * width)
    edges = (x_min <= 1) + (y_min <= 1) + (x_max >= width - 1) + (y_max >= height - 1)
    if not 0.10 <= share <= 0.90 or edges >= 3:
        return False
    grey = cv2.cvtColor(photograph, cv2.COLOR_BGR2GRAY)[y_min:y_max, x_min:x_max]
    p5, p95 = np.percentile(grey, [5, 95])
    brightness = np.exp(-((np.median(grey) - 100) ** 2) / (2 * 65**2))
    contrast = 1 / (1 + np.exp(-0.1 * (p95 - p5 - 50)))
    sharpness = min(cv2.Laplacian(grey, cv2.CV_64F).var() / 100, 1)
    return bool(brightness >= 0.25 and contrast >= 0.30 and sharpness >= 0.40)


def corners_of(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The corner module, at 640 px: the middles of four white squares, in pixels of the crop."""
    scale = 640 / max(crop.shape[:2])
    seen = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    white = (seen.min(axis=2) > 250).astype(np.uint8)
    count, _, _, middles = cv2.connectedComponentsWithStats(white)
    assert count == 5
    return np.sort((middles[1:] + 0.5) / scale, axis=0)


CORNERS = np.array([[130.0, 110.0], [430.0, 110.0], [130.0, 610.0], [430.0, 610.0]])
DOOR: Box = (100.3, 80.7, 460.2, 640.4)


def photograph(kind: str) -> NDArray[np.uint8]:
    """A grey door with texture, and a white square of 17 px around each of four points."""
    random = np.random.default_rng(5)
    pixels = random.integers(40, 200, (720, 540, 3), dtype=np.uint8)
    if kind == "blurred":
        pixels = cv2.GaussianBlur(pixels, (0, 0), 6)  # type: ignore[assignment]
    if kind == "bright":
        pixels = (pixels // 8 + 220).astype(np.uint8)
    for x, y in CORNERS.astype(int):
        pixels[y - 8 : y + 9, x - 8 : x + 9] = 255
    return pixels


def predicted(tmp_path: Path, kind: str, box: Box) -> str:
    """A line as `doors predict` writes it, for a file that is turned by its EXIF orientation."""
    path = tmp_path / f"{kind}.png"
    exif = Image.Exif()
    exif[274] = 6  # stored turned by 90 degrees
    stored = Image.fromarray(photograph(kind)[..., ::-1]).transpose(Image.Transpose.ROTATE_90)
    stored.save(path, exif=exif)
    picture = decode(path.read_bytes(), name=path.name)
    result = PhotographResult(
        path=str(path),
        status="SUCCESS",
        original_shape=(picture.bgr.shape[0], picture.bgr.shape[1]),
        orientation=picture.orientation,
        detections=doors_in(
            found([box, (5, 5, 60, 60)], [0.93, 0.3]), picture, limits=QualityLimits()
        ),
        model=USED,
    )
    with opened(tmp_path / "out") as output:
        output.write(result, picture)
        output.write(failed("broken.jpg"), None)
    line, broken = (tmp_path / "out/predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert read_door(broken) is None
    return line


@pytest.mark.parametrize(
    ("kind", "box", "expected"),
    [
        pytest.param("good", DOOR, True, id="good"),
        pytest.param("blurred", DOOR, False, id="blurred"),
        pytest.param("bright", DOOR, False, id="bright"),
        pytest.param("good", (200.5, 200.5, 340.0, 400.0), False, id="far away"),
        pytest.param("good", (0.0, 0.0, 400.0, 720.0), False, id="cut off"),
    ],
)
def test_the_next_step_takes_the_json_and_decides_as_it_says(
    tmp_path: Path, kind: str, box: Box, expected: bool
):
    line = predicted(tmp_path, kind, box)
    door = read_door(line)
    assert door is not None
    pixels = load(tmp_path / f"{kind}.png")

    assert pixels.shape[:2] == door.shape
    assert is_taken(pixels, door) is expected
    assert (json.loads(line)["detections"][0]["refused_for"] == []) is expected


def test_corners_found_in_a_crop_are_mapped_back_to_half_a_pixel(tmp_path: Path):
    line = predicted(tmp_path, "good", DOOR)
    crop: dict[str, Any] = json.loads(line)["detections"][0]["crop"]
    ours = load(tmp_path / "out" / crop["file"])
    width, height = crop["size_px"]

    mapped = corners_of(ours) + crop["offset_xy"]

    assert np.abs(mapped - np.sort(CORNERS + 0.5, axis=0)).max() < 0.5
    assert ours.shape == (height, width, 3)
    # The module that cuts out the door itself, with 10 %, sees the same pixels.
    door = read_door(line)
    assert door is not None
    left, top, right, bottom = door.box
    aside, above = (right - left) // 10, (bottom - top) // 10
    theirs = photograph("good")[top - above : bottom + above, left - aside : right + aside]
    x, y = left - aside - crop["offset_xy"][0], top - above - crop["offset_xy"][1]
    assert np.array_equal(theirs, ours[y : y + theirs.shape[0], x : x + theirs.shape[1]])


def test_the_schema_describes_what_is_written(tmp_path: Path, repository_root: Path):
    Draft202012Validator.check_schema(json_schema())
    schema = Draft202012Validator(json_schema())
    line = json.loads(predicted(tmp_path, "good", DOOR))
    text = (repository_root / "docs/predictions.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)

    for document in (line, json.loads(example)):
        schema.validate(document)
        PhotographResult.model_validate(document, strict=False)
    assert line.keys() == json.loads(example).keys()
    assert not schema.is_valid(line | {"status": "success"})
    assert not schema.is_valid(line | {"original_shape": [1.5, 2]})
    assert not schema.is_valid({key: one for key, one in line.items() if key != "detections"})
