"""Find the run to resume, and its own params, so that they need not be given again."""

from container_doors.core.config import Params
from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.publishing.comparison import differing_fields, format_value
from container_doors.reporting.which_run import newest_runs


def run_to_resume(configured: str) -> Run:
    """Return the run to resume if none was named.

    Args:
        configured: The name in the configuration. It is the one, unless it is finished or was
            never started here and there is one other that is not finished.

    Raises:
        RunError: If several are possible.
    """
    names = [name for name in newest_runs() if _is_open(Run(name))]
    if configured in names or not names:
        return Run(configured)
    if len(names) == 1:
        return Run(names[0])
    raise RunError(
        f"which run? {len(names)} are not finished, the newest first: {', '.join(names)}",
        hint=f"name one: doors train --resume --experiment {names[0]}",
    )


def _is_open(run: Run) -> bool:
    try:
        return RunRecord.read(run.record).status != "finished"
    except RunError:  # damaged: reported if it is named
        return False


def stored_params(run: Run, present: Params | None) -> Params:
    """Return the params that a run was started with.

    Two settings of the present configuration apply as well: that W&B is disabled, and that
    published models must be signed.

    Args:
        run: A run that was started here, or fetched.
        present: The present configuration; None if it cannot be read.
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


def differing_settings(own: Params, present: Params) -> list[str]:
    """List the settings that differ between a run and the present configuration."""
    return [
        f"{key} {format_value(old)} (there {format_value(new)})"
        for key, old, new in differing_fields(
            own.model_dump(mode="json"), present.model_dump(mode="json")
        )
        if key != "wandb.name"
    ]
