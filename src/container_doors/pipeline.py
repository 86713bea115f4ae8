"""The story in order: check the data, train, evaluate, publish, version, report.

Each public function is one command of the command line. It takes what the step needs, calls
the parts and returns a value; it neither prints nor parses. Read this file to learn what the
project does, and the packages that it calls to learn how.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from container_doors.config import Data, Params, warnings
from container_doors.dataset.checks import Report, check
from container_doors.dataset.facts import dataset_facts
from container_doors.dataset.labels import read_boxes
from container_doors.dataset.layout import Layout, label_of
from container_doors.dataset.sample import draw_sample
from container_doors.dataset.view import link_view
from container_doors.errors import DatasetError, RunError
from container_doors.evaluation import pictures
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.latency import latency
from container_doors.evaluation.matching import BoxXyxy, match, operating_point
from container_doors.ports import (
    ArtifactStore,
    Detections,
    Detector,
    Progress,
    Repository,
    Tracker,
    World,
)
from container_doors.records import (
    DatasetFacts,
    Evaluation,
    Metadata,
    RunRecord,
    SplitScores,
)
from container_doors.reporting.summary import write_summary
from container_doors.run import PUBLISHED, REPORTS, Run
from container_doors.training.claim import claim, earlier_record, refuse_finished, set_aside
from container_doors.training.history import best_epoch, read_history
from container_doors.training.logbook import LOG, logbook
from container_doors.training.recorder import Recorder
from container_doors.versioning.git_reports import write_reports
from container_doors.versioning.hashing import artifact, params_sha256
from container_doors.versioning.lineage import find_run
from container_doors.versioning.metadata import build_metadata
from container_doors.versioning.names import TAGS
from container_doors.versioning.numbering import version_for
from container_doors.versioning.publication import publish, read_published

EVALUATED_SPLITS = ("val", "test")
MOST_PICTURES = 100
"""Prediction pictures that a run keeps: the first of the test split, in order."""


def draw_samples(
    out: Path,
    *,
    counts: Mapping[str, int],
    seed: int,
    progress: Progress,
    image_size_px: tuple[int, int] = (640, 480),
    is_plain: bool = False,
) -> None:
    """Draw a data set of rendered doors, for whoever has no photographs yet."""
    draw_sample(
        out,
        counts=counts,
        seed=seed,
        image_size_px=image_size_px,
        is_plain=is_plain,
        on_progress=lambda *at: progress.step("drawing", *at),
    )


def validate(dataset: Path, minimums: Data, *, progress: Progress) -> Report:
    """Look for everything in the data set that would spoil a training run."""
    return check(
        dataset,
        min_train_images=minimums.min_train_images,
        min_val_images=minimums.min_val_images,
        on_progress=lambda *at: progress.step("checking", *at),
    )


def train(params: Params, run: Run, *, world: World, replace: bool = False) -> Metadata:
    """Train, evaluate what came out, and publish it; whatever fails, the last model stays.

    A run whose training had ended is taken up where it stopped; one that was cut off earlier is
    set aside and begun anew.

    Raises:
        DoorsError: If params, data, weights or the device cannot be used, or if the run is
            finished already and ``replace`` is false.
    """
    with claim(run):
        earlier = None if replace else earlier_record(run)
        refuse_finished(run, earlier)
        report = _fit_data(params, world=world)
        if earlier is not None and _is_same_run(earlier, params, report):
            world.progress.say(f"{run.name} was trained already: evaluating and publishing it")
            record = earlier
        else:
            record = _train_weights(params, run, report, world=world)
        with logbook(run.train_log), _tracked_to_the_end(world.tracker):
            evaluation = _evaluate(record, run, world=world)
            metadata = _publish(record, evaluation, run, repository=world.repository)
            _update(run, record, status="finished")
            LOG.info("published %s as %s", PUBLISHED, metadata.version)
    return metadata


def regenerate_metadata(
    weights_dir: Path, *, repository: Repository, runs_root: Path, major: bool
) -> Metadata:
    """Write ``metadata.json`` anew for a published model, from the run that made it."""
    record = find_run(weights_dir, runs_root)
    run = Run(record.experiment, root=runs_root)
    published = read_published(weights_dir)
    is_ours = published is not None and published.run_id == record.run_id
    # What was published stays true of it, even if the run has been set aside since.
    evaluation = published.evaluation if published and is_ours else Evaluation.read(run.evaluation)
    version = version_for(record, weights_dir, tags=repository.tags(TAGS), major=major)
    metadata = build_metadata(record, evaluation, version)
    metadata.write(weights_dir / "metadata.json")
    if weights_dir.resolve() == PUBLISHED.resolve() and _is_of(record, run):
        write_reports(run, metadata, evaluation, REPORTS)
    return metadata


def version(
    experiment: str, *, store: ArtifactStore, progress: Progress
) -> tuple[Metadata, list[Path]]:
    """Track and push the published model; returns what it is, and the pointers for git.

    Raises:
        RunError: If what is published is not of this experiment.
        VersioningError: If there is no repository or no remote, or the push fails.
    """
    metadata = read_published()
    if metadata is None:
        raise RunError(
            f"no metadata.json in {PUBLISHED}: nothing has been published",
            hint=f"doors train --experiment {experiment}, or doors metadata after a dvc pull",
        )
    if metadata.experiment_name != experiment:
        raise RunError(
            f"{PUBLISHED} holds {metadata.experiment_name!r}, and {experiment!r} was asked for",
            hint=f"doors version --experiment {metadata.experiment_name}",
        )
    remote = store.check_ready()
    progress.say(f"{metadata.version}: adding to DVC and pushing to {remote}")
    pointers = store.add([PUBLISHED / name for name in ("best.pt", "last.pt", "metadata.json")])
    store.annotate(pointers, metadata.version)
    store.push(pointers)
    return metadata, pointers


def summarise(run: Run, output: Path) -> Path:
    """Write the report of a run as Markdown, its pictures in a folder beside it.

    Raises:
        RunError: If the run has not been trained and evaluated.
    """
    record = RunRecord.read(run.record)
    published = read_published()
    write_summary(
        run,
        output,
        record=record,
        evaluation=Evaluation.read(run.evaluation),
        history=read_history(run.metrics_jsonl),
        metadata=published if published and published.run_id == record.run_id else None,
    )
    return output


def _fit_data(params: Params, *, world: World) -> Report:
    """Check params and data before a GPU is spent on them."""
    for warned in warnings(params):
        world.progress.say(f"warning: {warned}")
    report = validate(Path(params.data.path), params.data, progress=world.progress)
    if report.errors:
        raise DatasetError(
            f"{params.data.path} has {len(report.errors)} error(s), the first: {report.errors[0]}",
            hint=f"see them all: doors data validate --path {params.data.path}",
        )
    return report


def _is_same_run(earlier: RunRecord, params: Params, report: Report) -> bool:
    """Tell whether an earlier run was trained to the end, with these params, on this data."""
    return (
        earlier.status == "trained"
        and earlier.params_sha256 == params_sha256(params.model_dump(mode="json"))
        and earlier.dataset.sha256 == _facts(report).sha256
    )


def _facts(report: Report) -> DatasetFacts:
    return dataset_facts(_layout(report), report)


def _layout(report: Report) -> Layout:
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    return report.layout


def _train_weights(params: Params, run: Run, report: Report, *, world: World) -> RunRecord:
    hardware = world.trainer.describe_hardware(params)
    weights = world.trainer.starting_weights(params)
    aside = set_aside(run)
    if aside is not None:
        world.progress.say(f"an earlier attempt is kept in {aside}")
    document = params.model_dump(mode="json")
    record = RunRecord(
        run_id=uuid.uuid4().hex,
        experiment=run.name,
        status="running",
        started_at=datetime.now(UTC),
        params=document,
        params_sha256=params_sha256(document),
        code=world.repository.code_state(),
        dataset=_facts(report),
        starting_weights=weights,
        hardware=hardware,
        environment=world.environment,
        seed=params.training.seed,
    )
    record.write(run.record)
    world.progress.say(
        f"training {run.name}: {params.model.architecture} from {weights.source} weights, "
        f"{params.training.epochs} epochs at {params.training.image_size_px} px "
        f"on {hardware.description} ({hardware.device})"
    )
    with logbook(run.train_log), _outcome_recorded(run, record, world=world):
        recorder = Recorder(
            run, epochs=params.training.epochs, tracker=world.tracker, progress=world.progress
        )
        data_yaml = link_view(_layout(report), run.data_view)
        began = monotonic()
        world.tracker.start(record)
        world.trainer.train(params, run, data_yaml=data_yaml, weights=weights, listener=recorder)
        history = read_history(run.metrics_jsonl)
        return _update(
            run,
            record,
            status="trained",
            duration_s=monotonic() - began,
            epochs_finished=len(history),
            best_epoch=best_epoch(history).number,
            artifacts={path.name: artifact(path) for path in (run.best_weights, run.last_weights)},
        )


@contextmanager
def _outcome_recorded(run: Run, record: RunRecord, *, world: World) -> Iterator[None]:
    """Say in ``run.json`` how a run ended badly, and let the error go on."""
    try:
        yield
    except KeyboardInterrupt:
        world.tracker.finish(exit_code=130)
        _update(run, record, status="interrupted", message="stopped by hand")
        raise
    except Exception as error:
        LOG.exception("training failed")
        world.tracker.finish(exit_code=1)
        _update(run, record, status="failed", message=f"{type(error).__name__}: {error}")
        raise


@contextmanager
def _tracked_to_the_end(tracker: Tracker) -> Iterator[None]:
    try:
        yield
    except BaseException:
        tracker.finish(exit_code=1)
        raise
    tracker.finish(exit_code=0)


def _update(run: Run, record: RunRecord, **changes: object) -> RunRecord:
    ended_at = record.finished_at or datetime.now(UTC)
    changed = record.model_copy(update={"finished_at": ended_at, **changes})
    changed.write(run.record)
    return changed


def _evaluate(record: RunRecord, run: Run, *, world: World) -> Evaluation:
    """Score ``best.pt`` on val and test, each by itself, and draw what it finds on test."""
    params = Params.model_validate(record.params)
    detector = world.load_detector(
        run.best_weights,
        image_size_px=params.training.image_size_px,
        hardware=record.hardware,
    )
    evaluation = Evaluation(
        run_id=record.run_id,
        weights_sha256=artifact(run.best_weights).sha256,
        image_size_px=params.training.image_size_px,
        splits={
            split: _score(detector, params, run, split, progress=world.progress)
            for split in EVALUATED_SPLITS
        },
    )
    evaluation.write(run.evaluation)
    world.tracker.log_summary(
        {
            f"{split}/{name}": value
            for split, scores in evaluation.splits.items()
            for name, value in scores.ultralytics.items()
        }
    )
    return evaluation


def _score(
    detector: Detector, params: Params, run: Run, split: str, *, progress: Progress
) -> SplitScores:
    progress.say(f"evaluating best.pt on {split}")
    metrics, all_detections = detector.validate(
        data_yaml=run.data_view / "data.yaml",
        split=split,
        conf_threshold=params.validation.conf_threshold,
        plots_dir=run.evaluation_dir(split),
    )
    used = detector.detect(
        [found.image for found in all_detections],
        conf_threshold=params.validation.conf_threshold,
        iou_threshold=params.validation.iou_threshold,
    )
    doors = [_doors_in(found) for found in all_detections]
    matches = [
        match(found.boxes_xyxy, found.confidences, boxes)
        for found, boxes in zip(used, doors, strict=True)
    ]
    if split == "test":
        for found, boxes, matched in list(zip(used, doors, matches, strict=True))[:MOST_PICTURES]:
            pictures.save(pictures.draw(found, boxes, matched), run.predictions, found.image.name)
    return SplitScores(
        images=len(doors),
        doors=sum(map(len, doors)),
        background_images=sum(not boxes for boxes in doors),
        ultralytics=metrics,
        coco=coco_ap(
            doors,
            [found.boxes_xyxy for found in all_detections],
            [found.confidences for found in all_detections],
        ),
        operating_point=operating_point(
            matches,
            conf_threshold=params.validation.conf_threshold,
            iou_threshold=params.validation.iou_threshold,
        ),
        latency=latency(
            [found.duration_ms for found in used if found.duration_ms is not None],
            method=detector.timing_method,
        ),
    )


def _doors_in(photograph: Detections) -> list[BoxXyxy]:
    """Read the labelled boxes of a photograph, in its pixels."""
    width, height = photograph.width_px, photograph.height_px
    return [
        (left * width, top * height, right * width, bottom * height)
        for left, top, right, bottom in (
            box.edges for box in read_boxes(label_of(photograph.image))
        )
    ]


def _publish(
    record: RunRecord, evaluation: Evaluation, run: Run, *, repository: Repository
) -> Metadata:
    allocated = version_for(record, PUBLISHED, tags=repository.tags(TAGS), major=False)
    metadata = build_metadata(record, evaluation, allocated)
    publish(run, metadata)
    write_reports(run, metadata, evaluation, REPORTS)
    return metadata


def _is_of(record: RunRecord, run: Run) -> bool:
    return run.record.exists() and RunRecord.read(run.record).run_id == record.run_id
