"""Which photographs an epoch has, where drawn ones are mixed in."""

from typing import Any

import pytest

from container_doors.training.draws import Draw, Draws

DRAWN = (0, 2, 4, 6, 8, 10)
REAL = {1, 3, 5, 7, 9, 11, 12}


def an_epoch(number: int, **changed: Any) -> list[Draw]:
    mixed = {"size": 13, "batch_size": 4, "seed": 1, "drawn": DRAWN, "drawn_each_epoch": 3}
    return [one for batch in Draws(**{**mixed, **changed}).batches(number) for one in batch]


def photographs(draws: list[Draw]) -> list[int]:
    return [one.photograph for one in draws]


def test_an_epoch_has_every_real_photograph_and_as_many_drawn_ones_as_asked():
    for number in range(1, 9):
        shown = photographs(an_epoch(number))

        assert set(shown) - set(DRAWN) == REAL
        assert len(shown) == len(set(shown)) == 10


def test_over_the_epochs_all_drawn_ones_come():
    assert {one for number in range(1, 9) for one in photographs(an_epoch(number))} > set(DRAWN)


def test_several_processes_share_the_same_photographs():
    parts = [photographs(an_epoch(3, rank=rank, ranks=2)) for rank in (0, 1)]

    assert sorted(parts[0] + parts[1]) == sorted(photographs(an_epoch(3)))


@pytest.mark.parametrize("window", [None, 2])
def test_a_mosaic_has_only_photographs_of_the_epoch(window: int | None):
    draws = an_epoch(2, mosaic_window=window)

    assert all(one.partners and set(one.partners) <= set(photographs(draws)) for one in draws)


def test_without_drawn_ones_a_mosaic_may_have_any():
    draws = an_epoch(2, drawn=(), drawn_each_epoch=0)

    assert sorted(photographs(draws)) == list(range(13))
    assert {one.partners for one in draws} == {None}
