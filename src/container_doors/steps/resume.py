"""What a run that goes on was asked for: it need not be said again."""

from container_doors.core.config import Params
from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.publishing.comparison import shown, unequal
from container_doors.reporting.which_run import newest_runs


def run_to_resume(configured: str) -> Run:
    """Find the run that is meant where none was named.

    Args:
        configured: The name in the configuration: it is meant, unless it is finished or was never
            begun here and there is one other that is not finished.

    Raises:
        RunError: If several could be meant.
    """
    names = [name for name in newest_runs() if _is_open(Run(name))]
    if configured in names or not names:
        return Run(configured)
    if len(names) == 1:
        return Run(names[0])
    raise RunError(
        f"which run? {len(names)} are not finished, the newest first: {', '.join(names)}",
        hint=f"say which: doors train --resume --experiment {names[0]}",
    )


def _is_open(run: Run) -> bool:
    try:
        return RunRecord.read(run.record).status != "finished"
    except RunError:  # damaged: whoever names it is told
        return False


def remembered(run: Run, present: Params | None) -> Params:
    """Read what a run was begun with.

    Two things that the configuration says by now hold all the same: that nobody is to see the run,
    and that what is published has to be signed.

    Args:
        run: Begun here, or fetched.
        present: The configuration as it is now; None if it cannot be read.
    """
    params = RunRecord.read(run.record).known_params
    if present is None:
        return params
    mode = "disabled" if present.wandb.mode == "disabled" else params.wandb.mode
    required = present.versioning.require_signature or params.versioning.require_signature
    return params.model_copy(
        update={
            "wandb": params.wandb.model_copy(update={"mode": mode}),
            "versioning": present.versioning.model_copy(update={"require_signature": required}),
        }
    )


def said_otherwise(own: Params, present: Params) -> list[str]:
    """Name what the configuration says by now and a run is not asked for, as run (file)."""
    return [
        f"{key} {shown(old)} (there {shown(new)})"
        for key, old, new in unequal(own.model_dump(mode="json"), present.model_dump(mode="json"))
        if key != "wandb.name"
    ]
