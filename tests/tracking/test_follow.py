"""What trackers hear of a run, whatever becomes of the run and of the trackers."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.builders import a_record
from tests.fakes import FakeTracker

from container_doors.core.errors import TrackingError
from container_doors.core.records import FITNESS, Epoch
from container_doors.tracking.follow import follow, send_run

EPOCHS = [Epoch(n, {FITNESS: value}) for n, value in enumerate((0.1, 0.3, 0.3, 0.2), start=1)]


def following(
    *trackers: FakeTracker, exit_code: int = 0, seen: Sequence[Sequence[Epoch]] = ([], EPOCHS)
) -> list[str]:
    """Follow a run of which more and more is on disk; what the person was told."""
    said: list[str] = []
    on_disk = iter(seen)
    follow(
        a_record(),
        {f"tracker {number}": tracker for number, tracker in enumerate(trackers)},
        epochs=lambda: next(on_disk),
        results=lambda: None,
        poll_exit=each_of([None] * (len(seen) - 1) + [exit_code]),
        say=said.append,
    )
    return said


def each_of(answers: Sequence[int | None]) -> Callable[[], int | None]:
    left: Iterator[int | None] = iter(answers)
    return lambda: next(left)


def test_every_epoch_is_told_once_and_in_order():
    tracker = FakeTracker()

    following(tracker, seen=[[], EPOCHS[:1], EPOCHS[:1], EPOCHS[:3], EPOCHS])

    assert tracker.epochs == [1, 2, 3, 4]
    assert tracker.exit_codes == [0]


def test_the_best_so_far_is_marked_and_the_later_of_equals():
    tracker = FakeTracker()

    following(tracker)

    assert tracker.best == [1, 2, 3]


def test_what_the_tracker_has_is_not_told_again():
    tracker = FakeTracker(last_epoch=2)

    following(tracker)

    assert tracker.epochs == [3, 4]
    assert tracker.best == [3]  # the best of all, not of what is left


def test_what_is_cut_off_the_record_and_trained_again_is_not_told_again():
    tracker = FakeTracker()

    following(tracker, seen=[EPOCHS[:3], EPOCHS[:1], EPOCHS[:2], EPOCHS])

    assert tracker.epochs == [1, 2, 3, 4]


def test_what_was_written_just_before_the_end_is_told():
    tracker = FakeTracker()

    following(tracker, seen=[EPOCHS], exit_code=1)

    assert tracker.epochs == [1, 2, 3, 4]
    assert tracker.exit_codes == [1]


@pytest.mark.parametrize("call", ["start", "log_epoch", "finish"])
def test_a_tracker_that_fails_is_said_once_and_the_others_hear_on(call: str):
    broken, good = FakeTracker(fails_at=call), FakeTracker()

    said = following(broken, good)

    assert said == [f"tracker 0: {call} fails; doors track sync exp1"]
    assert good.epochs == [1, 2, 3, 4]
    assert good.exit_codes == [0]


def test_with_nobody_left_to_hear_it_does_not_wait_for_the_end():
    said = following(FakeTracker(fails_at="start"), seen=[])

    assert len(said) == 1


def test_telling_one_tracker_everything_raises_what_it_raises():
    with pytest.raises(TrackingError, match="log_epoch fails"):
        send_run(FakeTracker(fails_at="log_epoch"), a_record(), EPOCHS, None, exit_code=0)


def test_without_results_a_run_still_ends():
    tracker = FakeTracker()

    send_run(tracker, a_record(), EPOCHS, None, exit_code=137)

    assert tracker.results is None
    assert tracker.exit_codes == [137]
