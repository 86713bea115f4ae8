"""Find what went wrong in a run, from its record, its epochs and its log; nothing is executed.

The likely causes come from the specification (8.2, 10.4); each needs a measured figure of this run.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from container_doors.core.config import Training
from container_doors.core.records import Epoch, Predictions, RunRecord, SplitScores
from container_doors.doctor.health import Health, failed, passed, warned

LOW_MAP50 = 0.85
"""From the specification (10.4)."""

_FEW_PHOTOGRAPHS = 300
_STILL_RISING = 0.1
"""If the best epoch is in the last tenth of a complete training, longer training may help."""

_ONE_SIDED = 0.15
"""From this difference of precision and recall on, one of them is a cause."""

_OVERFIT = 1.15
"""Ratio of the last validation loss to the lowest."""

_SLOW_GPU_PER_S = 20.0
"""A T4 trains on 60 photographs a second at 640 px; at a third of that, a GPU waits for data."""

_LONG_H = 5.0
"""The longest training that the specification expects (5.4)."""

_FASTER = 1.2
"""From this speed-up on, fewer augmentations are advised."""

_HIGH_CONFIDENCE = 0.8
"""A false alarm with this confidence is usually a door without a label."""

_GIB = re.compile(r"([\d.]+) GiB")
_STALLED_S = 600.0
_OUT_OF_MEMORY = re.compile(
    r"out of memory|DefaultCPUAllocator|Cannot allocate memory", re.IGNORECASE
)
_NO_SHARED_MEMORY = re.compile(r"Bus error|insufficient shared memory|/dev/shm", re.IGNORECASE)
_NOT_FINITE = re.compile(r"not finite|\bnan\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Case:
    """The files of a run, as far as a diagnosis needs them."""

    record: RunRecord
    history: Sequence[Epoch]
    log: str
    """The end of ``train.log``."""
    is_running: bool
    """Whether a process trains it now."""
    idle_s: float
    """Seconds since any of its files was last written."""
    best_epoch: int | None = None
    """The number of the epoch of ``best.pt`` so far; None before the first epoch."""
    predictions: Predictions | None = None
    """The detections on val, if it has been evaluated."""
    val: SplitScores | None = None
    """The scores of ``best.pt`` on val, if it has been evaluated."""
    is_earlier: bool = False
    """Whether ``--replace`` has kept it as ``NAME~1``: it cannot be resumed."""

    @property
    def training(self) -> Training:
        """Return the training parameters."""
        return self.record.known_training

    def series(self, name: str) -> list[float]:
        """Return a metric's values by epoch, where it was measured."""
        return [epoch.metrics[name] for epoch in self.history if name in epoch.metrics]

    @property
    def best(self) -> Mapping[str, float]:
        """Return the finite metrics of the best epoch, which are those of ``best.pt``."""
        metrics = next((one.metrics for one in self.history if one.number == self.best_epoch), {})
        return {name: value for name, value in metrics.items() if math.isfinite(value)}

    @property
    def text(self) -> str:
        """Return its message and the end of its log."""
        return f"{self.record.message or ''}\n{self.log}"


def diagnose(case: Case) -> list[Health]:
    """Run all checks on a training."""
    return [line for check in _CHECKS for line in check(case)]


def _outcome(case: Case) -> list[Health]:
    record = case.record
    asked = case.training.epochs
    epochs = f"{len(case.history)} of {asked} epochs"
    again = f"doors train --resume --experiment {record.experiment}"
    if case.is_earlier:
        again = f"train it anew: doors train --experiment {record.experiment}"
    if record.status in {"finished", "trained"}:
        finished = record.epochs_finished or len(case.history)
        return [passed("outcome", f"{record.status}, {finished} of {asked} epochs")]
    if record.status == "running" and case.is_running:
        return [passed("outcome", f"in training, {epochs}")]
    if record.status == "running":
        found = f"it was killed after {epochs}, and could not record why"
        return [failed("outcome", found, f"free -m and dmesg show if memory ran out; then {again}")]
    if record.status == "failed":
        return [
            failed(
                "outcome", f"failed after {epochs}: {record.message}", f"see below; then {again}"
            )
        ]
    return [warned("outcome", f"{record.status} after {epochs}: {record.message}", again)]


