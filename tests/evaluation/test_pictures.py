import re
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image

from container_doors.core.ports import Detections
from container_doors.data import drawing
from container_doors.evaluation import pictures
from container_doors.evaluation.matching import BoxXyxy, match

DOOR = (30.0, 90.0, 180.0, 240.0)


def colours(picture: Image.Image) -> set[tuple[int, int, int]]:
    return {colour for _, colour in picture.getcolors(2**20) or []}  # type: ignore[misc]


def rgb(colour: str) -> tuple[int, int, int]:
    return tuple(bytes.fromhex(colour[1:]))  # type: ignore[return-value]


def drawn(folder: Path, found: list[BoxXyxy], doors: list[BoxXyxy]) -> Image.Image:
    """Draw on 600 x 300 white pixels."""
    Image.new("RGB", (600, 300), "white").save(folder / "a.png")
    seen = Detections(folder / "a.png", 600, 300, found, [0.9, 0.6][: len(found)])
    return pictures.draw(seen, doors, match(seen.boxes_xyxy, seen.confidences, doors))


@pytest.mark.parametrize(
    ("found", "doors", "expected"),
    [
        pytest.param([DOOR], [DOOR], {drawing.LABEL, drawing.FOUND}, id="found"),
        pytest.param([], [DOOR], {drawing.LABEL, drawing.MISTAKE}, id="missed"),
        pytest.param([DOOR], [], {drawing.FOUND, drawing.MISTAKE}, id="false alarm"),
        pytest.param([], [], set(), id="nothing"),
    ],
)
def test_a_colour_means_one_thing_in_the_picture_and_in_its_legend(
    tmp_path: Path, found: list[BoxXyxy], doors: list[BoxXyxy], expected: set[str]
):
    picture = drawn(tmp_path, found, doors)

    legend = (
        picture.crop((0, 300, *picture.size)) if picture.height > 300 else Image.new("RGB", (1, 1))
    )
    ours = {rgb(colour) for colour in (drawing.LABEL, drawing.FOUND, drawing.MISTAKE)}
    assert colours(picture.crop((0, 0, 600, 300))) & ours == set(map(rgb, expected))
    assert colours(legend) & ours == set(map(rgb, expected))


def test_the_colours_are_those_of_the_page():
    css = files("container_doors.reporting").joinpath("page.css").read_text(encoding="utf-8")
    strokes = {
        name: re.search(rf"\.{name}\s*{{[^}}]*stroke:\s*(#\w+)", css)[1].upper()  # type: ignore[index]
        for name in ("truth", "found", "wrong")
    }

    assert strokes == {
        "truth": drawing.LABEL, "found": drawing.FOUND, "wrong": drawing.MISTAKE,
    }  # fmt: skip


def test_labels_detections_and_mistakes_have_different_lines(tmp_path: Path):
    """Check the top edge of each box: solid, dashed, and three times as thick."""
    label, found, missed = (
        drawn(tmp_path, found, doors)
        for found, doors in (([DOOR], [DOOR]), ([DOOR], []), ([], [DOOR]))
    )

    def painted(picture: Image.Image, colour: str, y: int) -> int:
        return sum(picture.getpixel((x, y)) == rgb(colour) for x in range(100, 180))

    assert 20 < painted(found, drawing.FOUND, 90) < 60
    assert painted(label, drawing.LABEL, 90) == 80 - painted(label, drawing.FOUND, 90)
    assert painted(missed, drawing.MISTAKE, 88) == painted(missed, drawing.LABEL, 90) == 80
    assert painted(label, drawing.LABEL, 88) == painted(found, drawing.FOUND, 88) == 0


def test_a_legend_is_as_wide_as_its_words(tmp_path: Path):
    Image.new("RGB", (40, 60), "white").save(tmp_path / "a.png")
    missed = Detections(tmp_path / "a.png", 40, 60, [], [])
    box = (5.0, 20.0, 30.0, 50.0)

    picture = pictures.draw(missed, [box], match([], [], [box]))

    assert picture.width > 40
    right = picture.crop((picture.width - 8, 60, *picture.size))
    assert colours(right) == {(255, 255, 255)}


def test_a_photograph_is_drawn_upright_by_its_exif_orientation(tmp_path: Path):
    photograph = Image.new("RGB", (200, 100), "white")
    exif = photograph.getexif()
    exif[0x0112] = 6
    photograph.save(tmp_path / "a.jpg", exif=exif)
    nothing = Detections(tmp_path / "a.jpg", 100, 200, [], [])

    assert pictures.draw(nothing, [], match([], [], [])).size == (100, 200)
