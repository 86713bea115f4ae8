"""Which run is gone on with, where a storage has several of an experiment."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.test_bundle import a_record

from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.training.known_runs import choose, known_runs

A, B, C, D = ("a" * 8, "b" * 8, "c" * 8, "d" * 8)
NOON, ELEVEN = "20261125T120000", "20261125T110000"


def checkpoint(run: str, epoch: int = 3, *, begun: str = NOON) -> str:
    return f"{begun}-{run}-{epoch:06d}-0123456789abcdef.tar"


def finished(run: str) -> str:
    return f"{NOON}-{run}-finished"


def replaces(run: str, other: str) -> str:
    return f"{ELEVEN}-{run}-replaces-{other}"


def here(run: str, *others: str) -> RunRecord:
    return a_record(run * 4, replaces=list(others))


def chosen(
    *names: str, record: RunRecord | None = None, begun: bool = True, requested: str | None = None
) -> str | None:
    known = known_runs(names, record)
    return choose(known, record if begun else None, experiment="e", requested=requested)


def test_a_run_that_replaces_another_is_the_one_whatever_the_clocks_said():
    assert chosen(checkpoint(A), checkpoint(B, begun=ELEVEN), replaces(B, A)) == B
    assert chosen(checkpoint(A), checkpoint(B, begun=NOON), replaces(A, B)) == A


def test_a_replacement_that_was_killed_before_it_sent_anything_is_gone_on_with_where_it_is():
    assert chosen(checkpoint(A), record=here(B, A)) == B
    assert chosen(finished(A), record=here(B, A)) == B


def test_what_was_replaced_is_not_gone_on_with_even_if_the_other_left_nothing():
    assert chosen(checkpoint(A), replaces(B, A)) is None


def test_a_chain_leads_to_its_end():
    names = [checkpoint(A), checkpoint(B), checkpoint(C), replaces(B, A), replaces(C, B)]
    for order in itertools.permutations(names):
        assert chosen(*order) == C
    assert chosen(*names, record=here(A)) == C


def test_a_chain_holds_where_a_link_in_the_middle_left_nothing_but_its_mark():
    assert chosen(checkpoint(A), replaces(B, A), checkpoint(C), replaces(C, B)) == C


def test_two_that_replace_the_same_are_both_named():
    names = [checkpoint(A), checkpoint(B, 7), checkpoint(C, 9), replaces(B, A), replaces(C, A)]

    with pytest.raises(RunError, match=r"b{8} \(epoch 7\) and c{8} \(epoch 9\)") as refused:
        chosen(*names)

    assert f"doors train --experiment e --run {B}" in refused.value.hint
    assert f"doors train --experiment e --run {C}" in refused.value.hint
    assert "--replace" not in refused.value.hint
    assert chosen(*names, record=here(B, A)) == B
    assert chosen(*names, record=here(C, A)) == C
    assert chosen(*names, requested=B) == B


def test_two_without_any_relation_as_earlier_releases_left_them_are_both_named():
    names = [checkpoint(A), checkpoint(B, begun=ELEVEN)]

    with pytest.raises(RunError, match="several runs of e, and none replaces the other"):
        chosen(*names)
    with pytest.raises(RunError, match="several runs of e"):
        chosen(finished(A), checkpoint(B))
    assert chosen(*names, record=here(B)) == B
    assert chosen(*names, record=here(C)) == C
    for begun_here in (here(C), None):
        with pytest.raises(RunError, match="several runs of e"):
            chosen(*names, record=begun_here, begun=False)


def test_one_that_has_no_epoch_gives_way_to_one_that_has():
    assert chosen(checkpoint(A), record=here(B), begun=False) == A
    assert chosen(checkpoint(A), record=here(B, A), begun=False) is None


def test_what_another_machine_replaced_is_told():
    assert chosen(checkpoint(B), replaces(B, A), record=here(A)) == B
    with pytest.raises(RunError, match=f"{A} of e has been replaced by {B} on another") as refused:
        chosen(replaces(B, A), checkpoint(C), record=here(A))
    assert f"--run {A}" in refused.value.hint
    assert chosen(replaces(B, A), record=here(A), requested=A) == A


def test_opposite_choices_are_no_circle_that_swallows_both():
    names = [checkpoint(A), checkpoint(B), replaces(B, A), replaces(A, B)]

    with pytest.raises(RunError, match="several runs"):
        chosen(*names)
    assert chosen(*names, record=here(A, B)) == A


def test_a_run_that_is_asked_for_and_not_there_is_refused():
    for requested in (C, "", "x"):
        with pytest.raises(RunError, match=r"expected a run .*, found a{8} \(epoch 3\)"):
            chosen(checkpoint(A), requested=requested)
    assert chosen(checkpoint(A), requested="aaaa") == A


def test_other_files_are_nobodys_runs():
    names = ["notes.txt", checkpoint(A) + ".part", "lease-x", ".hidden"]

    assert known_runs(names).runs == set()
    assert chosen(*names) is None


relations = st.lists(
    st.tuples(st.sampled_from([A, B, C, D]), st.sampled_from([A, B, C, D])), max_size=8
)


@given(relations, st.sets(st.sampled_from([A, B, C, D]), min_size=1))
def test_there_is_always_a_current_run_and_never_one_that_is_only_replaced(
    pairs: list[tuple[str, str]], with_checkpoint: set[str]
):
    names = [*(replaces(*pair) for pair in pairs), *map(checkpoint, with_checkpoint)]
    known = known_runs(names)

    current = known.current()
    assert current
    for run in known.runs - {*current}:
        assert any(run in known.replaced_by(other) for other in current)
