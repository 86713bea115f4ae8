"""The command line, in the order of a run. It imports nothing heavy, so that --help is fast."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from container_doors import __version__
from container_doors.cli.workspace import typed_file_or_value, typed_folder, typed_path
from container_doors.core.printable import printable
from container_doors.core.run import PUBLISHED

CONFIG = Path("params.yaml")
DATA = Path("data/processed/detection")

SORT_KEYS = (
    "date", "name", "version", "val", "test", "recall", "false-alarms", "size", "latency",
)  # fmt: skip
"""What ``doors runs`` can be sorted by."""

Commands = Any  # argparse keeps the type of its sub-parsers private

DESCRIPTION = (
    "From labelled photographs of shipping containers to a versioned, reported detector of "
    "their rear doors."
)
_EXIT_CODES = (
    "exit codes: 0 done; 1 it ran and found problems; 2 something for you to change; "
    "130 stopped by Ctrl-C"
)


_ONLY = "default: the only run"


class _Parser(argparse.ArgumentParser):
    """Quotes arguments as they are: a shell may have taken them from a folder's names.

    Without a command it prints its help and exits with code 1, as git does; to a word that it does
    not know it names those that are spelled alike.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, unless there is no command, or an option that nobody knows."""
        words = list(sys.argv[1:] if args is None else args)
        if self._subparsers is not None and not words:
            self.print_help()
            self.exit(1)
        for word in _options(words, only_first=self._subparsers is not None):
            if not any(one.startswith(word) for one in self._option_string_actions):
                options = [one for one in self._option_string_actions if one.startswith("--")]
                self._refuse(f"unrecognized arguments: {word}", word, {one: one for one in options})
        return super().parse_known_args(words, namespace)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Refuse what is none of the choices; argparse itself suggests from Python 3.14 on."""
        word = str(value)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
            if value not in action.choices:
                self._refuse(f"{word!r} is no command of {self.prog}", word, _commands_of(action))
            return
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            self._refuse(str(error), word, {str(one): str(one) for one in action.choices or ()})

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and exit with code 2."""
        super().error(printable(message))

    def _refuse(self, problem: str, word: str, known: Mapping[str, str]) -> NoReturn:
        """Name those of the known words that are spelled alike, by their longer names."""
        last = {name: name.split()[-1] for name in known}
        near = get_close_matches(word, set(last.values()))
        alike = [known[name] for one in near for name in known if last[name] == one]
        hint = f"did you mean {' or '.join(alike)}?" if alike else f"{self.prog} --help lists them"
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {printable(problem)}\n  hint: {hint}\n")


def _options(words: Sequence[str], *, only_first: bool) -> Iterator[str]:
    """Find the long options among words, as argparse does.

    Args:
        words: What was typed.
        only_first: Whether those after a command are the command's.
    """
    for word in words:
        if word == "--" or (only_first and not word.startswith("-")):
            return
        if word.startswith("--") and " " not in word:
            yield word.partition("=")[0]


def _commands_of(action: "argparse._SubParsersAction[argparse.ArgumentParser]") -> dict[str, str]:
    """Name each command, and those one level below: data validate may be missed as validate."""
    found = {name: parser.prog for name, parser in action.choices.items()}
    for name, parser in action.choices.items():
        for below in parser._subparsers._group_actions if parser._subparsers else ():  # noqa: SLF001
            found |= {f"{name} {one}": f"{parser.prog} {one}" for one in below.choices or ()}
    return found


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; each command names its handler as ``module:function`` of this package."""
    parser = _Parser(prog="doors", description=DESCRIPTION, epilog=_EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"doors {__version__}")
    commands = parser.add_subparsers(
        title="commands, in the order of a run", metavar="COMMAND", required=True
    )
    _add_demo(commands)
    _add_data(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_publish(commands)
    _add_runs(commands)
    _add_metadata(commands)
    _add_version(commands)
    _add_summary(commands)
    _add_sync(commands)
    _add_verify(commands)
    _add_track(commands)
    _add_remote(commands)
    _add_kaggle(commands)
    _add_tunnel(commands)
    _add_doctor(commands)
    _add_completion(commands)
    return parser


def _add_demo(commands: Commands) -> None:
    parser = _command(
        commands,
        "demo",
        "demo:demo",
        "try the whole pipeline on synthetic pictures: no account, no GPU",
    )
    parser.add_argument(
        "--workspace",
        type=Path,
        metavar="DIR",
        default=Path("doors-demo"),
        help="folder for the demo (default: %(default)s)",
    )
    parser.add_argument(
        "--track",
        choices=("auto", "online", "offline", "disabled"),
        default="offline",
        help="detection.wandb.mode of the demo; auto uses your W&B key (default: %(default)s)",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the finished demo in that folder, and train one more model in it",
    )


def _add_data(commands: Commands) -> None:
    parser = commands.add_parser(
        "data", help="check a data set, fetch it, pack it, or make a synthetic one"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in (
        ("pull", "download the data set; from its archives, if it has any"),
        (
            "pack",
            "also store the data set as archives: Google Drive transfers two files a second",
        ),
    ):
        fetched = _command(commands, name, f"data:{name}", summary)
        fetched.add_argument(
            "--path", type=typed_path, default=DATA, metavar="DIR", help="default: %(default)s"
        )
        if name == "pull":
            fetched.add_argument(
                "--force",
                action="store_true",
                help="overwrite local changes, even ones stored nowhere else",
            )
    sample = _command(
        commands,
        "sample",
        "data:sample",
        "make synthetic pictures of container doors, with exact boxes",
    )
    sample.add_argument("--out", type=typed_path, required=True, metavar="DIR", help="a new folder")
    for split, count in (("train", 120), ("val", 24), ("test", 24)):
        sample.add_argument(
            f"--{split}",
            type=_count,
            default=count,
            metavar="N",
            help=f"pictures in the {split} split (default: %(default)s)",
        )
    sample.add_argument(
        "--seed",
        type=_count,
        default=0,
        metavar="N",
        help="the same seed gives the same files, byte for byte",
    )
    sample.add_argument(
        "--plain",
        action="store_true",
        help="one closed door per picture and nothing in front of it: easier to learn",
    )
    validate = _command(
        commands,
        "validate",
        "data:validate",
        "check a data set: list every problem that would harm a training",
    )
    validate.add_argument(
        "--path", type=typed_path, required=True, metavar="DIR", help="folder that holds data.yaml"
    )
    _add_config(validate)
    _add_json(validate)
    validate.add_argument(
        "--report", type=typed_path, metavar="FILE", help="write the JSON document to FILE as well"
    )


def _add_train(commands: Commands) -> None:
    parser = _command(
        commands,
        "train",
        "train:train",
        "train, evaluate the best epoch, and publish the model if it is better",
    )
    _add_config(parser)
    parser.add_argument(
        "--experiment", metavar="NAME", help="default: detection.wandb.name of the configuration"
    )
    parser.add_argument(
        "--max-hours",
        type=_hours,
        metavar="H",
        help="stop after an epoch, in time for H hours; train again to continue (default: none)",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="no tracking, no uploads (used by Kaggle jobs)",
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="train here, even if another machine has started to train the experiment",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help="continue a run that was interrupted, with the settings that it has; an error if "
        "there is none",
    )
    again.add_argument(
        "--replace",
        action="store_true",
        help="train from the beginning; the earlier run is kept as NAME~1",
    )
    again.add_argument(
        "--run",
        metavar="ID",
        help="continue this run, if the storage has several of the experiment",
    )
    again.add_argument(
        "--unless-finished",
        action="store_true",
        help="exit with code 0 if it is already finished in this clone (for scripts)",
    )


def _add_evaluate(commands: Commands) -> None:
    parser = _command(
        commands,
        "evaluate",
        "evaluate:evaluate",
        "measure a run's scores, with confidence intervals, overall and by condition",
    )
    _add_run(parser)
    _add_split(parser)
    _add_target(parser)
    _add_json(parser, "evaluation.json")
    both = _command(
        commands,
        "compare",
        "evaluate:compare",
        "compare two runs on the same photographs: which is better, with confidence intervals",
    )
    both.add_argument("first", metavar="A")
    both.add_argument("second", metavar="B")
    _add_split(both)
    _add_json(both)
    _add_robustness(commands)
    _add_latency(commands)
    gate = _command(
        commands,
        "gate",
        "evaluate:gate",
        "exit with code 1 unless a run meets its targets, confidence intervals included",
    )
    _add_run(gate)
    gate.add_argument(
        "--point",
        action="store_true",
        help="judge by the values, not by the worse end of each interval",
    )
    _add_json(gate)


def _add_robustness(commands: Commands) -> None:
    parser = _command(
        commands,
        "robustness",
        "robustness:robustness",
        "measure how a run's scores fall in poor light, in rain, at an angle, behind objects",
    )
    _add_run(parser)
    _add_split(parser)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="16 photographs, and three severities of each corruption",
    )
    parser.add_argument(
        "--common",
        nargs="?",
        choices=("usual", "all"),
        const="usual",
        help="add 18 common image corruptions; all: and glass blur, which takes 2 s per picture",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="start no measurement after M minutes; the same command continues (default: no limit)",
    )
    _add_target(parser)
    _add_json(parser, "evaluation.json")


def _add_latency(commands: Commands) -> None:
    parser = _command(
        commands,
        "latency",
        "latency:latency",
        "time a model in each export format, and check that each gives the same boxes",
    )
    _add_run(parser)
    parser.add_argument(
        "--split",
        choices=("train", "val"),
        default="val",
        help="never test, which would count as a use of it (default: %(default)s)",
    )
    parser.add_argument(
        "--image-size",
        type=_count,
        default=640,
        metavar="PX",
        help="longer side of the input, in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--photographs",
        type=_count,
        default=50,
        metavar="N",
        help="number of photographs, at most (default: %(default)s)",
    )
    _add_json(parser, "evaluation.json")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--promise",
        metavar="PROMISE",
        help="operating target, for which the confidence threshold is chosen on val: "
        "'recall>=0.98@95%%', or 'false-alarms<=20@95%%' per 1,000 photographs without a door",
    )


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        choices=("val", "test"),
        default="test",
        help="each use of test is counted (default: %(default)s)",
    )