def _hang(case: Case) -> list[Health]:
    if case.record.status != "running" or not case.is_running:
        return []
    usual_s = median(case.series("perf/epoch_s") or [0.0])
    if case.idle_s < max(_STALLED_S, 5 * usual_s):
        return [passed("progress", f"something was written {case.idle_s:.0f} s ago")]
    found = f"nothing was written for {case.idle_s / 60:.0f} min; an epoch takes {usual_s:.0f} s"
    return [
        failed(
            "progress",
            found,
            "nvidia-smi: does the GPU answer? Then a data loader hangs: "
            "stop it, and resume with --set detection.training.workers=0",
        )
    ]


def _memory(case: Case) -> list[Health]:
    batch, size = case.training.batch_size, case.training.image_size_px
    halvings = [recovery for recovery in case.record.setbacks if recovery.reason == "out of memory"]
    less = (
        f"--set detection.training.batch_size={max(1, batch // 2)}, or image_size_px below {size}"
    )
    if case.record.status == "failed" and _OUT_OF_MEMORY.search(case.text):
        return [failed("memory", f"out of memory at batch size {batch} and {size} px", less)]
    if halvings:
        found = (
            f"out of memory {len(halvings)} time(s); "
            f"it ended with batch size {halvings[-1].batch_size}"
        )
        return [warned("memory", found, f"start with that: {less}")]
    if case.record.status != "finished" and _NO_SHARED_MEMORY.search(case.text):
        return [
            failed(
                "memory",
                "the shared memory of the data loaders (/dev/shm) was full",
                "--set detection.training.workers=2, or a larger /dev/shm",
            )
        ]
    return []


def _not_finite(case: Case) -> list[Health]:
    back = [recovery for recovery in case.record.setbacks if recovery.reason == "not finite"]
    bad = [
        epoch.number
        for epoch in case.history
        if any(not math.isfinite(value) for value in epoch.metrics.values())
    ]
    rate = case.training.learning_rate
    validate = f"doors data validate --path {case.record.dataset.path}"
    lower = f"--set detection.training.learning_rate={rate / 10:g}; check the labels: {validate}"
    if bad:
        return [failed("loss", f"not finite from epoch {bad[0]} on", lower)]
    if case.record.status == "failed" and _NOT_FINITE.search(case.record.message or ""):
        return [failed("loss", f"not finite: {case.record.message}", lower)]
    if back:
        return [
            warned("loss", f"not finite {len(back)} time(s), restarted from a checkpoint", lower)
        ]
    return []


def _accuracy(case: Case) -> list[Health]:
    best = case.val.ultralytics.get("mAP50") if case.val else case.best.get("val/mAP50")
    if best is None or not math.isfinite(best):
        return []
    found = f"mAP50 {best:.3f} on val, of {'best.pt' if case.val else _best_epoch(case)}"
    if best >= LOW_MAP50:
        return [passed("accuracy", found)]
    causes = [cause for check in _CAUSES for cause in check(case)]
    found = f"{found}, is below {LOW_MAP50}"
    if not causes:
        return [
            warned(
                "accuracy",
                found,
                "look at predictions/ of the run: which doors are missed? Faulty labels: "
                f"doors data validate --path {case.record.dataset.path}",
            )
        ]
    return [warned("accuracy", f"{found}: {why}", remedy) for why, remedy in causes]


def _best_epoch(case: Case) -> str:
    return f"epoch {case.best_epoch}, the best"


def _few_photographs(case: Case) -> list[tuple[str, str]]:
    train = case.record.dataset.splits.get("train")
    if train is None or train.images >= _FEW_PHOTOGRAPHS:
        return []
    found = f"only {train.images} training photographs"
    return [(found, "label more, from other container yards")]


