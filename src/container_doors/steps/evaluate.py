"""Measures what a model finds on a split: its scores, their intervals, an operating target."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from container_doors.core.config import Validation
from container_doors.core.errors import MissingToolError, RunError
from container_doors.core.measurements import Assessment, Detected, TargetCheck
from container_doors.core.ports import Detections, Progress, Repository, World
from container_doors.core.records import (
    Evaluation,
    OperatingPoint,
    Predictions,
    RunRecord,
    SplitScores,
)
from container_doors.core.run import TEST_USES, Run
from container_doors.data.attributes import Attributes
from container_doors.data.layout import Layout
from container_doors.data.view import ensure_view
from container_doors.evaluation import pictures
from container_doors.evaluation.alarms import false_alarms
from container_doors.evaluation.appearance import photograph_attributes
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.latency import latency, median
from container_doors.evaluation.matched import match_photographs, precision_over_recall
from container_doors.evaluation.matching import Matches, match, operating_point
from container_doors.evaluation.mistakes import mistakes
from container_doors.evaluation.predictions import prediction
from container_doors.evaluation.resampling import precision_recall
from container_doors.evaluation.scores import all_scores, coco_ranking
from container_doors.evaluation.slices import slices
from container_doors.evaluation.targets import OperatingTarget, choose_threshold, recall_target
from container_doors.evaluation.uses import restore_uses
from container_doors.publishing.hashing import artifact
from container_doors.reporting.confusion import draw_confusion
from container_doors.steps.detections import (
    OpenDetector,
    Subject,
    cached_detections,
    changed_since_training,
    count_test_use,
    detect,
    detect_with,
    evaluated,
    evaluated_splits,
    keep,
    known_attributes,
    record_training_use,
    scenes_of,
    trained,
)
from container_doors.steps.out_of_fold import to_choose_by
from container_doors.training.logbook import LOG

MOST_PICTURES = 100
"""Prediction pictures that a run keeps: the first of the test split, in order."""


def evaluate_run(run: Run, *, world: World) -> Evaluation:
    """Detect on val and test with ``best.pt``, and write what follows from it.

    The detections are written too (``detections.json``): the scores, the predictions and their
    pictures are derived from them, and later the results of ``doors evaluate`` and ``doors gate``.
    """
    record, layout = trained(run)
    params = record.known_params
    detector = world.load_detector(
        run.best_weights,
        image_size_px=params.training.image_size_px,
        hardware=record.hardware,
    )
    subject = Subject(run.best_weights, run.data_view, record.run_id, params, layout)
    splits = {}
    for split in evaluated_splits(params):
        world.progress.say(f"evaluating best.pt on {split}")
        detected = detect_with(
            detector,
            subject,
            split,
            plots_dir=run.evaluation_dir(split),
            progress=world.progress,
        )
        detected.write(run.detections_json(split))
        splits[split] = split_scores(detected, params.validation)
        _draw_confusion(run.evaluation_dir(split), splits[split].operating_point)
        _keep_predictions(run, detected, params.validation)
    evaluation = Evaluation(
        run_id=record.run_id,
        weights_sha256=artifact(run.best_weights).sha256,
        image_size_px=params.training.image_size_px,
        splits=splits,
    )
    for line in restore_test_uses(world.repository):
        LOG.warning("%s", line)
        world.progress.say(f"warning: {line}")
    record_training_use(run, detected)
    evaluation.write(run.scores)
    return evaluation


def _draw_confusion(folder: Path, point: OperatingPoint) -> None:
    """Replace Ultralytics' confusion matrices, which count boxes that are not there in use."""
    (folder / "confusion_matrix_normalized.png").unlink(missing_ok=True)
    draw_confusion(point, folder / "confusion_matrix.png")


def restore_test_uses(repository: Repository) -> list[str]:
    """Restore uses of the test set that the record has lost since the last commit; return them."""
    try:
        committed = repository.show("HEAD", TEST_USES)
    except MissingToolError:  # without git nothing is ever committed
        committed = None
    return restore_uses(TEST_USES, committed)


def split_scores(detected: Detected, used_at: Validation) -> SplitScores:
    """Derive what ``scores.json`` has of a split: one figure each, without intervals."""
    photographs = detected.photographs
    doors = [one.doors_xyxy for one in photographs]
    return SplitScores(
        images=len(doors),
        doors=sum(map(len, doors)),
        background_images=sum(not boxes for boxes in doors),
        ultralytics=detected.ultralytics,
        coco=coco_ap(
            doors,
            [one.scored_xyxy for one in photographs],
            [one.scored_confidences for one in photographs],
        ),
        operating_point=operating_point(
            [matches for _, matches in _in_use(detected, used_at)],
            conf_threshold=used_at.conf_threshold,
            iou_threshold=used_at.iou_threshold,
        ),
        latency=latency(
            [one.duration_ms for one in photographs if one.duration_ms is not None],
            method=detected.timing_method,
        ),
    )


def _in_use(detected: Detected, used_at: Validation) -> Iterator[tuple[Detections, Matches]]:
    """Choose the boxes above the threshold, and match them.

    They are those that a model finds that is asked for no others: a box is suppressed by a more
    confident one alone.
    """
    for one in detected.photographs:
        boxes = [
            (box, confidence)
            for box, confidence in zip(one.used_xyxy, one.used_confidences, strict=True)
            if confidence > used_at.conf_threshold  # as Ultralytics compares
        ]
        found = Detections(
            Path(one.image),
            one.width_px,
            one.height_px,
            boxes_xyxy=[box for box, _ in boxes],
            confidences=[confidence for _, confidence in boxes],
        )
        yield found, match(found.boxes_xyxy, found.confidences, one.doors_xyxy)


