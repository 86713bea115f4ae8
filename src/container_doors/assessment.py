"""The story of how surely a model's figures are known: measured, sliced, promised, compared, gated.

Like :mod:`container_doors.pipeline`: each function takes what it needs, calls the parts and
returns a value.
"""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from container_doors.config import Params
from container_doors.dataset.attributes import Attributes, read_attributes
from container_doors.dataset.layout import Layout, read_layout
from container_doors.dataset.view import link_view
from container_doors.errors import DatasetError, MissingToolError, RunError
from container_doors.evaluation.alarms import false_alarms
from container_doors.evaluation.appearance import look_of
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.ladders import Picture, climb, read_picture, write_picture
from container_doors.evaluation.latency import latency, median
from container_doors.evaluation.looks import BY_TRAINING, add_look, split_sha256
from container_doors.evaluation.mistakes import mistakes
from container_doors.evaluation.outcome import outcomes, scene_numbers
from container_doors.evaluation.paired import differences, sentence
from container_doors.evaluation.parity import CONFIDENCE_TOLERANCE, parity
from container_doors.evaluation.promise import Promise, choose_threshold
from container_doors.evaluation.robustness import (
    key_of,
    laddered,
    mean_ap50,
    planned,
    retention,
    scored,
    spread_evenly,
)
from container_doors.evaluation.scores import all_scores
from container_doors.evaluation.slices import RECALL_TARGET, slices
from container_doors.measurements import (
    Assessment,
    BoxXyxy,
    Detected,
    Estimate,
    FormatTiming,
    KeptStep,
    LadderStep,
    Photograph,
    PromiseCheck,
    Robustness,
    Timings,
)
from container_doors.pipeline import doors_in, nothing_published
from container_doors.ports import Corrupt, Detections, Detector, ExportDetector, Progress
from container_doors.records import Hardware, RunRecord
from container_doors.reporting.card import write_card
from container_doors.reporting.gate import Held, held
from container_doors.reporting.page import Known, write_page
from container_doors.reporting.which_run import read_record
from container_doors.run import PUBLISHED, TEST_LOOKS, Run
from container_doors.training.history import read_history
from container_doors.versioning.hashing import artifact, file_sha256, text_sha256
from container_doors.versioning.publication import read_published

OpenDetector = Callable[[Path, Params], Detector]
"""Opens a weight file for params, where something must be measured."""

_LOWEST_CONFIDENCE = 0.001
"""What average precision is measured down to; Ultralytics' own."""


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
    record, layout = _trained(run)
    attributes = read_attributes(layout)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    threshold = Params.model_validate(record.params).validation.conf_threshold
    check = None
    if promise is not None:
        val = detect(run, "val", open_detector=open_detector, progress=progress)
        check = _checked(promise, val, detected, attributes)
        threshold = check.conf_threshold
    assessment = _assessed(run, detected, attributes, conf_threshold=threshold)
    looks = _look(run, detected, promise) if split == "test" else None
    assessment = assessment.model_copy(update={"promise": check, "looks": looks})
    assessment.write(run.assessment_json(split))
    return assessment