def _from_nothing(case: Case) -> list[tuple[str, str]]:
    if case.record.starting_weights.source != "random":
        return []
    model = case.record.params.get("model")
    architecture = model.get("architecture") if isinstance(model, dict) else None
    file = f"{str(architecture).replace('yolov', 'yolo', 1)}.pt" if architecture else "its weights"
    remedy = f"put {file} into weights/pretrained, and --set detection.model.pretrained=true"
    return [("it started from random weights", remedy)]


def _too_short(case: Case) -> list[tuple[str, str]]:
    scores = [value for value in case.series("val/mAP50-95") if math.isfinite(value)]
    asked = case.training.epochs
    if not scores or len(case.history) < asked:
        return []
    first_best = scores.index(max(scores)) + 1  # no later epoch was better
    if first_best < len(scores) * (1 - _STILL_RISING):
        return []
    return [
        (
            f"epoch {first_best} of {len(scores)} was the best, so it was still improving",
            f"--set detection.training.epochs={2 * asked}",
        )
    ]


def _overfit(case: Case) -> list[tuple[str, str]]:
    losses = [value for value in case.series("val/box_loss") if math.isfinite(value)]
    train = case.series("train/box_loss")
    if len(losses) < 10 or losses[-1] < _OVERFIT * min(losses) or train[-1] >= train[0]:
        return []
    grown = losses[-1] / min(losses)
    return [
        (
            f"the validation loss rose to {grown:.2f} times its minimum; the training loss fell",
            "it overfits: add photographs, or use stronger augmentation (detection.augmentation)",
        )
    ]


def _one_sided(case: Case) -> list[tuple[str, str]]:
    precision, recall, where = _precision_and_recall(case)
    if recall is None or (precision is not None and abs(precision - recall) < _ONE_SIDED):
        return []
    ratio = "nothing is detected" if precision is None else f"precision {precision:.2f}"
    figures = f"({ratio}, recall {recall:.2f}, on val {where})"
    if precision is not None and precision < recall:
        remedy = "add photographs without a door; look for doors without a label"
        return [(f"false alarms {figures}", remedy)]
    remedy = "label more doors like the missed ones: small, dark, half hidden"
    return [(f"missed doors {figures}", remedy)]


def _precision_and_recall(case: Case) -> tuple[float | None, float | None, str]:
    """Return those in use if they were measured, or else the best epoch's; and which they are."""
    if case.val is not None:
        point = case.val.operating_point
        return point.precision, point.recall, f"at a confidence of {point.conf_threshold:g}"
    precision, recall = case.best.get("val/precision"), case.best.get("val/recall")
    if precision is None:
        return None, None, ""
    return precision, recall, f"at the best F1, in {_best_epoch(case)}"


def _labels(case: Case) -> list[tuple[str, str]]:
    """Name the photographs where labels may be wrong, or that have the most errors."""
    if case.predictions is None:
        return []
    check = f"then doors data validate --path {case.record.dataset.path}"
    doubtful = [
        (
            one.image,
            sum(box.confidence >= _HIGH_CONFIDENCE and not box.correct for box in one.found),
        )
        for one in case.predictions.pictures
    ]
    boxes, images = sum(count for _, count in doubtful), [name for name, count in doubtful if count]
    if boxes:
        return [
            (
                f"{boxes} box(es) of confidence {_HIGH_CONFIDENCE:g} or more have no label, "
                f"the first in {images[0]}",
                f"look there: is a label missing, or inaccurate? Correct it, {check}",
            )
        ]
    worst = case.predictions.worst_first()[:1]
    if not worst or not worst[0].missed + worst[0].false_alarms:
        return []
    found = (
        f"{sum(one.missed for one in case.predictions.pictures)} doors of val are missed, the most "
        f"errors are in {worst[0].image}"
    )
    return [(found, f"look at these: is each label right, and each door visible? {check[5:]}")]


