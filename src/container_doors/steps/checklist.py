"""Run the checklist for a synced model (specification, section 7.3)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.config import Validation
from container_doors.core.errors import MissingToolError, TrackingError, WeightsError
from container_doors.core.ports import Detector, LoadDetector, TrackingServer
from container_doors.core.records import Check, Hardware, Metadata, Mismatch
from container_doors.core.run import PUBLISHED, REPORTS
from container_doors.data.layout import read_layout
from container_doors.publishing.arrival import reported_version
from container_doors.publishing.checklist import (
    history_check,
    metrics_check,
    size_check,
    tracking_check,
)
from container_doors.publishing.git_reports import CURVES
from container_doors.publishing.lineage import is_record_of, run_of
from container_doors.publishing.metadata import record_of
from container_doors.scenes import draw_sample
from container_doors.steps.verify import is_published_model
from container_doors.training.history import read_epochs

USUAL_SIZE_PX = 640
"""The specification's image size, used when the size of the training is not known."""

_UNUSABLE = (
    "to fetch it again would bring the same file: doors runs lists what doors publish can put in "
    "its place; or publish and version another model where it was trained"
)


def check_weights_only(
    weights: Path, dataset: Path, *, load_detector: LoadDetector, hardware: Hardware
) -> list[Check]:
    """Run those checks of the checklist that need no metadata."""
    load = partial(load_detector, image_size_px=USUAL_SIZE_PX, hardware=hardware)
    size_mb = weights.stat().st_size / 1e6
    return [
        Check("arrived", f"best.pt, {size_mb:.1f} MB, matches its pointer"),
        *_try_weights(weights, dataset, load, Validation(), hardware),
        Check("metrics", "", not_checked="metadata.json.dvc was not among the outputs"),
    ]


def check_synced(
    metadata: Metadata,
    dataset: Path,
    *,
    load_detector: LoadDetector,
    hardware: Hardware,
    server: TrackingServer | str,
) -> list[Check]:
    """Run the specification's checklist (7.3).

    Args:
        metadata: The published model's metadata.
        dataset: A data set with a test photograph; one is drawn if there is none.
        load_detector: Loads the weights.
        hardware: The device that they are loaded on.
        server: The tracking server, or why it cannot be used.
    """
    weights = PUBLISHED / "best.pt"
    return [
        size_check(metadata, weights),
        *_try_model(metadata, weights, dataset, load_detector=load_detector, hardware=hardware),
        metrics_check(metadata),
        history_check(metadata, _epoch_tables(metadata)),
        _tracking(metadata, server),
    ]


def _try_model(
    metadata: Metadata,
    weights: Path,
    dataset: Path,
    *,
    load_detector: LoadDetector,
    hardware: Hardware,
) -> Iterator[Check]:
    """Load the model and run it on one photograph, as a user would."""
    if not is_published_model(metadata):
        other = Mismatch(
            str(weights), "the published file", "another file, not opened", "doors sync again"
        )
        yield Check("loads", "", (other,))
        yield Check("inference", "", not_checked="it is another model")
        return
    used = Validation()
    scores = metadata.evaluation.splits.get("test")
    if scores is not None:
        point = scores.operating_point
        used = Validation(conf_threshold=point.conf_threshold, iou_threshold=point.iou_threshold)
    size = metadata.evaluation.image_size_px
    load = partial(load_detector, image_size_px=size, hardware=hardware)
    yield from _try_weights(weights, dataset, load, used, hardware)


def _try_weights(
    weights: Path,
    dataset: Path,
    load: Callable[[Path], Detector],
    point: Validation,
    hardware: Hardware,
) -> Iterator[Check]:
    try:
        detector = load(weights)
    except WeightsError as error:
        why = error.problem.replace(f"{weights} ", "one that ", 1)
        mismatch = Mismatch(str(weights), "a working detector of doors", why, _UNUSABLE)
        yield Check("loads", "", (mismatch,))
        yield Check("inference", "", not_checked="the model does not load")
        return
    except MissingToolError as error:
        reason = f"{error.problem}: {error.hint}"
        yield Check("loads", "", not_checked=reason)
        yield Check("inference", "", not_checked=reason)
        return
    yield Check("loads", f"with Ultralytics, on {hardware.description}")
    with _sample_photograph(dataset) as (image, what):
        (found,) = detector.detect(
            [image], conf_threshold=point.conf_threshold, iou_threshold=point.iou_threshold
        )
    yield Check("inference", f"{len(found.boxes_xyxy)} door(s) found in {what}")


@contextmanager
def _sample_photograph(dataset: Path) -> Iterator[tuple[Path, str]]:
    """Yield the first photograph of the test split, or a drawn one."""
    layout = read_layout(dataset)[0] if dataset.is_dir() else None
    if layout is not None and "test" in layout.splits and layout.splits["test"].images:
        image = layout.splits["test"].images[0]
        yield image, str(image)
        return
    with TemporaryDirectory() as scratch:
        drawn = Path(scratch) / "drawn"
        draw_sample(drawn, counts={"train": 0, "val": 0, "test": 1}, seed=0, is_plain=True)
        (image,) = (drawn / "images" / "test").iterdir()
        yield image, "a drawn picture"


def _epoch_tables(metadata: Metadata) -> list[tuple[Path, int]]:
    """Return the tables of this run that have one line per epoch, with their numbers of epochs."""
    run = run_of(metadata.run_id, metadata.experiment_name)
    tables = []
    if is_record_of(run, metadata.run_id):
        tables.append((run.metrics_jsonl, len(read_epochs(run.metrics_jsonl))))
    table = PUBLISHED / "results.csv"
    if "results.csv" in metadata.files and table.is_file():
        tables.append((table, _rows_of(table)))
    curves = REPORTS / CURVES
    if curves.is_file() and reported_version(REPORTS) == metadata.version:
        tables.append((curves, _rows_of(curves)))
    return tables


def _rows_of(table: Path) -> int:
    return len(table.read_bytes().splitlines()) - 1


def _tracking(metadata: Metadata, server: TrackingServer | str) -> Check:
    if isinstance(server, str):
        return Check("tracking", "", not_checked=server)
    try:
        return tracking_check(metadata, server.ask(record_of(metadata)))
    except TrackingError as error:
        return Check("tracking", "", not_checked=f"{error.problem}; {error.hint}")
