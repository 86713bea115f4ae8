import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.evaluation.corruptions import LADDERS, Picture, carried, climb, turned

STEPS = [(name, step) for name, steps in LADDERS.items() for step in steps]


def a_picture(width: int = 160, height: int = 120) -> Picture:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([60 + x % 100, 80 + y % 90, 60 + (x + y) % 80], axis=2).astype(np.uint8)


@pytest.mark.parametrize(("ladder", "severity"), STEPS)
def test_a_step_is_the_same_each_time_and_keeps_the_size(ladder: str, severity: float):
    picture = a_picture()
    (one, doors), (other, _) = (
        climb(ladder, severity, "a.jpg", picture, [(40, 30, 100, 90)]) for _ in range(2)
    )

    assert (one == other).all()
    assert one.shape == picture.shape
    assert not (one == picture).all()
    left, top, right, bottom = doors[0]
    assert 0 <= left < right <= 160
    assert 0 <= top < bottom <= 120
    assert (picture == a_picture()).all()


@pytest.mark.parametrize("ladder", ["yaw", "pitch", "roll"])
@given(st.integers(-70, 70))
def test_the_box_is_that_of_corner_points_carried_through_the_same_pixels(
    ladder: str, degrees: int
):
    """Four white corners are drawn, transformed as pixels, found again, and boxed: within 2 px."""
    width, height = 400, 300
    door = (120.0, 90.0, 260.0, 210.0)
    points = [(x, y) for x in (door[0], door[2]) for y in (door[1], door[3])]
    matrix = turned(ladder, degrees, width, height)
    seen = []
    for x, y in points:
        picture = np.zeros((height, width), dtype=np.uint8)
        cv2.circle(picture, (int(x), int(y)), 6, 255, -1)
        moved = cv2.warpPerspective(picture, matrix, (width, height))
        ys, xs = np.nonzero(moved > 127)
        seen.append((xs.mean(), ys.mean()))
    (left, top), (right, bottom) = np.min(seen, axis=0), np.max(seen, axis=0)

    assert carried(door, matrix) == pytest.approx((left, top, right, bottom), abs=2)


def test_the_camera_steps_back_until_all_of_the_picture_is_seen():
    for axis in ("yaw", "pitch", "roll"):
        for degrees in (-70, -20, 0, 45):
            box = carried((0, 0, 400, 300), turned(axis, degrees, 400, 300))
            assert min(box[0], box[1]) >= -1e-6
            assert box[2] <= 400 + 1e-6
            assert box[3] <= 300 + 1e-6


def test_no_turn_changes_nothing():
    assert turned("yaw", 0, 400, 300) / turned("yaw", 0, 400, 300)[2, 2] == pytest.approx(np.eye(3))


@pytest.mark.parametrize("share", LADDERS["occluder"])
def test_the_occluder_covers_its_share_of_the_door(proportion: float):
    picture = np.zeros((200, 200, 3), dtype=np.uint8)
    covered, _ = climb("occluder", proportion, "a.jpg", picture, [(50, 50, 150, 150)])

    changed = (covered != picture).any(axis=2)
    assert changed[50:150, 50:150].mean() == pytest.approx(proportion, abs=0.02)
    assert changed.sum() == changed[50:150, 50:150].sum()


def test_less_light_is_darker():
    pictures = [
        climb("darkness", step, "a.jpg", a_picture(), [])[0] for step in LADDERS["darkness"]
    ]

    means = [picture.mean() for picture in pictures]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("ladder", ["darkness", "back light", "rain", "lens dirt"])
def test_a_step_is_as_hard_at_any_resolution(ladder: str):
    """A photograph of three times the side, brought to the same size, has changed as much."""
    changed = []
    for side in (640, 1920):
        flat = np.full((side * 3 // 4, side, 3), 96, dtype=np.uint8)
        harder, _ = climb(ladder, LADDERS[ladder][2], "a.jpg", flat, [])
        small = cv2.resize(harder, (640, 480), interpolation=cv2.INTER_AREA).astype(float)
        changed.append((abs(small - 96).mean(), small.std()))

    (by, spread), (by_large, spread_large) = changed
    assert by_large == pytest.approx(by, rel=0.1)
    if ladder != "darkness":  # whose noise is of the sensor's pixels, and is averaged away
        assert spread_large == pytest.approx(spread, rel=0.1)
