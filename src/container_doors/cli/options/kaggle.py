"""The options of ``doors kaggle ...``."""

import argparse

from container_doors.cli.options.shared import (
    Commands,
    add_command,
    add_commit,
    add_config,
    add_group,
    add_json,
    hours,
    positive,
)


def add_to(commands: Commands) -> None:
    """Add the commands, in the order of the help."""
    kaggle = add_group(commands, "kaggle", "train on Kaggle's free GPUs, from here")
    _add_run(kaggle)
    _add_plan(kaggle)
    _add_push(kaggle)
    _add_follow(kaggle)
    _add_pull(kaggle)
    _add_stop(kaggle)
    _add_list(kaggle)


def _add_run(kaggle: Commands) -> None:
    parser = add_command(
        kaggle, "run", "kaggle:run", "train on Kaggle from start to end: plan, push, follow, pull"
    )
    _add_training(parser)
    _add_sending(parser)
    parser.add_argument(
        "--sessions",
        type=positive,
        default=1,
        metavar="N",
        help="use up to N sessions, if one is not enough (default: %(default)s)",
    )
    add_commit(parser)


def _add_plan(kaggle: Commands) -> None:
    parser = add_command(
        kaggle,
        "plan",
        "kaggle:plan",
        "check a training before it is sent, and estimate its GPU hours",
    )
    _add_training(parser)


def _add_push(kaggle: Commands) -> None:
    parser = add_command(kaggle, "push", "kaggle:push", "send a training to Kaggle, and start it")
    _add_training(parser)
    _add_sending(parser)


def _add_follow(kaggle: Commands) -> None:
    parser = add_command(
        kaggle,
        "follow",
        "kaggle:follow",
        "show the progress of a training on Kaggle; Ctrl-C stops showing, not training",
    )
    _add_job(parser)


def _add_pull(kaggle: Commands) -> None:
    parser = add_command(
        kaggle,
        "pull",
        "kaggle:pull",
        "download the model, or the checkpoint of an unfinished training",
    )
    _add_job(parser, ", or USER/KERNEL for the outputs of any kernel")
    add_commit(parser)


def _add_stop(kaggle: Commands) -> None:
    parser = add_command(kaggle, "stop", "kaggle:stop", "stop a job")
    _add_job(parser)
    parser.add_argument(
        "--discard", action="store_true", help="delete the job on Kaggle, with its outputs"
    )
    parser.add_argument("--yes", action="store_true", help="delete it without asking")


def _add_list(kaggle: Commands) -> None:
    parser = add_command(kaggle, "list", "kaggle:listed", "list the jobs of this clone")
    add_json(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--experiment", metavar="NAME", help="default: detection.wandb.name of the configuration"
    )
    which.add_argument(
        "--experiments",
        type=_names,
        metavar="A,B",
        help="train two experiments at once, one on each GPU; --set A:KEY=VALUE is for A only",
    )
    parser.add_argument(
        "--devices",
        type=int,
        choices=(1, 2),
        default=1,
        help="GPUs for one experiment (default: %(default)s)",
    )
    parser.add_argument(
        "--hours",
        type=hours,
        default=11.5,
        metavar="H",
        help="stop in time for H hours (default: %(default)s; Kaggle ends a session after 12)",
    )
    parser.add_argument(
        "--dirty",
        action="store_true",
        help="send uncommitted changes too; the run is marked as such",
    )
    parser.add_argument(
        "--replace", action="store_true", help="train from the beginning, even if a run exists here"
    )


def _add_sending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="send it without asking")
    parser.add_argument(
        "--dry-run", action="store_true", help="send nothing: write to disk what would be sent"
    )


def _add_job(parser: argparse.ArgumentParser, other: str = "") -> None:
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help=f"the experiment (default: the newest job){other}",
    )


def _names(text: str) -> list[str]:
    names = text.split(",")
    if "" in names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected two names, as in exp1,exp2, found {text!r}")
    return names
