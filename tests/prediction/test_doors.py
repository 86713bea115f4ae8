import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.core.config import QualityLimits
from container_doors.core.predictions import Door
from container_doors.prediction.doors import doors_in
from tests.prediction.finding import Box, found, noise, picture_of

WIDTH, HEIGHT = 80, 60
side = st.floats(0, 1, allow_nan=False, width=32)


def door_of(box: Box, limits: QualityLimits | None = None) -> Door:
    (door,) = doors_in(found([box]), noise(WIDTH, HEIGHT), limits=limits or QualityLimits())
    return door


@given(side, side, side, side)
def test_whole_pixels_contain_the_door_and_are_inside_the_photograph(
    x: float, y: float, other_x: float, other_y: float
):
    left, right = sorted((x * WIDTH, other_x * WIDTH))
    top, bottom = sorted((y * HEIGHT, other_y * HEIGHT))
    door = door_of((left, top, right, bottom))

    x_min, y_min, x_max, y_max = door.bbox_tight
    assert 0 <= x_min <= door.box_xyxy[0] <= door.box_xyxy[2] <= x_max <= WIDTH
    assert 0 <= y_min <= door.box_xyxy[1] <= door.box_xyxy[3] <= y_max <= HEIGHT
    assert x_max - x_min < right - left + 2
    assert y_max - y_min < bottom - top + 2
    has_area = door.box_xyxy[0] < door.box_xyxy[2] and door.box_xyxy[1] < door.box_xyxy[3]
    assert not has_area or (x_min < x_max and y_min < y_max)
    assert (door.quality is None) == (x_min == x_max or y_min == y_max)


def test_a_box_that_ends_outside_is_cut_at_the_edge():
    assert door_of((-3.5, 10, 90, 61)).bbox_tight == (0, 10, 80, 60)


def test_the_models_own_numbers_are_kept_bit_for_bit():
    boxes = found([(1.1, 2.2, 33.3, 44.4)], [0.7123])
    (door,) = doors_in(boxes, noise(), limits=QualityLimits())

    assert np.array_equal(np.array([door.box_xyxy], np.float32), boxes.boxes_xyxy)
    assert np.float32(door.confidence) == boxes.confidences[0]


@pytest.mark.parametrize(
    ("box", "edges"),
    [
        pytest.param((2, 2, 78, 58), [], id="none"),
        pytest.param((1.9, 10, 30, 40), ["left"], id="left"),
        pytest.param((10, 0, 30, 40), ["top"], id="top"),
        pytest.param((10, 10, 78.1, 40), ["right"], id="right"),
        pytest.param((10, 10, 30, 59), ["bottom"], id="bottom"),
        pytest.param((0, 0, 80, 60), ["left", "top", "right", "bottom"], id="all"),
    ],
)
def test_a_touched_edge_is_at_most_a_pixel_away(box: Box, edges: list[str]):
    assert door_of(box).edges_touched == edges


def test_characters_are_a_twenty_fifth_of_the_door():
    """100 mm on a door of 2.5 m: 30 px of 750 px."""
    picture = picture_of(np.zeros((800, 400, 3), np.uint8))
    (door,) = doors_in(found([(10, 20, 300, 770)]), picture, limits=QualityLimits())

    assert door.character_height_px == pytest.approx(30)
    assert door.area_share == pytest.approx(290 * 750 / (400 * 800))


def dull(median: int, spread: int) -> np.ndarray:
    """A grey region of which 6 % are ``spread`` darker, and 6 % as much lighter, in squares."""
    pixels = np.full((100, 100, 3), median, np.uint8)
    pixels[:25, :25] = max(median - spread, 0)
    pixels[75:, 75:] = min(median + spread, 255)
    return pixels


MIDDLE = (20, 20, 80, 80)
REFUSED = {
    "taken": ((5, 5, 75, 55), noise().bgr, []),
    "far away": ((30, 20, 45, 40), noise().bgr, ["area_too_small"]),
    "near": ((2, 2, 79, 59), noise().bgr, ["area_too_large"]),
    "cut off": ((0, 0, 60, 60), noise().bgr, ["touches_edges"]),
    "dark": (MIDDLE, dull(1, 1), ["low_contrast", "not_sharp"]),
    "bright": (MIDDLE, dull(255, 0), ["too_dark_or_bright", "low_contrast", "not_sharp"]),
    "blurred": ((5, 5, 95, 95), cv2.GaussianBlur(dull(120, 90), (0, 0), 9), ["not_sharp"]),
}  # fmt: skip


@pytest.mark.parametrize(("box", "pixels", "reasons"), REFUSED.values(), ids=REFUSED)
def test_a_door_is_refused_where_the_next_step_refuses_it(
    box: Box, pixels: np.ndarray, reasons: list[str]
):
    """The brightness of a black door is exp(-100^2 / (2 * 65^2)) = 0.31, above the least."""
    (door,) = doors_in(found([box]), picture_of(pixels), limits=QualityLimits())

    assert door.refused_for == reasons


@pytest.mark.parametrize(
    ("box", "share", "reasons"),
    [
        pytest.param((10, 10, 50, 21), 0.0916, ["area_too_small"], id="below the least"),
        pytest.param((10, 10, 50, 22), 0.1, [], id="the least"),
        pytest.param((2, 3, 74, 63), 0.9, [], id="the most"),
        pytest.param((2, 2, 75, 62), 0.9125, ["area_too_large"], id="above the most"),
    ],
)
def test_a_limit_itself_is_accepted(box: Box, share: float, reasons: list[str]):
    """Both photographs have 4800 px: 80 x 60 and 75 x 64. The boxes: 440, 480, 4320, 4380."""
    picture = noise(80, 60) if share < 0.5 else noise(75, 64)
    (door,) = doors_in(found([box]), picture, limits=QualityLimits(max_edges_touched=4))

    assert door.area_share == pytest.approx(share, abs=1e-4)
    assert door.refused_for == reasons


def test_limits_can_be_set():
    box = (0, 0, 60, 60)

    assert door_of(box, QualityLimits(max_edges_touched=3)).refused_for == []
    assert door_of(box, QualityLimits(max_area_share=0.5, max_edges_touched=3)).refused_for == [
        "area_too_large"
    ]


def test_no_door_is_no_list_of_nothing():
    assert doors_in(found([]), noise(), limits=QualityLimits()) == []
