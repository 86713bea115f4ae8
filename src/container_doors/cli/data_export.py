"""``doors data export``: write the data set in the format of a labelling tool."""

import argparse

from container_doors.cli import console
from container_doors.cli.data_import import dataset_folder
from container_doors.cli.output import say, say_document, shown
from container_doors.steps.data.export import export_data


def export(arguments: argparse.Namespace) -> int:
    """Export, and print what was written."""
    dataset = dataset_folder(arguments.path)
    with console.progress(quiet=arguments.json) as progress:
        report = export_data(
            dataset,
            arguments.out,
            arguments.format,
            has_pictures=not arguments.labels_only,
            progress=progress,
        )
    if arguments.json:
        say_document({
            "schema_version": 1,
            "path": shown(arguments.out),
            "format": arguments.format,
            "photographs": dict(report.photographs),
            "doors": report.doors,
        })  # fmt: skip
        return 0
    counts = ", ".join(f"{count} in {split}" for split, count in report.photographs.items())
    say(f"{arguments.out}: {arguments.format}, {report.doors} door(s), photographs: {counts}")
    return 0
