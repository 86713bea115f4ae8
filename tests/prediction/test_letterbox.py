"""Pictures are prepared, and boxes mapped back, as Ultralytics does both."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.prediction.letterbox import boxes_in_picture, input_shape, letterbox

SIDES = st.integers(1, 400)
SIZES = st.sampled_from([32, 96, 160, 320])


def prepared_by_ultralytics(picture: Any, image_size_px: int, fixed: Any) -> Any:
    """Prepare it as ``BasePredictor.preprocess`` does."""
    import_ultralytics()
    import torch
    from ultralytics.data.augment import LetterBox

    box = LetterBox(fixed or (image_size_px, image_size_px), auto=fixed is None, stride=32)
    tensor = torch.from_numpy(box(image=picture)).unsqueeze(0)
    return tensor.permute(0, 3, 1, 2).contiguous().flip(1).float().div_(255).numpy()


@settings(max_examples=150)
@given(height=SIDES, width=SIDES, size_px=SIZES, seed=st.integers(0, 9))
def test_the_networks_input_is_that_of_ultralytics(
    height: int, width: int, size_px: int, seed: int
):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    ours = letterbox(picture, size_px)

    np.testing.assert_array_equal(ours, prepared_by_ultralytics(picture, size_px, None))
    assert ours.flags.c_contiguous
    assert ours.shape[2:] == input_shape((height, width), size_px)


@settings(max_examples=50)
@given(height=SIDES, width=SIDES, fixed=st.tuples(SIZES, SIZES))
def test_a_network_of_one_shape_gets_the_input_of_ultralytics(
    height: int, width: int, fixed: tuple[int, int]
):
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)

    ours = letterbox(picture, 640, fixed_hw=fixed)

    np.testing.assert_array_equal(ours, prepared_by_ultralytics(picture, 640, fixed))


@settings(max_examples=150)
@given(height=st.integers(1, 9000), width=st.integers(1, 9000), seed=st.integers(0, 99))
def test_boxes_are_mapped_back_as_by_ultralytics(height: int, width: int, seed: int):
    import_ultralytics()
    import torch
    from ultralytics.utils.ops import scale_boxes

    shape = input_shape((height, width), 640)
    boxes = np.random.default_rng(seed).uniform(-40, 700, (20, 4)).astype(np.float32)
    theirs = scale_boxes(shape, torch.from_numpy(boxes.copy()), (height, width))

    ours = boxes_in_picture(boxes, shape, (height, width))

    np.testing.assert_array_equal(ours, np.asarray(theirs))
    assert ours.dtype == np.float32


@pytest.mark.parametrize(
    ("picture_hw", "expected"),
    [((480, 640), (480, 640)), ((4000, 3000), (640, 480)), ((1, 3000), (32, 640))],
)
def test_the_shorter_side_is_padded_to_the_next_multiple(
    picture_hw: tuple[int, int], expected: tuple[int, int]
):
    assert input_shape(picture_hw, 640) == expected