def _add_publish(commands: Commands) -> None:
    parser = _command(
        commands,
        "publish",
        "publish:publish",
        "publish a finished run, or an earlier version, in place of the published model",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="the experiment (default: the only run); NAME~1 for a run that --replace kept",
    )
    what.add_argument(
        "--version",
        metavar="VERSION",
        help="restore this version from its git tag and the storage: detection_v1.0_...",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="even if it is not better on val, or cannot be compared",
    )


def _add_runs(commands: Commands) -> None:
    parser = _command(
        commands, "runs", "runs:runs", "list the runs and versions of this clone, with their scores"
    )
    parser.add_argument(
        "--sort",
        choices=SORT_KEYS,
        default="date",
        metavar="KEY",
        help=f"best, newest, smallest or fastest first: {', '.join(SORT_KEYS)} "
        "(default: %(default)s)",
    )
    _add_json(parser)


def _add_metadata(commands: Commands) -> None:
    parser = _command(
        commands, "metadata", "version:metadata", "write metadata.json of the published model again"
    )
    parser.add_argument(
        "--weights-dir",
        type=typed_path,
        default=PUBLISHED,
        metavar="DIR",
        help="folder that holds best.pt (default: %(default)s)",
    )
    parser.add_argument("--major", action="store_true", help="give it the next major version")
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="an error if another experiment is published (default: any)",
    )


