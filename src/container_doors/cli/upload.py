"""``doors track follow``, ``sync`` and ``login``: send runs to W&B and TensorBoard."""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from container_doors.adapters.follower import (
    TIMEOUT_S,
    FollowerProcess,
    NoFollower,
    exit_poller,
    follower_lock,
    is_started_by_trainer,
)
from container_doors.adapters.tensorboard_tracker import TensorboardTracker
from container_doors.adapters.wandb.account import (
    QUIET,
    Credentials,
    check_environment,
    find_credentials,
    log_in,
    overriding_variable,
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
"""The niceness: on a busy machine, the follower gets a tenth of the training's CPU time."""

_NOT_THIS_MACHINE = {"WANDB_X_DISABLE_STATS": "true", "WANDB_X_DISABLE_MACHINE_INFO": "true"}

Say = Callable[[str], None]


def follower_for(params: Params, progress: Progress) -> Follower:
    """Return the follower for the params' trackers; ask for a key if the mode is online."""
    choice, credentials = _choose(params)
    if params.wandb.mode == "online" and credentials is None and sys.stdin.isatty():
        os.environ["WANDB_API_KEY"] = getpass.getpass("W&B key (Enter: continue offline): ")
        choice, credentials = _choose(params)
    if choice.mode == "disabled":
        progress.say(f"W&B: disabled, because {choice.reason}")
    if choice.mode == "disabled" and not params.tensorboard.enabled:
        return NoFollower()
    return FollowerProcess(QUIET | (credentials.environment if credentials else unusable_key()))


def relayed_follower_for(params: Params, progress: Progress) -> Follower:
    """Return a follower like :func:`follower_for`, for a run that trains on another machine.

    The CPU and memory use of this machine do not belong to the run, and are not sent.
    """
    follower = follower_for(params, progress)
    if isinstance(follower, FollowerProcess):
        follower.add_environment(_NOT_THIS_MACHINE)
    return follower


def with_chosen_mode(params: Params) -> Params:
    """Return params with W&B disabled, if WANDB_MODE disables it."""
    if _choose(params)[0].mode != "disabled":
        return params
    private = params.wandb.model_copy(update={"mode": "disabled"})
    return params.model_copy(update={"wandb": private})


def follow(arguments: argparse.Namespace) -> int:
    """Send a run to trackers while it trains; the trainer holds the other end of the input."""
    os.nice(_COURTESY)
    logging.raiseExceptions = False  # the client's own log, on a full disk
    run = Run(arguments.directory.name, root=arguments.directory.parent)
    if not is_started_by_trainer():
        raise RunError(
            "only a training can start this command",
            hint=f"look at the run: doors track show {run.name}, or upload what W&B lacks: "
            f"doors track sync {run.name}",
        )
    poll_exit = exit_poller(sys.stdin)
    with follower_lock(run, wait_s=TIMEOUT_S) as is_ours:
        if not is_ours:
            raise RunError(
                f"another process has been showing {run.name} for {TIMEOUT_S:.0f} s",
                hint=f"end it, then: doors track sync {run.name}",
            )
        follow_run(run, _trackers(run, _say), poll_exit=poll_exit, say=_say)
    return 0


def sync(arguments: argparse.Namespace) -> int:
    """Send what W&B lacks of each run, and print it; a failed run does not stop the others."""
    runs = [Run.named(name) for name in dict.fromkeys(arguments.names)]
    for run in runs:
        if not run.record.exists():
            read_record(run)  # raises an error that names the existing runs
    failures = []
    with console.progress() as progress:
        runs = runs or list(_recorded_runs(progress))
        if not runs:
            raise RunError("no run in runs/ to send", hint="train one: doors train")
        for run in runs:
            try:
                progress.say(_send(run, progress))
            except DoorsError as error:
                failures.append(error)
    for failure in failures[:-1]:
        first, *rest = failure.lines()
        complain(f"error: {first}", *rest)
    if failures:
        raise failures[-1]
    return 0


def _send(run: Run, progress: Progress) -> str:
    check_environment(os.environ)
    server = WandbServer(run, find_credentials())
    follower = FollowerProcess(QUIET)
    before, now = sync_tracking(run, server=server, follower=follower, progress=progress)
    return f"{run.label}: {_difference(before, now)}: {now.url}"


def login(arguments: argparse.Namespace) -> int:  # noqa: ARG001
    """Read a key from the keyboard, without echo, or from a pipe; check and store it."""
    key = getpass.getpass("W&B key: ") if sys.stdin.isatty() else sys.stdin.readline()
    outranked_by = overriding_variable()
    say(f"the key is valid, and stored in {log_in(key)}")
    if outranked_by is not None:
        say(f"but {outranked_by} is set and is used instead: unset {outranked_by}")
    return 0


def _say(line: str) -> None:
    """Print a line; if the training was killed, nothing reads it, and the follower continues."""
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
    """Choose the mode; an invalid key means offline, not an error."""
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
    """Yield the runs in order of their names, without those with W&B disabled."""
    for path in sorted(Path("runs").glob("*/run.json")):
        if "~" in path.parent.name:
            continue
        run = Run(path.parent.name)
        if _is_private(run):
            progress.say(f"{run.name}: not sent, because its tracking is disabled; to send it: "
                         f"doors track sync {run.name}")  # fmt: skip
        else:
            yield run


def _is_private(run: Run) -> bool:
    try:
        return RunRecord.read(run.record).known_params.wandb.mode == "disabled"
    except (RunError, ConfigError):  # sending it reports the error
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