def _keep_predictions(run: Run, detected: Detected, used_at: Validation) -> None:
    """Write what is found at the threshold, and draw it for the first photographs of test."""
    in_use = list(_in_use(detected, used_at))
    doors = [one.doors_xyxy for one in detected.photographs]
    Predictions(
        run_id=detected.run_id,
        split=detected.split,
        pictures=[
            prediction(found, labelled, matches)
            for (found, matches), labelled in zip(in_use, doors, strict=True)
        ],
    ).write(run.predictions_json(detected.split))
    if detected.split != "test":
        return
    for (found, matches), labelled in list(zip(in_use, doors, strict=True))[:MOST_PICTURES]:
        here = replace(found, image=run.data_view / found.image)
        name = found.image.relative_to(f"images/{detected.split}")
        pictures.save(pictures.draw(here, labelled, matches), run.predictions / name)


def evaluate_split(
    run: Run,
    split: str,
    *,
    target: OperatingTarget | None = None,
    open_detector: OpenDetector,
    progress: Progress,
) -> Assessment:
    """Measure what a run's best weights do on a split, with intervals, and write it down.

    What was detected is kept, and measured again only for other weights, photographs or labels.

    Args:
        run: A run that was trained.
        split: ``val`` or ``test``; each use of ``test`` is counted.
        target: The operating target, for which the threshold is chosen on val.
        open_detector: Opens the weights.
        progress: Receives progress messages.

    Raises:
        RunError: If there is no such run, or nothing on the split to measure, or if no threshold
            meets the operating target.
        DatasetError: If attributes.csv names what is not there.
    """
    if target is not None and split == "val":
        raise RunError(
            f"{target.text} is chosen on val, and val cannot check it",
            hint="choose another --split, such as test",
        )
    record, layout = trained(run)
    if split not in evaluated_splits(record.known_params):
        raise RunError(
            f"{run.label} was trained on {split}: its scores there mean nothing",
            hint=f"doors evaluate --experiment {run.label} --split test",
        )
    attributes = known_attributes(layout, progress)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    threshold = record.known_params.validation.conf_threshold
    check = None
    if target is not None:
        chosen_by = to_choose_by(
            run, record, attributes, open_detector=open_detector, progress=progress
        )
        check = _checked(target, *chosen_by, detected, attributes)
        threshold = check.conf_threshold
    assessment = assessed(
        run,
        detected,
        layout,
        attributes,
        conf_threshold=threshold,
        target=recall_target(target),
    )
    uses = count_test_use(run, detected, target, progress=progress) if split == "test" else None
    assessment = assessment.model_copy(update={"promise": check, "looks": uses})
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
        split: cached_assessment(run, split, record, layout, attributes)
        or evaluate_split(run, split, open_detector=open_detector, progress=progress)
        for split in evaluated_splits(record.known_params)
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
    """Derive all scores of a split from its detections."""
    view = ensure_view(layout, run.data_view)
    paths = {one.image: view / one.image for one in detected.photographs}
    found = assess(detected, attributes, paths, conf_threshold=conf_threshold, target=target)
    changed = changed_since_training(run, detected.split, layout)
    return found.model_copy(update={"changed": changed})


def assess(
    detected: Detected,
    attributes: Attributes,
    paths: Mapping[str, Path],
    *,
    conf_threshold: float,
    target: float,
) -> Assessment:
    """Derive all scores from detections.

    Args:
        detected: All detections on some photographs.
        attributes: What is known of them.
        paths: Where each of them is, by its name.
        conf_threshold: The threshold in use.
        target: The recall that each part should reach.
    """
    photographs, scenes = detected.photographs, scenes_of(detected, attributes)
    seen = match_photographs(photographs, scenes, conf_threshold=conf_threshold)
    scores, undefined = all_scores(seen)
    alarms = false_alarms(photographs, scenes, conf_threshold=conf_threshold)
    if not alarms:
        undefined["false alarms"] = "no photograph is without a door"
    described = {
        one.image: (one.appearance or photograph_attributes(paths[one.image]))
        | dict(attributes.values.get(one.image, {}))
        for one in photographs
    }
    durations = [one.duration_ms for one in photographs if one.duration_ms is not None]
    return Assessment(
        files_sha256=detected.files_sha256,
        attributes_sha256=attributes.sha256,
        changed=[],
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
        slices=slices(seen, described, target=target),
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
    target: OperatingTarget,
    chosen_by: Detected,
    its_scenes: Sequence[int],
    detected: Detected,
    attributes: Attributes,
) -> TargetCheck:
    """Choose the threshold on val or the folds, and measure it on the split that was asked for."""
    threshold, chosen = choose_threshold(
        target, chosen_by.photographs, its_scenes, split=chosen_by.split
    )
    scenes = scenes_of(detected, attributes)
    measured = target.estimate(detected.photographs, scenes, conf_threshold=threshold)
    if measured is None:
        raise RunError(
            f"{target.text} is undefined on {detected.split}",
            hint="it takes photographs with a door for a recall, and without one for false alarms",
        )
    return TargetCheck(
        promise=target.text,
        conf_threshold=threshold,
        chosen_split=chosen_by.split,
        chosen_on=chosen,
        checked_on=measured,
        verdict=target.verdict(measured),
        price=target.price(detected.photographs, scenes, conf_threshold=threshold),
    )


def cached_assessment(
    run: Run, split: str, record: RunRecord, layout: Layout, attributes: Attributes
) -> Assessment | None:
    """Read an assessment of these very weights, photographs and labels."""
    detected = cached_detections(run, split, record, layout)
    there = evaluated(run, record).splits.get(split)
    if detected is None or there is None:
        return None
    of = (detected.files_sha256, attributes.sha256)
    return there if (there.files_sha256, there.attributes_sha256) == of else None
