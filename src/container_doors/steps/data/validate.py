"""Check a data set, before a training too."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from container_doors.core.config import Data, Params, warnings
from container_doors.core.errors import DatasetError
from container_doors.core.ports import Progress, Workers
from container_doors.core.records import DatasetFacts, DatasetFiles, SplitCounts
from container_doors.core.run import Run
from container_doors.data.checks import Report, check
from container_doors.data.contact_sheet import Cell, write_sheet
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.facts import dataset_facts
from container_doors.data.folds import layout_for
from container_doors.data.layout import Layout
from container_doors.data.photographs import (
    Photograph,
    Task,
    read_photograph,
    unread_photograph,
)

_MOST_PAIRS = 100
"""A sheet of more is a picture that few programs open."""


CHUNK = 64
"""Photographs that a worker reads at a time."""


def check_data(
    dataset: Path, minimums: Data, *, progress: Progress, workers: Workers | None = None
) -> Report:
    """Check the data set for everything that would spoil a training run.

    Args:
        dataset: The folder of ``data.yaml``.
        minimums: The fewest photographs.
        progress: Receives how far it is.
        workers: They read the photographs, and see them at our paths; None: this machine does.
            What is compared between photographs is compared here, so the report is the same.
    """
    return check(
        dataset,
        min_train_images=minimums.min_train_images,
        min_val_images=minimums.min_val_images,
        fold=minimums.fold,
        on_progress=lambda *at: progress.step("checking", *at),
        on_compared=lambda *at: progress.step("comparing", *at),
        workers=None if workers is None else partial(_read_by, workers),
    )


def _read_by(
    workers: Workers, tasks: Sequence[Task], on_progress: Callable[[int, int], None]
) -> list[Photograph]:
    absolute = [
        replace(
            task,
            root=task.root.absolute(),
            image=task.image.absolute(),
            label=task.label.absolute(),
        )
        for task in tasks
    ]
    chunks = [absolute[start : start + CHUNK] for start in range(0, len(absolute), CHUNK)]
    found: dict[int, list[Photograph]] = {}
    for number, photographs in workers.work(_reader, chunks, give_up=unread_photograph):
        found[number] = photographs
        on_progress(sum(map(len, found.values())), len(tasks))
    return [photograph for number in sorted(found) for photograph in found[number]]


def _reader() -> Callable[[Task], Photograph]:
    return read_photograph


def draw_pairs(report: Report, path: Path) -> tuple[int, int]:
    """Show the pairs of a report as pictures, the errors first; none: no file is written.

    Returns:
        The numbers of pairs that are shown, and in total.
    """
    pairs = sorted(
        (finding for finding in report.findings if finding.other is not None),
        key=lambda finding: finding.severity,
    )
    root = report.layout.root if report.layout else Path()
    rows = [
        (
            f"{number}. {finding.severity}: {finding.rule}",
            [Cell(root / each, str(each)) for each in (finding.other, finding.path) if each],
        )
        for number, finding in enumerate(pairs[:_MOST_PAIRS], start=1)
    ]
    if rows:
        write_sheet(rows, path, columns=2)
    return len(rows), len(pairs)


def fit_data(params: Params, *, progress: Progress) -> Report:
    """Check params and data before GPU time is spent on them.

    Raises:
        DatasetError: If the data set has an error.
    """
    for warning in warnings(params):
        progress.say(f"warning: {warning}")
    report = check_data(Path(params.data.path), params.data, progress=progress)
    if report.errors:
        raise DatasetError(
            f"{params.data.path} has {len(report.errors)} error(s), the first: {report.errors[0]}",
            hint=f"see them all: doors data validate --path {params.data.path}",
        )
    if report.warnings:
        progress.say(
            f"warning: {params.data.path} has {len(report.warnings)} warning(s), the first: "
            f"{report.warnings[0]}; all of them: doors data validate --path {params.data.path}"
        )
    if params.data.trains_on == "all":
        report = _with_all_in_train(report)
    if params.data.drawn_share:
        return replace(report, drawn=_check_drawn(params.data, report, progress=progress))
    return report


def _with_all_in_train(report: Report) -> Report:
    """Return the report of train and val as one split to train on."""
    counts = {split: report.splits[split] for split in ("train", "val")}
    both = SplitCounts(
        images=sum(one.images for one in counts.values()),
        doors=sum(one.doors for one in counts.values()),
        background_images=sum(one.background_images for one in counts.values()),
    )
    others = {split: one for split, one in report.splits.items() if split not in counts}
    layout = layout_for(Data(trains_on="all"), layout_of(report))
    return replace(report, layout=layout, splits={"train": both, **others})


def _check_drawn(data: Data, report: Report, *, progress: Progress) -> Report:
    """Check the drawn photographs that are mixed in.

    Raises:
        DatasetError: If there are too few for an epoch, or they have an error.
    """
    path = Path(data.drawn_path)
    needed = data.drawn_each_epoch(report.splits["train"].images)
    draw = f"doors data sample --out {shlex.quote(str(path))} --train {needed}"
    key = f"detection.data.drawn_share: {data.drawn_share:g}"
    if not path.is_dir():
        raise DatasetError(
            f"{key} takes {needed} drawn photographs for an epoch, and there is no {path}",
            hint=f"draw them, better several times as many: {draw}; or write 0",
        )
    if path.resolve() == Path(data.path).resolve():
        raise DatasetError(
            f"{key}: drawn_path is {path}, which is the data set itself",
            hint="name the folder of drawn photographs: detection.data.drawn_path",
        )
    drawn = check(
        path,
        min_train_images=1,
        min_val_images=1,
        on_progress=lambda *at: progress.step("checking drawn photographs", *at),
    )
    errors = [one for one in drawn.errors if not {"val", "test"} & {*one.path.parts}]
    if errors:  # only its train split is used
        raise DatasetError(
            f"{path} has {len(errors)} error(s), the first: {errors[0]}",
            hint=f"see them all: doors data validate --path {shlex.quote(str(path))}",
        )
    found = drawn.splits["train"].images
    if found < needed:
        raise DatasetError(
            f"{key} takes {needed} drawn photographs for an epoch, and {path} has {found}",
            hint=f"move {path} away, and draw more: {draw}; or lower detection.data.drawn_share",
        )
    names = layout_of(drawn).class_names, layout_of(report).class_names
    if names[0] != names[1]:
        raise DatasetError(
            f"{path / DATA_YAML}: expected the classes {list(names[1])}, found {list(names[0])}",
            hint=f"write the names of {data.path} there, if they mean the same",
        )
    return drawn


def facts_of(report: Report) -> DatasetFacts:
    """Summarise a data set without errors: its hash and its counts."""
    return dataset_facts(layout_of(report), report)


def list_files(report: Report, run: Run) -> None:
    """Write the list of files that are trained on, so that later changes can be named."""
    files = {path.as_posix(): digest for path, digest in report.digests.items()}
    DatasetFiles(files=files).write(run.dataset)


def layout_of(report: Report) -> Layout:
    """Return the layout of a data set without errors."""
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    return report.layout
