"""Measures what a model finds on a split: its scores, their intervals, an operating target."""

from datetime import UTC, datetime

from container_doors.core.config import Params
from container_doors.core.errors import MissingToolError, RunError
from container_doors.core.measurements import Assessment, Detected, TargetCheck
from container_doors.core.ports import Detector, Progress, Repository, World
from container_doors.core.records import Evaluation, Predictions, RunRecord, SplitScores
from container_doors.core.run import TEST_USES, Run
from container_doors.data.attributes import Attributes
from container_doors.data.layout import Layout
from container_doors.evaluation import pictures
from container_doors.evaluation.alarms import false_alarms
from container_doors.evaluation.appearance import photograph_attributes
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.latency import latency, median
from container_doors.evaluation.matched import match_photographs, precision_over_recall
from container_doors.evaluation.matching import match, operating_point
from container_doors.evaluation.mistakes import mistakes
from container_doors.evaluation.predictions import prediction
from container_doors.evaluation.resampling import precision_recall
from container_doors.evaluation.scores import all_scores, coco_ranking
from container_doors.evaluation.slices import slices
from container_doors.evaluation.targets import OperatingTarget, choose_threshold, recall_target
from container_doors.evaluation.test_uses import BY_TRAINING, record_use, restore_uses, split_sha256
from container_doors.publishing.hashing import artifact
from container_doors.publishing.ways_back import refuse_other_weights
from container_doors.steps.detections import (
    EVALUATED_SPLITS,
    OpenDetector,
    cached_detections,
    changed_since_training,
    count_test_use,
    detect,
    doors_in,
    evaluated,
    keep,
    known_attributes,
    scenes_of,
    trained,
)
from container_doors.training.logbook import LOG

MOST_PICTURES = 100
"""Prediction pictures that a run keeps: the first of the test split, in order."""


def evaluate_run(record: RunRecord, run: Run, *, world: World) -> Evaluation:
    """Score ``best.pt`` on val and test, each by itself, and draw what it finds on test."""
    refuse_other_weights(record, run)
    params = record.known_params
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
            split: score_split(
                detector, params, run, split, run_id=record.run_id, progress=world.progress
            )
            for split in EVALUATED_SPLITS
        },
    )
    for line in restore_test_uses(world.repository):
        LOG.warning("%s", line)
        world.progress.say(f"warning: {line}")
    _record_training_use(run, evaluation.weights_sha256)
    evaluation.write(run.scores)
    return evaluation


def restore_test_uses(repository: Repository) -> list[str]:
    """Put back what the record of looks at test has lost since the last commit; say what it was."""
    try:
        committed = repository.show("HEAD", TEST_USES)
    except MissingToolError:  # without git nothing is ever committed
        committed = None
    return restore_uses(TEST_USES, committed)


def _record_training_use(run: Run, weights_sha256: str) -> None:
    """Count that these weights were seen on test: whoever chooses among runs may choose by it."""
    seen = Predictions.read(run.predictions_json("test")).pictures
    look = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": BY_TRAINING,
        "experiment": run.name,
        "split_sha256": split_sha256((one.image, one.labelled_xyxy) for one in seen),
        "weights_sha256": weights_sha256,
    }
    record_use(TEST_USES, look)


def score_split(
    detector: Detector, params: Params, run: Run, split: str, *, run_id: str, progress: Progress
) -> SplitScores:
    """Evaluate on one split of the run's view, and keep what was found there."""
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
    doors = [doors_in(found) for found in all_detections]
    matches = [
        match(found.boxes_xyxy, found.confidences, boxes)
        for found, boxes in zip(used, doors, strict=True)
    ]
    Predictions(
        run_id=run_id,
        split=split,
        pictures=[
            prediction(found, boxes, matched, relative_to=run.data_view)
            for found, boxes, matched in zip(used, doors, matches, strict=True)
        ],
    ).write(run.predictions_json(split))
    if split == "test":
        for found, boxes, matched in list(zip(used, doors, matches, strict=True))[:MOST_PICTURES]:
            name = found.image.absolute().relative_to(run.data_view.absolute() / "images" / split)
            pictures.save(pictures.draw(found, boxes, matched), run.predictions / name)
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


