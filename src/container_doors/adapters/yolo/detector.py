"""Ultralytics' validation and prediction, behind :class:`container_doors.core.ports.Detector`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.weights import check_door_weights, open_weights
from container_doors.core.child_environment import hide_secrets
from container_doors.core.ports import Detections
from container_doors.core.records import Hardware

_VALIDATION_BATCH = 16
_WARM_UPS = 3


class YoloDetector:
    """A trained YOLO, read from its weight file."""

    @hide_secrets()
    def __init__(
        self, weights: Path, *, image_size_px: int, hardware: Hardware, runtime: str = "PyTorch"
    ) -> None:
        """Load ``weights`` onto the device of ``hardware``.

        Args:
            weights: A file, or a folder for some formats.
            image_size_px: Pictures are resized to this longer side.
            hardware: The machine, with the device to use.
            runtime: The program that runs the model; it must fit the format of ``weights``.

        Raises:
            WeightsError: If the file is missing, damaged, or would execute code.
        """
        if runtime == "PyTorch":
            self._model = open_weights(weights)
        else:  # exported on this machine just before
            self._model = import_ultralytics().YOLO(str(weights.absolute()), task="detect")
        self._hardware, self._runtime = hardware, runtime
        self._arguments: dict[str, Any] = {
            "imgsz": image_size_px,
            "device": hardware.device.removeprefix("cuda:"),
            "verbose": False,
        }

    @property
    def timing_method(self) -> str:
        """Describe what ``duration_ms`` includes, and the hardware it was measured on."""
        import torch

        number = torch.get_num_threads()
        computing = f", {number} thread{'s' * (number != 1)}"
        threads = computing if self._hardware.device == "cpu" else ""
        if self._runtime != "PyTorch":
            threads = f", default number of threads of {self._runtime}"
        return (
            f"Ultralytics predict() in {self._runtime} float32 at {self._arguments['imgsz']} px, "
            f"batch size 1, from decoded pixels to boxes (letterbox, network, non-maximum "
            f"suppression; reading the file excluded), after {_WARM_UPS} warm-up photographs, "
            f"on {self._hardware.description}{threads}"
        )

    @property
    def device(self) -> str:
        """Return the name of the GPU or the CPU."""
        return self._hardware.description

    @hide_secrets()
    def validate(
        self, *, data_yaml: Path, split: str, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        """Evaluate a split with Ultralytics' own metrics, and write its plots."""
        collected: list[Detections] = []
        metrics = self._model.val(
            validator=_collecting_validator(collected),
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

    @hide_secrets()
    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> list[Detections]:
        """Detect doors with batch size 1 after a warm-up, and measure the latency."""
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


def load_door_detector(weights: Path, *, image_size_px: int, hardware: Hardware) -> YoloDetector:
    """Load a detector of doors that comes from elsewhere: it is tried first.

    Raises:
        WeightsError: If it is not one, or does not work.
    """
    check_door_weights(weights)
    return YoloDetector(weights, image_size_px=image_size_px, hardware=hardware)


def _collecting_validator(collected: list[Detections]) -> type:
    """Return a validator class that also collects its boxes, unrounded, in photograph pixels.

    It also collects which boxes match a door. Ultralytics matches boxes before they are clipped to
    the picture, and gives each door the box with the highest IoU, not the highest confidence.
    """
    from ultralytics.models.yolo.detect import DetectionValidator

    class CollectingValidator(DetectionValidator):
        def init_metrics(self, model: Any) -> None:  # noqa: ANN401
            super().init_metrics(model)
            self.matched: list[Any] = []

        def _process_batch(self, preds: Any, batch: Any) -> dict[str, Any]:  # noqa: ANN401
            statistics: dict[str, Any] = super()._process_batch(preds, batch)
            self.matched.append(statistics["tp"])
            return statistics

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
