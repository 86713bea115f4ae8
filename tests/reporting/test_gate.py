"""Check that missed, not proven and not measured targets are told apart in every sentence."""

import pytest

from container_doors.reporting.figures import NOT_MEASURED
from container_doors.reporting.gate import TargetResult, in_one_line, in_one_sentence


def target(what: str, status: str) -> TargetResult:
    return TargetResult(
        what, "> 0.90", "0.9", holds=status == "holds",
        is_reached=status in {"holds", "not proven"}, is_known=status != NOT_MEASURED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "sentence", "line"),
    [
        (("holds", "holds"), "all 2 targets hold", "all 2 targets hold"),
        (("holds",), "the target holds", "the target holds"),
        (
            ("not proven", "missed", "holds", "not proven", NOT_MEASURED),
            "1 of 5 targets holds. Missed: t1 0.9, target > 0.90. Not proven: t0 0.9, target "
            "> 0.90; t3 0.9, target > 0.90. Not measured: t4 0.9, target > 0.90",
            "1 of 5 targets holds: 1 missed, 1 not measured, 2 not proven",
        ),
        (
            ("not proven", "not proven"),
            "0 of 2 targets hold. Not proven: t0 0.9, target > 0.90; t1 0.9, target > 0.90",
            "0 of 2 targets hold: 2 not proven",
        ),
    ],
    ids=["all", "one", "of each kind", "none is missed"],
)
def test_a_target_that_is_not_proven_is_not_called_missed(
    statuses: tuple[str, ...], sentence: str, line: str
):
    rows = [target(f"t{number}", status) for number, status in enumerate(statuses)]

    assert [row.status for row in rows] == list(statuses)
    assert (in_one_sentence(rows), in_one_line(rows)) == (sentence, line)