def evaluate_split(
    run: Run,
    split: str,
    *,
    promise: OperatingTarget | None = None,
    open_detector: OpenDetector,
    progress: Progress,
) -> Assessment:
    """Measure what a run's best weights do on a split, with intervals, and write it down.

    What was detected is kept, and measured again only for other weights, photographs or labels.

    Args:
        run: A run that was trained.
        split: ``val`` or ``test``; each look at the latter is counted.
        promise: To choose the threshold for, on val.
        open_detector: Opens the weights.
        progress: Told what takes long.

    Raises:
        RunError: If there is no such run, or nothing on the split to measure, or if no threshold
            keeps the promise.
        DatasetError: If attributes.csv names what is not there.
    """
    if promise is not None and split == "val":
        raise RunError(
            f"{promise.text} is chosen on val, and val cannot check it",
            hint="choose another --split, such as test",
        )
    record, layout = trained(run)
    attributes = known_attributes(layout, progress)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    threshold = record.known_params.validation.conf_threshold
    check = None
    if promise is not None:
        val = detect(run, "val", open_detector=open_detector, progress=progress)
        check = _checked(promise, val, detected, attributes)
        threshold = check.conf_threshold
    target = recall_target(promise)
    assessment = assessed(
        run, detected, layout, attributes, conf_threshold=threshold, target=target
    )
    looks = count_test_use(run, detected, promise, progress=progress) if split == "test" else None
    assessment = assessment.model_copy(update={"promise": check, "looks": looks})
    keep(run, record, assessment, progress=progress)
    return assessment


def both_splits(
    run: Run,
    record: RunRecord,
    layout: Layout,
    *,
    open_detector: OpenDetector,
    progress: Progress,
) -> dict[str, Assessment]:
    """Measure val and test, or read what was measured of the same weights and data."""
    attributes = known_attributes(layout, progress)
    return {
        split: _present(run, split, record, layout, attributes)
        or evaluate_split(run, split, open_detector=open_detector, progress=progress)
        for split in ("val", "test")
    }


def assessed(
    run: Run,
    detected: Detected,
    layout: Layout,
    attributes: Attributes,
    *,
    conf_threshold: float,
    target: float,
) -> Assessment:
    """Derive everything that is said of a split from what was detected there."""
    photographs, scenes = detected.photographs, scenes_of(detected, attributes)
    seen = match_photographs(photographs, scenes, conf_threshold=conf_threshold)
    scores, undefined = all_scores(seen)
    alarms = false_alarms(photographs, scenes, conf_threshold=conf_threshold)
    if not alarms:
        undefined["false alarms"] = "no photograph is without a door"
    looks = {
        one.image: photograph_attributes(run.data_view / one.image)
        | dict(attributes.values.get(one.image, {}))
        for one in photographs
    }
    durations = [one.duration_ms for one in photographs if one.duration_ms is not None]
    return Assessment(
        files_sha256=detected.files_sha256,
        attributes_sha256=attributes.sha256,
        changed=changed_since_training(run, detected.split, layout),
        split=detected.split,
        image_size_px=detected.image_size_px,
        photographs=len(photographs),
        doors=sum(len(one.doors_xyxy) for one in photographs),
        background_images=sum(not one.doors_xyxy for one in photographs),
        scenes=len(set(scenes)) if attributes.scenes else None,
        conf_threshold=conf_threshold,
        recall_target=target,
        scores=scores,
        undefined=undefined,
        slices=slices(seen, looks, target=target),
        false_alarms=alarms,
        mistakes=mistakes(seen, conf_threshold=conf_threshold),
        error_kinds=error_kinds(seen),
        precision_recall=precision_recall(coco_ranking(photographs)),
        in_use=precision_over_recall(photographs),
        device=detected.device,
        latency=latency(durations, method=detected.timing_method),
        latency_ms=median(durations),
    )


def _checked(
    promise: OperatingTarget, val: Detected, detected: Detected, attributes: Attributes
) -> TargetCheck:
    """Choose the threshold on val, and measure it on the split that was asked for."""
    threshold, chosen = choose_threshold(promise, val.photographs, scenes_of(val, attributes))
    scenes = scenes_of(detected, attributes)
    there = promise.estimate(detected.photographs, scenes, conf_threshold=threshold)
    if there is None:
        raise RunError(
            f"{promise.text} is undefined on {detected.split}",
            hint="it takes photographs with a door for a recall, and without one for false alarms",
        )
    return TargetCheck(
        promise=promise.text,
        conf_threshold=threshold,
        chosen_on=chosen,
        checked_on=there,
        verdict=promise.verdict(there),
        price=promise.price(detected.photographs, scenes, conf_threshold=threshold),
    )


def _present(
    run: Run, split: str, record: RunRecord, layout: Layout, attributes: Attributes
) -> Assessment | None:
    """Read an assessment of these very weights, photographs and labels."""
    detected = cached_detections(run, split, record, layout)
    there = evaluated(run, record).splits.get(split)
    if detected is None or there is None:
        return None
    of = (detected.files_sha256, attributes.sha256)
    return there if (there.files_sha256, there.attributes_sha256) == of else None