def _add_version(commands: Commands) -> None:
    parser = _command(
        commands,
        "version",
        "version:version",
        "record the published model with DVC, and upload it to the storage",
    )
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="an error if another experiment is published (default: any)",
    )
    parser.add_argument(
        "--release",
        action="store_true",
        help="run doors gate first: exit 1, and upload nothing, unless every target is met",
    )
    parser.add_argument(
        "--point",
        action="store_true",
        help="with --release: judge by the values, not by the worse end of each interval",
    )


def _add_summary(commands: Commands) -> None:
    parser = _command(
        commands,
        "summary",
        "version:summary",
        "write a run's report: targets, curves, where the model comes from",
    )
    _add_run(parser)
    parser.add_argument(
        "--output",
        type=typed_path,
        metavar="FILE",
        help="default: summary_NAME.md, with its pictures beside it; '-' prints it",
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="also write a web page, with confidence intervals: summary_NAME.html",
    )
    parser.add_argument(
        "--card",
        action="store_true",
        help="also write a model card for Hugging Face: summary_NAME_card.md",
    )


def _add_sync(commands: Commands) -> None:
    parser = _command(
        commands, "sync", "sync:sync", "download a model that was trained elsewhere, and check it"
    )
    parser.add_argument(
        "--from",
        type=typed_path,
        metavar="DIR",
        dest="outputs",
        help="folder of downloaded outputs, with their .dvc files (default: those in git)",
    )
    parser.add_argument(
        "--commit",
        action="store_true",
        help="commit the .dvc files and the reports, and tag the commit",
    )
    _add_json(parser)


