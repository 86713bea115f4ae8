"""``doors predict``: what a model finds in photographs, videos and cameras, one after the other."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from container_doors.core.config import QualityLimits
from container_doors.core.errors import PredictionError
from container_doors.core.ports import FoundBoxes, Progress
from container_doors.core.predictions import PhotographResult
from container_doors.data.data_yaml import CLASS_NAME
from container_doors.prediction.crops import PADDING
from container_doors.prediction.finding import find_boxes, result_of
from container_doors.prediction.loaded import Loaded
from container_doors.prediction.output import Kind, Output
from container_doors.prediction.overlap import ReadAhead, WriteBehind
from container_doors.prediction.settings import SETTINGS, Settings, require_empty, settle
from container_doors.prediction.sources import Done, Plan, Reading, Shard
from container_doors.steps.open_model import OpenedModel

NUMBERED = Path("predictions")
"""Where each prediction that names no folder gets one of its own: ``predictions/1``."""

_MOST_NUMBERED = 1_000_000
_DEFAULT_LIMITS = QualityLimits()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is predicted, and how."""

    plan: Plan
    opened: OpenedModel
    every: int = 1
    """Of videos and cameras every Nth frame."""
    limits: QualityLimits = _DEFAULT_LIMITS
    """What the next step would refuse."""
    threads: int = 2
    """How many photographs are read and decoded at a time."""
    shard: Shard | None = None
    """Which part of the sources the plan is; None for all."""
    with_times: bool = True
    """Whether the measured times are in the results, which are never the same twice."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is written, and where."""

    folder: Path
    save: tuple[Kind, ...] = ("jsonl",)
    padding: float = PADDING
    """Of the crops, as a fraction of the door's width and height on each side."""
    is_resumed: bool = False
    """Whether it goes on with what an earlier start has written there."""


@dataclass(slots=True)
class Predicted:
    """What was found, also by the earlier starts that were continued."""

    photographs: int = 0
    """Photographs and frames that could be read."""
    with_a_door: int = 0
    doors: int = 0
    refused: int = 0
    """Doors that the next step would refuse."""
    failed: int = 0
    """Files that could not be read."""
    left_out: int = 0
    """Live frames for which there was no time."""

    @property
    def results(self) -> int:
        """How many results there are."""
        return self.photographs + self.failed

    def add(self, result: PhotographResult) -> None:
        """Count a result."""
        if result.status == "FAILED":
            self.failed += 1
            return
        self.photographs += 1
        self.with_a_door += bool(result.detections)
        self.doors += len(result.detections)
        self.refused += sum(bool(door.refused_for) for door in result.detections)


def predict(
    prediction: Prediction,
    target: Target | None,
    *,
    show: Callable[[PhotographResult], None],
    progress: Progress,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Predicted:
    """Find doors in all sources; reading, the network and writing overlap.

    Args:
        prediction: What, and how.
        target: What is written; None: nothing, results are only shown.
        show: Receives each result after it was written, in the order of the sources, in another
            thread.
        progress: Receives how far it is, and what happens to streams.
        is_stopping: Asked between photographs; what was found until then is written.

    Raises:
        PredictionError: If the folder has results that are not to be resumed, or were made in
            another way; or if the disk is full.
        OSError: If a result cannot be written; those before are.
    """
    with nullcontext() if target is None else opened_output(prediction, target) as output:
        predicted = Predicted()
        done = _done(output.earlier() if output else (), predicted)
        stop = Event()
        reading = Reading(every=prediction.every, done=done, stop=stop, say=progress.say)
        finish = _Finish(prediction, output, predicted, show, progress)
        items = prediction.plan.items(reading)
        with (
            WriteBehind(finish) as writer,
            ReadAhead(items, stop=stop, threads=prediction.threads) as ahead,
        ):
            for loaded in ahead.loaded(is_stopping=is_stopping):
                writer.put((loaded, _find(loaded, prediction.opened)))
        predicted.left_out = ahead.left_out
        return predicted


def choose_folder(out: Path | None, *, is_resumed: bool) -> Path:
    """Choose where results are written.

    Args:
        out: The folder that was named; None: a new one with the next number, or, to resume, the
            one with the highest number that has results.
        is_resumed: Whether an earlier prediction is continued.

    Raises:
        PredictionError: If there is none to continue, or if the folder that was named has files.
    """
    if out is not None:
        if not is_resumed:
            require_empty(out)
        return out
    numbers = sorted(
        int(one.name)
        for one in NUMBERED.glob("[0-9]*")
        if one.name.isdecimal() and int(one.name) <= _MOST_NUMBERED
    )
    if not is_resumed:
        return NUMBERED / str((numbers or [0])[-1] + 1)
    begun = [one for one in numbers if (NUMBERED / str(one) / SETTINGS).exists()]
    if not begun:
        raise PredictionError(
            f"{NUMBERED}: expected a prediction to resume, found none",
            hint="begin one: the same command without --resume",
        )
    return NUMBERED / str(begun[-1])


class _Finish:
    """Makes, writes and shows the result of one photograph after the other."""

    def __init__(
        self,
        prediction: Prediction,
        output: Output | None,
        predicted: Predicted,
        show: Callable[[PhotographResult], None],
        progress: Progress,
    ) -> None:
        self._prediction, self._output, self._predicted = prediction, output, predicted
        self._show, self._progress = show, progress
        is_endless = prediction.plan.is_endless
        self._total = None if is_endless else prediction.plan.count(prediction.every)

    def __call__(self, found: tuple[Loaded, FoundBoxes | None]) -> None:
        loaded, boxes = found
        result = result_of(
            loaded,
            boxes,
            used=self._prediction.opened.used,
            limits=self._prediction.limits,
        )
        if not self._prediction.with_times:
            result = result.model_copy(update={"durations_ms": None})
        if self._output is not None:
            result = self._output.write(result, loaded.picture)
        self._predicted.add(result)
        self._show(result)
        if self._total:
            done = min(self._predicted.results, self._total)
            self._progress.step("detecting", done, self._total)


def opened_output(prediction: Prediction, target: Target) -> Output:
    """Open the folder of results, new or to go on with.

    Raises:
        PredictionError: If it has results that are not to be resumed, or made in another way.
    """
    opened = prediction.opened
    settings = Settings(
        save=list(target.save),
        padding=target.padding,
        every=prediction.every,
        relative_to=prediction.plan.relative_to,
        model=opened.used,
        limits=prediction.limits,
        shard=str(prediction.shard) if prediction.shard else None,
        with_times=prediction.with_times,
    )
    settle(target.folder, settings, is_resumed=target.is_resumed)
    return Output(
        target.folder,
        save=target.save,
        classes=opened.model.classes if opened.model else (CLASS_NAME,),
        padding=target.padding,
        before=prediction.plan.before,
    )


def _done(earlier: Iterable[PhotographResult], predicted: Predicted) -> Done:
    """Collect and count what an earlier start has done."""
    done = Done()
    for result in earlier:
        predicted.add(result)
        if result.frame is None:
            done.names.add(result.path)
        else:
            done.frames[result.path] = result.frame
    return done


def _find(loaded: Loaded, opened: OpenedModel) -> FoundBoxes | None:
    if loaded.picture is None:
        return None
    return find_boxes(opened.network, loaded.picture, opened.used)
