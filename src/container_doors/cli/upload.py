"""``doors track follow``, ``sync`` and ``login``: a run as others see it."""

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from container_doors import pipeline
from container_doors.adapters.follower import (
    PATIENCE_S,
    FollowerProcess,
    NoFollower,
    alone,
    ended_when_told,
)
from container_doors.adapters.tensorboard_tracker import TensorboardTracker
from container_doors.adapters.wandb_account import QUIET, find_credentials, log_in
from container_doors.adapters.wandb_server import WandbServer
from container_doors.adapters.wandb_tracker import WandbTracker
from container_doors.config import Params
from container_doors.errors import RunError
from container_doors.ports import Follower, Progress, Remote, Tracker
from container_doors.records import RunRecord
from container_doors.run import Run
from container_doors.tracking.mode import choose_mode

_COURTESY = 10
"""On a machine whose cores are all busy, the training goes first: a tenth of its weight."""

Say = Callable[[str], None]


def follower_for(params: Params, progress: Progress) -> Follower:
    """Choose whether anybody watches a run, and ask for the key that is asked for by params."""
    credentials = find_credentials()
    if params.wandb.mode == "online" and credentials is None and sys.stdin.isatty():
        typed = getpass.getpass("W&B key (Enter: go on offline): ").strip()
        credentials = find_credentials({"WANDB_API_KEY": typed})
    choice = choose_mode(
        params.wandb, key_source=credentials.source if credentials else None, environment=os.environ
    )
    if choice.mode == "disabled":
        progress.say(f"W&B: disabled, because {choice.because}")
    if choice.mode == "disabled" and not params.tensorboard.enabled:
        return NoFollower()
    return FollowerProcess(QUIET | (credentials.environment if credentials else {}))


def follow(arguments: argparse.Namespace) -> int:
    """Show a run while its trainer lives; the trainer holds the other end of the input."""
    os.nice(_COURTESY)
    logging.raiseExceptions = False  # the client's own log, on a full disk
    run = Run(arguments.directory.name, root=arguments.directory.parent)
    ended = ended_when_told(sys.stdin)
    with alone(run, wait_s=PATIENCE_S) as is_ours:
        if not is_ours:
            raise RunError(
                f"another process has been showing {run.name} for {PATIENCE_S:.0f} s",
                hint=f"end it, then: doors track sync {run.name}",
            )
        pipeline.follow_run(run, _trackers(run, _say), ended=ended, say=_say)
    return 0


def sync(arguments: argparse.Namespace) -> int:
    """Send what W&B lacks of each run, and say what that was."""
    runs = [Run(name) for name in arguments.names] or list(_recorded_runs())
    if not runs:
        raise RunError("no run in runs/", hint="train one: doors train")
    credentials = find_credentials()
    for run in runs:
        with alone(run, wait_s=PATIENCE_S):
            before, now = pipeline.sync_tracking(run, server=WandbServer(run, credentials))
        print(f"{run.name}: {_difference(before, now)}: {now.url}", flush=True)
    return 0


def login(arguments: argparse.Namespace) -> int:  # noqa: ARG001
    """Take a key from the keyboard, unseen, or from a pipe; check it and keep it."""
    key = getpass.getpass("W&B key: ") if sys.stdin.isatty() else sys.stdin.readline()
    print(f"the key is good, and kept in {log_in(key)}")
    return 0


def _say(line: str) -> None:
    """Tell whoever listens; a training that was killed does not, and the follower goes on."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _trackers(run: Run, say: Say) -> dict[str, Tracker]:
    params = Params.model_validate(RunRecord.read(run.record).params)
    credentials = find_credentials()
    choice = choose_mode(
        params.wandb, key_source=credentials.source if credentials else None, environment=os.environ
    )
    trackers: dict[str, Tracker] = {}
    if choice.mode != "disabled":
        trackers["W&B"] = WandbTracker(
            params.wandb,
            directory=run.tracking,
            choice=choice,
            trainer_pid=os.getppid(),
            say=say,
        )
    if params.tensorboard.enabled:
        trackers["TensorBoard"] = TensorboardTracker(run.tracking / "tensorboard")
    return trackers


def _recorded_runs() -> list[Run]:
    """Every run that asked to be tracked, by name."""
    found = sorted(path.parent for path in Path("runs").glob("*/run.json"))
    runs = [Run(path.name) for path in found if "~" not in path.name]
    return [run for run in runs if _is_tracked(run)]


def _is_tracked(run: Run) -> bool:
    return Params.model_validate(RunRecord.read(run.record).params).wandb.mode != "disabled"


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
