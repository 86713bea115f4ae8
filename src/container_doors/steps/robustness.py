"""Measures how the scores fall on corrupted photographs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from container_doors.core.errors import RunError
from container_doors.core.files import is_read_only
from container_doors.core.measurements import (
    BoxXyxy,
    CachedSeverity,
    CorruptionScores,
    Photograph,
    Robustness,
    SeverityScores,
)
from container_doors.core.ports import Corrupt, Detector, Progress
from container_doors.core.run import Run
from container_doors.data.view import ensure_view
from container_doors.evaluation.corruptions import (
    Picture,
    apply_corruption,
    read_picture,
    write_picture,
)
from container_doors.evaluation.matched import door_icc, match_photographs, scene_numbers
from container_doors.evaluation.robustness import (
    cache_key,
    corruption_result,
    mean_ap50,
    planned_steps,
    retention,
    severity_scores,
    spread_evenly,
)
from container_doors.evaluation.targets import OperatingTarget, choose_threshold, recall_target
from container_doors.steps.detections import (
    OpenDetector,
    count_test_use,
    detect,
    keep,
    known_attributes,
    one_by_one,
    trained,
)
from container_doors.steps.out_of_fold import to_choose_by


@dataclass(frozen=True, slots=True)
class RobustnessSettings:
    """Which corruptions are measured, on how many photographs, for how long."""

    corrupt: Corrupt
    common: tuple[str, ...] = ()
    """Kinds of ``corrupt`` that are measured too."""
    is_quick: bool = False
    photographs: int = 100
    budget_s: float = math.inf
    operating_target: OperatingTarget | None = None
    """Chooses the threshold, on val; a recall target is also the target of each severity."""

    @property
    def target(self) -> float:
        """The recall that each severity should reach."""
        return recall_target(self.operating_target)


def measure_robustness(
    run: Run,
    split: str,
    *,
    settings: RobustnessSettings,
    open_detector: OpenDetector,
    progress: Progress,
) -> Robustness:
    """Measure how the scores fall as photographs are corrupted, one severity after the other.

    Each result is cached as soon as it is measured; so this can be stopped at any time, and the
    same call continues.

    Raises:
        RunError: If there is no such run, or no door in the split, or if no threshold meets the
            operating target on val.
    """
    record, layout = trained(run)
    params = record.known_params
    attributes = known_attributes(layout, progress)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    photographs = spread_evenly(detected.photographs, settings.photographs)
    if not photographs:
        raise RunError(f"{run.label} has no door in {split}", hint="choose another --split")
    conf = params.validation.conf_threshold
    target = settings.operating_target
    if target is not None:
        chosen_by, its_scenes = to_choose_by(
            run, record, attributes, open_detector=open_detector, progress=progress
        )
        conf, _ = choose_threshold(target, chosen_by.photographs, its_scenes, split=chosen_by.split)
    scenes = scene_numbers([one.image for one in photographs], attributes.scenes)

    # From the clean split, not from a severity: a corrupted one must not give narrower intervals.
    icc = door_icc(match_photographs(photographs, scenes, conf_threshold=conf))
    view = ensure_view(layout, run.data_view)

    def measure(step: tuple[str, float], detector: Detector) -> SeverityScores:
        corrupted = _corrupt_and_detect(
            view, photographs, step, detector, detected.iou_threshold, settings
        )
        return severity_scores(corrupted, scenes, severity=step[1], conf=conf, icc=icc)

    steps = {
        step: run.robustness_step(split, cache_key(detected, photographs, scenes, step, conf))
        for step in planned_steps(settings.common, is_quick=settings.is_quick)
    }
    open_it = partial(open_detector, run.best_weights, params)
    uncached = _measure_steps(steps, settings, measure, open_it, progress)
    clean = severity_scores(photographs, scenes, severity=0, conf=conf, icc=icc)
    corruptions, missing = _read(steps, uncached, clean, settings.target)
    found = Robustness(
        files_sha256=detected.files_sha256,
        attributes_sha256=attributes.sha256,
        split=split,
        photographs=len(photographs),
        doors=sum(len(one.doors_xyxy) for one in photographs),
        conf_threshold=conf,
        recall_target=settings.target,
        promise=None if target is None else target.text,
        clean=clean,
        ladders=corruptions,
        mean_ap50=None if missing else mean_ap50(corruptions),
        retention=None if missing else retention(clean, corruptions),
        not_measured=missing,
        looks=count_test_use(run, detected, target, progress=progress),
    )
    keep(run, record, found, progress=progress)
    return found


_Steps = Mapping[tuple[str, float], Path]
"""By corruption and severity: the file of the cached result."""

_Uncached = dict[tuple[str, float], SeverityScores]
"""Results that were measured and cannot be cached."""


def _measure_steps(
    steps: _Steps,
    settings: RobustnessSettings,
    measure: Callable[[tuple[str, float], Detector], SeverityScores],
    open_it: Callable[[], Detector],
    progress: Progress,
) -> _Uncached:
    """Measure each step that is not cached, while there is time; open the model only if needed.

    Returns:
        The results that cannot be cached, because the run is read-only.
    """
    began, detector = monotonic(), None
    uncached: _Uncached = {}
    for number, (step, path) in enumerate(steps.items(), start=1):
        if not path.exists() and monotonic() - began <= settings.budget_s:
            detector = detector or open_it()
            scores = measure(step, detector)
            try:
                CachedSeverity(step=scores).write(path)
            except OSError as error:
                if not is_read_only(error):
                    raise
                uncached[step] = scores
        progress.step("robustness", number, len(steps))
    return uncached


def _read(
    steps: _Steps, uncached: _Uncached, clean: SeverityScores, target: float
) -> tuple[list[CorruptionScores], list[str]]:
    """Read the cached results, by corruption; also name the steps without a result."""
    measured: dict[str, list[SeverityScores]] = {corruption: [] for corruption, _ in steps}
    missing = []
    for (corruption, severity), path in steps.items():
        if (corruption, severity) in uncached or path.exists():
            scores = uncached.get((corruption, severity))
            measured[corruption].append(scores or CachedSeverity.read(path).step)
        else:
            missing.append(f"{corruption} {severity:g}")
    found = measured.items()
    return [
        corruption_result(name, scores, clean=clean, target=target)
        for name, scores in found
        if scores
    ], missing


def _corrupt_and_detect(
    view: Path,
    photographs: Sequence[Photograph],
    step: tuple[str, float],
    detector: Detector,
    iou_threshold: float,
    settings: RobustnessSettings,
) -> list[Photograph]:
    """Corrupt every photograph, and detect its doors as the model will be used."""
    with TemporaryDirectory() as scratch:
        paths, doors = [], []
        for number, one in enumerate(photographs):
            corrupted, moved = _corrupt(read_picture(view / one.image), one, step, settings)
            path = Path(scratch) / f"{number:05}.png"
            write_picture(path, corrupted)
            paths.append(path)
            doors.append(moved)
        found = one_by_one(detector, paths, iou_threshold)
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


def _corrupt(
    picture: Picture, one: Photograph, step: tuple[str, float], settings: RobustnessSettings
) -> tuple[Picture, list[BoxXyxy]]:
    kind, severity = step
    if kind in settings.common:
        return settings.corrupt(kind, int(severity), one.image, picture), list(one.doors_xyxy)
    return apply_corruption(kind, severity, one.image, picture, one.doors_xyxy)
