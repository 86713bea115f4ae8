"""Resume an interrupted training from its checkpoint."""

from collections.abc import Mapping

from container_doors.adapters.yolo import state as yolo_state
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.core.errors import RunError
from container_doors.core.run import Run
from container_doors.training.arguments import Argument, changed_since
from container_doors.training.checkpoint import (
    Checkpoint,
    how_to_start_over,
    rewind,
    use_newest_intact,
)
from container_doors.training.logbook import LOG


def restore_run(run: Run, arguments: Mapping[str, Argument]) -> tuple[Checkpoint, int]:
    """Check that the newest checkpoint can be resumed, and restore the run's files from it.

    Returns:
        The checkpoint, and its batch size.

    Raises:
        RunError: If it cannot be resumed; then nothing has been changed.
    """
    found = use_newest_intact(run, LOG.warning)
    if found.epoch is None:
        why = "; ".join(found.skipped) or f"nothing in {run.resumable.parent}"
        raise RunError(f"no intact checkpoint is left: {why}", hint=how_to_start_over(run))
    batch_size = _check_checkpoint(run, found.epoch, arguments)
    return rewind(run), batch_size


def finish(run: Run) -> None:
    """Do the work after the last epoch again, for a run that was killed during it."""
    import_ultralytics()
    from ultralytics.utils.plotting import plot_results

    from container_doors.adapters.yolo.engine import strip_weights

    strip_weights(run.last_weights, run.best_weights)
    plot_results(file=run.trainer_dir / "results.csv")


def _check_checkpoint(run: Run, epoch: int, arguments: Mapping[str, Argument]) -> int:
    try:
        found = yolo_state.load(run.resumable)
        found_epoch, made_with = found["epoch"], found["arguments"]
    except Exception as error:  # noqa: BLE001 - reading a damaged file can raise anything at all
        message = str(error).partition("\n")[0]
        raise RunError(
            f"{run.resumable} cannot be read: {type(error).__name__}: {message}",
            hint=how_to_start_over(run),
        ) from None
    if found_epoch != epoch:
        raise RunError(
            f"{run.resumable} is the wrong checkpoint: expected epoch {epoch}, found {found_epoch}",
            hint=how_to_start_over(run),
        )
    changed = changed_since(arguments, made_with)
    if changed:
        differing = ", ".join(
            f"{key} {old!r} and not {new!r}" for key, (old, new) in changed.items()
        )
        raise RunError(
            f"{run.resumable} was made with {differing}: this would be a different training",
            hint=f"undo the change, or {how_to_start_over(run)}",
        )
    return int(made_with["batch"])
