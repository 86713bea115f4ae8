"""Cross-validates by scene: a model for each fold, measured on what it was not trained on.

The folds are ordinary runs, ``NAME-fold1``, ``NAME-fold2``, ...; what is pooled of them is written
beside the run NAME, which is the last model: trained on train and val together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from container_doors.core.config import Params, params_with
from container_doors.core.errors import DatasetError, RunError
from container_doors.core.measurements import (
    FOLDS,
    CrossValidation,
    Detected,
    FoldScores,
    Photograph,
    Robustness,
)
from container_doors.core.ports import Progress, TaskEnd, Trainings, TrainingTask
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.data.attributes import Attributes, read_attributes
from container_doors.data.checks import Report
from container_doors.data.facts import content_sha256
from container_doors.data.folds import read_folds, whole_name
from container_doors.data.labelled import require_layout
from container_doors.data.labels import read_boxes
from container_doors.data.layout import FOLDS_CSV, Layout, label_of, view_name
from container_doors.evaluation.folds import pooled_robustness, spread
from container_doors.evaluation.matched import match_photographs
from container_doors.evaluation.paired import count_alarms
from container_doors.evaluation.scores import all_scores
from container_doors.evaluation.targets import recall_target
from container_doors.publishing.hashing import file_sha256, text_sha256
from container_doors.steps.data.validate import fit_data, layout_of
from container_doors.steps.detections import (
    OpenDetector,
    detect,
    evaluated,
    known_attributes,
    scenes_of,
    trained,
)
from container_doors.steps.evaluate import assess
from container_doors.steps.start import changed_params
from container_doors.training.claim import earlier_record

_DATA = "the photographs, their labels or folds.csv"


@dataclass(frozen=True, slots=True)
class Folds:
    """The folds of an experiment, as they are to be trained."""

    run: Run
    """The experiment; its last model is of this name."""
    params: Params
    tasks: Sequence[TrainingTask]
    """One for each fold, in order."""
    dataset_sha256: str
    """Of train, val and ``folds.csv``."""

    @property
    def runs(self) -> list[Run]:
        """The run of each fold, in order."""
        return [self.run.fold(number) for number in range(1, len(self.tasks) + 1)]


def plan_folds(params: Params, run: Run, *, folds: int | None, progress: Progress) -> Folds:
    """Check data and folds, and what was begun before; nothing is written.

    Args:
        params: The params of each fold.
        run: The experiment.
        folds: How many there should be; None: as many as the data set has.
        progress: Receives progress messages.

    Raises:
        DatasetError: If the data set has an error, no folds, other folds, a fold without a door, or
            a scene in two folds.
        RunError: If what was begun under this name is of other params or other data.
    """
    if params.data.fold is not None or params.data.trains_on == "all":
        raise DatasetError(
            "detection.data.fold and trains_on: expected null and train, found "
            f"{params.data.fold} and {params.data.trains_on}",
            hint="leave both out: doors crossval sets them for each training",
        )
    layout = require_layout(Path(params.data.path))
    of_images = read_folds(layout)
    count = max(of_images.values())
    split = f"doors data split --path {params.data.path}"
    if folds not in {None, count}:
        raise DatasetError(
            f"--folds {folds}: the data set has {count} folds",
            hint=f"leave --folds out; or divide it anew: {split} --folds {folds}",
        )
    _refuse_fold_without_door(of_images, f"{split} --folds {max(count - 1, 3)}")
    _refuse_divided_scenes(layout, of_images, f"{split} --folds {count}")
    report = fit_data(params, progress=progress)
    plan = Folds(
        run,
        params,
        [
            TrainingTask(
                run.fold(number).name,
                params_with(
                    params,
                    [f"detection.data.fold={number}", "detection.publishing.when=never"],
                    where=f"the params of fold {number}",
                ),
            )
            for number in range(1, count + 1)
        ],
        _sha256_of_folds(report),
    )
    _refuse_changes(plan)
    return plan


def train_folds(plan: Folds, *, trainings: Trainings, progress: Progress) -> None:
    """Train each fold that is not finished; resume the one that was interrupted.

    Raises:
        DoorsError: See :meth:`ports.Trainings.train`; also if a fold fails by itself.
        ToBeContinued: If it was asked to stop; nothing is lost.
    """
    progress.say(
        f"cross-validating {plan.run.name}: {len(plan.tasks)} folds, {trainings.at_once} at a time"
    )
    for number, end in enumerate(trainings.train(plan.tasks), start=1):
        _refuse_failure(end)
        progress.say(f"{end.name} is finished: {number} of {len(plan.tasks)} folds")


def train_last(plan: Folds, found: CrossValidation, *, trainings: Trainings) -> None:
    """Train the last model on train and val, as long as the folds' best epochs say.

    Raises:
        DoorsError: As :func:`train_folds`.
        ToBeContinued: As :func:`train_folds`.
    """
    params = params_with(
        plan.params,
        [
            "detection.data.trains_on=all",
            f"detection.training.epochs={found.epochs}",
            "detection.training.patience=0",
        ],
        where=f"the params of {plan.run.name}",
    )
    for end in trainings.train([TrainingTask(plan.run.name, params)]):
        _refuse_failure(end)


def pool(plan: Folds, *, open_detector: OpenDetector, progress: Progress) -> CrossValidation:
    """Pool what the folds' models detect on the photographs that they were not trained on.

    It writes ``crossval.json`` and the detections.

    Raises:
        DatasetError: If attributes.csv names what is not there.
    """
    layout = require_layout(Path(plan.params.data.path))
    attributes = known_attributes(layout, progress)
    detected = [
        _of_whole(detect(run, "test", open_detector=open_detector, progress=progress))
        for run in plan.runs
    ]
    together = _together(detected)
    conf = plan.params.validation.conf_threshold
    paths = {
        view_name(files, image): image for files in layout.splits.values() for image in files.images
    }
    records = [trained(run)[0] for run in plan.runs]
    folds = [
        _fold_scores(number, run, record, one, attributes, conf)
        for number, (run, record, one) in enumerate(
            zip(plan.runs, records, detected, strict=True), start=1
        )
    ]
    found = CrossValidation(
        experiment=plan.run.name,
        params=plan.params.model_dump(mode="json"),
        dataset_path=plan.params.data.path,
        dataset_sha256=plan.dataset_sha256,
        folds=folds,
        epochs=max(1, round(median(one.best_epoch for one in folds))),
        pooled=assess(
            together, attributes, paths, conf_threshold=conf, target=recall_target(None)
        ).model_copy(update={"latency": None, "latency_ms": None}),
        spread=spread([one.scores for one in folds]),
        robustness=_robustness(plan.runs, records, together.files_sha256),
    )
    together.write(plan.run.out_of_fold)
    found.write(plan.run.crossval)
    return found


def _refuse_fold_without_door(folds: Mapping[Path, int], fewer: str) -> None:
    doors = dict.fromkeys(sorted(set(folds.values())), 0)
    for image, number in folds.items():
        label = label_of(image)
        doors[number] += len(read_boxes(label)) if label.is_file() else 0
    empty = [number for number, count in doors.items() if not count]
    if empty:
        raise DatasetError(
            f"{FOLDS_CSV}: expected a door in each fold, found none in fold {empty[0]}",
            hint=f"make fewer: {fewer}; or add photographs of other scenes",
        )


def _refuse_divided_scenes(layout: Layout, folds: Mapping[Path, int], again: str) -> None:
    attributes, _ = read_attributes(layout)
    first: dict[str, int] = {}
    for files in layout.splits.values():
        for image in files.images:
            scene = attributes.scenes.get(view_name(files, image))
            number = folds.get(image)
            if scene is None or number is None:
                continue
            if first.setdefault(scene, number) != number:
                raise DatasetError(
                    f"{FOLDS_CSV}: expected each scene in one fold, found {scene!r} in "
                    f"{first[scene]} and {number}",
                    hint=f"{again}: it joins them",
                )


def _sha256_of_folds(report: Report) -> str:
    """Hash what every fold's run has the hash of: train, val, and who is in which fold."""
    layout = layout_of(report)
    test = layout.splits["test"]
    apart = {path.relative_to(layout.root) for path in (*test.images, *map(label_of, test.images))}
    table = layout.data_yaml.parent / FOLDS_CSV
    return content_sha256(
        {path: digest for path, digest in report.digests.items() if path not in apart}
        | {Path(FOLDS_CSV): file_sha256(table)}
    )


