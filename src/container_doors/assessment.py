"""The story of how surely a model's figures are known: measured, sliced, promised, compared, gated.

Like :mod:`container_doors.pipeline`: each function takes what it needs, calls the parts and
returns a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.measurements import Assessment, Detected, Estimate, Looks, PromiseCheck
from container_doors.core.ports import Progress
from container_doors.core.records import Evaluation, RunRecord
from container_doors.core.run import PUBLISHED, Run
from container_doors.data.attributes import Attributes
from container_doors.data.layout import Layout
from container_doors.evaluation.alarms import false_alarms
from container_doors.evaluation.appearance import look_of
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.latency import latency, median
from container_doors.evaluation.mistakes import mistakes
from container_doors.evaluation.outcome import Outcome, outcomes, precision_over_recall
from container_doors.evaluation.paired import alarms_of, differences, sentence
from container_doors.evaluation.promise import Promise, choose_threshold, recall_target
from container_doors.evaluation.resampling import precision_recall
from container_doors.evaluation.scores import all_scores, coco_ranking
from container_doors.evaluation.slices import slices
from container_doors.inspection import (
    OpenDetector,
    changed_since_training,
    damaged_documents,
    detect,
    evaluated,
    keep,
    kept_detections,
    known_attributes,
    look,
    photographs_sha256,
    scenes_of,
    trained,
)
from container_doors.pipeline import nothing_published, refuse_another
from container_doors.publishing.hashing import artifact
from container_doors.publishing.lineage import run_of
from container_doors.publishing.publication import read_published
from container_doors.reporting.card import refuse_another_card, write_card
from container_doors.reporting.gate import Held, held
from container_doors.reporting.page import Known, refuse_another_page, write_page
from container_doors.reporting.summary import make_room
from container_doors.reporting.which_run import read_record
from container_doors.training.history import read_history


def evaluate(
    run: Run,
    split: str,
    *,
    promise: Promise | None = None,
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
    assessment = _assessed(
        run, detected, layout, attributes, conf_threshold=threshold, target=target
    )
    looks = look(run, detected, promise, progress=progress) if split == "test" else None
    assessment = assessment.model_copy(update={"promise": check, "looks": looks})
    keep(run, record, assessment, progress=progress)
    return assessment


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models that are compared, as it is used."""

    name: str
    conf_threshold: float
    scores: dict[str, Estimate]
    """By the names of ``docs/metrics.md``; what is undefined is absent."""
    doors_found: int
    false_alarms: int
    """On all photographs, those with a door too."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same photographs."""

    split: str
    photographs: int
    doors: int
    sides: tuple[Side, Side]
    by: dict[str, Estimate]
    """By how much the second differs: of false alarms, a photograph."""
    verdict: str
    looks: Looks | None


def compare(
    first: Run, second: Run, split: str, *, open_detector: OpenDetector, progress: Progress
) -> Comparison:
    """Estimate in what the second run is better and in what worse, photograph by photograph.

    Raises:
        RunError: If they were not measured on the same photographs with the same labels, or if
            doors are in fewer than four scenes.
    """
    runs = (first, second)
    seen, thresholds = [], []
    for run in runs:
        record, layout = trained(run)
        detected = detect(run, split, open_detector=open_detector, progress=progress)
        threshold = record.known_params.validation.conf_threshold
        by_name = sorted(detected.photographs, key=lambda one: one.image)
        detected = detected.model_copy(update={"photographs": by_name})
        scenes = scenes_of(detected, known_attributes(layout, progress))
        thresholds.append(threshold)
        seen.append((detected, outcomes(detected.photographs, scenes, conf_threshold=threshold)))
    (one, its), (other, others) = seen
    if photographs_sha256(one) != photographs_sha256(other):
        raise RunError(
            f"{first.name} and {second.name} have other photographs or labels in {split}",
            hint="two models can be compared on the same ones only: train both on one data set",
        )
    if [of.scene for of in its] != [of.scene for of in others]:
        raise RunError(
            f"{first.name} and {second.name} have other scenes in {split}: the attributes.csv of "
            "their data sets differ",
            hint="copy the one that is right beside the other data.yaml",
        )
    by = differences(its, others)
    if one.weights_sha256 == other.weights_sha256:
        verdict = f"{first.name} and {second.name} are the same weights: there is nothing to tell"
    elif not by:
        raise RunError(
            f"{split} has doors in fewer than four scenes: nothing can be compared",
            hint="choose the other split, or add photographs",
        )
    else:
        alarms = alarms_of(its), alarms_of(others)
        verdict = sentence((first.name, second.name), by, alarms)
    looks = [
        look(run, found, None, progress=progress)
        for run, (found, _) in zip(runs, seen, strict=True)
    ]
    return Comparison(
        split,
        photographs=len(its),
        doors=sum(len(of.found) for of in its),
        sides=(_side(first, thresholds[0], its), _side(second, thresholds[1], others)),
        by=by,
        verdict=verdict,
        looks=looks[-1] if split == "test" else None,
    )


def _side(run: Run, conf_threshold: float, seen: Sequence[Outcome]) -> Side:
    scores, _ = all_scores(seen)
    return Side(
        run.name,
        conf_threshold,
        scores,
        doors_found=sum(one.hits for one in seen),
        false_alarms=alarms_of(seen),
    )