def _speed(case: Case) -> list[Health]:
    speeds = case.series("perf/images_per_s")
    if not speeds:
        return []
    usual = median(speeds)
    slow = _how_slow(case, usual)
    if slow is not None:
        causes = [cause for check in _SLOW_CAUSES for cause in check(case)]
        size = max(32, case.training.image_size_px * 4 // 5 // 32 * 32)
        smaller = f"--set detection.training.image_size_px={size}"
        causes = causes or [("no measured figure explains it", smaller)]
        return [warned("speed", f"{slow}: {why}", remedy) for why, remedy in causes]
    if min(speeds) < usual / 3:
        return [
            warned(
                "speed",
                f"{min(speeds):.1f} to {max(speeds):.1f} photographs a second",
                "another program was using that machine",
            )
        ]
    return [passed("speed", f"{usual:.1f} photographs a second on {case.record.hardware.device}")]


def _how_slow(case: Case, usual: float) -> str | None:
    """Return by which measure it was slow; None if it was not."""
    hours = case.training.epochs * median(case.series("perf/epoch_s") or [0.0]) / 3600
    if _gpu_waits(case):
        return f"at {usual:.0f} photographs a second, the GPU waits for data"
    if hours > _LONG_H:
        return f"{case.training.epochs} epochs take {hours:.1f} h, expected at most {_LONG_H:.0f} h"
    return None


def _gpu_waits(case: Case) -> bool:
    usual = median(case.series("perf/images_per_s"))
    return case.record.hardware.device.startswith("cuda") and usual < _SLOW_GPU_PER_S


def _cpu(case: Case) -> list[tuple[str, str]]:
    if case.record.hardware.device != "cpu":
        return []
    remedy = f"a GPU: doors kaggle run --experiment {case.record.experiment}"
    return [("it was trained on the CPU", remedy)]


def _small_batch(case: Case) -> list[tuple[str, str]]:
    """Compare the memory in use with the GPU's memory."""
    used, size = case.series("perf/gpu_memory_gb"), case.training.batch_size
    of_gpu = _GIB.search(case.record.hardware.description)
    ran_out = any(one.reason == "out of memory" for one in case.record.setbacks)
    if not used or of_gpu is None or ran_out or max(used) > float(of_gpu[1]) / 2:
        return []
    larger = 4 * size if max(used) < float(of_gpu[1]) / 5 else 2 * size
    found = f"batch size {size} uses {max(used):.1f} of {of_gpu[1]} GiB"
    return [(found, f"--set detection.training.batch_size={larger}")]


def _augmentation(case: Case) -> list[tuple[str, str]]:
    """Compare the speed of epochs with mosaics with that of the last ones, without."""
    asked = case.record.params.get("augmentation")
    if not isinstance(asked, dict) or not asked.get("mosaic"):
        return []
    fewer = "--set detection.augmentation.mosaic=0.5, or 0"
    first = case.training.epochs - int(asked.get("close_mosaic", 0)) + 1  # without a mosaic
    speeds = [(one.number, one.metrics.get("perf/images_per_s")) for one in case.history]
    before = [speed for number, speed in speeds if speed is not None and number < first]
    after = [speed for number, speed in speeds if speed is not None and number >= first]
    if not before or not after:
        four = "each mosaic needs four photographs, which are read and decoded"
        return [(four, fewer)] if _gpu_waits(case) else []
    faster = median(after) / median(before)
    if faster < _FASTER:
        return []
    return [
        (
            f"epochs without mosaic were {faster:.1f} times as fast "
            f"({median(before):.0f} and {median(after):.0f} photographs a second)",
            fewer,
        )
    ]


def _loading(case: Case) -> list[tuple[str, str]]:
    if not _gpu_waits(case):
        return []
    workers, cores = case.training.workers, case.record.hardware.cores
    return [
        (
            f"{workers} data loader workers on {cores} cores",
            f"--set detection.training.cache=ram; up to {cores} workers; smaller files",
        )
    ]


_CHECKS: tuple[Callable[[Case], list[Health]], ...] = (
    _outcome,
    _hang,
    _memory,
    _not_finite,
    _accuracy,
    _speed,
)
_CAUSES: tuple[Callable[[Case], list[tuple[str, str]]], ...] = (
    _few_photographs,
    _from_nothing,
    _too_short,
    _overfit,
    _one_sided,
    _labels,
)
_SLOW_CAUSES: tuple[Callable[[Case], list[tuple[str, str]]], ...] = (
    _cpu,
    _small_batch,
    _augmentation,
    _loading,
)