def _refuse_changes(plan: Folds) -> None:
    """Refuse params or data that are not those of what was begun before."""
    hint = "undo that change, or begin another: --experiment NAME"
    for run, task in zip(plan.runs, plan.tasks, strict=True):
        record = earlier_record(run)
        if record is None:
            continue
        changes = changed_params(record, task.params)
        if record.dataset.sha256 != plan.dataset_sha256:
            changes.append(_DATA)
        if changes:
            raise RunError(f"{run.name} was begun with other settings: {', '.join(changes)}",
                           hint=hint)  # fmt: skip
    last = earlier_record(plan.run)
    if last is not None and last.known_params.data.trains_on != "all":
        raise RunError(
            f"{plan.run.name} is a run of its own, and not the last model of a cross-validation",
            hint="take another name: --experiment NAME",
        )


def _refuse_failure(end: TaskEnd) -> None:
    if end.outcome != "finished":
        raise RunError(
            f"{end.name} is not finished ({end.outcome}): {end.reason}",
            hint=f"{Run(end.name).train_log} says more; the same command goes on",
        )


def _of_whole(detected: Detected) -> Detected:
    """Name the photographs of a fold as in the splits of data.yaml."""
    photographs = [
        one.model_copy(update={"image": whole_name(one.image)}) for one in detected.photographs
    ]
    return detected.model_copy(update={"photographs": photographs})


