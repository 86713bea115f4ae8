import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from container_doors.core.config import QualityLimits
from container_doors.core.predictions import Reason
from container_doors.data.drawing import FOUND, MISTAKE
from container_doors.prediction.doors import doors_in
from container_doors.prediction.drawing import IN_WORDS, LONGEST_SIDE_PX, draw
from tests.prediction.finding import Box, found, picture_of

NONE_REFUSED = QualityLimits(
    min_area_share=0, max_area_share=1, max_edges_touched=4, min_brightness=0, min_contrast=0,
    min_sharpness=0,
)  # fmt: skip


def drawn(width: int, height: int, boxes: list[Box], limits: QualityLimits) -> Image.Image:
    picture = picture_of(np.full((height, width, 3), 255, np.uint8))
    return draw(picture.bgr, doors_in(found(boxes), picture, limits=limits))


def share_of(colour: str, picture: Image.Image) -> float:
    return float((np.asarray(picture) == ImageColor.getrgb(colour)).all(axis=2).mean())


@pytest.mark.parametrize("size", [(320, 240), (4000, 3000), (200, 900)])
def test_boxes_are_dashed_in_two_colours_on_every_size(size: tuple[int, int]):
    """Orange and black in turn are seen on every ground: each is at least 0.5 % of the picture."""
    width, height = size
    box = (width * 0.2, height * 0.3, width * 0.7, height * 0.9)

    picture = drawn(width, height, [box], NONE_REFUSED)

    assert max(picture.size) <= LONGEST_SIDE_PX
    assert share_of(FOUND, picture) > 0.005
    assert share_of("black", picture) > 0.003
    assert share_of(MISTAKE, picture) == 0


def test_a_refused_door_has_another_tag():
    picture = drawn(320, 240, [(20, 90, 200, 220)], QualityLimits())

    assert share_of(MISTAKE, picture) > 0.01


def test_a_picture_without_a_door_says_so():
    assert share_of(FOUND, drawn(320, 240, [], QualityLimits())) > 0.005


side = st.floats(0, 1, width=32)


@given(
    st.sampled_from([(1, 1), (3, 40), (60, 9), (5000, 1), (2, 3000)]),
    st.lists(st.tuples(side, side, side, side), max_size=3),
)
def test_no_box_and_no_picture_is_too_small_to_draw(
    size: tuple[int, int], corners: list[tuple[float, float, float, float]]
):
    width, height = size
    boxes = [
        (min(x, x_) * width, min(y, y_) * height, max(x, x_) * width, max(y, y_) * height)
        for x, y, x_, y_ in corners
    ]

    assert drawn(width, height, boxes, QualityLimits()).size >= (1, 1)


def test_every_reason_has_words():
    assert set(IN_WORDS) == set(Reason.__args__)  # type: ignore[attr-defined]
