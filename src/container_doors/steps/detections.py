"""What a model finds on a split, detected once and kept; the document of all that is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.config import Params
from container_doors.core.errors import DatasetError, RunError
from container_doors.core.files import copy_of, is_read_only, unless_read_only
from container_doors.core.measurements import (
    Assessment,
    Detected,
    Evaluated,
    Photograph,
    Robustness,
    Timings,
    UseCounts,
)
from container_doors.core.ports import Detections, Detector, Progress
from container_doors.core.records import (
    DatasetFiles,
    Document,
    Evaluation,
    Metadata,
    Predictions,
    RunRecord,
)
from container_doors.core.run import TEST_USES, Run
from container_doors.data.attributes import Attributes, read_attributes
from container_doors.data.folds import layout_for
from container_doors.data.labels import read_boxes
from container_doors.data.layout import FOLDS_CSV, Layout, label_of, read_layout
from container_doors.data.view import ensure_view, link_view
from container_doors.evaluation.appearance import photograph_attributes
from container_doors.evaluation.matched import scene_numbers
from container_doors.evaluation.matching import BoxXyxy
from container_doors.evaluation.targets import OperatingTarget
from container_doors.evaluation.uses import BY_TRAINING, record_use, split_sha256
from container_doors.publishing.hashing import artifact, file_sha256, text_sha256
from container_doors.publishing.ways_back import refuse_other_weights
from container_doors.reporting.which_run import read_record

EVALUATED_SPLITS = ("val", "test")


def evaluated_splits(params: Params) -> tuple[str, ...]:
    """Return the splits that a model is measured on: none that it was trained on."""
    return ("test",) if params.data.trains_on == "all" else EVALUATED_SPLITS


def doors_in(photograph: Detections) -> list[BoxXyxy]:
    """Read the labelled boxes of a photograph, in its pixels."""
    width, height = photograph.width_px, photograph.height_px
    return [
        (left * width, top * height, right * width, bottom * height)
        for left, top, right, bottom in (
            box.edges for box in read_boxes(label_of(photograph.image))
        )
    ]


OpenDetector = Callable[[Path, Params], Detector]
"""Opens a weight file for params, where something must be measured."""

Part = Assessment | Robustness | Timings
"""Of what is measured of a run, what one command measures on one split."""

MOST_TIMED = 50
"""Photographs that latency is measured on."""

LOWEST_CONFIDENCE = 0.001
"""What average precision is measured down to; Ultralytics' own."""


def trained(run: Run) -> tuple[RunRecord, Layout]:
    """Read what a run was trained with, and find its data.

    Raises:
        RunError: If there is no such run, or it has no weights, or others than it trained.
        DatasetError: If its data set is not there.
    """
    record = read_record(run)
    if not run.best_weights.is_file():
        raise RunError(
            f"no weights at {run.best_weights}",
            hint=f"train it here: doors train --experiment {run.name}",
        )
    refuse_other_weights(record, run)
    layout, findings = read_layout(Path(record.dataset.path))
    if layout is None:
        raise DatasetError(
            f"{record.dataset.path}: {findings[0]}",
            hint=f"see them all: doors data validate --path {record.dataset.path}",
        )
    return record, layout_for(record.known_params.data, layout)


def damaged_documents(run: Run) -> list[RunError]:
    """Read every document that a run has, and collect what is wrong with those that are damaged."""
    kinds: dict[Path, type[Document]] = {
        run.record: RunRecord,
        run.dataset: DatasetFiles,
        run.scores: Evaluation,
        run.metadata: Metadata,
        run.evaluation: Evaluated,
        **{run.predictions_json(split): Predictions for split in EVALUATED_SPLITS},
        **{run.detections_json(split): Detected for split in EVALUATED_SPLITS},
    }
    found = []
    for path, kind in kinds.items():
        if path.exists() or copy_of(path).exists():
            try:
                kind.read(path)
            except RunError as error:
                found.append(error)
    return found


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: weights, with the params and the data of their run."""

    weights: Path
    view: Path
    """The trainer's view of the data (:mod:`data.view`)."""
    run_id: str
    params: Params
    layout: Layout


def detect(run: Run, split: str, *, open_detector: OpenDetector, progress: Progress) -> Detected:
    """Read what the model finds on a split; detect it where it is not known.

    It is detected again only for other weights, photographs or labels.
    """
    record, layout = trained(run)
    params = record.known_params
    cached = cached_detections(run, split, record, layout)
    if cached is not None:
        return cached
    view = _make_view(layout, run)
    images = images_of(view, split)
    progress.say(f"detecting on {len(images)} photographs of {split}, at any confidence")
    detector = open_detector(run.best_weights, params)
    subject = Subject(run.best_weights, view, record.run_id, params, layout)
    with TemporaryDirectory() as scratch:
        detected = detect_with(
            detector, subject, split, plots_dir=Path(scratch) / split, progress=progress
        )
    with unless_read_only("what was detected is not kept", progress.say):
        detected.write(run.detections_json(split))
    return detected


