"""Compare what a deployed model sees with what it was tested on; estimate its recall."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from container_doors.core.errors import DatasetError, PredictionError, RunError
from container_doors.core.files import make_folder
from container_doors.core.measurements import Detected, Photograph
from container_doors.core.monitoring import (
    LabelSample,
    Monitored,
    RecallNow,
    SampledPhotograph,
)
from container_doors.core.ports import Progress
from container_doors.core.predictions import ModelFile
from container_doors.core.printable import shortened
from container_doors.core.run import PUBLISHED
from container_doors.data.labels import read_boxes
from container_doors.evaluation.drift import Compared, Sample, find_drifts
from container_doors.evaluation.label_sample import (
    STRATA,
    Labelled,
    draw,
    estimate_recall,
    stratum_of,
)
from container_doors.evaluation.matching import match
from container_doors.evaluation.targets import RECALL_TARGET, parse_target
from container_doors.prediction.results import Predicted, Seen, read_results, require_same_use
from container_doors.publishing.lineage import run_of
from container_doors.publishing.model_file import read_model_file
from container_doors.publishing.publication import read_published

SAMPLE = "monitor/sample.json"
TO_LABEL = "monitor/to_label"

_ALPHA_DRIFT, _ALPHA_RECALL = 0.025, 0.025
"""Together at most 5 % of the periods in which nothing has changed are an alarm."""


@dataclass(frozen=True, slots=True)
class Target:
    """The recall that the model should have."""

    recall: float
    source: str


def compare_now(
    predictions: Path, reference: Path | None, *, progress: Progress
) -> tuple[Predicted, Monitored]:
    """Compare the photographs of some predictions with those of the test.

    Args:
        predictions: The folder of ``doors predict --save jsonl``.
        reference: Predictions of the test photographs by the same model; None: the run of the
            published model, if it is here.
        progress: Receives progress messages.

    Raises:
        PredictionError: If there are no predictions, or they are of different models.
    """
    now = read_results(predictions)
    tested = _of_the_run(now) if reference is None else read_results(reference)
    require_same_use(now, tested)
    progress.say(
        f"comparing {len(now.seen)} photographs with {len(tested.seen)} of {tested.source}"
    )
    compared, left_out = _comparisons(tested, now)
    drifts = find_drifts(compared, alpha=_ALPHA_DRIFT)
    has_changed = any(one.has_changed for one in drifts)
    return now, Monitored(
        version=now.model.version,
        weights_sha256=now.model.weights_sha256,
        conf_threshold=now.model.conf_threshold,
        photographs=len(now.seen),
        not_read=now.not_read,
        reference=tested.source,
        drifts=drifts,
        not_compared=left_out,
        verdict="changed" if has_changed else "as tested",
    )


def draw_sample(
    now: Predicted, monitored: Monitored, predictions: Path, budget: int
) -> LabelSample:
    """Draw the photographs to label, once, and copy them into a folder.

    Args:
        now: The predictions.
        monitored: Their comparison with the test, which knows the usual confidence.
        predictions: Their folder; the sample is written into it.
        budget: How many photographs.

    Raises:
        PredictionError: If a sample of other predictions is there, or a photograph is gone.
    """
    path = predictions / SAMPLE
    photographs = [one for one in now.seen if not one.is_frame]
    if not photographs:
        raise PredictionError(
            f"{predictions} has no photographs to label, only frames of videos",
            hint="predict photographs, or leave out --label-budget",
        )
    if path.exists():
        return _same_sample(LabelSample.read(path), now, len(photographs), path)
    usual = _usual_confidence(monitored)
    strata = [stratum_of(one.confidences, usual) for one in photographs]
    seed = int.from_bytes(sha256("\n".join(one.path for one in photographs).encode()).digest()[:4])
    drawn = draw(strata, budget, seed=seed)
    sampled = [
        SampledPhotograph(
            path=photographs[index].path,
            copy_name=f"m{number:04}{Path(photographs[index].path).suffix.lower()}",
            stratum=strata[index],
            boxes_xyxy=list(photographs[index].boxes_xyxy),
            confidences=list(photographs[index].confidences),
            size_px=photographs[index].size_px,
        )
        for number, index in enumerate(drawn, start=1)
    ]
    _copy(sampled, predictions / TO_LABEL)
    sample = LabelSample(
        weights_sha256=now.model.weights_sha256,
        conf_threshold=now.model.conf_threshold,
        photographs=len(photographs),
        strata={name: strata.count(name) for name in STRATA},
        sampled=sampled,
    )
    make_folder(path.parent)
    sample.write(path)
    return sample


def with_recall(monitored: Monitored, predictions: Path, labels: Path, target: Target) -> Monitored:
    """Estimate the recall from the labels of the sample, and add it.

    Args:
        monitored: The comparison with the test.
        predictions: The folder that has the sample.
        labels: A folder with a label file for each photograph of the sample, anywhere in it: an
            empty one if it shows no door.
        target: What the recall is compared with.

    Raises:
        PredictionError: If there is no sample, or too few of it are labelled.
        DatasetError: If a label file is damaged, or two are of one photograph.
    """
    sample = LabelSample.read(predictions / SAMPLE)
    if sample.weights_sha256 != monitored.weights_sha256:
        raise PredictionError(
            f"{predictions / SAMPLE} was drawn from predictions of another model",
            hint=f"move it away, and draw again: doors monitor --predictions {predictions} "
            "--label-budget 30",
        )
    found = _label_files(labels)
    labelled: list[Labelled] = []
    missing, false_alarms = [], 0
    for one in sample.sampled:
        path = found.get(Path(one.copy_name).stem)
        if path is None:
            missing.append(one.copy_name)
            continue
        result, alarms = _compare_with_labels(one, path)
        labelled.append(result)
        false_alarms += alarms
    recall = estimate_recall(labelled, sample.strata, level=1 - 2 * _ALPHA_RECALL)
    if recall is None:
        raise PredictionError(
            f"{labels}: expected labels of the {len(sample.sampled)} photographs of the sample, "
            f"with a door among them, found those of {len(labelled)}",
            hint=f"label those in {predictions / TO_LABEL}; one without a door gets an empty file",
        )
    verdict = "unproven"
    if recall.low >= target.recall:
        verdict = "holds"
    elif recall.high < target.recall:
        verdict = "missed"
    return monitored.model_copy(
        update={
            "recall": RecallNow.model_validate(
                {
                    "recall": recall,
                    "target": target.recall,
                    "target_source": target.source,
                    "verdict": verdict,
                    "labelled": len(labelled),
                    "not_labelled": missing,
                    "false_alarms": false_alarms,
                }
            ),
            "verdict": "recall missed" if verdict == "missed" else monitored.verdict,
        }
    )


def recall_target_of(model: ModelFile | None) -> Target:
    """Return the recall that a model was published for: of its operating target, or its test's."""
    if model is not None and model.conf_threshold.target is not None:
        target = parse_target(model.conf_threshold.target)
        if target.is_of_recall:
            return Target(target.bound, f"its operating target {target.text}")
    if model is not None:
        for tested in model.tested:
            at_this = tested.conf_threshold == model.conf_threshold.value
            if tested.split == "test" and at_this and "recall" in tested.scores:
                return Target(tested.scores["recall"], "its recall on the test photographs")
    return Target(RECALL_TARGET, "the usual target")


