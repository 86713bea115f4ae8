"""``doors latency``."""

import argparse

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.export import FORMATS, export_detector
from container_doors.cli import console
from container_doors.cli.evaluate import FAULTS, open_detector, say_measured
from container_doors.core.measurements import FormatTiming, Parity
from container_doors.core.records import Latency
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.latency import LatencySettings, time_formats


def latency(arguments: argparse.Namespace) -> int:
    """Print the latency of each format; one with other detections than PyTorch is a fault."""
    run = named_or_only(arguments.experiment, "latency --experiment")
    with console.progress(quiet=arguments.json) as progress:
        found = time_formats(
            run,
            arguments.split,
            settings=LatencySettings(
                on=describe_machine("cpu"),
                formats=tuple(FORMATS),
                image_size_px=arguments.image_size,
                photographs=arguments.photographs,
            ),
            export=export_detector,
            open_detector=open_detector,
            progress=progress,
        )
    lines = [line for one in found.formats for line in _lines(one)]
    say_measured(run, found, lines, as_json=arguments.json)
    differ = [one for one in found.formats if one.parity and not one.parity.holds]
    return FAULTS if differ else 0


def describe_latency(one: Latency) -> str:
    """Write a latency for people, without how it was measured."""
    return f"median {one.median_ms:.1f} ms, 95th percentile {one.p95_ms:.1f} ms (n = {one.images})"


def describe_parity(parity: Parity) -> str:
    """Write how far two formats differ."""
    return (
        f"{parity.boxes} boxes in {parity.photographs} photographs, "
        f"{parity.without_a_match} without a match, at most {parity.most_box_px:.2f} px and "
        f"{parity.most_confidence:.4f} in confidence apart (tolerated: "
        f"{parity.box_tolerance_px:g} px, {parity.confidence_tolerance:g})"
    )


def _lines(one: FormatTiming) -> list[str]:
    if one.latency is None:
        return [f"{one.format:9} not measured: {one.not_measured or 'nothing was timed'}"]
    median, parity = one.median_ms, one.parity
    bounds = (
        f"{median.bounds(1)}, n = {median.n}" if median else f"n = {one.latency.images}, too few"
    )
    lines = [
        f"{one.format:9} median {one.latency.median_ms:.1f} ms ({bounds}), "
        f"95th percentile {one.latency.p95_ms:.1f} ms",
        f"{'':9} {one.latency.method}",
    ]
    if parity is not None:
        verdict = "same boxes as PyTorch" if parity.holds else "OTHER BOXES THAN PYTORCH"
        if parity.holds and not parity.boxes:
            return [*lines, f"{'':9} not compared with PyTorch: no box was found"]
        lines.append(f"{'':9} {verdict}: {describe_parity(parity)}")
    return lines
