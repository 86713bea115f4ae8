"""Read the results of a finished run from its folder."""

from pathlib import Path

from container_doors.core.ports import Results
from container_doors.core.records import Metadata, Predictions
from container_doors.core.run import Run

_SPLIT = "test"


def gather_results(run: Run) -> Results | None:
    """Read the results of a run; None if it has not been published."""
    if not run.metadata.exists():
        return None
    return Results(
        metadata=Metadata.read(run.metadata),
        weights=run.best_weights,
        plots=_plots(run),
        predictions=Predictions.read(run.predictions_json(_SPLIT)),
        images=run.data_view,
    )


def _plots(run: Run) -> dict[str, Path]:
    """Name each plot as in the specification: Ultralytics puts ``Box`` before some names."""
    folders = {"training": run.trainer_dir, "val": run.evaluation_dir("val")}
    folders[_SPLIT] = run.evaluation_dir(_SPLIT)
    return {
        f"{where}/{path.stem.removeprefix('Box')}": path
        for where, folder in folders.items()
        for path in sorted(folder.glob("*.png"))
    }