def _together(folds: Sequence[Detected]) -> Detected:
    """Put the detections of all folds into one document, sorted by photograph."""

    def joined(values: Sequence[str]) -> str:
        return text_sha256("\n".join(values))

    photographs: list[Photograph] = [one for fold in folds for one in fold.photographs]
    return folds[0].model_copy(
        update={
            "run_id": joined([one.run_id for one in folds])[:32],
            "weights_sha256": joined([one.weights_sha256 for one in folds]),
            "files_sha256": joined([one.files_sha256 for one in folds]),
            "split": FOLDS,
            "ultralytics": {},
            "photographs": sorted(photographs, key=lambda one: one.image),
        }
    )


def _fold_scores(
    number: int,
    run: Run,
    record: RunRecord,
    detected: Detected,
    attributes: Attributes,
    conf_threshold: float,
) -> FoldScores:
    scenes = scenes_of(detected, attributes)
    matched = match_photographs(detected.photographs, scenes, conf_threshold=conf_threshold)
    scores, _ = all_scores(matched)
    return FoldScores(
        number=number,
        run=run.label,
        run_id=record.run_id,
        weights_sha256=detected.weights_sha256,
        photographs=len(matched),
        doors=sum(len(one.found) for one in matched),
        best_epoch=record.best_epoch or 1,
        false_alarms=count_alarms(matched),
        scores=scores,
    )


def _robustness(
    runs: Sequence[Run], records: Sequence[RunRecord], files_sha256: str
) -> Robustness | None:
    measured = [
        evaluated(run, record).robustness.get("test")
        for run, record in zip(runs, records, strict=True)
    ]
    found = [one for one in measured if one is not None]
    if len(found) < len(runs):
        return None
    return pooled_robustness(found, files_sha256=files_sha256)
