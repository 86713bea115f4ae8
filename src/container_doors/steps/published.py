"""The published model, and whether a run's model is better.

Better means a higher mAP50-95 on val, measured on the same photographs and labels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from container_doors.core.errors import DatasetError, DoorsError, RunError, WeightsError
from container_doors.core.ports import Detector, Progress, Repository
from container_doors.core.records import Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, Run
from container_doors.data.layout import Layout, label_of, read_layout
from container_doors.data.view import link_view
from container_doors.publishing.copies import paths_without_copy
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.lineage import run_of
from container_doors.publishing.pointers import pointer_name, read_pointer
from container_doors.publishing.publication import METADATA, check_weights, read_published, recover
from container_doors.publishing.ways_back import refuse_other_weights
from container_doors.steps.recorded_files import files_of_split, recorded_files

FIGURE = "mAP50-95"
"""Ultralytics' figure on val, which also selects the best epoch of a run."""

_MOST_DIGITS = 6

OpenModel = Callable[[Path, int], Detector]
"""Loads weights, for an image size in pixels, on a device of this machine."""

State = Literal["first", "same", "better", "equal", "worse", "unknown"]


@dataclass(frozen=True, slots=True)
class Outside:
    """The dependencies of a publication."""

    repository: Repository
    open_model: OpenModel
    progress: Progress
    fetch: Callable[[], object] | None = None
    """Fetches the published model if only its pointers are here; None if that is impossible."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run's model compares with the published one."""

    state: State
    figures: str = ""
    """Both figures if known, or why they are not."""
    published: str = ""
    """The version that is published at present."""
    only_copy: Path | None = None
    """A published file without another copy: it must not be replaced, however bad it may be."""


def is_published(run_id: str) -> bool:
    """Return whether the published model is of this run."""
    published = published_if_readable()
    return published is not None and published.run_id == run_id


def published_if_readable() -> Metadata | None:
    """Read the published model's metadata; None if there is none, or if it is damaged."""
    try:
        return read_published()
    except RunError:
        return None


def compare_with_published(
    record: RunRecord, evaluation: Evaluation, run: Run, outside: Outside
) -> Verdict:
    """Compare a run's model with the published one, which is measured again if val has changed.

    If they cannot be compared, the state is ``unknown``: training must not replace a better model.
    """
    recover()
    version = _pointed_version()
    is_missing = version is not None and not (PUBLISHED / METADATA).exists()
    if is_missing and outside.fetch is not None and not paths_without_copy(None):
        try:
            outside.fetch()
        except DoorsError as error:
            why = f"only its pointers are here: {error.problem}"
            return Verdict("unknown", why, version or "")
    try:
        published = read_published()
    except RunError as error:
        return Verdict("unknown", error.problem, version or "a model", _file_without_copy(None))
    if published is None:
        return _without_metadata(version)
    if published.run_id == record.run_id:
        return Verdict("same", published=published.version)
    try:
        check_weights(published, PUBLISHED, ["best.pt"])
        state, figures = _compare(record, evaluation, run, published, outside)
    except (RunError, WeightsError) as error:
        state, figures = "unknown", error.problem
    return Verdict(state, figures, published.version, _file_without_copy(published))


def _pointed_version() -> str | None:
    """Return the version of the pointers; None if there are no pointers."""
    pointer = PUBLISHED / pointer_name(METADATA)
    return (read_pointer(pointer).version or "a model") if pointer.is_file() else None


def _without_metadata(version: str | None) -> Verdict:
    weights = PUBLISHED / "best.pt"
    if version is None and not weights.is_file():
        return Verdict("first")
    what = version or f"the model in {PUBLISHED}"
    why = f"{weights} has no {METADATA} beside it" if weights.is_file() else (
        "only its pointers are here; doors sync fetches it"
    )  # fmt: skip
    return Verdict("unknown", why, what, _file_without_copy(None))


def _file_without_copy(published: Metadata | None) -> Path | None:
    return next(iter(paths_without_copy(published)), None)


