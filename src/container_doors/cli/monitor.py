"""``doors monitor``: whether a model in use still sees what it was tested on."""

import argparse
import json
import shlex
from pathlib import Path

from container_doors.cli import console
from container_doors.cli.output import say, say_document
from container_doors.core.monitoring import Drift, LabelSample, Monitored, RecallNow
from container_doors.reporting.monitor_page import refuse_another_monitor, write_monitor
from container_doors.steps.monitor import (
    TO_LABEL,
    Target,
    compare_now,
    draw_sample,
    model_of,
    recall_target_of,
    with_recall,
)

CHANGED = 1


def monitor(arguments: argparse.Namespace) -> int:
    """Print what has changed; exit 1 if anything has, or if the recall misses its target."""
    folder: Path = arguments.predictions
    if arguments.out is not None:
        refuse_another_monitor(arguments.out)
    with console.progress(quiet=arguments.json) as progress:
        now, found = compare_now(folder, arguments.reference, progress=progress)
    if arguments.labels is not None:
        target = (
            recall_target_of(model_of(now))
            if arguments.target is None
            else Target(arguments.target, "as asked")
        )
        found = with_recall(found, folder, arguments.labels, target)
    sample = None
    if arguments.label_budget is not None:
        sample = draw_sample(now, found, folder, arguments.label_budget)
    if arguments.out is not None:
        write_monitor(arguments.out, found)
    if arguments.json:
        say_document(json.loads(found.to_json()))
    else:
        _print(found, arguments.out)
        if sample is not None:
            _say_next(sample, arguments)
    return 0 if found.verdict == "as tested" else CHANGED


def _print(found: Monitored, page: Path | None) -> None:
    say(
        f"{found.photographs} photographs, {found.not_read} not read, by "
        f"{found.version or found.weights_sha256[:12]} at a confidence of {found.conf_threshold}",
        *map(_drift, found.drifts),
        *(f"  {name:16} not compared: {why}" for name, why in found.not_compared.items()),
        *(_recall(found.recall) if found.recall else []),
        f"verdict: {_VERDICTS[found.verdict]}",
    )
    if page is not None:
        say(f"wrote {page}")


_VERDICTS = {
    "as tested": "nothing has changed that can be shown",
    "changed": "the photographs are not like those of the test; label some: --label-budget 30",
    "recall missed": "the recall is below its target; train again with photographs of now",
}


def _drift(one: Drift) -> str:
    state = "changed" if one.has_changed else "as tested"
    return (
        f"  {one.measure:16} {state}: {one.tested:.3f} on the test, {one.now:.3f} now "
        f"(distance {one.distance:.2f}, p = {one.p_value:.3f}, n = {one.tested_n} and {one.now_n})"
    )


def _recall(one: RecallNow) -> list[str]:
    lines = [
        f"  {'recall':16} {one.verdict}: {one.recall}, from {one.labelled} labelled photographs; "
        f"target {one.target:.3f}, {one.target_source}",
        f"  {'false alarms':16} {one.false_alarms} on those photographs",
    ]
    if one.not_labelled:
        lines.append(
            f"  {len(one.not_labelled)} photographs of the sample have no label yet, such as "
            f"{one.not_labelled[0]}; an empty file says that there is no door"
        )
    return lines


def _say_next(sample: LabelSample, arguments: argparse.Namespace) -> None:
    folder: Path = arguments.predictions
    asked, drawn = arguments.label_budget, len(sample.sampled)
    if asked != drawn and drawn < sample.photographs:
        say(f"--label-budget {asked} draws nothing more: {drawn} were drawn before, and are kept")
    given = arguments.reference
    reference = "" if given is None else f" --reference {shlex.quote(str(given))}"
    photographs, labels = shlex.quote(str(folder / TO_LABEL)), shlex.quote(f"{folder}-labels")
    say(
        f"{len(sample.sampled)} of {sample.photographs} photographs are to be labelled, in "
        f"{folder / TO_LABEL}; label every door, also those that the model missed; next:",
        f"  doors data import EXPORT --images {photographs} --out {labels}",
        f"  doors monitor --predictions {shlex.quote(str(folder))} --labels {labels}{reference}",
    )
