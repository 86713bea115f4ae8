"""Cross-validates by scene: a model for each fold, measured on what it was not trained on.

The folds are ordinary runs, ``NAME-fold1``, ``NAME-fold2``, ...; with several seeds also
``NAME-fold1-seed1``, ... What is pooled of them is written beside the run NAME, which is the last
model: trained on train and val together.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from container_doors.core.config import Data, Params, params_with
from container_doors.core.errors import DatasetError, RunError
from container_doors.core.measurements import (
    FOLDS,
    CrossValidation,
    Detected,
    FoldScores,
    Photograph,
    Robustness,
    SeedScores,
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
from container_doors.evaluation.alarms import mean_false_alarms
from container_doors.evaluation.folds import pooled_robustness, spread, spread_between_seeds
from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.paired import count_alarms
from container_doors.evaluation.scores import all_scores, mean_scores
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
    count: int
    """Of folds."""
    seeds: Sequence[int]
    """That of the params, and those after it."""
    dataset_sha256: str
    """Of train, val and ``folds.csv``."""

    @property
    def tasks(self) -> list[TrainingTask]:
        """The trainings: all folds of the first seed, in order, then those of the next."""
        return [
            TrainingTask(run.name, self._params_of(number, seed))
            for seed in self.seeds
            for number, run in enumerate(self.runs_of(seed), start=1)
        ]

    @property
    def runs(self) -> list[Run]:
        """The run of each training, in the order of ``tasks``."""
        return [run for seed in self.seeds for run in self.runs_of(seed)]

    def runs_of(self, seed: int) -> list[Run]:
        """Return the runs of one seed, in the order of the folds."""
        other = None if seed == self.params.training.seed else seed
        return [self.run.fold(number, seed=other) for number in range(1, self.count + 1)]

    def _params_of(self, number: int, seed: int) -> Params:
        return params_with(
            self.params,
            [
                f"detection.data.fold={number}",
                f"detection.training.seed={seed}",
                "detection.publishing.when=never",
            ],
            where=f"the params of fold {number}",
        )


def plan_folds(
    params: Params, run: Run, *, folds: int | None, seeds: int | None = None, progress: Progress
) -> Folds:
    """Check data and folds, and what was begun before; nothing is written.

    Args:
        params: The params of each fold.
        run: The experiment.
        folds: How many there should be; None: as many as the data set has.
        seeds: How many trainings of each fold: by the seed of the params, that plus 1, ...; None:
            as many as were begun, at first one.
        progress: Receives progress messages.

    Raises:
        DatasetError: If the data set has an error, no folds, other folds, a fold without a door, or
            a scene in two folds.
        RunError: If what was begun under this name is of other params, other data or more seeds.
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
    _refuse_small_folds(of_images, params.data, layout)
    _refuse_fold_without_door(of_images, split)
    _refuse_divided_scenes(layout, of_images, f"{split} --folds {count}")
    report = fit_data(params, progress=progress)
    first, begun = params.training.seed, _seeds_begun(params, run, count)
    plan = Folds(
        run, params, count, range(first, first + (seeds or begun)), _sha256_of_folds(report)
    )
    _refuse_changes(plan)
    if len(plan.seeds) < begun:
        raise RunError(
            f"--seeds {seeds}: expected at least {begun}, with which {run.name} was begun",
            hint="leave --seeds out; or begin another: --experiment NAME",
        )
    return plan


def train_folds(plan: Folds, *, trainings: Trainings, progress: Progress) -> None:
    """Train each fold, by each seed, that is not finished; resume the one that was interrupted.

    Raises:
        DoorsError: See :meth:`ports.Trainings.train`; also if a fold fails by itself.
        ToBeContinued: If it was asked to stop; nothing is lost.
    """
    tasks = plan.tasks
    by_seeds, what = (
        (f" by {len(plan.seeds)} seeds", "trainings") if len(plan.seeds) > 1 else ("", "folds")
    )
    progress.say(
        f"cross-validating {plan.run.name}: {plan.count} folds{by_seeds}, "
        f"{trainings.at_once} at a time"
    )
    for number, end in enumerate(trainings.train(tasks), start=1):
        _refuse_failure(end)
        progress.say(f"{end.name} is finished: {number} of {len(tasks)} {what}")


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
            *_shorter_average(plan, found.epochs),
        ],
        where=f"the params of {plan.run.name}",
    )
    for end in trainings.train([TrainingTask(plan.run.name, params)]):
        _refuse_failure(end)


def _shorter_average(plan: Folds, epochs: int) -> list[str]:
    """Let the mean of the last epochs be of all, if the last model has fewer; of one there is none.

    Such as where the folds were best before their last epochs.
    """
    asked = plan.params.training.average_last
    if asked <= epochs:
        return []
    return [f"detection.training.average_last={epochs if epochs > 1 else 0}"]


