"""Measures how scores fall on photographs made harder."""

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
    Ladder,
    Photograph,
    Robustness,
    SeverityScores,
)
from container_doors.core.ports import Corrupt, Detector, Progress
from container_doors.core.run import Run
from container_doors.evaluation.corruptions import Picture, climb, read_picture, write_picture
from container_doors.evaluation.matched import door_icc, match_photographs, scene_numbers
from container_doors.evaluation.robustness import (
    key_of,
    laddered,
    mean_ap50,
    planned,
    retention,
    scored,
    spread_evenly,
)
from container_doors.evaluation.targets import OperatingTarget, choose_threshold, recall_target
from container_doors.steps.detections import (
    OpenDetector,
    detect,
    keep,
    known_attributes,
    look,
    one_by_one,
    scenes_of,
    trained,
)


@dataclass(frozen=True, slots=True)
class RobustnessSettings:
    """How far up the ladders."""

    corrupt: Corrupt
    common: tuple[str, ...] = ()
    """Kinds of ``corrupt`` that are climbed too."""
    is_quick: bool = False
    photographs: int = 100
    budget_s: float = math.inf
    promise: OperatingTarget | None = None
    """Chooses the threshold, on val; a promised recall is what each step is held against."""

    @property
    def target(self) -> float:
        """The recall that each step is held against."""
        return recall_target(self.promise)


def measure_robustness(
    run: Run,
    split: str,
    *,
    asked: RobustnessSettings,
    open_detector: OpenDetector,
    progress: Progress,
) -> Robustness:
    """Measure how the scores fall as photographs are made harder, one step after the other.

    Each step is kept as soon as it is measured, and not measured again; so it can be stopped at any
    time, and the same call goes on.

    Raises:
        RunError: If there is no such run, or no door in the split, or if no threshold keeps the
            promise on val.
    """
    record, layout = trained(run)
    params = record.known_params
    attributes = known_attributes(layout, progress)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    photographs = spread_evenly(detected.photographs, asked.photographs)
    if not photographs:
        raise RunError(f"{run.name} has no door in {split}", hint="choose another --split")
    conf = params.validation.conf_threshold
    if asked.promise is not None:
        val = detect(run, "val", open_detector=open_detector, progress=progress)
        conf, _ = choose_threshold(asked.promise, val.photographs, scenes_of(val, attributes))
    scenes = scene_numbers([one.image for one in photographs], attributes.scenes)

    # Of the split, and not of a step: a harder one must not prove more.
    icc = door_icc(match_photographs(photographs, scenes, conf_threshold=conf))

    def measured(step: tuple[str, float], detector: Detector) -> SeverityScores:
        harder = _made_harder(run, photographs, step, detector, detected.iou_threshold, asked)
        return scored(harder, scenes, severity=step[1], conf=conf, icc=icc)

    steps = {
        step: run.robustness_step(split, key_of(detected, photographs, scenes, step, conf))
        for step in planned(asked.common, is_quick=asked.is_quick)
    }
    opened = partial(open_detector, run.best_weights, params)
    unkept = _take(steps, asked, measured, opened, progress)
    clean = scored(photographs, scenes, severity=0, conf=conf, icc=icc)
    ladders, missing = _read(steps, unkept, clean, asked.target)
    found = Robustness(
        files_sha256=detected.files_sha256,
        attributes_sha256=attributes.sha256,
        split=split,
        photographs=len(photographs),
        doors=sum(len(one.doors_xyxy) for one in photographs),
        conf_threshold=conf,
        recall_target=asked.target,
        promise=None if asked.promise is None else asked.promise.text,
        clean=clean,
        ladders=ladders,
        mean_ap50=None if missing else mean_ap50(ladders),
        retention=None if missing else retention(clean, ladders),
        not_measured=missing,
        looks=look(run, detected, asked.promise, progress=progress),
    )
    keep(run, record, found, progress=progress)
    return found


_Steps = Mapping[tuple[str, float], Path]
"""Where each step is kept."""


_Unkept = dict[tuple[str, float], SeverityScores]
"""Steps that were measured and cannot be kept."""


def _take(
    steps: _Steps,
    asked: RobustnessSettings,
    measure: Callable[[tuple[str, float], Detector], SeverityScores],
    open_it: Callable[[], Detector],
    progress: Progress,
) -> _Unkept:
    """Measure each step that is not kept, while there is time; open the model if there is one.

    Returns:
        Those that cannot be kept, for nothing can be written.
    """
    began, opened = monotonic(), None
    unkept: _Unkept = {}
    for number, (step, path) in enumerate(steps.items(), start=1):
        if not path.exists() and monotonic() - began <= asked.budget_s:
            opened = opened or open_it()
            measured = measure(step, opened)
            try:
                CachedSeverity(step=measured).write(path)
            except OSError as error:
                if not is_read_only(error):
                    raise
                unkept[step] = measured
        progress.step("robustness", number, len(steps))
    return unkept


def _read(
    steps: _Steps, unkept: _Unkept, clean: SeverityScores, target: float
) -> tuple[list[Ladder], list[str]]:
    """Read what is kept, ladder by ladder, and name the steps that are not."""
    measured: dict[str, list[SeverityScores]] = {ladder: [] for ladder, _ in steps}
    missing = []
    for (ladder, severity), path in steps.items():
        if (ladder, severity) in unkept or path.exists():
            known = unkept.get((ladder, severity))
            measured[ladder].append(known or CachedSeverity.read(path).step)
        else:
            missing.append(f"{ladder} {severity:g}")
    found = measured.items()
    return [
        laddered(name, taken, clean=clean, target=target) for name, taken in found if taken
    ], missing


def _made_harder(
    run: Run,
    photographs: Sequence[Photograph],
    step: tuple[str, float],
    detector: Detector,
    iou_threshold: float,
    asked: RobustnessSettings,
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
        found = one_by_one(detector, made, iou_threshold)
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
    picture: Picture, one: Photograph, step: tuple[str, float], asked: RobustnessSettings
) -> tuple[Picture, list[BoxXyxy]]:
    ladder, severity = step
    if ladder in asked.common:
        return asked.corrupt(ladder, int(severity), one.image, picture), list(one.doors_xyxy)
    return climb(ladder, severity, one.image, picture, one.doors_xyxy)
