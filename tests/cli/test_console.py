import io

from rich.console import Console
from rich.progress import Progress as Bars

from container_doors.cli.console import PlainProgress, Remaining, TerminalProgress, epoch_line
from container_doors.core.records import Epoch


def an_epoch(number: int, *, epoch_s: float) -> Epoch:
    losses = {"train/box_loss": 1.2, "train/cls_loss": 3.4, "train/dfl_loss": 1.1}
    return Epoch(number, {"val/mAP50-95": 0.5, "val/mAP50": 0.9, "perf/epoch_s": epoch_s, **losses})


def test_an_epoch_is_one_line_on_a_narrow_terminal():
    line = epoch_line(an_epoch(100, epoch_s=133.3), total=150, is_best=True, remaining=Remaining())

    assert line == (
        "epoch 100/150  mAP50-95 0.500  mAP50 0.900  loss 5.70  133 s  ETA 1:51:05  best"
    )
    assert len(line) <= 80


def test_the_time_left_goes_by_the_last_five_epochs():
    """The first takes 100 s and is forgotten; then 5 epochs of 10 s, and 4 are left."""
    remaining = Remaining()
    for epoch_s in (100, 10, 10, 10, 10):
        remaining.after(epoch_s, epochs_left=9)

    assert remaining.after(10, epochs_left=4).total_seconds() == 40


def test_what_was_not_measured_is_not_shown():
    line = epoch_line(
        Epoch(1, {"perf/epoch_s": 2.0}), total=3, is_best=False, remaining=Remaining()
    )

    assert line == "epoch 1/3    2.0 s  ETA 0:00:04"


def test_where_there_is_no_terminal_a_short_step_says_nothing(capsys):
    progress = PlainProgress()
    for done in range(11):
        progress.step("checking", done, 10)

    assert capsys.readouterr().out == ""


def test_a_bar_whose_description_changes_keeps_its_estimate():
    now = iter(range(100))
    bars = Bars(console=Console(file=io.StringIO()), get_time=lambda: next(now))
    progress = TerminalProgress(bars)

    for epoch in range(1, 5):
        progress.step(f"exp1, {epoch / 10} h used", epoch, 30)

    assert bars.tasks[0].description == "exp1, 0.4 h used"
    assert bars.tasks[0].time_remaining is not None