def pool(plan: Folds, *, open_detector: OpenDetector, progress: Progress) -> CrossValidation:
    """Pool what the folds' models detect on the photographs that they were not trained on.

    Of several seeds each is pooled by itself, and the scores are the means. It writes
    ``crossval.json`` and the detections.

    Raises:
        DatasetError: If attributes.csv names what is not there.
    """
    layout = require_layout(Path(plan.params.data.path))
    attributes = known_attributes(layout, progress)
    by_seed = [
        _of_seed(plan, seed, attributes, open_detector=open_detector, progress=progress)
        for seed in plan.seeds
    ]
    first = by_seed[0]
    paths = {
        view_name(files, image): image for files in layout.splits.values() for image in files.images
    }
    pooled = assess(
        first.detected,
        attributes,
        paths,
        conf_threshold=plan.params.validation.conf_threshold,
        target=recall_target(None),
    ).model_copy(update={"latency": None, "latency_ms": None})
    found = CrossValidation(
        experiment=plan.run.name,
        params=plan.params.model_dump(mode="json"),
        dataset_path=plan.params.data.path,
        dataset_sha256=plan.dataset_sha256,
        folds=[fold for one in by_seed for fold in one.folds],
        epochs=max(1, round(median(one.best_epoch for one in first.folds))),
        pooled=pooled,
        spread=spread(
            [
                [one.scores for one in trainings]
                for trainings in zip(*(one.folds for one in by_seed), strict=True)
            ]
        ),
        robustness=_robustness(
            plan.runs_of(plan.seeds[0]), first.records, first.detected.files_sha256
        ),
    )
    if len(by_seed) > 1:
        found = _with_seeds(found, by_seed)
    for seed, one in zip(plan.seeds[1:], by_seed[1:], strict=True):
        one.detected.write(plan.run.out_of_fold_of(seed))
    first.detected.write(plan.run.out_of_fold)
    found.write(plan.run.crossval)
    return found


@dataclass(frozen=True, slots=True)
class _OfSeed:
    """What the folds of one seed detected, together."""

    seed: int
    records: Sequence[RunRecord]
    folds: Sequence[FoldScores]
    detected: Detected
    matched: Sequence[MatchedPhotograph]


def _of_seed(
    plan: Folds,
    seed: int,
    attributes: Attributes,
    *,
    open_detector: OpenDetector,
    progress: Progress,
) -> _OfSeed:
    conf = plan.params.validation.conf_threshold
    runs = plan.runs_of(seed)
    records = [trained(run)[0] for run in runs]
    detected = [
        _of_whole(detect(run, "test", open_detector=open_detector, progress=progress))
        for run in runs
    ]
    named = seed if len(plan.seeds) > 1 else None
    folds = [
        _fold_scores(number, run, record, one, attributes, conf).model_copy(update={"seed": named})
        for number, (run, record, one) in enumerate(
            zip(runs, records, detected, strict=True), start=1
        )
    ]
    together = _together(detected)
    matched = match_photographs(
        together.photographs, scenes_of(together, attributes), conf_threshold=conf
    )
    return _OfSeed(seed, records, folds, together, matched)


def _with_seeds(found: CrossValidation, by_seed: Sequence[_OfSeed]) -> CrossValidation:
    """Replace the scores of the first seed by the means; add those of each seed, and the spread."""
    scores, undefined = mean_scores([one.matched for one in by_seed])
    alarms = mean_false_alarms(
        [one.detected.photographs for one in by_seed],
        [one.scene for one in by_seed[0].matched],
        conf_threshold=found.pooled.conf_threshold,
    )
    if not alarms:
        undefined["false alarms"] = found.pooled.undefined["false alarms"]
    seeds = [
        SeedScores(
            seed=one.seed,
            false_alarms=count_alarms(one.matched),
            scores=all_scores(one.matched)[0],
        )
        for one in by_seed
    ]
    pooled = {"scores": scores, "undefined": undefined, "false_alarms": alarms}
    return found.model_copy(
        update={
            "pooled": found.pooled.model_copy(update=pooled),
            "seeds": seeds,
            "between_seeds": spread_between_seeds([one.scores for one in seeds]),
        }
    )


def _refuse_small_folds(of_images: Mapping[Path, int], data: Data, layout: Layout) -> None:
    """Check each training before the first begins: a fold leaves fewer photographs than the whole.

    The same minimums are those of the data set's own splits.

    Raises:
        DatasetError: If one of them has too few to train or to validate on.
    """
    sizes = Counter(of_images.values())
    count, total = max(sizes), sum(sizes.values())
    fewest = {
        "train": min(total - sizes[one] - sizes[one % count + 1] for one in sizes),
        "val": min(sizes.values()),
    }
    least = {"train": data.min_train_images, "val": data.min_val_images}
    small = [split for split, found in fewest.items() if found < least[split]]
    if small:
        found = " and ".join(f"{fewest[split]} in {split}" for split in small)
        wanted = " and ".join(f"{least[split]}" for split in small)
        enough = {split: min(fewest[split], len(layout.splits[split].images)) for split in small}
        settings = [f"--set detection.data.min_{split}_images={enough[split]}" for split in small]
        raise DatasetError(
            f"expected {wanted} photographs or more for each of {count} folds, found {found} for "
            "the smallest",
            hint=f"if they are enough: {' '.join(settings)}",
        )


def _refuse_fold_without_door(folds: Mapping[Path, int], split: str) -> None:
    doors = dict.fromkeys(sorted(set(folds.values())), 0)
    for image, number in folds.items():
        label = label_of(image)
        doors[number] += len(read_boxes(label)) if label.is_file() else 0
    empty = [number for number, count in doors.items() if not count]
    if empty:
        raise DatasetError(
            f"{FOLDS_CSV}: expected a door in each fold, found none in fold {empty[0]}",
            hint=f"add photographs of other scenes; or divide it anew: move {FOLDS_CSV} away, then "
            f"{split} --folds {max(len(doors) - 1, 3)} --seed 1",
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


def _seeds_begun(params: Params, run: Run, folds: int) -> int:
    """Count the seeds of which a training was begun, at least 1; one seed begins after another."""
    begun = 1
    while any(
        run.fold(number, seed=params.training.seed + begun).has_record
        for number in range(1, folds + 1)
    ):
        begun += 1
    return begun


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
    if plan.run.sweep.exists() or plan.run.sweep_db.exists():
        raise RunError(
            f"{plan.run.directory} is a sweep", hint="take another name: --experiment NAME"
        )
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
