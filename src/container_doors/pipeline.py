"""A run from start to end: check the data, train, evaluate, publish.

Each line is a step, in a file of its name in :mod:`container_doors.steps`; the command is
``doors train``. The next steps are commands of their own: ``version`` records the model with DVC
and uploads it, ``summary`` writes the report, ``verify`` checks both.
"""

from container_doors.core.config import Params
from container_doors.core.ports import World
from container_doors.core.records import Metadata
from container_doors.core.run import Run
from container_doors.steps.data.validate import fit_data
from container_doors.steps.evaluate import evaluate_run
from container_doors.steps.publish import publish_trained
from container_doors.steps.start import Mode, start_or_resume, unfinished
from container_doors.steps.train import running, train_weights
from container_doors.training.claim import claim
from container_doors.training.fetch_checkpoints import RunChoice


def train(
    params: Params,
    run: Run,
    *,
    world: World,
    replace: bool = False,
    resume: bool = False,
    choice: RunChoice = RunChoice(),  # noqa: B008 - it cannot be changed
) -> Metadata:
    """Train, evaluate the best epoch, and publish it if it is better than the published model.

    If anything fails, the published model does not change.

    Args:
        params: The parameters.
        run: The run. An interrupted one is resumed from its newest intact checkpoint; one with
            other params or other data is renamed and kept as ``NAME~1``.
        world: The adapters for everything outside of this program.
        replace: Rename an earlier run to ``NAME~1``, and start from the beginning.
        resume: Resume, or refuse; never start a new run.
        choice: Which run of the experiment to resume, if the storage has several.

    Returns:
        The metadata of the model, published or not.

    Raises:
        DoorsError: If params, data, weights or the device cannot be used, if the run is finished
            already and ``replace`` is false, if ``resume`` is true and the run cannot be resumed,
            or if another machine trains the experiment now.
        ToBeContinued: If it was asked to stop; nothing is lost.
    """
    with claim(run):
        earlier = None if replace else unfinished(run, choice)
        report = fit_data(params, progress=world.progress)
        mode = Mode(replace, resume, choice)
        start = start_or_resume(earlier, params, run, report, world=world, mode=mode)
        with running(start, params, run, world=world):
            record = train_weights(start, run, report, world=world)
            evaluation = evaluate_run(run, world=world)
            return publish_trained(record, evaluation, run, params, world=world)
