"""``doors track follow``, ``sync`` and ``login``: a run as others see it."""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from container_doors.adapters.follower import (
    PATIENCE_S,
    FollowerProcess,
    NoFollower,
    alone,
    ended_when_told,
    is_started_by_trainer,
)
from container_doors.adapters.tensorboard_tracker import TensorboardTracker
from container_doors.adapters.wandb.account import (
    QUIET,
    Credentials,
    check_environment,
    find_credentials,
    goes_first,
    log_in,
    unusable_key,
)
from container_doors.adapters.wandb.server import WandbServer
from container_doors.adapters.wandb.tracker import WandbTracker
from container_doors.cli import console
from container_doors.cli.output import complain, leave_pipe, say
from container_doors.core.config import Params
from container_doors.core.errors import ConfigError, DoorsError, RunError
from container_doors.core.ports import Follower, Progress, Remote, Tracker
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.reporting.which_run import read_record
from container_doors.steps.track import follow_run, sync_tracking
from container_doors.tracking.mode import NO_KEY, Choice, choose_mode

_COURTESY = 10
"""On a machine whose cores are all busy, the training goes first: a tenth of its weight."""

_NOT_THIS_MACHINE = {"WANDB_X_DISABLE_STATS": "true", "WANDB_X_DISABLE_MACHINE_INFO": "true"}

Say = Callable[[str], None]


def follower_for(params: Params, progress: Progress) -> Follower:
    """Choose whether anybody watches a run, and ask for the key that params cannot do without."""
    choice, credentials = _choose(params)
    if params.wandb.mode == "online" and credentials is None and sys.stdin.isatty():
        os.environ["WANDB_API_KEY"] = getpass.getpass("W&B key (Enter: go on offline): ")
        choice, credentials = _choose(params)
    if choice.mode == "disabled":
        progress.say(f"W&B: disabled, because {choice.because}")
    if choice.mode == "disabled" and not params.tensorboard.enabled:
        return NoFollower()
    return FollowerProcess(QUIET | (credentials.environment if credentials else unusable_key()))


def relayed_follower_for(params: Params, progress: Progress) -> Follower:
    """As :func:`follower_for`, for a run whose epochs come from another machine.

    This one's processor and memory are none of the run's, and are not shown as such.
    """
    follower = follower_for(params, progress)
    if isinstance(follower, FollowerProcess):
        follower.see(_NOT_THIS_MACHINE)
    return follower


def as_chosen(params: Params) -> Params:
    """Write into params that nobody is to see the run, also where WANDB_MODE says so."""
    if _choose(params)[0].mode != "disabled":
        return params
    private = params.wandb.model_copy(update={"mode": "disabled"})
    return params.model_copy(update={"wandb": private})


def follow(arguments: argparse.Namespace) -> int:
    """Show a run while its trainer lives; the trainer holds the other end of the input."""
    os.nice(_COURTESY)
    logging.raiseExceptions = False  # the client's own log, on a full disk
    run = Run(arguments.directory.name, root=arguments.directory.parent)
    if not is_started_by_trainer():
        raise RunError(
            "a training starts this by itself, and tells it how it ends",
            hint=f"look at the run: doors track show {run.name}, or upload what W&B lacks: "
            f"doors track sync {run.name}",
        )
    ended = ended_when_told(sys.stdin)
    with alone(run, wait_s=PATIENCE_S) as is_ours:
        if not is_ours:
            raise RunError(
                f"another process has been showing {run.name} for {PATIENCE_S:.0f} s",
                hint=f"end it, then: doors track sync {run.name}",
            )
        follow_run(run, _trackers(run, _say), ended=ended, say=_say)
    return 0


def sync(arguments: argparse.Namespace) -> int:
    """Send what W&B lacks of each run, and say what that was; one that fails stops no other."""
    runs = [Run(name) for name in dict.fromkeys(arguments.names)]
    for run in runs:
        if not run.record.exists():
            read_record(run)  # says which names there are
    failures = []
    with console.progress() as progress:
        runs = runs or list(_recorded_runs(progress))
        if not runs:
            raise RunError("no run in runs/ to send", hint="train one: doors train")
        for run in runs:
            try:
                progress.say(_sent(run, progress))
            except DoorsError as error:
                failures.append(error)
    for failure in failures[:-1]:
        first, *rest = failure.lines()
        complain(f"error: {first}", *rest)
    if failures:
        raise failures[-1]
    return 0


def _sent(run: Run, progress: Progress) -> str:
    check_environment(os.environ)
    server = WandbServer(run, find_credentials())
    follower = FollowerProcess(QUIET)
    before, now = sync_tracking(run, server=server, follower=follower, progress=progress)
    return f"{run.name}: {_difference(before, now)}: {now.url}"


def login(arguments: argparse.Namespace) -> int:  # noqa: ARG001
    """Take a key from the keyboard, unseen, or from a pipe; check it and keep it."""
    key = getpass.getpass("W&B key: ") if sys.stdin.isatty() else sys.stdin.readline()
    outranked_by = goes_first()
    say(f"the key is good, and kept in {log_in(key)}")
    if outranked_by is not None:
        say(f"but {outranked_by} is set and is used instead: unset {outranked_by}")
    return 0


def _say(line: str) -> None:
    """Tell whoever listens; a training that was killed does not, and the follower goes on."""
    try:
        say(line)
    except BrokenPipeError:
        leave_pipe()


def _trackers(run: Run, say: Say) -> dict[str, Tracker]:
    params = RunRecord.read(run.record).known_params
    choice, _ = _choose(params)
    trackers: dict[str, Tracker] = {}
    if choice.mode != "disabled":
        trackers["W&B"] = WandbTracker(
            params.wandb,
            directory=run.tracking,
            log=run.train_log,
            choice=choice,
            trainer_pid=os.getppid(),
            say=say,
        )
    if params.tensorboard.enabled:
        trackers["TensorBoard"] = TensorboardTracker(run.tracking / "tensorboard")
    return trackers


def _choose(params: Params) -> tuple[Choice, Credentials | None]:
    """Choose a mode; what cannot be a key is a reason to be offline, not to fail."""
    check_environment(os.environ)
    credentials, why_no_key = None, NO_KEY
    try:
        credentials = find_credentials()
    except ConfigError as error:
        why_no_key = error.problem
    source = credentials.source if credentials else None
    choice = choose_mode(
        params.wandb, key_source=source, environment=os.environ, why_no_key=why_no_key
    )
    return choice, credentials


def _recorded_runs(progress: Progress) -> Iterator[Run]:
    """Every run by name, but those that were to be shown to nobody."""
    for path in sorted(Path("runs").glob("*/run.json")):
        if "~" in path.parent.name:
            continue
        run = Run(path.parent.name)
        if _is_private(run):
            progress.say(f"{run.name}: not sent, for its tracking is disabled; only by its name: "
                         f"doors track sync {run.name}")  # fmt: skip
        else:
            yield run


def _is_private(run: Run) -> bool:
    try:
        return RunRecord.read(run.record).known_params.wandb.mode == "disabled"
    except (RunError, ConfigError):  # sending it says what is wrong with it
        return False


def _difference(before: Remote | None, now: Remote) -> str:
    first = before.last_epoch + 1 if before else 1
    sent = []
    if now.last_epoch >= first:
        sent.append(f"epochs {first} to {now.last_epoch}")
    if now.results_of != (before.results_of if before else None):
        sent.append("the scores, pictures and the model")
    if now.is_over and not (before and before.is_over):
        sent.append("how it ended")
    return f"sent {', '.join(sent)}" if sent else "nothing was missing"