def _add_verify(commands: Commands) -> None:
    parser = _command(
        commands,
        "verify",
        "verify:verify",
        "check data, code, parameters and weights of the model against their hashes",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="the experiment that is expected to be the published one",
    )
    _add_config(parser)
    parser.add_argument("--re-evaluate", action="store_true", help="also measure the scores again")
    parser.add_argument(
        "--data",
        action="store_true",
        help="also hash the data set in the storage, downloading it unless the storage is a folder",
    )
    _add_json(parser)


def _add_track(commands: Commands) -> None:
    parser = commands.add_parser("track", help="a run's curves: show them, or send them to W&B")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = _command(
        commands, "show", "track:show", "print a run's epochs and draw its curves, on this machine"
    )
    show.add_argument("name", nargs="?", metavar="NAME", help=_ONLY)
    show.add_argument(
        "--output",
        type=typed_path,
        metavar="FILE",
        help="the picture (default: runs/NAME/curves.png)",
    )
    _add_json(show)
    sync = _command(
        commands, "sync", "upload:sync", "send to W&B what it does not have yet; nothing twice"
    )
    sync.add_argument("names", nargs="*", metavar="NAME", help="default: every run in runs/")
    _command(
        commands, "login", "upload:login", "ask for a W&B key, check it, and store it in ~/.netrc"
    )
    follow = _command(
        commands, "follow", "upload:follow", "track a run while it trains (doors train starts this)"
    )
    follow.add_argument("directory", type=typed_path, metavar="DIR", help="the run's folder")


def _add_remote(commands: Commands) -> None:
    parser = commands.add_parser("remote", help="the storage of large files: choose it, test it")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = _command(
        commands, "set", "remote:choose", "choose a storage, so that dvc push and dvc pull work"
    )
    chosen.add_argument(
        "url",
        type=typed_folder,
        nargs="?",
        metavar="URL",
        help="gdrive://FOLDER_ID, a folder, s3://..., or any DVC remote "
        "(default: the one in .dvc/config)",
    )
    chosen.add_argument(
        "--credentials",
        type=typed_path,
        metavar="FILE",
        help="for Google Drive: a service account's JSON or a person's (default: from "
        "GDRIVE_CREDENTIALS_DATA, DVC_SERVICE_ACCOUNT_JSON or KAGGLE_SECRET_DVC_JSON)",
    )
    chosen.add_argument(
        "--delegate", metavar="EMAIL", help="the person for whom the service account acts"
    )
    _command(
        commands, "check", "remote:check", "write, read and delete a small file in the storage"
    )
    consent = _command(
        commands,
        "login",
        "remote:login",
        "sign in to Google Drive with your own account, in a browser",
    )
    consent.add_argument(
        "url", nargs="?", metavar="URL", help="gdrive://FOLDER_ID (default: the one in .dvc/config)"
    )
    consent.add_argument(
        "--client",
        type=typed_path,
        required=True,
        metavar="FILE",
        help="the JSON of your own OAuth client; docs/google-drive.md says how to get it",
    )


def _add_tunnel(commands: Commands) -> None:
    parser = commands.add_parser("tunnel", help="work on a Kaggle machine by SSH, through a tunnel")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = _command(
        commands,
        "serve",
        "tunnel:serve",
        "make this machine reachable by SSH (the notebook runs this)",
    )
    serve.add_argument(
        "--key",
        type=typed_file_or_value,
        default="",
        metavar="KEY",
        help="your public key: a .pub file, or its line",
    )
    serve.add_argument(
        "--github", default="", metavar="NAME", help="accept the keys of this GitHub account"
    )
    serve.add_argument(
        "--hostname",
        default="",
        metavar="HOST",
        help="host name of a named tunnel, whose token is in CLOUDFLARE_TUNNEL_TOKEN "
        "(default: a quick tunnel)",
    )
    serve.add_argument(
        "--protocol",
        choices=("auto", "quic", "http2"),
        default="auto",
        help="http2 if the network blocks UDP (default: %(default)s)",
    )
    connect = _command(
        commands, "connect", "tunnel:connect", "set up 'ssh kaggle-training' for a tunnel"
    )
    connect.add_argument("url", metavar="URL", help="address that the notebook printed")
    connect.add_argument(
        "--host-key",
        metavar="KEY",
        help="host key of the machine, as the notebook printed it (default: the one of last time)",
    )
    connect.add_argument(
        "--identity",
        type=typed_path,
        metavar="FILE",
        help="your private key, if ssh does not find it by itself",
    )
    connect.add_argument(
        "--user", default="root", metavar="NAME", help="the account there (default: %(default)s)"
    )
    run = _command(
        commands,
        "run",
        "tunnel:run",
        "train there, in tmux; or attach to a training that runs there",
    )
    run.add_argument("name", metavar="NAME", help="the experiment")
    run.add_argument("--detach", action="store_true", help="start it, and return at once")
    for command in (connect, run):
        command.add_argument("--ssh-dir", type=typed_path, metavar="DIR", help="default: ~/.ssh")


