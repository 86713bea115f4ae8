"""Ultralytics' validation and prediction, behind :class:`container_doors.core.ports.Detector`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.weights import open_weights
from container_doors.core.child_environment import secrets_put_away
from container_doors.core.ports import Detections
from container_doors.core.records import Hardware

_VALIDATION_BATCH = 16
_WARM_UPS = 3


class YoloDetector:
    """A trained YOLO, read from its weight file."""

    @secrets_put_away()
    def __init__(
        self, weights: Path, *, image_size_px: int, hardware: Hardware, runtime: str = "PyTorch"
    ) -> None:
        """Open ``weights`` for use on the device that ``hardware`` names.

        Args:
            weights: A file, or the folder that some formats are.
            image_size_px: The longer side that pictures are brought to.
            hardware: Where it computes.
            runtime: What computes, by the format of ``weights``.

        Raises:
            WeightsError: If the file is absent, damaged, or would execute something.
        """
        if runtime == "PyTorch":
            self._model = open_weights(weights)
        else:  # what was exported here a moment ago
            self._model = import_ultralytics().YOLO(str(weights.absolute()), task="detect")
        self._hardware, self._runtime = hardware, runtime
        self._arguments: dict[str, Any] = {
            "imgsz": image_size_px,
            "device": hardware.device.removeprefix("cuda:"),
            "verbose": False,
        }

    @property
    def timing_method(self) -> str:
        """Say what ``duration_ms`` covers, and on what it was measured."""
        import torch

        threads = f", {torch.get_num_threads()} threads" if self._hardware.device == "cpu" else ""
        if self._runtime != "PyTorch":
            threads = f", as many threads as {self._runtime} takes by itself"
        return (
            f"Ultralytics predict() in {self._runtime} float32 at {self._arguments['imgsz']} px, "
            f"one photograph at a time, from decoded pixels to boxes (letterbox, network, "
            f"suppression; reading the file excluded), after {_WARM_UPS} warm-up photographs, "
            f"on {self._hardware.description}{threads}"
        )

    @property
    def device(self) -> str:
        """Name the GPU or the processor."""
        return self._hardware.description

    @secrets_put_away()
    def validate(
        self, *, data_yaml: Path, split: str, conf_threshold: float, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        """Score a split by Ultralytics' own definitions, and leave its plots."""
        collected: list[Detections] = []
        metrics = self._model.val(
            validator=_collecting_validator(collected, conf_threshold),
            data=str(data_yaml),
            split=split,
            batch=_VALIDATION_BATCH,
            plots=True,
            project=str(plots_dir.parent.resolve()),
            name=plots_dir.name,
            exist_ok=True,
            **self._arguments,
        )
        if not int(metrics.nt_per_class.sum()):
            return {}, collected
        scores = {
            "mAP50": float(metrics.box.map50),
            "mAP50-95": float(metrics.box.map),
            "precision": float(metrics.box.mp),
            "recall": float(metrics.box.mr),
        }
        return scores, collected

    @secrets_put_away()
    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> list[Detections]:
        """Find doors one photograph at a time, timed, after a warm-up."""
        arguments = {"conf": conf_threshold, "iou": iou_threshold, **self._arguments}
        for image in images[:_WARM_UPS]:
            self._model.predict(str(image), **arguments)
        found = []
        for image in images:
            (result,) = self._model.predict(str(image), **arguments)
            height_px, width_px = result.orig_shape
            found.append(
                Detections(
                    image,
                    width_px,
                    height_px,
                    boxes_xyxy=[tuple(box) for box in result.boxes.xyxy.tolist()],
                    confidences=result.boxes.conf.tolist(),
                    duration_ms=sum(result.speed.values()),
                )
            )
        return found


def _collecting_validator(collected: list[Detections], conf_threshold: float) -> type:
    """Make a validator that also keeps its boxes, unrounded, in pixels of the photograph.

    And which of them it takes for a door: it compares boxes before they are cut at the picture's
    edge, and gives each door the box that overlaps it most, not the one that is surest.

    Its confusion matrix is at ``conf_threshold``; Ultralytics' own counts every box down to a
    confidence of 0.001 as a false alarm.
    """
    from ultralytics.models.yolo.detect import DetectionValidator

    class CollectingValidator(DetectionValidator):
        def init_metrics(self, model: Any) -> None:  # noqa: ANN401
            super().init_metrics(model)
            matrix: Any = self.confusion_matrix
            count = matrix.process_batch
            matrix.process_batch = lambda found, truth, **_: count(
                found, truth, conf=conf_threshold
            )
            self.matched: list[Any] = []

        def _process_batch(self, preds: Any, batch: Any) -> dict[str, Any]:  # noqa: ANN401
            counted: dict[str, Any] = super()._process_batch(preds, batch)
            self.matched.append(counted["tp"])
            return counted

        def update_metrics(self, preds: Any, batch: Any) -> None:  # noqa: ANN401
            self.matched.clear()
            super().update_metrics(preds, batch)
            for index, prediction in enumerate(preds):
                prepared = self._prepare_batch(index, batch)
                scaled = self.scale_preds(prediction, prepared)
                height_px, width_px = prepared["ori_shape"]
                collected.append(
                    Detections(
                        Path(prepared["im_file"]),
                        int(width_px),
                        int(height_px),
                        boxes_xyxy=[tuple(box) for box in scaled["bboxes"].tolist()],
                        confidences=scaled["conf"].tolist(),
                        is_door=[tuple(map(bool, row)) for row in self.matched[index]],
                    )
                )

    return CollectingValidator