def gate(
    run: Run, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[Held]:
    """Hold a run against the targets of section 10.3; what is not measured yet is measured."""
    record, layout = trained(run)
    attributes = known_attributes(layout, progress)
    assessments = {}
    for split in ("val", "test"):
        there = _present(run, split, record, layout, attributes)
        if there is None:
            there = evaluate(run, split, open_detector=open_detector, progress=progress)
        else:
            look(run, Detected.read(run.detections_json(split)), None, progress=progress)
        assessments[split] = there
    return held(record, assessments, at_the_point=at_the_point)


def gate_published(
    run: Run | None, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[Held]:
    """Hold what is published against the targets, by the run that made it.

    Args:
        run: What should be published; None if it may be any.
        at_the_point: Whether as measured, and not at the worse end of each interval.
        open_detector: Opens the weights.
        progress: Told what takes long.

    Raises:
        RunError: If it is of another run, or if the run has other weights by now.
    """
    published = read_published()
    if published is None:
        raise nothing_published(run.label if run else None)
    if run is not None:
        refuse_another(published, run)
    run = run_of(published.run_id, published.experiment_name)
    best = published.artifacts["best.pt"].sha256
    if not run.best_weights.is_file() or artifact(run.best_weights).sha256 != best:
        raise RunError(
            f"{PUBLISHED} holds {published.version}, which is not what {run.best_weights} is",
            hint=f"bring its weights back: cp {PUBLISHED}/best.pt {run.best_weights}",
        )
    return gate(run, at_the_point=at_the_point, open_detector=open_detector, progress=progress)


def check_report(run: Run, output: Path, *, page: Path | None, card: Path | None) -> None:
    """See, before anything is measured or written, that a whole report can be made.

    Raises:
        RunError: If a document of the run cannot be read, or another file is in the way.
    """
    make_room(output)
    if page is not None:
        refuse_another_page(page)
    if card is not None:
        refuse_another_card(card)
    record = read_record(run)
    damaged = damaged_documents(run)
    if damaged:
        more = f"; and {len(damaged) - 1} more: doors doctor --run {run.name}"
        raise RunError(damaged[0].problem + more * (len(damaged) > 1), hint=damaged[0].hint)
    Evaluation.read(run.scores)
    read_published()
    read_history(run.metrics_jsonl, record)


def model_card(run: Run, output: Path, *, open_detector: OpenDetector, progress: Progress) -> Path:
    """Write a run's model card; what is not measured yet is measured.

    Raises:
        RunError: If the run has not been trained, or if ``output`` is something else.
    """
    record, layout = trained(run)
    published = read_published()
    write_card(
        output,
        _both_splits(run, record, layout, open_detector=open_detector, progress=progress),
        weights_sha256=evaluated(run, record).weights_sha256,
        record=record,
        metadata=published if published and published.run_id == record.run_id else None,
    )
    return output


def report_page(run: Run, output: Path, *, open_detector: OpenDetector, progress: Progress) -> Path:
    """Write the report of a run as one page; what is not measured yet is measured.

    Raises:
        RunError: If the run has not been trained, or if ``output`` is something else.
    """
    record, layout = trained(run)
    assessments = _both_splits(run, record, layout, open_detector=open_detector, progress=progress)
    there = evaluated(run, record)
    robustness = there.robustness.get("test")
    test = assessments["test"]
    of = (test.files_sha256, test.attributes_sha256)
    is_of_these = robustness and (robustness.files_sha256, robustness.attributes_sha256) == of
    known = Known(
        assessments,
        weights_sha256=there.weights_sha256,
        test=Detected.read(run.detections_json("test")),
        robustness=robustness if is_of_these else None,
        timings=there.latency.get("val"),
    )
    history = read_history(run.metrics_jsonl, record)
    write_page(run, output, known, record=record, history=history)
    return output


def _both_splits(
    run: Run,
    record: RunRecord,
    layout: Layout,
    *,
    open_detector: OpenDetector,
    progress: Progress,
) -> dict[str, Assessment]:
    attributes = known_attributes(layout, progress)
    return {
        split: _present(run, split, record, layout, attributes)
        or evaluate(run, split, open_detector=open_detector, progress=progress)
        for split in ("val", "test")
    }


def _assessed(
    run: Run,
    detected: Detected,
    layout: Layout,
    attributes: Attributes,
    *,
    conf_threshold: float,
    target: float,
) -> Assessment:
    photographs, scenes = detected.photographs, scenes_of(detected, attributes)
    seen = outcomes(photographs, scenes, conf_threshold=conf_threshold)
    scores, undefined = all_scores(seen)
    alarms = false_alarms(photographs, scenes, conf_threshold=conf_threshold)
    if not alarms:
        undefined["false alarms"] = "no photograph is without a door"
    looks = {
        one.image: look_of(run.data_view / one.image) | dict(attributes.values.get(one.image, {}))
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
    promise: Promise, val: Detected, detected: Detected, attributes: Attributes
) -> PromiseCheck:
    """Choose the threshold on val, and measure it on the split that was asked for."""
    threshold, chosen = choose_threshold(promise, val.photographs, scenes_of(val, attributes))
    scenes = scenes_of(detected, attributes)
    there = promise.estimate(detected.photographs, scenes, conf_threshold=threshold)
    if there is None:
        raise RunError(
            f"{promise.text} is undefined on {detected.split}",
            hint="it takes photographs with a door for a recall, and without one for false alarms",
        )
    return PromiseCheck(
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
    detected = kept_detections(run, split, record, layout)
    there = evaluated(run, record).splits.get(split)
    if detected is None or there is None:
        return None
    of = (detected.files_sha256, attributes.sha256)
    return there if (there.files_sha256, there.attributes_sha256) == of else None
