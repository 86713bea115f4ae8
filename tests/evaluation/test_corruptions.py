import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.evaluation.corruptions import (
    SEVERITIES,
    Picture,
    apply_corruption,
    rotation_homography,
    transformed_box,
)

ALL = [(name, severity) for name, severities in SEVERITIES.items() for severity in severities]


def a_picture(width: int = 160, height: int = 120) -> Picture:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([60 + x % 100, 80 + y % 90, 60 + (x + y) % 80], axis=2).astype(np.uint8)


@pytest.mark.parametrize(("corruption", "severity"), ALL)
def test_a_corruption_is_deterministic_and_keeps_the_size(corruption: str, severity: float):
    picture = a_picture()
    (one, doors), (other, _) = (
        apply_corruption(corruption, severity, "a.jpg", picture, [(40, 30, 100, 90)])
        for _ in range(2)
    )

    assert (one == other).all()
    assert one.shape == picture.shape
    assert not (one == picture).all()
    left, top, right, bottom = doors[0]
    assert 0 <= left < right <= 160
    assert 0 <= top < bottom <= 120
    assert (picture == a_picture()).all()


@pytest.mark.parametrize("corruption", ["yaw", "pitch", "roll"])
@given(st.integers(-70, 70))
def test_a_box_goes_through_the_same_transform_as_the_pixels(corruption: str, degrees: int):
    """Draw four white corners, transform the pixels, locate the corners again: within 2 px."""
    width, height = 400, 300
    door = (120.0, 90.0, 260.0, 210.0)
    points = [(x, y) for x in (door[0], door[2]) for y in (door[1], door[3])]
    matrix = rotation_homography(corruption, degrees, width, height)
    moved_points = []
    for x, y in points:
        picture = np.zeros((height, width), dtype=np.uint8)
        cv2.circle(picture, (int(x), int(y)), 6, 255, -1)
        moved = cv2.warpPerspective(picture, matrix, (width, height))
        ys, xs = np.nonzero(moved > 127)
        moved_points.append((xs.mean(), ys.mean()))
    (left, top), (right, bottom) = np.min(moved_points, axis=0), np.max(moved_points, axis=0)

    assert transformed_box(door, matrix) == pytest.approx((left, top, right, bottom), abs=2)


def test_a_rotated_picture_is_never_cut():
    for axis in ("yaw", "pitch", "roll"):
        for degrees in (-70, -20, 0, 45):
            box = transformed_box((0, 0, 400, 300), rotation_homography(axis, degrees, 400, 300))
            assert min(box[0], box[1]) >= -1e-6
            assert box[2] <= 400 + 1e-6
            assert box[3] <= 300 + 1e-6


def test_a_rotation_of_zero_degrees_changes_nothing():
    matrix = rotation_homography("yaw", 0, 400, 300)

    assert matrix / matrix[2, 2] == pytest.approx(np.eye(3))


@pytest.mark.parametrize("fraction", SEVERITIES["occluder"])
def test_the_occluder_covers_the_given_fraction_of_the_door(fraction: float):
    picture = np.zeros((200, 200, 3), dtype=np.uint8)
    covered, _ = apply_corruption("occluder", fraction, "a.jpg", picture, [(50, 50, 150, 150)])

    changed = (covered != picture).any(axis=2)
    assert changed[50:150, 50:150].mean() == pytest.approx(fraction, abs=0.02)
    assert changed.sum() == changed[50:150, 50:150].sum()


def test_a_higher_severity_of_darkness_is_darker():
    pictures = [
        apply_corruption("darkness", severity, "a.jpg", a_picture(), [])[0]
        for severity in SEVERITIES["darkness"]
    ]

    means = [picture.mean() for picture in pictures]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("corruption", ["darkness", "back light", "rain", "lens dirt"])
def test_a_corruption_is_equally_severe_at_any_resolution(corruption: str):
    """A photograph three times as large, shrunk to the same size, has changed as much."""
    changed = []
    for side in (640, 1920):
        flat = np.full((side * 3 // 4, side, 3), 96, dtype=np.uint8)
        corrupted, _ = apply_corruption(corruption, SEVERITIES[corruption][2], "a.jpg", flat, [])
        small = cv2.resize(corrupted, (640, 480), interpolation=cv2.INTER_AREA).astype(float)
        changed.append((abs(small - 96).mean(), small.std()))

    (by, spread), (by_large, spread_large) = changed
    assert by_large == pytest.approx(by, rel=0.1)
    if corruption != "darkness":  # its noise is per pixel, and averages out
        assert spread_large == pytest.approx(spread, rel=0.1)