def _compare(
    record: RunRecord, evaluation: Evaluation, run: Run, published: Metadata, outside: Outside
) -> tuple[State, str]:
    trained_on_val = [
        name
        for name, params in (
            (run.label, record.params),
            (published.version, published.hyperparameters),
        )
        if params.get("data", {}).get("trains_on") == "all"
    ]
    if trained_on_val:
        which = " and ".join(trained_on_val)
        verb = "were" if len(trained_on_val) > 1 else "was"
        return "unknown", f"{which} {verb} trained on val too, so val cannot compare them"
    new, old, how = _comparable(record, evaluation, run, published, outside)
    if new is None or old is None:
        return "unknown", "val has no door to measure it on"
    if new == old:
        return "equal", f"{run.label} has the same val {FIGURE}, {new:.3f}{how}"
    first, second = _side_by_side(new, old)
    figures = f"val {FIGURE} {first} of {run.label} against {second} of {published.version}{how}"
    return ("better" if new > old else "worse"), figures


def _comparable(
    record: RunRecord, evaluation: Evaluation, run: Run, published: Metadata, outside: Outside
) -> tuple[float | None, float | None, str]:
    """Return the figures of both models on the same photographs and labels.

    These are the recorded figures if their val is the same. Otherwise a model that was not
    measured on the present val is measured on it.

    Returns:
        The run's figure, the published model's, and a note on what was measured.
    """
    new, old = _figure_of(evaluation), _figure_of(published.evaluation)
    if record.dataset.sha256 == published.dataset_sha256:
        return new, old, ""
    layout = layout_today(Path(record.dataset.path))
    if layout is None:
        raise RunError(
            f"it was measured on other data, and {record.dataset.path} is not here",
            hint="doors data pull",
        )
    today = _val_files(layout)
    ours = _recorded_val_files(run, record.dataset.sha256, layout)
    its_run = run_of(published.run_id, published.experiment_name)
    theirs = _recorded_val_files(its_run, published.dataset_sha256, layout)
    if ours is not None and ours == theirs:
        return new, old, ""
    measure = partial(_measure, layout=layout, outside=outside)
    if theirs != today:
        old = measure(PUBLISHED / "best.pt", published.evaluation)
    if ours != today:
        refuse_other_weights(record, run)
        new = measure(run.best_weights, evaluation)
    return new, old, ", on val as it is today"


def layout_today(dataset: Path) -> Layout | None:
    """Read a data set's layout as it is today; None if it is not here, or has no val."""
    try:
        layout = read_layout(dataset)[0]
    except DatasetError:
        return None
    return layout if layout and "val" in layout.splits else None


def _figure_of(evaluation: Evaluation) -> float | None:
    scores = evaluation.splits.get("val")
    value = scores.ultralytics.get(FIGURE) if scores else None
    return value if value is not None and math.isfinite(value) else None


def _measure(
    weights: Path, evaluation: Evaluation, *, layout: Layout, outside: Outside
) -> float | None:
    """Evaluate weights, whose hash was checked before, on the present val."""
    outside.progress.say(f"val has changed since: measuring {weights} on it")
    with TemporaryDirectory() as scratch:
        view = Path(scratch) / "data"
        link_view(layout, view)
        metrics, _ = outside.open_model(weights, evaluation.image_size_px).validate(
            data_yaml=view / "data.yaml",
            split="val",
            plots_dir=Path(scratch) / "val",
        )
    value = metrics.get(FIGURE)
    return value if value is not None and math.isfinite(value) else None


def _recorded_val_files(run: Run, dataset_sha256: str, layout: Layout) -> dict[str, str] | None:
    """Read val's files when a run was trained; None if lost, or if val was another folder."""
    files = recorded_files(run, dataset_sha256)
    return None if files is None else files_of_split(files, layout, "val")


def _val_files(layout: Layout) -> dict[str, str]:
    images = layout.splits["val"].images
    labels = [path for path in map(label_of, images) if path.is_file()]
    return {
        path.relative_to(layout.root).as_posix(): file_sha256(path) for path in (*images, *labels)
    }


def _side_by_side(first: float, second: float) -> tuple[str, str]:
    """Format two unequal figures with as many digits as needed to tell them apart.

    >>> _side_by_side(0.156, 0.216), _side_by_side(0.21604, 0.21601)
    (('0.156', '0.216'), ('0.21604', '0.21601'))
    """
    for digits in range(3, _MOST_DIGITS + 1):
        texts = f"{first:.{digits}f}", f"{second:.{digits}f}"
        if texts[0] != texts[1]:
            return texts
    return repr(first), repr(second)