def model_of(now: Predicted) -> ModelFile | None:
    """Read the published model's file; None if there is none, or the predictions are of another."""
    try:
        model = read_model_file(PUBLISHED)
    except RunError:
        return None
    return model if now.model.weights_sha256 in model.weights.values() else None


def _of_the_run(now: Predicted) -> Predicted:
    """Read what the published model found on its test photographs, from its run.

    Raises:
        PredictionError: If there is no published model, or its run is not here.
    """
    hint = (
        "name predictions of the test photographs: doors predict "
        "data/processed/detection/images/test --save jsonl --out tested, then --reference tested"
    )
    published = read_published()
    if published is None:
        raise PredictionError("no published model here to compare with", hint=hint)
    path = run_of(published.run_id, published.experiment_name).detections_json("test")
    if not path.exists():
        raise PredictionError(f"the run of {published.version} is not here", hint=hint)
    detected = Detected.read(path)
    model = now.model.model_copy(
        update={
            "weights_sha256": detected.weights_sha256,
            "iou_threshold": detected.iou_threshold,
            "image_size_px": detected.image_size_px,
        }
    )
    at = now.model.conf_threshold
    return Predicted(str(path), model, [_seen_in_test(one, at) for one in detected.photographs], 0)


def _seen_in_test(one: Photograph, conf_threshold: float) -> Seen:
    pairs = zip(one.used_xyxy, one.used_confidences, strict=True)
    found = sorted(
        ((box, confidence) for box, confidence in pairs if confidence >= conf_threshold),
        key=lambda pair: -pair[1],
    )
    area = one.width_px * one.height_px
    return Seen(
        path=one.image,
        is_frame=False,
        size_px=(one.width_px, one.height_px),
        boxes_xyxy=tuple(box for box, _ in found),
        confidences=tuple(confidence for _, confidence in found),
        area_share=_area(found[0][0]) / area if found else None,
        brightness=None,
    )


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _comparisons(tested: Predicted, now: Predicted) -> tuple[list[Compared], dict[str, str]]:
    """Collect the measures that both sides have; and why others cannot be compared."""
    compared, left_out = [], {}
    for name, measure in _MEASURES.items():
        before, after = (_sample(side.seen, measure) for side in (tested, now))
        lacking = [
            f"{which} has no photograph with this measure"
            for which, side in (("the test", before), ("now", after))
            if not len(side.values)
        ]
        if lacking:
            left_out[name] = "; ".join(lacking)
        else:
            compared.append(Compared(name, before, after, is_proportion=name == WITHOUT_DOOR))
    return compared, left_out