def detect_with(
    detector: Detector, subject: Subject, split: str, *, plots_dir: Path, progress: Progress
) -> Detected:
    """Run a model over a split: everything that is measured on it is derived from what this finds.

    Each photograph is prepared in two ways, because Ultralytics does so: its validation pads a
    batch to one shape and suppresses overlapping boxes less; used one by one, as a model is in
    use, a photograph is padded to its own shape. Latency is measured by a short pass of its own,
    at the threshold that is used: boxes below it take time that a model in use does not spend.

    Args:
        detector: The opened model.
        subject: The model, and its data.
        split: ``val`` or ``test``.
        plots_dir: Where Ultralytics draws its plots.
        progress: Receives how far it is.

    Raises:
        RunError: If the split has no photograph.
        DatasetError: If Ultralytics leaves a photograph out.
    """
    view, used_at = subject.view, subject.params.validation
    images = images_of(view, split)
    ultralytics, scored = detector.validate(
        data_yaml=view / "data.yaml",
        split=split,
        plots_dir=plots_dir,
    )
    scored = sorted(scored, key=lambda one: one.image)  # Ultralytics' order is by shape
    _refuse_left_out(images, [_name_in(view, one) for one in scored], split, subject.layout)
    paths = [one.image for one in scored]
    used: list[Detections] = []
    for number, found in enumerate(one_by_one(detector, paths, used_at.iou_threshold), start=1):
        used.append(found)
        progress.step("detecting", number, len(paths))
    timed = detector.detect(
        paths[:MOST_TIMED],
        conf_threshold=used_at.conf_threshold,
        iou_threshold=used_at.iou_threshold,
    )
    durations = [*(one.duration_ms for one in timed), *[None] * (len(paths) - len(timed))]
    return Detected(
        run_id=subject.run_id,
        weights_sha256=artifact(subject.weights).sha256,
        files_sha256=_files_sha256(subject.layout, split),
        split=split,
        image_size_px=subject.params.training.image_size_px,
        iou_threshold=used_at.iou_threshold,
        ultralytics=ultralytics,
        device=detector.device,
        timing_method=detector.timing_method,
        photographs=[
            _photograph(view, *both) for both in zip(scored, used, durations, strict=True)
        ],
    )


def _make_view(layout: Layout, run: Run) -> Path:
    """Make the view of the data again; if nothing can be written, use the one that exists."""
    try:
        return link_view(layout, run.data_view).parent
    except OSError as error:
        if not is_read_only(error):
            raise
    return ensure_view(layout, run.data_view)


def one_by_one(detector: Detector, images: Sequence[Path], iou: float) -> Sequence[Detections]:
    """Detect as the model will be used, down to any confidence."""
    return detector.detect(images, conf_threshold=LOWEST_CONFIDENCE, iou_threshold=iou)


def cached_detections(run: Run, split: str, record: RunRecord, layout: Layout) -> Detected | None:
    """Read what was detected before, if nothing has changed that it depends on."""
    if not run.detections_json(split).exists():
        return None
    params = record.known_params
    detected = Detected.read(run.detections_json(split))
    same = (
        detected.weights_sha256 == artifact(run.best_weights).sha256
        and detected.image_size_px == params.training.image_size_px
        and detected.iou_threshold == params.validation.iou_threshold
        and detected.files_sha256 == _files_sha256(layout, split)
        and all(one.scored_is_door is not None for one in detected.photographs)
    )
    return detected if same else None


def images_of(view: Path, split: str) -> list[str]:
    """Name the photographs of a split, relative to the view of the data.

    Raises:
        RunError: If it has none.
    """
    folder = view / "images" / split
    images = sorted(
        path.relative_to(view).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    )
    if not images:
        raise RunError(
            f"no photograph is in {split}: there is nothing to measure",
            hint="name another split, or add photographs and train again",
        )
    return images


_OTHERS = "photographs or labels of {} are not those of the training"


def changed_since_training(run: Run, split: str, layout: Layout) -> list[str]:
    """Name what has changed since the run was trained; it is printed with the scores."""
    changed = []
    if run.dataset.is_file():
        of_split = layout.splits[split]
        images = of_split.images
        labels = [path for path in map(label_of, images) if path.is_file()]
        here = {
            path.relative_to(layout.root).as_posix(): file_sha256(path)
            for path in (*images, *labels)
        }
        before = DatasetFiles.read(run.dataset).files
        if of_split.names is not None:  # its photographs are those that folds.csv says
            folds = file_sha256(layout.data_yaml.parent / FOLDS_CSV)
            is_same = before.get(FOLDS_CSV) == folds and here.items() <= before.items()
            return [] if is_same else [_OTHERS.format(split)]
        folders = tuple(
            f"{folder.relative_to(layout.root).as_posix()}/"
            for folder in (of_split.images_dir, of_split.labels_dir)
        )
        if here != {name: sha256 for name, sha256 in before.items() if name.startswith(folders)}:
            changed.append(_OTHERS.format(split))
    return changed