def _add_kaggle(commands: Commands) -> None:
    parser = commands.add_parser("kaggle", help="train on Kaggle's free GPUs, from here")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(
        commands, "run", "kaggle:run", "train on Kaggle from start to end: plan, push, follow, pull"
    )
    plan = _command(
        commands,
        "plan",
        "kaggle:plan",
        "check a training before it is sent, and estimate its GPU hours",
    )
    push = _command(commands, "push", "kaggle:push", "send a training to Kaggle, and start it")
    for command in (run, plan, push):
        _add_wanted(command)
    for command in (run, push):
        command.add_argument("--yes", action="store_true", help="send it without asking")
        command.add_argument(
            "--dry-run", action="store_true", help="send nothing: write to disk what would be sent"
        )
    run.add_argument(
        "--sessions",
        type=_positive,
        default=1,
        metavar="N",
        help="use up to N sessions, if one is not enough (default: %(default)s)",
    )
    follow = _command(
        commands,
        "follow",
        "kaggle:follow",
        "show the progress of a training on Kaggle; Ctrl-C stops showing, not training",
    )
    pull = _command(
        commands,
        "pull",
        "kaggle:pull",
        "download the model, or the checkpoint of an unfinished training",
    )
    stop = _command(commands, "stop", "kaggle:stop", "stop a job")
    for command in (follow, pull, stop):
        other = ", or USER/KERNEL for the outputs of any kernel" if command is pull else ""
        command.add_argument(
            "name",
            nargs="?",
            metavar="NAME",
            help=f"the experiment (default: the newest job){other}",
        )
    for command in (run, pull):
        command.add_argument(
            "--commit",
            action="store_true",
            help="commit the .dvc files and the reports, and tag the commit",
        )
    stop.add_argument(
        "--discard", action="store_true", help="delete the job on Kaggle, with its outputs"
    )
    stop.add_argument("--yes", action="store_true", help="delete it without asking")
    known = _command(commands, "list", "kaggle:listed", "list the jobs of this clone")
    _add_json(known)


def _add_wanted(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
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
        type=_hours,
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


def _add_doctor(commands: Commands) -> None:
    parser = _command(
        commands,
        "doctor",
        "doctor:doctor",
        "check this machine, and say what to do about each problem",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--run",
        nargs="?",
        const=True,
        metavar="NAME",
        help=f"look at a run instead: why did it fail? ({_ONLY})",
    )
    chosen.add_argument(
        "--setup", action="store_true", help="skip the data and the runs, which come later"
    )
    _add_json(parser)


def _add_completion(commands: Commands) -> None:
    parser = _command(
        commands,
        "completion",
        "completion:completion",
        "print a script that makes your shell complete commands with Tab",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def _command(commands: Commands, name: str, handler: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=_EXIT_CODES
    )
    parser.set_defaults(handler=handler)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=typed_path,
        default=CONFIG,
        metavar="FILE",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one key, for example detection.training.epochs=3; may be repeated",
    )


def _add_json(parser: argparse.ArgumentParser, what: str = "one JSON document") -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what} instead")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--experiment", metavar="NAME", help=_ONLY)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"expected minutes from 0 on, found {text}")
    return minutes


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours < float("inf"):
        raise argparse.ArgumentTypeError(f"expected hours above 0, found {text}")
    return hours


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return number


def _names(text: str) -> list[str]:
    names = text.split(",")
    if "" in names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected two names, as in exp1,exp2, found {text!r}")
    return names


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {text}")
    return number
