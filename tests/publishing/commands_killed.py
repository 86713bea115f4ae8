"""Runs a command of ours again and again and kills it, each time one step later; run by the tests.

    python -m tests.publishing.commands_killed FOLDER SCENARIO STEP:FIRST:STRIDE ...

STEP is ``line`` (every line of ours that is executed), ``call`` (every call into the system
that can change a file), ``cut`` (the power is cut at such a call, and the ways in which that
leaves the disk take turns: :mod:`tests.publishing.power_cuts`), or one of these ways. With
``fault`` nothing is killed: the first such call fails, then the second, ... ``call:0:1`` is every
one, ``call:5:20`` one of 20. Each run is a forked process, so that a kill costs no import.
"""

import contextlib
import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol

import container_doors
from tests.publishing.calls import is_change
from tests.publishing.faults import CLEAR, NOTHING_FAILED, fail_at, told_apart
from tests.publishing.power_cuts import AT_THE_END, WAYS, cut_at

OURS = str(Path(container_doors.__file__).parent)
PR_SET_CHILD_SUBREAPER = 36

SCENARIOS = {
    "files": "replacements.Files",
    "renames": "replacements.WithoutExchange",
    "pack": "scenarios.Pack",
    "pull": "scenarios.Pull",
    "train": "scenarios.FirstTraining",
    "version": "scenarios.Version",
    "promotion": "scenarios.Promotion",
    "publish": "scenarios.Publish",
    "bring back": "scenarios.BringBack",
    "sync": "scenarios.Sync",
}
"""Where each is; the first two need none of the imports of the others, which take 5 s."""

DVC = """#!/bin/sh
# What DVC does to files, without its two seconds.
home="$(dirname "$0")"
verb=
for word; do
  case "$word" in
    -*) continue ;;
  esac
  if [ -z "$verb" ]; then verb="$word"; continue; fi
  case "$verb" in
    add)
      md5="$(md5sum < "$word" | cut -c 1-32)"
      cp "$word" "$home/cache/$md5"
      printf 'outs:\\n- md5: %s\\n  size: %s\\n  hash: md5\\n  path: %s\\n' \\
        "$md5" "$(stat -c %s "$word")" "$(basename "$word")" > "$word.dvc" ;;
    push)
      md5="$(sed -n 's/^- md5: //p' "$word")"
      cp "$home/cache/$md5" "$home/remote/$md5" ;;
    pull | fetch)
      md5="$(sed -n 's/^- md5: //p' "$word")"
      cp "$home/remote/$md5" "$home/cache/$md5" || exit 1
      if [ "$verb" = pull ]; then cp "$home/cache/$md5" "${word%.dvc}"; fi ;;
  esac
done
if [ "$verb" = config ]; then echo core.remote=s; echo remote.s.url=$home/remote; fi
"""


class Scenario(Protocol):
    """Something to kill, and what may be found afterwards."""

    @property
    def workspace(self) -> Path:
        """Put back to its beginning before each run."""

    def reset(self) -> None:
        """Put back what is outside of the workspace."""

    def command(self) -> None:
        """Run it, in the workspace."""

    def look(self) -> str:
        """Name what is there: ``old`` or ``new``; fail if it is neither."""


def a_dvc(folder: Path) -> None:
    """Make a quick stand-in for DVC's command, and have it used."""
    for name in ("cache", "remote"):
        (folder / name).mkdir(parents=True)
    program = folder / "dvc"
    program.write_text(DVC)
    program.chmod(0o755)
    os.environ["CONTAINER_DOORS_DVC"] = str(program)


