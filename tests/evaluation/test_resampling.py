"""Check the running sums of all data sets against one data set after the other, in plain loops."""

import numpy as np
import pytest

from container_doors.evaluation import resampling
from container_doors.evaluation.ranking import Ranking
from container_doors.evaluation.resampling import coco_ap_of, half_samples, ultralytics_ap_of
from tests.evaluation.synthetic import synthetic_ranking


def plain_curve(ranking: Ranking, weights: np.ndarray, row: int) -> list[tuple[float, ...]]:
    """Return recall, precision and the precision just before, at each found door."""
    found = detected = 0.0
    labelled = sum(weight * doors for weight, doors in zip(weights, ranking.doors, strict=True))
    curve: list[tuple[float, ...]] = []
    for photograph, is_door in zip(ranking.photograph, ranking.is_door[row], strict=True):
        weight = weights[photograph]
        before = found / detected if detected else 0.0
        detected += weight
        if is_door:
            found += weight
            curve.append((found / labelled, found / detected if detected else 0.0, before))
    return curve


def plain_coco(curve: list[tuple[float, ...]]) -> float:
    reached = [
        max((precision for recall, precision, _ in curve if recall >= level), default=0.0)
        for level in np.linspace(0, 1, 101)
    ]
    return sum(reached) / 101


def plain_ultralytics(curve: list[tuple[float, ...]]) -> float:
    xs, ys = [0.0], [1.0]
    for recall, precision, before in curve:
        xs += [xs[-1], recall]
        ys += [before, precision]
    xs, ys = [*xs, xs[-1], 1.0], [*ys, 0.0, 0.0]
    envelope = [max(ys[at:]) for at in range(len(ys))]
    levels = np.linspace(0, 1, 101)
    return float(np.trapezoid(np.interp(levels, xs, envelope), levels))


@pytest.mark.parametrize("seed", range(6))
def test_all_data_sets_at_once_score_as_one_after_the_other(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resampling, "_AT_ONCE", 64)  # several rounds
    generator = np.random.default_rng(seed)
    photographs = int(generator.integers(1, 25))
    ranking = synthetic_ranking(photographs, generator)
    weights = generator.choice([0, 0, 1, 1, 2.5], size=(7, photographs))
    weights[0] = 0  # without a door

    coco, ultralytics = coco_ap_of(ranking, weights), ultralytics_ap_of(ranking, weights)

    for number, of_one in enumerate(weights):
        if not of_one @ ranking.doors:
            assert np.isnan(coco[number]).all()
            assert np.isnan(ultralytics[number]).all()
            continue
        curves = [plain_curve(ranking, of_one, row) for row in range(10)]
        np.testing.assert_allclose(coco[number], list(map(plain_coco, curves)), atol=1e-12)
        if all(curves):
            expected = list(map(plain_ultralytics, curves))
            np.testing.assert_allclose(ultralytics[number], expected, atol=1e-12)


def test_halves_are_drawn_by_group_and_the_same_each_time():
    first = half_samples([0, 0, 1, 2, 3], replicates=20)
    generator = np.random.default_rng(0)
    expected = np.argsort(generator.random((20, 4)), axis=1) < 2

    assert (first == expected[:, [0, 0, 1, 2, 3]]).all()
    assert (first == half_samples([0, 0, 1, 2, 3], replicates=20)).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_part_of_a_ranking_is_that_of_its_photographs(seed: int):
    ranking = synthetic_ranking(12, np.random.default_rng(seed))
    chosen = [9, 2, 5, 11]
    weights = np.zeros((1, 12))
    weights[0, chosen] = 1

    part = ranking.of(chosen)

    assert part.doors.tolist() == ranking.doors[chosen].tolist()
    of_part, of_all = coco_ap_of(part, np.ones((1, 4))), coco_ap_of(ranking, weights)
    np.testing.assert_allclose(of_part, of_all, atol=1e-12)