WITHOUT_DOOR = "without a door"

_MEASURES: Mapping[str, Callable[[Seen], float | None]] = {
    "confidence": lambda one: max(one.confidences, default=None),
    "box size": lambda one: one.area_share,
    "brightness": lambda one: one.brightness,
    WITHOUT_DOOR: lambda one: float(not one.confidences),
}


def _sample(seen: Sequence[Seen], measure: Callable[[Seen], float | None]) -> Sample:
    """Collect a measure; the frames of one video are one group, each photograph is its own."""
    numbers: dict[str, int] = {}
    values, groups = [], []
    for index, one in enumerate(seen):
        value = measure(one)
        if value is not None:
            key = one.path if one.is_frame else f"{index}"
            values.append(value)
            groups.append(numbers.setdefault(key, len(numbers)))
    return Sample(np.array(values, dtype=np.float64), np.array(groups, dtype=np.int64))


def _usual_confidence(monitored: Monitored) -> float:
    """Return the median confidence on the test; without it, nothing is certain or uncertain."""
    found = [one.tested for one in monitored.drifts if one.measure == "confidence"]
    return found[0] if found else monitored.conf_threshold


def _same_sample(sample: LabelSample, now: Predicted, photographs: int, path: Path) -> LabelSample:
    if (sample.weights_sha256, sample.photographs) == (now.model.weights_sha256, photographs):
        return sample
    raise PredictionError(
        f"{path}: a sample was drawn already, from {sample.photographs} photographs, and there are "
        f"{photographs} now",
        hint="estimate from it first, with --labels; a new period gets a folder of predictions of "
        "its own",
    )


def _copy(sampled: Sequence[SampledPhotograph], folder: Path) -> None:
    """Copy the photographs, one by one; nothing is kept if one of them is gone."""
    gone = [one.path for one in sampled if not Path(one.path).is_file()]
    if gone:
        raise PredictionError(
            f"{shortened(gone[0], 80)} is not there any more, and was to be labelled",
            hint="put the photographs back where they were predicted from, then run this again",
        )
    make_folder(folder)
    for one in sampled:
        shutil.copyfile(one.path, folder / one.copy_name)


def _label_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DatasetError(
            f"no folder of labels at {folder}",
            hint="label the photographs of the sample, and import what the tool exports: "
            "doors data import EXPORT --images DIR --out LABELS; then --labels LABELS",
        )
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("m[0-9][0-9][0-9][0-9]*.txt")):
        if path.stem in found:
            raise DatasetError(
                f"{folder}: expected one label file of {path.stem}, found {found[path.stem]} and "
                f"{path}",
                hint="delete the wrong one",
            )
        found[path.stem] = path
    return found


def _compare_with_labels(one: SampledPhotograph, path: Path) -> tuple[Labelled, int]:
    width, height = one.size_px
    doors = [
        (left * width, top * height, right * width, bottom * height)
        for left, top, right, bottom in (box.edges for box in read_boxes(path))
    ]
    matches = match(one.boxes_xyxy, one.confidences, doors)
    found = sum(matches.door_is_found)
    alarms = len(one.boxes_xyxy) - sum(matches.detection_is_door)
    return Labelled(one.stratum, found, len(doors) - found), alarms
