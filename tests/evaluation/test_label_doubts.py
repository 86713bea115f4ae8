"""Which labels are doubted, why, in which order, and how many wrong ones come first."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from container_doors.data.convert_pictures import upright_size
from container_doors.data.labels import read_boxes
from container_doors.evaluation.label_doubts import (
    Doubt,
    ReviewedPhotograph,
    common_offset,
    label_doubts,
)
from container_doors.evaluation.matching import BoxXyxy
from tests.evaluation.disturbed_labels import disturb, found_among_first, simulated

REAL = Path(os.environ.get("CONTAINER_DOORS_REAL_DATA", "-"))
A, B = (10.0, 10.0, 50.0, 90.0), (60.0, 10.0, 95.0, 80.0)
LOOSE, SHIFTED = (5.0, 2.0, 60.0, 99.0), (22.0, 10.0, 62.0, 90.0)
AGREED = [ReviewedPhotograph(f"{number}", (A,), (A,), (0.9,)) for number in range(20)]
"""So many that one photograph changes nothing of what is usual."""


def doubts(
    labels: Sequence[BoxXyxy], found: Mapping[BoxXyxy, float], *, image: str = "x"
) -> list[Doubt]:
    one = ReviewedPhotograph(image, tuple(labels), tuple(found), tuple(found.values()))
    return [doubt for doubt in label_doubts([*AGREED, one]) if doubt.image == image]


def test_a_model_that_agrees_has_no_doubt():
    assert doubts([A, B], {A: 0.9, B: 0.6}) == []
    assert label_doubts([]) == []
    assert label_doubts([ReviewedPhotograph("x", (), (), ())]) == []


def grown(box: BoxXyxy, by: float) -> BoxXyxy:
    width, height = box[2] - box[0], box[3] - box[1]
    return (
        box[0] - by * width, box[1] - by * height, box[2] + by * width, box[3] + by * height,
    )  # fmt: skip


@pytest.mark.parametrize(("by", "expected"), [(0.03, 0.03), (-0.05, -0.05), (0.004, None)])
def test_boxes_that_are_all_larger_or_smaller_are_an_offset_of_the_model(
    by: float, expected: float | None
):
    ones = [
        ReviewedPhotograph(f"{number}", (A,), (grown(A, by + noise), B), (0.9, 0.9))
        for number in range(20)
        for noise in (-0.01, 0.01)
    ]

    offset = common_offset(ones)

    assert (offset and offset.outside) == (expected and pytest.approx(expected))
    assert common_offset(ones[:10]) is None  # too few to tell


def test_boxes_that_differ_at_random_are_no_offset():
    sizes = [0.15, -0.09] * 15
    ones = [
        ReviewedPhotograph(f"{number}", (A,), (grown(A, by),), (0.9,))
        for number, by in enumerate(sizes)
    ]

    assert common_offset(ones) is None


@pytest.mark.parametrize(
    ("labels", "found", "expected"),
    [
        ([A], {A: 0.9, B: 0.9}, ("missing", None, B)),
        ([A, B], {A: 0.9}, ("spurious", 1, None)),
        ([A, B], {A: 0.9, B: 0.02}, None),
        ([A, B], {A: 0.9, (60.0, 10.0, 70.0, 20.0): 0.9}, ("spurious", 1, None)),
        ([LOOSE], {A: 0.9}, ("loose", 0, A)),
        ([(20.0, 20.0, 40.0, 80.0)], {A: 0.9}, ("loose", 0, A)),
        ([SHIFTED], {A: 0.9}, ("shifted", 0, A)),
        ([A, (12.0, 12.0, 52.0, 92.0)], {A: 0.9}, ("doubled", 1, None)),
        ([(12.0, 12.0, 52.0, 92.0), A], {A: 0.9}, ("doubled", 0, None)),
        ([A, (12.0, 12.0, 52.0, 92.0)], {}, ("doubled", 1, None)),
    ],
    ids=["missing", "spurious", "faint but exact", "elsewhere", "loose", "tight", "shifted",
         "doubled", "doubled, the first", "doubled, without a box"],
)  # fmt: skip
def test_each_kind_of_mistake_is_named_with_its_remedy(
    labels: list[BoxXyxy],
    found: dict[BoxXyxy, float],
    expected: tuple[str, int | None, BoxXyxy | None] | None,
):
    ones = doubts(labels, found)

    first = [(one.kind, one.label, one.proposed) for one in ones if one.score > 0.6]
    assert expected in first if expected else first == []
    for one in ones:
        assert one.box == (None if one.label is None else labels[one.label])
        assert 0 <= one.score <= 1


def test_a_better_fit_is_doubted_less():
    """The usual IoU is 1, with the least deviation, 0.02: at 0.96 it is two deviations away."""
    near = (10.0, 10.0, 50.0, 93.0)  # IoU 80 / 83
    scores = [doubts([one], {A: 0.9})[:1] for one in (near, (10.0, 10.0, 50.0, 96.0), LOOSE)]

    values = [one[0].score if one else 0.0 for one in scores]
    assert values == sorted(values)
    deviations = (1 - 80 / 83) / 0.02
    expected = 1 - math.exp(-((deviations / 3) ** 2))
    # 20 of 20 boxes of this confidence are doors, and this one is: (21 + 2 * 0.9) / (21 + 2)
    assert values[0] == pytest.approx(expected * (21 + 1.8) / 23)


def test_confidences_are_judged_by_how_often_they_are_right():
    """A model whose boxes of 0.3 are all doors is right about one more of them."""
    timid = [ReviewedPhotograph(f"{number}", (A,), (A,), (0.3,)) for number in range(50)]
    bold = [ReviewedPhotograph(f"{number}", (A,), (A, B), (0.95, 0.3)) for number in range(50)]
    one = ReviewedPhotograph("x", (A,), (A, B), (0.9, 0.3))

    def score(others: list[ReviewedPhotograph]) -> float:
        ones = [doubt for doubt in label_doubts([*others, one]) if doubt.image == "x"]
        return max((doubt.score for doubt in ones if doubt.kind == "missing"), default=0.0)

    assert score(timid) > 0.8
    assert score(bold) < 0.1


def test_the_strongest_doubts_are_first_and_equal_ones_in_order():
    photographs = [
        ReviewedPhotograph("faint", (), (B,), (0.3,)),
        ReviewedPhotograph("a", (A,), (), ()),
        ReviewedPhotograph("b", (A,), (), ()),
    ]

    assert [one.image for one in label_doubts([*AGREED, *photographs])] == ["a", "b", "faint"]


def drawn() -> tuple[dict[str, list[BoxXyxy]], dict[str, tuple[int, int]]]:
    """160 photographs; every eighth has two doors, every fourth none."""
    labels: dict[str, list[BoxXyxy]] = {}
    for number in range(160):
        left = 20.0 + 3 * (number % 40)
        first = (left, 60.0, left + 180 + number, 400.0 + number % 70)
        second = (430.0, 90.0, 600.0, 380.0 + number % 50)
        labels[f"{number:03}"] = [first, second][: (1, 1, 2, 0, 1, 1, 1, 0)[number % 8]]
    return labels, dict.fromkeys(labels, (640, 480))


def photographed() -> tuple[dict[str, list[BoxXyxy]], dict[str, tuple[int, int]]]:
    labels, sizes = {}, {}
    for image in sorted((REAL / "images").iterdir()):
        width, height = sizes[image.name] = upright_size(image)
        boxes = read_boxes(REAL / "labels" / f"{image.stem}.txt")
        labels[image.name] = [
            (left * width, top * height, right * width, bottom * height)
            for left, top, right, bottom in (box.edges for box in boxes)
        ]
    return labels, sizes


@pytest.mark.parametrize("is_small", [False, True], ids=["trained in full", "small"])
@pytest.mark.parametrize(
    "data",
    [
        drawn,
        pytest.param(
            photographed,
            marks=pytest.mark.skipif(
                not REAL.is_dir(), reason="no real photographs (CONTAINER_DOORS_REAL_DATA)"
            ),
        ),
    ],
)
def test_eight_of_ten_wrong_labels_are_in_the_first_tenth_of_the_photographs(data, is_small: bool):
    """A tenth of the boxes is wrong, so a perfect order would show almost nothing else there.

    The predictions are simulated. A small model misses so many doors that it finds a little less.
    """
    labels, sizes = data()
    shares = []
    for seed in range(10):
        wrong, made = disturb(labels, sizes, 0.1, seed)
        ones = label_doubts(simulated(labels, wrong, sizes, seed, is_small=is_small))
        shares.append(found_among_first(0.1, made, ones, len(labels)))

    assert sum(shares) / len(shares) >= (0.75 if is_small else 0.8)
