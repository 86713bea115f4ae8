"""Whole scenes are divided in the wanted proportions, whatever their order, and stay."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.core.errors import DatasetError
from container_doors.data.grouping import Known, labels_of, parse_criterion
from container_doors.data.split import Scene, assign, join
from container_doors.data.spreadsheet import edit_table, read_table
from container_doors.steps.data.split import parse_shares

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def scene(key: int, size: int, doors: int, place: str | None = None) -> Scene:
    return Scene(str(key), {"door": doors, "none": size - doors}, size, place)


@st.composite
def scenes(draw: st.DrawFn, fewest: int = 3) -> list[Scene]:
    sizes = draw(st.lists(st.integers(1, 9), min_size=fewest, max_size=25))
    return [scene(key, size, draw(st.integers(0, size))) for key, size in enumerate(sizes)]


def imbalance(
    given_scenes: Sequence[Scene], chosen: Mapping[str, str], shares: Mapping[str, float] = SHARES
) -> float:
    """Chi-squared of photographs and of both strata, over the splits."""
    totals = Counter[str]()
    counts = {split: Counter[str]() for split in shares}
    for one in given_scenes:
        numbers = Counter({"all": one.size, **one.strata})
        totals.update(numbers)
        counts[one.place or chosen[one.key]].update(numbers)
    return sum(
        (counts[split][name] - share * total) ** 2 / total
        for split, share in shares.items()
        for name, total in totals.items()
        if total
    )


@given(scenes(), st.integers(0, 3))
def test_each_scene_is_in_one_split_and_no_split_is_empty(given_scenes: list[Scene], seed: int):
    chosen = assign(given_scenes, SHARES, seed=seed)

    assert chosen.keys() == {one.key for one in given_scenes}
    assert set(chosen.values()) == set(SHARES)


@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_the_scenes_does_not_matter(given_scenes: list[Scene], random):
    other_order = given_scenes.copy()
    random.shuffle(other_order)

    assert assign(other_order, SHARES, seed=0) == assign(given_scenes, SHARES, seed=0)


@given(scenes(), scenes(fewest=1))
def test_what_is_placed_stays_when_others_arrive(before: list[Scene], arrivals: list[Scene]):
    chosen = assign(before, SHARES, seed=0)
    placed = [Scene(one.key, one.strata, one.size, chosen[one.key]) for one in before]
    new = [Scene(f"new {one.key}", one.strata, one.size) for one in arrivals]

    later = assign([*placed, *new], SHARES, seed=0)

    assert later.keys() == {one.key for one in new}
    assert set(later.values()) <= set(SHARES)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=100, max_size=200), st.integers(0, 3))
def test_single_photographs_have_the_shares_and_strata_that_were_asked_for(
    doors: list[int], seed: int
):
    given_scenes = [scene(key, 1, door) for key, door in enumerate(doors)]

    chosen = assign(given_scenes, SHARES, seed=seed)

    for split, share in SHARES.items():
        inside = [one for one in given_scenes if chosen[one.key] == split]
        assert abs(len(inside) - share * len(doors)) <= 2
        assert abs(sum(one.strata["door"] for one in inside) - share * sum(doors)) <= 2


def stratified_group_k_fold(given_scenes: Sequence[Scene], folds: Sequence[str]) -> dict[str, str]:
    """Assign as scikit-learn's StratifiedGroupKFold does, without shuffling.

    https://github.com/scikit-learn/scikit-learn/blob/1.5.2/sklearn/model_selection/_split.py#L975
    Groups in the order of the deviation of their class counts; each goes to the fold in which the
    mean over classes of the deviation of the folds' class proportions becomes the smallest.
    """
    classes = ("door", "none")
    totals = {name: sum(one.strata[name] for one in given_scenes) for name in classes}
    counts = {fold: Counter[str]() for fold in folds}
    chosen = {}

    def deviation(values: Sequence[float]) -> float:
        mean = sum(values) / len(values)
        return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5)

    def cost(one: Scene, fold: str) -> tuple[float, int]:
        counts[fold].update(one.strata)
        found = [
            deviation([counts[each][name] / totals[name] for each in folds])
            for name in classes
            if totals[name]
        ]
        size = counts[fold].total()
        counts[fold].subtract(one.strata)
        return sum(found) / len(found), size

    for one in sorted(given_scenes, key=lambda each: -deviation([*each.strata.values()])):
        chosen[one.key] = min(folds, key=lambda fold: cost(one, fold))
        counts[chosen[one.key]].update(one.strata)
    return chosen


@settings(max_examples=40)
@given(scenes(fewest=12))
def test_folds_are_on_the_whole_no_worse_than_those_of_scikit_learn(given_scenes: list[Scene]):
    folds = [str(number) for number in range(1, 5)]
    shares = dict.fromkeys(folds, 1 / len(folds))

    ours = imbalance(given_scenes, assign(given_scenes, shares, seed=0), shares)
    theirs = imbalance(given_scenes, stratified_group_k_fold(given_scenes, folds), shares)

    assert ours <= theirs + 1.5  # of a chi-squared of three parts: less than one photograph


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=5, max_size=7))
def test_few_scenes_are_divided_nearly_as_well_as_can_be(sizes: list[tuple[int, int]]):
    given_scenes = [scene(key, size, min(doors, size)) for key, (size, doors) in enumerate(sizes)]
    every = (
        dict(zip([one.key for one in given_scenes], places, strict=True))
        for places in product(SHARES, repeat=len(given_scenes))
        if set(places) == set(SHARES)
    )
    best = min(imbalance(given_scenes, each) for each in every)

    assert imbalance(given_scenes, assign(given_scenes, SHARES, seed=0)) <= 1.5 * best + 1.5


@given(st.integers(1, 30), st.data())
def test_linked_items_are_one_group_and_others_are_not(count: int, data: st.DataObject):
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    links = data.draw(st.lists(pair, max_size=40))

    found = join(count, links)

    reached = [{item} for item in range(count)]
    for _ in range(count):
        for one, other in links:
            reached[one] |= reached[other]
            reached[other] |= reached[one]
    assert found == [min(items) for items in reached]


def known(**values) -> Known:
    return Known(**{"folder": "", "name": "a.jpg", "camera": "", "taken_at": None, **values})


def test_a_name_is_grouped_by_the_groups_of_the_expression():
    names = ("MRSU123_1.jpg", "MRSU123_2.jpg", "TEMU999_1.jpg", "other.jpg")

    labels = labels_of(parse_criterion(r"name:^([A-Z]{4}\d+)_"), [known(name=one) for one in names])

    assert labels == ["MRSU123", "MRSU123", "TEMU999", None]


def test_times_are_joined_across_small_gaps_for_each_camera():
    start = datetime(2026, 3, 1, 10)  # noqa: DTZ001 - EXIF has no zone
    seconds = ((0, "a"), (25, "a"), (50, "a"), (120, "a"), (10, "b"))
    photographs = [
        known(taken_at=start + timedelta(seconds=at), camera=camera) for at, camera in seconds
    ]

    labels = labels_of(parse_criterion("time:30s"), [*photographs, known()])

    assert join(6, [(labels.index(one), n) for n, one in enumerate(labels) if one]) == [
        0, 0, 0, 3, 4, 5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name:(", "expected a regular expression, found missing"),
        ("name:", "expected attributes, folder"),
        ("time:soon", "expected attributes, folder"),
        ("time:30", "expected attributes, folder"),
        ("colour", "expected attributes, folder"),
        ("folder:x", "expected attributes, folder"),
    ],
)
def test_a_criterion_that_cannot_be_understood_is_an_error(text: str, problem: str):
    with pytest.raises(DatasetError, match=problem):
        parse_criterion(text)


@pytest.mark.parametrize("text", ["attributes", "video", "folder", "name:xyz", "time:5m"])
def test_a_criterion_that_joins_nothing_is_an_error(text: str):
    with pytest.raises(DatasetError, match=f"--group-by {text.partition(':')[0]}: "):
        labels_of(parse_criterion(text), [known(), known()])


@pytest.mark.parametrize("text", ["70/30", "70/15/14", "100/0/0", "a/b/c", "-10/50/60", "nan/1/1"])
def test_shares_that_are_no_shares_are_an_error(text: str):
    with pytest.raises(DatasetError, match="expected percentages of train, val and test"):
        parse_shares(text)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=5)


@given(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.data(),
)
def test_a_table_keeps_every_line_and_cell_that_is_not_changed(
    rows: list[tuple[str, str]], delimiter: str, end: str, encoding: str, data: st.DataObject
):
    output = io.StringIO()
    writer = csv.writer(output, delimiter=delimiter, lineterminator=end)
    writer.writerows([("image", "Light"), *rows])
    before = output.getvalue()
    at = data.draw(st.integers(2, len(rows) + 1))

    after = edit_table(
        before.encode(encoding), {at: {"group": "q;7,\t"}}, [{"image": "new.jpg"}], ["group"]
    ).decode(encoding)

    lines, earlier = after.splitlines(keepends=True), before.splitlines(keepends=True)
    assert lines[0] == f"image{delimiter}Light{delimiter}group{end}"
    assert [one for n, one in enumerate(lines) if n not in {0, at - 1, len(rows) + 1}] == [
        one for n, one in enumerate(earlier) if n not in {0, at - 1}
    ]
    table, faults = read_table(after.encode(encoding), required="image")
    assert not faults
    assert table is not None
    assert table.rows[-1].cells == {"image": "new.jpg"}
    changed = next(row for row in table.rows if row.line == at)
    assert changed.cells["group"] == "q;7,"