@dataclass(frozen=True, slots=True)
class Climb:
    """How far up the ladders."""

    corrupt: Corrupt
    common: tuple[str, ...] = ()
    """Kinds of ``corrupt`` that are climbed too."""
    is_quick: bool = False
    photographs: int = 100
    budget_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Timed:
    """What is timed."""

    on: Hardware
    formats: tuple[str, ...] = ()
    """Beside PyTorch."""
    image_size_px: int = 640
    photographs: int = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same photographs."""

    split: str
    by: dict[str, Estimate]
    """By how much the second is better."""
    verdict: str
    looks: int | None


def compare(
    first: Run, second: Run, split: str, *, open_detector: OpenDetector, progress: Progress
) -> Comparison:
    """Estimate by how much the second run is better, photograph by photograph.

    Raises:
        RunError: If they were not measured on the same photographs with the same labels, or if
            the split has no door.
    """
    runs = (first, second)
    seen = []
    for run in runs:
        record, layout = _trained(run)
        detected = detect(run, split, open_detector=open_detector, progress=progress)
        threshold = Params.model_validate(record.params).validation.conf_threshold
        scenes = _scenes(detected, read_attributes(layout))
        seen.append((detected, outcomes(detected.photographs, scenes, conf_threshold=threshold)))
    (one, its), (other, others) = seen
    if _split_sha256(one) != _split_sha256(other):
        raise RunError(
            f"{first.name} and {second.name} have other photographs or labels in {split}",
            hint="two models can be compared on the same ones only: train both on one data set",
        )
    by = differences(its, others)
    metric = next(iter(by), None)
    if metric is None:
        raise RunError(
            f"{split} has doors in fewer than four scenes: nothing can be compared",
            hint="choose the other split, or add photographs",
        )
    verdict = sentence((first.name, second.name), by[metric], metric)
    looks = [_look(run, found, None) for run, (found, _) in zip(runs, seen, strict=True)]
    return Comparison(split, by, verdict, looks[-1] if split == "test" else None)


def gate(
    run: Run, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[Held]:
    """Hold a run against the targets of section 10.3; what is not measured yet is measured."""
    record, layout = _trained(run)
    assessments = {}
    for split in ("val", "test"):
        there = _present(run, split, record, layout)
        if there is None:
            there = evaluate(run, split, open_detector=open_detector, progress=progress)
        else:
            _look(run, Detected.read(run.detections_json(split)), None)
        assessments[split] = there
    return held(record, assessments, at_the_point=at_the_point)


def gate_published(
    run: Run, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[Held]:
    """Hold what is published against the targets, by the run that made it.

    Raises:
        RunError: If it is of another experiment, or if the run has other weights by now.
    """
    published = read_published()
    if published is None:
        raise nothing_published(run.name)
    best = published.artifacts["best.pt"].sha256
    if published.experiment_name != run.name or artifact(run.best_weights).sha256 != best:
        raise RunError(
            f"{PUBLISHED} holds {published.version}, which is not what {run.best_weights} is",
            hint=f"name its experiment ({published.experiment_name}), or train this one again"
            if published.experiment_name != run.name
            else f"bring its weights back: cp {PUBLISHED}/best.pt {run.best_weights}",
        )
    return gate(run, at_the_point=at_the_point, open_detector=open_detector, progress=progress)


def model_card(run: Run, output: Path, *, open_detector: OpenDetector, progress: Progress) -> Path:
    """Write a run's model card; what is not measured yet is measured.

    Raises:
        RunError: If the run has not been trained, or if ``output`` is something else.
    """
    record, layout = _trained(run)
    published = read_published()
    write_card(
        output,
        _both_splits(run, record, layout, open_detector=open_detector, progress=progress),
        record=record,
        metadata=published if published and published.run_id == record.run_id else None,
    )
    return output


def report_page(run: Run, output: Path, *, open_detector: OpenDetector, progress: Progress) -> Path:
    """Write the report of a run as one page; what is not measured yet is measured.

    Raises:
        RunError: If the run has not been trained, or if ``output`` is something else.
    """
    record, layout = _trained(run)
    assessments = _both_splits(run, record, layout, open_detector=open_detector, progress=progress)
    ladders = run.robustness_json("test")
    robustness = Robustness.read(ladders) if ladders.exists() else None
    best = assessments["test"].weights_sha256
    is_ours = robustness and robustness.weights_sha256 == best
    timed = run.latency_json("val")
    timings = Timings.read(timed) if timed.exists() else None
    known = Known(
        assessments,
        Detected.read(run.detections_json("test")),
        robustness if is_ours else None,
        timings if timings and timings.weights_sha256 == best else None,
    )
    history = read_history(run.metrics_jsonl)
    write_page(run, output, known, record=record, history=history)
    return output


def _timing(
    name: str, seen: Mapping[str, Sequence[Detections]], method: str, threshold: float
) -> FormatTiming:
    durations = [one.duration_ms for one in seen[name] if one.duration_ms is not None]
    pairs = zip(seen["pytorch"], seen[name], strict=True)
    return FormatTiming(
        format=name,
        latency=latency(durations, method=method),
        median_ms=median(durations),
        parity=None if name == "pytorch" else parity(pairs, conf_threshold=threshold),
    )


def _both_splits(
    run: Run,
    record: RunRecord,
    layout: Layout,
    *,
    open_detector: OpenDetector,
    progress: Progress,
) -> dict[str, Assessment]:
    return {
        split: _present(run, split, record, layout)
        or evaluate(run, split, open_detector=open_detector, progress=progress)
        for split in ("val", "test")
    }


def time_formats(
    run: Run,
    split: str,
    *,
    asked: Timed,
    export: ExportDetector,
    open_detector: OpenDetector,
    progress: Progress,
) -> Timings:
    """Time the model on the processor in each format, and compare what each finds with PyTorch.

    Raises:
        RunError: If there is no such run, or no photograph in the split.
    """
    record, layout = _trained(run)
    params = Params.model_validate(record.params)
    params = params.model_copy(
        update={
            "training": params.training.model_copy(
                update={"device": "cpu", "image_size_px": asked.image_size_px}
            )
        }
    )
    _link(layout, run)
    images = [run.data_view / one for one in _images(run, split)[: asked.photographs]]
    threshold = params.validation.conf_threshold
    seen: dict[str, Sequence[Detections]] = {}
    timings = []
    with TemporaryDirectory() as scratch:
        weights = Path(shutil.copy(run.best_weights, scratch))
        for name in ("pytorch", *asked.formats):
            progress.say(f"{name}: {len(images)} photographs at {asked.image_size_px} px")
            try:
                detector = (
                    open_detector(weights, params)
                    if name == "pytorch"
                    else export(weights, name, image_size_px=asked.image_size_px, hardware=asked.on)
                )
            except MissingToolError as error:
                why = f"{error.problem} ({error.hint})"
                timings.append(FormatTiming(format=name, not_measured=why))
                continue
            seen[name] = detector.detect(
                images,
                conf_threshold=max(_LOWEST_CONFIDENCE, threshold - CONFIDENCE_TOLERANCE),
                iou_threshold=params.validation.iou_threshold,
            )
            timings.append(_timing(name, seen, detector.timing_method, threshold))
    found = Timings(
        experiment=run.name,
        run_id=record.run_id,
        weights_sha256=artifact(run.best_weights).sha256,
        split=split,
        image_size_px=asked.image_size_px,
        formats=timings,
    )
    found.write(run.latency_json(split))
    return found


def climb_ladders(
    run: Run, split: str, *, asked: Climb, open_detector: OpenDetector, progress: Progress
) -> Robustness:
    """Measure how the scores fall as photographs are made harder, one step after the other.

    Each step is kept as soon as it is measured, and not measured again; so it can be stopped at any
    time, and the same call goes on.

    Raises:
        RunError: If there is no such run, or no door in the split.
    """
    record, layout = _trained(run)
    params = Params.model_validate(record.params)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    photographs = spread_evenly(detected.photographs, asked.photographs)
    if not photographs:
        raise RunError(f"{run.name} has no door in {split}", hint="choose another --split")
    images = [one.image for one in photographs]
    scenes = scene_numbers(images, read_attributes(layout).scenes)
    conf = params.validation.conf_threshold
    steps = planned(asked.common, is_quick=asked.is_quick)
    began, opened = monotonic(), None
    measured: dict[str, list[LadderStep]] = {ladder: [] for ladder, _ in steps}
    missing: list[str] = []
    for number, step in enumerate(steps, start=1):
        kept = run.robustness_step(split, key_of(detected, photographs, step, conf))
        if not kept.exists() and monotonic() - began <= asked.budget_s:
            opened = opened or open_detector(run.best_weights, params)
            harder = _made_harder(run, photographs, step, opened, detected.iou_threshold, asked)
            KeptStep(step=scored(harder, scenes, severity=step[1], conf=conf)).write(kept)
        if kept.exists():
            measured[step[0]].append(KeptStep.read(kept).step)
        else:
            missing.append(f"{step[0]} {step[1]:g}")
        progress.step("robustness", number, len(steps))
    clean = scored(photographs, scenes, severity=0, conf=conf)
    ladders = [laddered(name, results) for name, results in measured.items() if results]
    found = Robustness(
        experiment=run.name,
        run_id=record.run_id,
        weights_sha256=detected.weights_sha256,
        split=split,
        photographs=len(photographs),
        doors=sum(len(one.doors_xyxy) for one in photographs),
        conf_threshold=conf,
        recall_target=RECALL_TARGET,
        clean=clean,
        ladders=ladders,
        mean_ap50=mean_ap50(ladders),
        retention=retention(clean, ladders),
        not_measured=missing,
        looks=_look(run, detected, None),
    )
    found.write(run.robustness_json(split))
    return found


def detect(run: Run, split: str, *, open_detector: OpenDetector, progress: Progress) -> Detected:
    """Detect on every photograph of a split at every confidence, once."""
    record, layout = _trained(run)
    params = Params.model_validate(record.params)
    kept = _kept(run, split, record, layout)
    if kept is not None:
        _link(layout, run)
        return kept
    link_view(layout, run.data_view)
    images = _images(run, split)
    progress.say(f"detecting on {len(images)} photographs of {split}, at any confidence")
    detector = open_detector(run.best_weights, params)
    with TemporaryDirectory() as scratch:
        ultralytics, scored = detector.validate(
            data_yaml=run.data_view / "data.yaml",
            split=split,
            conf_threshold=params.validation.conf_threshold,
            plots_dir=Path(scratch) / split,
        )
    iou = params.validation.iou_threshold
    used: list[Detections] = []
    for number, found in enumerate(
        _one_by_one(detector, [one.image for one in scored], iou), start=1
    ):
        used.append(found)
        progress.step("detecting", number, len(scored))
    detected = Detected(
        run_id=record.run_id,
        weights_sha256=artifact(run.best_weights).sha256,
        files_sha256=_files_sha256(layout, split),
        split=split,
        image_size_px=params.training.image_size_px,
        iou_threshold=iou,
        ultralytics=ultralytics,
        timing_method=f"{detector.timing_method}; down to a confidence of {_LOWEST_CONFIDENCE}",
        photographs=[
            _photograph(run, *both) for both in zip(scored, used, strict=True)
        ],
    )  # fmt: skip
    detected.write(run.detections_json(split))
    return detected


def _trained(run: Run) -> tuple[RunRecord, Layout]:
    record = read_record(run)
    if not run.best_weights.is_file():
        raise RunError(
            f"no weights at {run.best_weights}",
            hint=f"train it here: doors train --experiment {run.name}",
        )
    layout, findings = read_layout(Path(record.dataset.path))
    if layout is None:
        raise DatasetError(
            f"{record.dataset.path}: {findings[0]}",
            hint=f"see them all: doors data validate --path {record.dataset.path}",
        )
    return record, layout


def _link(layout: Layout, run: Run) -> None:
    """Make the view anew where there is none, or where it was moved with its run."""
    data_yaml = run.data_view / "data.yaml"
    if not (data_yaml.exists() and str(run.data_view.absolute()) in data_yaml.read_text()):
        link_view(layout, run.data_view)


def _images(run: Run, split: str) -> list[str]:
    folder = run.data_view / "images" / split
    images = sorted(f"images/{split}/{path.name}" for path in folder.glob("*"))
    if not images:
        raise RunError(
            f"{run.name} has no photograph in {split}: there is nothing to measure",
            hint="name another split, or add photographs and train again",
        )
    return images


def _kept(run: Run, split: str, record: RunRecord, layout: Layout) -> Detected | None:
    """Read what was detected before, if nothing has changed that it depends on."""
    if not run.detections_json(split).exists():
        return None
    params = Params.model_validate(record.params)
    detected = Detected.read(run.detections_json(split))
    same = (
        detected.weights_sha256 == artifact(run.best_weights).sha256
        and detected.image_size_px == params.training.image_size_px
        and detected.iou_threshold == params.validation.iou_threshold
        and detected.files_sha256 == _files_sha256(layout, split)
        and all(one.scored_is_door is not None for one in detected.photographs)
    )
    return detected if same else None


def _files_sha256(layout: Layout, split: str) -> str:
    """Name the photographs and labels of a split as they are now, byte by byte."""
    files = layout.splits.get(split)
    paths = [path for path in (*files.images, *files.labels) if path.is_file()] if files else []
    named = (f"{path.relative_to(layout.root).as_posix()} {file_sha256(path)}" for path in paths)
    return text_sha256("\n".join(sorted(named)))


def _one_by_one(detector: Detector, images: Sequence[Path], iou: float) -> Sequence[Detections]:
    return detector.detect(images, conf_threshold=_LOWEST_CONFIDENCE, iou_threshold=iou)


def _photograph(run: Run, scored: Detections, used: Detections) -> Photograph:
    return Photograph(
        image=scored.image.absolute().relative_to(run.data_view.absolute()).as_posix(),
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
        duration_ms=used.duration_ms,
    )


def _scenes(detected: Detected, attributes: Attributes) -> list[int]:
    return scene_numbers([one.image for one in detected.photographs], attributes.scenes)


def _assessed(
    run: Run, detected: Detected, attributes: Attributes, *, conf_threshold: float
) -> Assessment:
    photographs, scenes = detected.photographs, _scenes(detected, attributes)
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
        experiment=run.name,
        run_id=detected.run_id,
        weights_sha256=detected.weights_sha256,
        files_sha256=detected.files_sha256,
        split=detected.split,
        image_size_px=detected.image_size_px,
        photographs=len(photographs),
        doors=sum(len(one.doors_xyxy) for one in photographs),
        background_images=sum(not one.doors_xyxy for one in photographs),
        scenes=len(set(scenes)) if attributes.scenes else None,
        conf_threshold=conf_threshold,
        scores=scores,
        undefined=undefined,
        slices=slices(seen, looks),
        false_alarms=alarms,
        mistakes=mistakes(seen, conf_threshold=conf_threshold),
        error_kinds=error_kinds(seen),
        latency=latency(durations, method=detected.timing_method),
        latency_ms=median(durations),
    )


def _checked(
    promise: Promise, val: Detected, detected: Detected, attributes: Attributes
) -> PromiseCheck:
    """Choose the threshold on val, and measure it on the split that was asked for."""
    threshold, chosen = choose_threshold(promise, val.photographs, _scenes(val, attributes))
    scenes = _scenes(detected, attributes)
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


def _made_harder(
    run: Run,
    photographs: Sequence[Photograph],
    step: tuple[str, float],
    detector: Detector,
    iou_threshold: float,
    asked: Climb,
) -> list[Photograph]:
    """Make one step of every photograph, and look at it as the model will be used."""
    with TemporaryDirectory() as scratch:
        made, doors = [], []
        for number, one in enumerate(photographs):
            harder, moved = _made(read_picture(run.data_view / one.image), one, step, asked)
            path = Path(scratch) / f"{number:05}.png"
            write_picture(path, harder)
            made.append(path)
            doors.append(moved)
        found = _one_by_one(detector, made, iou_threshold)
    return [
        one.model_copy(
            update={
                "doors_xyxy": moved,
                "used_xyxy": list(seen.boxes_xyxy),
                "used_confidences": list(seen.confidences),
            }
        )
        for one, moved, seen in zip(photographs, doors, found, strict=True)
    ]


def _made(
    picture: Picture, one: Photograph, step: tuple[str, float], asked: Climb
) -> tuple[Picture, list[BoxXyxy]]:
    ladder, severity = step
    if ladder in asked.common:
        return asked.corrupt(ladder, int(severity), one.image, picture), list(one.doors_xyxy)
    return climb(ladder, severity, one.image, picture, one.doors_xyxy)


def _split_sha256(detected: Detected) -> str:
    return split_sha256((one.image, one.doors_xyxy) for one in detected.photographs)


def _look(run: Run, detected: Detected, promise: Promise | None) -> int | None:
    """Count a look at test, after the one of the training, which may have been elsewhere."""
    if detected.split != "test":
        return None
    look = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "experiment": run.name,
        "split_sha256": _split_sha256(detected),
        "weights_sha256": detected.weights_sha256,
    }
    add_look(TEST_LOOKS, look | {"by": BY_TRAINING})
    return add_look(TEST_LOOKS, look | ({"promise": promise.text} if promise else {}))


def _present(run: Run, split: str, record: RunRecord, layout: Layout) -> Assessment | None:
    """Read an assessment of these very weights, photographs and labels."""
    detected = _kept(run, split, record, layout)
    if detected is None or not run.assessment_json(split).exists():
        return None
    there = Assessment.read(run.assessment_json(split))
    of = (detected.weights_sha256, record.run_id, detected.files_sha256)
    return there if (there.weights_sha256, there.run_id, there.files_sha256) == of else None
