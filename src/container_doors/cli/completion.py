"""``doors completion``: a script for the shell, which completes arguments of ``doors``."""

import argparse
from typing import Any

import shtab

from container_doors.cli.output import say_text
from container_doors.cli.parser import build_parser
from container_doors.core.run import RUNS, WORKSPACE_MARKS

_IS_WORKSPACE = " || ".join(f'[ -e "$folder/{mark}" ]' for mark in WORKSPACE_MARKS)
_LIST_RUNS = (
    f'folder=$PWD; until {_IS_WORKSPACE} || [ -z "$folder" ]; do folder=${{folder%/*}}; done; '
    f'find "${{folder:-$PWD}}/{RUNS}" -mindepth 2 -maxdepth 2 -name run.json 2>/dev/null '
    '| sed "s|/run.json$||; s|.*/||" | grep -v "~" | sort'
)
"""For ``sh``, which every system has: no Python is started at each press of the Tab key."""

_RUNS = {
    "bash": "_doors_runs",
    "zsh": "_doors_runs",
    "fish": "(_doors_runs)",
    "preamble": {
        "bash": f"""_doors_runs() {{ compgen -W "$(sh -c '{_LIST_RUNS}')" -- "$1"; }}""",
        "zsh": f"""_doors_runs() {{ compadd "$@" -- ${{(f)"$(sh -c '{_LIST_RUNS}')"}} }}""",
        "fish": f"function _doors_runs; sh -c '{_LIST_RUNS}'; end",
    },
}

_BY_METAVAR = {"FILE": shtab.FILE, "SOURCE": shtab.FILE, "DIR": shtab.DIRECTORY}
_NAMES_OF_RUNS = {"experiment", "experiments", "name", "names", "first", "second", "run"}
_RUN_METAVARS = {"NAME", "A", "B"}


def completion(arguments: argparse.Namespace) -> int:
    """Print the script."""
    parser = build_parser()
    _mark_completions(parser)
    say_text(shtab.complete(parser, arguments.shell))
    return 0


def _mark_completions(parser: argparse.ArgumentParser) -> None:
    """Mark the arguments, at each level, that are files, folders or names of runs."""
    for action in parser._actions:  # noqa: SLF001 - as shtab itself reads them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                _mark_completions(below)
            continue
        completer: Any = _BY_METAVAR.get(str(action.metavar))
        if action.metavar in _RUN_METAVARS and action.dest in _NAMES_OF_RUNS:
            completer = _RUNS
        if completer is not None:
            action.complete = completer  # type: ignore[attr-defined]
