"""The command line, in the order of a run. It imports nothing heavy, so that --help is fast."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn

from container_doors import __version__
from container_doors.cli.options import (
    compare,
    completion,
    crossval,
    data,
    demo,
    doctor,
    evaluate,
    export,
    gate,
    init,
    kaggle,
    latency,
    metadata,
    monitor,
    predict,
    publish,
    robustness,
    runs,
    serve,
    storage,
    summary,
    sync,
    track,
    train,
    tunnel,
    verify,
    version,
)
from container_doors.cli.options.shared import EXIT_CODES
from container_doors.core.printable import printable

DESCRIPTION = (
    "From labelled photographs of shipping containers to a versioned, reported detector of "
    "their rear doors."
)
_COMMANDS = (
    demo, init, data, train, crossval, evaluate, compare, robustness, latency, gate, publish, runs,
    metadata, version, summary, sync, verify, export, predict, serve, monitor, track, storage,
    kaggle, tunnel, doctor, completion,
)  # fmt: skip
"""In the order of a run, which is that of the help."""


class _Parser(argparse.ArgumentParser):
    """Quotes arguments as they are: a shell may have taken them from a folder's names.

    Without a command it prints its help and exits with code 1, as git does; to a word that it does
    not know it names those that are spelled similarly.
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
        found, extra = super().parse_known_args(words, namespace)
        if extra and self._subparsers is None:
            self._refuse_extra(extra[0], found)
        return found, extra

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

    def _refuse_extra(self, word: str, found: argparse.Namespace) -> NoReturn:
        """Refuse a word too many; where a run is named by an option, name that."""
        problem = f"unrecognized arguments: {word}"
        if word.startswith("-") or getattr(found, "experiment", word) is not None:
            self._refuse(problem, word, {})
        meant = printable(shlex.join([*self.prog.split(), "--experiment", word]))
        self._exit(problem, f"did you mean {meant}?")

    def _refuse(self, problem: str, word: str, known: Mapping[str, str]) -> NoReturn:
        """Name those of the known words that are spelled similarly, by their longer names."""
        last = {name: name.split()[-1] for name in known}
        near = get_close_matches(word, set(last.values()))
        names = dict.fromkeys(known[name] for one in near for name in known if last[name] == one)
        hint = f"did you mean {' or '.join(names)}?" if names else f"{self.prog} --help lists them"
        self._exit(problem, hint)

    def _exit(self, problem: str, hint: str) -> NoReturn:
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
    parser = _Parser(prog="doors", description=DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"doors {__version__}")
    commands = parser.add_subparsers(
        title="commands, in the order of a run", metavar="COMMAND", required=True
    )
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
