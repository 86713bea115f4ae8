"""A tunnel that ends, does not open, or is rationed."""

from collections.abc import Iterator
from itertools import count

import pytest

from container_doors.core.errors import RateLimitedError, TunnelError
from container_doors.tunnel.keep_open import FAILED_S, LIMITED_S, keep_open
from tests.fakes import FakeTunnel

LIMITED = RateLimitedError("too many", hint="wait")
FAILED = TunnelError("no network", hint="look")


def kept(*answers: str | BaseException, clock: Iterator[float] | None = None):
    """Keep it open until its answers are used up; returns the addresses and the waits."""
    addresses: list[str] = []
    waits: list[float] = []
    ticks = clock or count()
    with pytest.raises(KeyboardInterrupt):
        keep_open(
            FakeTunnel([*answers, KeyboardInterrupt()]),
            announce=addresses.append,
            say=lambda _: None,
            pause=waits.append,
            now=lambda: float(next(ticks)),
        )
    return addresses, waits


def test_a_tunnel_that_ends_is_opened_again_and_its_new_address_said():
    assert kept("a.example.org", "b.example.org") == (
        ["a.example.org", "b.example.org"],
        list(FAILED_S[:2]),
    )


def test_a_tunnel_that_lived_is_opened_again_soon_however_often():
    _, waits = kept(*["a.example.org"] * 10, clock=count(step=1000))

    assert set(waits) == {FAILED_S[0]}


def test_where_tunnels_are_rationed_the_waits_grow():
    addresses, waits = kept(LIMITED, LIMITED, "a.example.org")

    assert addresses == ["a.example.org"]
    assert waits[:2] == list(LIMITED_S[:2])


def test_an_address_once_given_begins_the_waits_anew():
    _, waits = kept(LIMITED, "a.example.org", LIMITED, "b.example.org")

    assert [wait for wait in waits if wait in LIMITED_S[:1]] == [LIMITED_S[0]] * 2


@pytest.mark.parametrize(("failure", "times"), [(LIMITED, len(LIMITED_S)), (FAILED, len(FAILED_S))])
def test_after_many_failures_the_last_is_raised(failure: TunnelError, times: int):
    said: list[str] = []
    with pytest.raises(type(failure), match=failure.problem):
        keep_open(
            FakeTunnel([failure] * (times + 1)),
            announce=said.append,
            say=said.append,
            pause=lambda _: None,
            now=lambda: 0.0,
        )

    assert len(said) == times
    assert failure.problem in said[0]
