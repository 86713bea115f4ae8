"""``doors export``."""

import argparse
import json

from container_doors.adapters.machine import describe_processor
from container_doors.adapters.networks import RUNTIMES
from container_doors.adapters.openvino.int8 import quantize
from container_doors.adapters.yolo.export import build_export
from container_doors.cli import console
from container_doors.cli.data_import import dataset_folder
from container_doors.cli.latency import describe_latency, describe_parity
from container_doors.cli.output import complain, say, say_document, shown
from container_doors.core.records import Latency
from container_doors.core.run import PUBLISHED
from container_doors.prediction.exports import EXPORTS, PYTORCH, Export
from container_doors.steps.export import (
    Exporting,
    ExportReport,
    ExportSettings,
    export_model,
)

FAULTS = 1


def export(arguments: argparse.Namespace) -> int:
    """Print each format and what was measured; one that finds other doors is a fault."""
    folder = arguments.weights or PUBLISHED
    with console.progress(quiet=arguments.json) as progress:
        report = export_model(
            folder,
            ExportSettings(
                arguments.formats, dataset_folder(arguments.path), arguments.photographs
            ),
            outside=Exporting(build_export, quantize, RUNTIMES, describe_processor()),
            progress=progress,
        )
    complain(*(f"not exported: {one}" for one in report.missing.values()))
    complain(*(f"not kept: {name}, {why}" for name, why in report.dropped.items()))
    if arguments.json:
        say_document(_document(report))
    else:
        _print(report)
        kept = ", ".join(sorted(report.kept.formats)) or "nothing"
        say(f"kept in {folder / EXPORTS}: {kept}")
    return FAULTS if report.faults else 0


def _document(report: ExportReport) -> dict[str, object]:
    kept = json.loads(report.kept.to_json())
    return {
        "schema_version": 1,
        "tried": {name: one.model_dump(mode="json") for name, one in report.tried.items()},
        "pytorch": kept["pytorch"],
        "kept": sorted(report.kept.formats),
        "not_exported": {name: shown(why) for name, why in report.missing.items()},
        "dropped": {name: shown(why) for name, why in report.dropped.items()},
    }


def _print(report: ExportReport) -> None:
    pytorch = report.kept.pytorch
    if pytorch is not None:
        say(f"{PYTORCH:14} {describe_latency(pytorch)}")
    for name, one in report.tried.items():
        say(*_lines(name, one, pytorch))


def _lines(name: str, one: Export, pytorch: Latency | None) -> list[str]:
    first, *more = [one.why]
    if one.latency is not None:
        times = (
            f", {pytorch.median_ms / one.latency.median_ms:.2f} times as fast" if pytorch else ""
        )
        first, more = f"{describe_latency(one.latency)}{times}", [one.why]
    if one.parity is not None and one.parity.boxes:
        more.append(describe_parity(one.parity))
    size_mb = sum(file.size_bytes for file in one.files.values()) / 1e6
    state = "accepted" if one.accepted else "not used unless it is asked for"
    return [f"{name:14} {first}", *(f"{'':14} {line}" for line in more),
            f"{'':14} {one.runtime}, {size_mb:.1f} MB: {state}"]  # fmt: skip
