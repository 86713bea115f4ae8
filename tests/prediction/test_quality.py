import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container_doors.core.predictions import QualityMeasures
from container_doors.prediction.quality import measure, percentile


def by_definition(region: NDArray[np.uint8]) -> QualityMeasures:
    """The next step's own definitions, in its own words: NumPy on the whole grey region."""
    grey = cv2.cvtColor(region, cv2.COLOR_BGR2GRAY)
    p5, p95 = np.percentile(grey, [5, 95])
    return QualityMeasures(
        brightness=np.exp(-((np.median(grey) - 100) ** 2) / (2 * 65**2)),
        contrast=1 / (1 + np.exp(-0.1 * (p95 - p5 - 50))),
        sharpness=min(cv2.Laplacian(grey, cv2.CV_64F).var() / 100, 1),
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 1), (64, 50), (65, 50), (129, 31), (700, 9)])
@pytest.mark.parametrize("spread", [3, 30, 255])
def test_measures_are_those_of_the_next_step(shape: tuple[int, int], spread: int):
    random = np.random.default_rng(spread)
    photograph = random.integers(0, spread, (shape[0] + 9, shape[1] + 9, 3), dtype=np.uint8)
    region = photograph[4 : 4 + shape[0], 5 : 5 + shape[1]]

    found, expected = measure(region), by_definition(region)

    assert found.brightness == pytest.approx(expected.brightness, abs=1e-12)
    assert found.contrast == pytest.approx(expected.contrast, abs=1e-12)
    assert found.sharpness == pytest.approx(expected.sharpness, abs=1e-9)


def test_the_surroundings_of_a_door_have_no_part_in_its_quality():
    photograph = np.random.default_rng(0).integers(0, 255, (90, 80, 3), dtype=np.uint8)
    region = photograph[10:80, 10:70]

    assert measure(region) == measure(region.copy())


def test_measures_worked_out_by_hand():
    """Grey 100 is the best median; no range: 1 / (1 + e^5); no edge: no variance."""
    found = measure(np.full((40, 30, 3), 100, np.uint8))

    assert (found.brightness, found.sharpness) == (1.0, 0.0)
    assert found.contrast == pytest.approx(0.00669285, abs=1e-8)


def test_naturalness_is_not_made_up_and_neither_is_the_index_that_needs_it():
    found = measure(np.full((40, 30, 3), 100, np.uint8))

    assert found.naturalness is None
    assert found.index is None


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=60),
    st.floats(0, 100, allow_nan=False),
)
def test_a_percentile_of_a_histogram_is_numpys(levels: list[int], percent: float):
    histogram = np.bincount(levels, minlength=256).astype(np.int64)

    assert percentile(histogram, percent) == pytest.approx(np.percentile(levels, percent))