def known_attributes(layout: Layout, progress: Progress) -> Attributes:
    """Read the attributes of the photographs, and report what a person should check.

    Raises:
        DatasetError: If it cannot be understood: without scenes the intervals would be too narrow.
    """
    attributes, doubts = read_attributes(layout)
    for doubt in doubts:
        progress.say(f"{layout.data_yaml.parent}/{doubt}")
    return attributes


def scenes_of(detected: Detected, attributes: Attributes) -> list[int]:
    """Number the scene of each photograph."""
    return scene_numbers([one.image for one in detected.photographs], attributes.scenes)


def photographs_sha256(detected: Detected) -> str:
    """Hash the photographs and labels, in the same way for every model."""
    return split_sha256((one.image, one.doors_xyxy) for one in detected.photographs)


def count_test_use(
    run: Run, detected: Detected, target: OperatingTarget | None, *, progress: Progress
) -> UseCounts | None:
    """Record a use of the test set, after that of the training, which may have been elsewhere."""
    if detected.split != "test" or is_fold(run):
        return None
    record_training_use(run, detected)
    chosen_for = {"promise": target.text} if target else {}
    return record_use(TEST_USES, _use(run, detected) | chosen_for, say=progress.say)


def is_fold(run: Run) -> bool:
    """Return whether a run is one of a cross-validation, and its test is a fold."""
    return read_record(run).known_params.data.fold is not None


def record_training_use(run: Run, detected: Detected) -> None:
    """Record that the training measured these weights on test: choosing a run may depend on it.

    The test of a fold is no test set.
    """
    if is_fold(run):
        return
    record_use(TEST_USES, _use(run, detected) | {"by": BY_TRAINING})


def _use(run: Run, detected: Detected) -> dict[str, str]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "experiment": run.name,
        "split_sha256": photographs_sha256(detected),
        "weights_sha256": detected.weights_sha256,
    }


def evaluated(run: Run, record: RunRecord) -> Evaluated:
    """Read all measurements of these weights; those of other weights are left out."""
    weights = artifact(run.best_weights).sha256
    if run.evaluation.exists():
        there = Evaluated.read(run.evaluation)
        if (there.run_id, there.weights_sha256) == (record.run_id, weights):
            return there
    return Evaluated(
        experiment=run.name,
        run_id=record.run_id,
        weights_sha256=weights,
        splits={},
        robustness={},
        latency={},
    )


def keep(run: Run, record: RunRecord, part: Part, *, progress: Progress) -> None:
    """Write a part into ``evaluation.json``; it replaces the one of the same split."""
    with unless_read_only(f"{run.evaluation} stays as it is", progress.say):
        _with(part, evaluated(run, record)).write(run.evaluation)


def document_with(run: Run, part: Part) -> Evaluated:
    """Read all measurements of a run, including a part that could not be written."""
    return _with(part, evaluated(run, read_record(run)))


def is_kept(run: Run, part: Part) -> bool:
    """Return whether a part is in ``evaluation.json``."""
    there = evaluated(run, read_record(run))
    return there == _with(part, there)


def _with(part: Part, there: Evaluated) -> Evaluated:
    match part:
        case Assessment():
            changed: Mapping[str, object] = {"splits": there.splits | {part.split: part}}
        case Robustness():
            changed = {"robustness": there.robustness | {part.split: part}}
        case Timings():
            changed = {"latency": there.latency | {part.split: part}}
    return there.model_copy(update=changed)


def _files_sha256(layout: Layout, split: str) -> str:
    """Name the photographs and labels of a split as they are now, byte by byte."""
    files = layout.splits.get(split)
    paths = [path for path in (*files.images, *files.labels) if path.is_file()] if files else []
    named = (f"{path.relative_to(layout.root).as_posix()} {file_sha256(path)}" for path in paths)
    return text_sha256("\n".join(sorted(named)))


def _refuse_left_out(
    images: Sequence[str], scored: Sequence[str], split: str, layout: Layout
) -> None:
    """Refuse scores of a part of the photographs."""
    left_out = sorted(set(images) - set(scored))
    if left_out:
        raise DatasetError(
            f"Ultralytics leaves out {len(left_out)} of {len(images)} photographs of {split}, "
            f"the first {left_out[0]}: it or its label is damaged",
            hint=f"doors data validate --path {layout.data_yaml.parent} says what is wrong",
        )


def _name_in(view: Path, seen: Detections) -> str:
    """Name a photograph relative to the view of the data."""
    return seen.image.absolute().relative_to(view.absolute()).as_posix()


def _photograph(
    view: Path, scored: Detections, used: Detections, duration_ms: float | None
) -> Photograph:
    return Photograph(
        image=_name_in(view, scored),
        width_px=scored.width_px,
        height_px=scored.height_px,
        doors_xyxy=doors_in(scored),
        scored_xyxy=list(scored.boxes_xyxy),
        scored_confidences=list(scored.confidences),
        scored_is_door=None
        if scored.is_door is None
        else ["".join("01"[mark] for mark in row) for row in scored.is_door],
        used_xyxy=list(used.boxes_xyxy),
        used_confidences=list(used.confidences),
        duration_ms=duration_ms,
        appearance=photograph_attributes(scored.image),
    )
