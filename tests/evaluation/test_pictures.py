from pathlib import Path

from PIL import Image

from container_doors.evaluation import pictures
from container_doors.evaluation.matching import match
from container_doors.ports import Detections

DOOR, MISSED, FALSE = (
    (10.0, 30.0, 60.0, 80.0),
    (120.0, 30.0, 180.0, 90.0),
    (70.0, 60.0, 110.0, 95.0),
)


def colours(picture: Image.Image) -> set[tuple[int, int, int]]:
    return {colour for _, colour in picture.getcolors(2**20) or []}  # type: ignore[misc]


def rgb(colour: str) -> tuple[int, int, int]:
    return tuple(bytes.fromhex(colour[1:]))  # type: ignore[return-value]


def test_found_false_and_missed_look_different(tmp_path: Path):
    Image.new("RGB", (200, 100), "white").save(tmp_path / "a.png")
    found = Detections(tmp_path / "a.png", 200, 100, [DOOR, FALSE], [0.9, 0.6])
    doors = [DOOR, MISSED]

    picture = pictures.draw(found, doors, match(found.boxes_xyxy, found.confidences, doors))

    assert {rgb(pictures.DOOR), rgb(pictures.FALSE_ALARM), rgb(pictures.MISSED)} <= colours(picture)


def test_a_turned_photograph_is_drawn_the_way_people_see_it(tmp_path: Path):
    photograph = Image.new("RGB", (200, 100), "white")
    exif = photograph.getexif()
    exif[0x0112] = 6
    photograph.save(tmp_path / "a.jpg", exif=exif)
    nothing = Detections(tmp_path / "a.jpg", 100, 200, [], [])

    assert pictures.draw(nothing, [], match([], [], [])).size == (100, 200)
