"""``doors completion``: a script with which a shell completes what is typed after ``doors``."""

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
"""For ``sh``, which every shell has at hand: no Python is started for a key that was pressed."""

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

_BY_METAVAR = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
_NAMES_OF_RUNS = {"experiment", "experiments", "name", "names", "first", "second", "run"}
_RUN_METAVARS = {"NAME", "A", "B"}


def completion(arguments: argparse.Namespace) -> int:
    """Print the script."""
    parser = build_parser()
    _say_what_completes(parser)
    say_text(shtab.complete(parser, arguments.shell))
    return 0


def _say_what_completes(parser: argparse.ArgumentParser) -> None:
    """Mark the arguments, at each level, that are files, folders or names of runs."""
    for action in parser._actions:  # noqa: SLF001 - as shtab itself reads them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                _say_what_completes(below)
            continue
        known: Any = _BY_METAVAR.get(str(action.metavar))
        if action.metavar in _RUN_METAVARS and action.dest in _NAMES_OF_RUNS:
            known = _RUNS
        if known is not None:
            action.complete = known  # type: ignore[attr-defined]
