"""Resume an interrupted training from its checkpoint."""

import json
from collections.abc import Mapping
from pathlib import Path

from container_doors.adapters.yolo import state as yolo_state
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.loading import load_weights
from container_doors.core.errors import RunError, WeightsError
from container_doors.core.printable import one_line, shortened
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
    found = use_newest_intact(run, LOG.warning, refused_checkpoint)
    if found.epoch is None:
        why = "; ".join(found.skipped) or f"nothing in {run.resumable.parent}"
        raise RunError(f"no intact checkpoint is left: {why}", hint=how_to_start_over(run))
    batch_size = _check_arguments(run, arguments)
    return rewind(run), batch_size


def refused_checkpoint(folder: Path) -> str | None:
    """Return why a checkpoint with the right hashes cannot be resumed from; None if it can.

    All its weights are loaded, as data only: a training would need them at its end.
    """
    import_ultralytics()
    try:
        found = yolo_state.load(folder / "resume.pt")["epoch"]
        for name in ("best.pt", "last.pt"):
            if (folder / name).exists():
                load_weights(folder / name, map_location="cpu")
        expected = json.loads((folder / "epoch.json").read_bytes())["epoch"]
    except WeightsError as error:
        return one_line(error.problem.replace(f"{folder}/", ""))
    except Exception as error:  # noqa: BLE001 - reading a damaged file can raise anything at all
        message = one_line(str(error).partition("\n")[0])
        return f"it cannot be loaded: {shortened(message)}"
    if found != expected:
        return f"resume.pt is of another epoch: expected {expected}, found {shortened(repr(found))}"
    return None


def finish(run: Run) -> None:
    """Do the work after the last epoch again, for a run that was killed during it."""
    import_ultralytics()
    from ultralytics.utils.plotting import plot_results

    from container_doors.adapters.yolo.engine import strip_weights

    strip_weights(run.last_weights, run.best_weights)
    plot_results(file=run.trainer_dir / "results.csv")


def _check_arguments(run: Run, arguments: Mapping[str, Argument]) -> int:
    made_with = yolo_state.load(run.resumable)["arguments"]
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
