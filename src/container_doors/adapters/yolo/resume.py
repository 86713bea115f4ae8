"""A training that was cut off, taken up where its checkpoint stands."""

from collections.abc import Mapping

from container_doors.adapters.yolo import state as yolo_state
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.core.errors import RunError
from container_doors.core.run import Run
from container_doors.training.arguments import Argument, changed_since
from container_doors.training.checkpoint import (
    Checkpoint,
    how_to_begin_anew,
    rewind,
    use_newest_whole,
)
from container_doors.training.logbook import LOG


def go_back(run: Run, arguments: Mapping[str, Argument]) -> tuple[Checkpoint, int]:
    """Check that the newest checkpoint can be gone on from, and bring the run's files to it.

    Returns:
        The checkpoint, and the batch size that it was made with.

    Raises:
        RunError: If it cannot; nothing has been changed then.
    """
    found = use_newest_whole(run, LOG.warning)
    if found.epoch is None:
        why = "; ".join(found.passed_over) or f"nothing in {run.resumable.parent}"
        raise RunError(f"no whole checkpoint is left: {why}", hint=how_to_begin_anew(run))
    batch_size = _check(run, found.epoch, arguments)
    return rewind(run), batch_size


def finish(run: Run) -> None:
    """Do what is done after the last epoch, for a run that was killed in the middle of it."""
    import_ultralytics()
    from ultralytics.utils.plotting import plot_results

    from container_doors.adapters.yolo.engine import strip_weights

    strip_weights(run.last_weights, run.best_weights)
    plot_results(file=run.trainer_dir / "results.csv")


def _check(run: Run, epoch: int, arguments: Mapping[str, Argument]) -> int:
    try:
        found = yolo_state.load(run.resumable)
        found_epoch, made_with = found["epoch"], found["arguments"]
    except Exception as error:  # noqa: BLE001 - reading a damaged file can raise anything at all
        said = str(error).partition("\n")[0]
        raise RunError(
            f"{run.resumable} cannot be read: {type(error).__name__}: {said}",
            hint=how_to_begin_anew(run),
        ) from None
    if found_epoch != epoch:
        raise RunError(
            f"{run.resumable} is not the checkpoint that was put there: expected epoch {epoch}, "
            f"found {found_epoch}",
            hint=how_to_begin_anew(run),
        )
    changed = changed_since(arguments, made_with)
    if changed:
        differing = ", ".join(
            f"{key} {had!r} and not {asked!r}" for key, (had, asked) in changed.items()
        )
        raise RunError(
            f"{run.resumable} was made with {differing}: it would be another training",
            hint=f"undo the change, or {how_to_begin_anew(run)}",
        )
    return int(made_with["batch"])