def kill_at_every_step(scenario: Scenario, *, step: str, first: int, stride: int) -> Counter[str]:
    """Kill at the first step, then at the second, ...; after each, the next call must finish."""
    found: Counter[str] = Counter()
    ways = WAYS if step == "cut" else (step,)
    killer = KILLERS[step] if step in KILLERS else cut_at(scenario.workspace, *ways)
    number, ended = first, False
    while not ended:
        _begin(scenario)
        status = _run(scenario, killer, number)
        assert status in {0, -signal.SIGKILL}, f"step {number}: ended with {status}"
        ended = status == 0
        found["kills"] += not ended
        state = scenario.look()
        assert state == "new" or not ended, "what a command has done is lost afterwards"
        found[state] += 1
        assert _run(scenario, None, 0) == 0, f"killed at {number}, the next call fails"
        assert scenario.look() == "new", f"killed at {number}, the next call does not finish"
        number += stride
    return found


def in_a_child(work: Callable[[], None]) -> int:
    """Run it in a forked process, and return how that ended.

    A pool of threads that this process had begun (COCO's AP has one) would not be there.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - what a fork raises must not run on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ChildProcessError):  # what it had started runs on, to its end
        while True:
            os.waitpid(-1, 0)
    return status


def _begin(scenario: Scenario) -> None:
    """Put everything back to its beginning, which the first call takes down."""
    beginning, gone = (scenario.workspace.with_name(name) for name in ("beginning", "gone"))
    if not beginning.exists():
        shutil.copytree(scenario.workspace, beginning, symlinks=True)
    shutil.rmtree(scenario.workspace)
    shutil.copytree(beginning, scenario.workspace, symlinks=True)
    shutil.rmtree(gone, ignore_errors=True)
    scenario.reset()


def _run(scenario: Scenario, killer: Callable[[int], None] | None, number: int) -> int:
    def work() -> None:
        os.chdir(scenario.workspace)
        if killer is not None:
            killer(number)
        scenario.command()
        for cut in AT_THE_END:
            cut()

    return in_a_child(work if killer is not fail_at else lambda: told_apart(work))


def _kill_at_line(number: int) -> None:
    left, process = number, os.getpid()
    is_ours: dict[CodeType, bool] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        ours = os.getpid() == process and is_ours.setdefault(
            frame.f_code, frame.f_code.co_filename.startswith(OURS)
        )
        if not ours:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def _kill_at_call(number: int) -> None:
    left, ours = number, os.getpid()

    def count(event: str, arguments: Any) -> None:
        nonlocal left
        if os.getpid() == ours and is_change(event, arguments):
            left -= 1
            if left == -1:  # once: to kill is an event as well
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def fail_at_every_step(scenario: Scenario, *, first: int, stride: int) -> Counter[str]:
    """Let the first call into the system fail, then the second, ...; nothing worse comes of it.

    A command that fails says so clearly; and the next one, without a fault, finishes.
    """
    found: Counter[str] = Counter()
    number = first
    while True:
        _begin(scenario)
        status = _run(scenario, fail_at, number)
        if status == NOTHING_FAILED:
            return found
        assert status in {0, CLEAR}, f"fault {number}: it ended with {status}"
        found["clear" if status else "carried on"] += 1
        found[scenario.look()] += 1
        assert _run(scenario, None, 0) == 0, f"after fault {number}, the next call fails"
        assert scenario.look() == "new", f"after fault {number}, the next call does not finish"
        number += stride


KILLERS = {"line": _kill_at_line, "call": _kill_at_call}


def main(root: Path, name: str, *steps: str) -> None:
    # Orphans become ours, to wait for: https://man7.org/linux/man-pages/man2/prctl.2.html
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    module, kind = SCENARIOS[name].split(".")
    scenario = getattr(importlib.import_module(f"tests.publishing.{module}"), kind)(root)
    found = {}
    for one in steps:
        step, first, stride = one.split(":")
        if step == "fault":
            found[step] = fail_at_every_step(scenario, first=int(first), stride=int(stride))
        else:
            found[step] = kill_at_every_step(
                scenario, step=step, first=int(first), stride=int(stride)
            )
    sys.stdout.write(f"\n{json.dumps(found)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
