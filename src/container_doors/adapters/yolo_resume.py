"""A training that was cut off, taken up by Ultralytics where its checkpoint stands.

Ultralytics itself refuses little: given weights without an optimizer it begins a training of
100 epochs on a data set of its own, and given no file it takes the newest that it finds.
"""

from collections.abc import Mapping
from typing import Any

from container_doors.adapters.yolo_environment import import_ultralytics
from container_doors.errors import RunError
from container_doors.run import Run
from container_doors.training.arguments import Argument, ignored_on_resume
from container_doors.training.checkpoint import (
    Checkpoint,
    how_to_begin_anew,
    resumable_epoch,
    rewind,
)


def go_back(run: Run, arguments: Mapping[str, Argument]) -> Checkpoint:
    """Check that the newest checkpoint can be gone on from, and bring the run's files to it.

    Raises:
        RunError: If it cannot; nothing has been changed then.
    """
    epoch = resumable_epoch(run)
    if epoch is not None:
        _check(run, epoch, arguments)
    return rewind(run)


def finish(run: Run) -> None:
    """Do what Ultralytics does after the last epoch, for a run that was killed in the middle of it.

    Its last validation is left out: whoever evaluates ``best.pt`` draws the same plots.
    """
    import_ultralytics()
    from ultralytics.utils.plotting import plot_results
    from ultralytics.utils.torch_utils import strip_optimizer

    last = strip_optimizer(run.last_weights)
    if run.best_weights.exists():
        strip_optimizer(run.best_weights, updates={"train_results": last.get("train_results")})
    plot_results(file=run.trainer_dir / "results.csv")


def _check(run: Run, epoch: int, arguments: Mapping[str, Argument]) -> None:
    found = _read(run)
    if found.get("optimizer") is None:
        raise RunError(
            f"{run.resumable} has no optimizer: these are the weights of a finished training",
            hint=how_to_begin_anew(run),
        )
    if found["epoch"] + 1 != epoch:
        raise RunError(
            f"{run.resumable} is not the checkpoint that was put there: expected epoch {epoch}, "
            f"found {found['epoch'] + 1}",
            hint=how_to_begin_anew(run),
        )
    ignored = ignored_on_resume(arguments, found["train_args"])
    if ignored:
        differing = ", ".join(
            f"{key} {had!r} and not {asked!r}" for key, (had, asked) in ignored.items()
        )
        raise RunError(
            f"{run.resumable} was made with {differing}, and would go on with that",
            hint=f"undo the change, or {how_to_begin_anew(run)}",
        )


def _read(run: Run) -> dict[str, Any]:
    import_ultralytics()
    from ultralytics.nn.tasks import load_checkpoint

    try:
        _, found = load_checkpoint(run.resumable)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - unpickling a damaged file can raise anything at all
        raise RunError(
            f"{run.resumable} cannot be read: {type(error).__name__}: {error}",
            hint=how_to_begin_anew(run),
        ) from None
    return dict(found)
