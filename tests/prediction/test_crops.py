import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.prediction.crops import cut
from tests.prediction.finding import noise

WIDTH, HEIGHT = 97, 61
PHOTOGRAPH = noise(WIDTH, HEIGHT).bgr
place = st.floats(0, 1)


@given(st.tuples(place, place), st.tuples(place, place), st.floats(0, 1), place, place)
def test_a_corner_of_the_door_is_mapped_back_to_where_it_was(
    xs: tuple[float, float], ys: tuple[float, float], padding: float, at_x: float, at_y: float
):
    """The next step crops, scales the crop to a side of 640 px, and finds a corner in it."""
    left, right = sorted(x * WIDTH for x in xs)
    top, bottom = sorted(y * HEIGHT for y in ys)
    corner = (left + at_x * (right - left), top + at_y * (bottom - top))

    pixels, (offset_x, offset_y) = cut(PHOTOGRAPH, (left, top, right, bottom), padding)

    height, width = pixels.shape[:2]
    assert np.array_equal(
        pixels, PHOTOGRAPH[offset_y : offset_y + height, offset_x : offset_x + width]
    )
    if width and height:
        scale = 640 / max(width, height)
        seen = ((corner[0] - offset_x) * scale, (corner[1] - offset_y) * scale)
        mapped = (seen[0] / scale + offset_x, seen[1] / scale + offset_y)
        assert mapped == pytest.approx(corner, abs=0.5)
        assert 0 <= corner[0] - offset_x <= width
        assert 0 <= corner[1] - offset_y <= height


@pytest.mark.parametrize(
    ("box", "padding", "expected"),
    [
        pytest.param((20, 20, 60, 40), 0.1, (16, 18, 64, 42), id="inside"),
        pytest.param((2, 20, 42, 40), 0.1, (0, 18, 46, 42), id="at an edge"),
        pytest.param((20, 20, 60, 40), 0.0, (20, 20, 60, 40), id="no padding"),
        pytest.param((20.4, 20.6, 60.2, 40.1), 0.0, (20, 20, 61, 41), id="parts of pixels"),
        pytest.param((0, 0, 97, 61), 0.5, (0, 0, 97, 61), id="the whole photograph"),
    ],
)
def test_the_padding_is_a_part_of_the_doors_own_size(
    box: tuple[float, ...], padding: float, expected: tuple[int, ...]
):
    pixels, offset_xy = cut(PHOTOGRAPH, box, padding)

    left, top, right, bottom = expected
    assert offset_xy == (left, top)
    assert pixels.shape == (bottom - top, right - left, 3)


def test_a_crop_is_not_a_copy():
    pixels, _ = cut(PHOTOGRAPH, (20, 20, 60, 40))

    assert np.shares_memory(pixels, PHOTOGRAPH)


def test_a_box_outside_of_the_picture_has_no_pixels():
    pixels, _ = cut(PHOTOGRAPH, (200, 200, 240, 260))

    assert pixels.size == 0
