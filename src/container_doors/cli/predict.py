"""``doors predict``."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from container_doors.adapters.ray.workers import RayWorkers
from container_doors.cli import console
from container_doors.cli.options.shared import CONFIG
from container_doors.cli.output import complain, say_text
from container_doors.cli.used_model import UsedOptions, open_used, quality_limits, say_used
from container_doors.core.errors import ConfigError, SourceError
from container_doors.core.ports import Progress
from container_doors.core.predictions import Door, PhotographResult, json_schema
from container_doors.core.printable import printable
from container_doors.prediction.crops import PADDING
from container_doors.prediction.drawing import IN_WORDS
from container_doors.prediction.sources import Plan, Shard, plan
from container_doors.steps.predict import (
    Predicted,
    Prediction,
    Target,
    choose_folder,
)
from container_doors.steps.predict import predict as predict_all
from container_doors.steps.predict_on import Elsewhere, predict_on

if TYPE_CHECKING:
    from pathlib import Path

DONE, FOUND_FAULTS, STOPPED = 0, 1, 130
_MOST_THREADS = 4


def predict(arguments: argparse.Namespace) -> int:
    """Print what is found, one line a photograph; exit 1 if one of them could not be read."""
    if arguments.schema:
        say_text(json.dumps(json_schema(), indent=2))
        return DONE
    shard = Shard(*arguments.shard) if arguments.shard else None
    sources = _plan(arguments) if shard is None else _plan(arguments).shard(shard)
    target = _target(arguments)
    options = UsedOptions.of(arguments)
    opened = open_used(arguments) if arguments.on is None else options.here().open()
    say_used(opened, arguments)
    prediction = Prediction(
        sources,
        opened,
        every=arguments.every,
        limits=quality_limits(),
        threads=min(_MOST_THREADS, max(2, len(os.sched_getaffinity(0)))),
        shard=shard,
        with_times=not (arguments.without_times or shard or arguments.on),
    )
    began = monotonic()
    with _stop_by_ctrl_c() as is_stopping, _screen(as_json=arguments.json) as (progress, write):
        if sources.left_out is not None:
            progress.say(sources.left_out)
        spell = _as_json if arguments.json else _line
        predicted = _work(
            prediction,
            target,
            elsewhere=options.elsewhere() if arguments.on else None,
            show=lambda result: write(spell(result)),
            progress=progress,
            is_stopping=is_stopping,
        )
        is_stopped = is_stopping()
    _say_end(predicted, target, monotonic() - began, is_stopped=is_stopped)
    if is_stopped:
        return STOPPED
    return FOUND_FAULTS if predicted.failed else DONE


def _work(
    prediction: Prediction,
    target: Target | None,
    *,
    elsewhere: UsedOptions | None,
    show: Callable[[PhotographResult], None],
    progress: Progress,
    is_stopping: Callable[[], bool],
) -> Predicted:
    """Predict here, or by workers that open the model as ``elsewhere`` says."""
    if elsewhere is None or target is None:
        return predict_all(
            prediction, target, show=show, progress=progress, is_stopping=is_stopping
        )
    return predict_on(
        prediction,
        target,
        Elsewhere(
            RayWorkers(needs_gpu=not elsewhere.is_on_processor, say=progress.say), elsewhere.open
        ),
        show=show,
        progress=progress,
        is_stopping=is_stopping,
    )


def _plan(arguments: argparse.Namespace) -> Plan:
    typed = [*arguments.sources, *([] if arguments.watch is None else [arguments.watch])]
    here: Path | None = typed[0].here if typed else None
    try:
        return plan(
            [str(one) for one in arguments.sources],
            here=here or CONFIG.parent.absolute(),
            standard_input=sys.stdin.buffer,
            watch=None if arguments.watch is None else str(arguments.watch),
        )
    except SourceError as error:
        error.paths_are_as_typed = True
        raise


def _target(arguments: argparse.Namespace) -> Target | None:
    """Choose what is written; None for nothing."""
    save = arguments.save
    if arguments.padding is not None and "crops" not in (save or ()):
        raise ConfigError("--padding has no effect without crops", hint="add: --save crops")
    if save is None and arguments.out is None and not arguments.resume and arguments.on is None:
        return None
    return Target(
        choose_folder(arguments.out, is_resumed=arguments.resume),
        save=save or ("jsonl",),
        padding=PADDING if arguments.padding is None else arguments.padding,
        is_resumed=arguments.resume,
    )


def _say_end(
    predicted: Predicted, target: Target | None, duration_s: float, *, is_stopped: bool
) -> None:
    refused = f" ({predicted.refused} refused)" if predicted.refused else ""
    parts = [
        f"{predicted.photographs} photograph(s) or frame(s)",
        f"{predicted.doors} door(s){refused} in {predicted.with_a_door}",
    ]
    if predicted.failed:
        parts.append(f"{predicted.failed} could not be read")
    if predicted.left_out:
        parts.append(f"{predicted.left_out} live frame(s) left out: there was no time")
    where = f"; results in {target.folder}" if target else ""
    complain(f"{', '.join(parts)}; {duration_s:.1f} s{where}")
    if is_stopped and target:
        complain("stopped; to go on: the same command with --resume")


@contextmanager
def _screen(*, as_json: bool) -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Yield where progress is shown, and what prints a result.

    A bar on standard output stays below the results; one on standard error would swallow them if
    they were printed by way of ``sys.stdout``, which it replaces.
    """
    output = sys.stdout
    if as_json and console.is_terminal(output):
        yield console.PlainProgress(sys.stderr), say_text
        return
    is_screen = console.is_terminal(output)
    with console.progress(quiet=not is_screen) as progress:
        yield progress, say_text if is_screen else lambda text: say_text(text, file=output)


@contextmanager
def _stop_by_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Yield whether Ctrl-C was pressed, so that what was found is written; once more ends at once.

    The handler only sets a flag: the thread that it interrupts may have a lock.
    """
    pressed: list[int] = []

    def note(number: int, _: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _as_json(result: PhotographResult) -> str:
    return json.dumps(result.model_dump(mode="json"))


def _line(result: PhotographResult) -> str:
    """Write a result for a person, on one line."""
    name = printable(result.path)
    if result.frame is not None:
        name += f", frame {result.frame.index} ({result.frame.time_s:.1f} s)"
    if result.status == "FAILED":
        return f"{name}: NOT READ: {printable(result.problem)}"
    doors = result.detections
    if not doors:
        return f"{name}: no door"
    number = f"{len(doors)} door{'s' * (len(doors) != 1)}"
    return f"{name}: {number}: {'; '.join(map(_door, doors))}"


def _door(door: Door) -> str:
    left, top, right, bottom = door.bbox_tight
    reasons = ", ".join(IN_WORDS[reason] for reason in door.refused_for)
    return f"{door.confidence:.2f} at {left},{top} to {right},{bottom}" + (
        f" (refused: {reasons})" if reasons else ""
    )
