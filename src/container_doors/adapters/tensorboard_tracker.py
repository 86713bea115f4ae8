"""TensorBoard's event files; implements :class:`container_doors.core.ports.Tracker`."""

import contextlib
import io
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from container_doors.adapters.machine import import_torch
from container_doors.core.errors import TrackingError
from container_doors.core.ports import Detections, Results
from container_doors.core.records import Epoch, Prediction, RunRecord, short_name
from container_doors.evaluation import pictures
from container_doors.evaluation.matching import match

MOST_PICTURES = 12
"""Prediction pictures that are shown, those with the most errors first."""

_PREFIX, _SUFFIX = "events.out.tfevents.", ".container-doors"
_COMPARED = ("best/val/mAP50-95", "best/val/mAP50", "best/test/mAP50-95", "best/test/mAP50")
"""The metrics in TensorBoard's table that compares runs."""

_NOT_TRAINING = ("wandb", "tensorboard")
"""Sections of the params that do not affect the model."""

_ABOUT_A_RUN = {
    "run_id", "experiment", "started_at", "params", "code", "dataset", "starting_weights",
    "hardware", "environment", "seed",
}  # fmt: skip
"""Fields of a run's record that are known from its start and do not change."""


class TensorboardTracker:
    """Writes one event file into ``directory``, for ``tensorboard --logdir runs`` to show.

    It is derived from the run's own record, so every start writes it again. tensorboardX's
    ``SummaryWriter`` is not used: on a full disk its thread ends, and then it blocks forever.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: Any = None

    def start(self, record: RunRecord) -> int:
        """Replace our earlier event file, if there is one; all epochs have to be sent again."""
        self._close()
        with self._as_tracking_error():
            self._directory.mkdir(parents=True, exist_ok=True)
            for earlier in self._directory.glob(f"{_PREFIX}*{_SUFFIX}"):
                earlier.unlink()
            # A new name: an open TensorBoard must not read it as a continuation of the old file.
            name = f"{_PREFIX}{time.time_ns()}{_SUFFIX}"
            self._file = _record_writer()(str(self._directory / name))
            self._write(file_version="brain.Event:2")
            self._write(
                session_log={"status": "START"}
            )  # makes an open TensorBoard drop the earlier data
        self._show(0, _about(record))
        return 0

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        """Write each metric under its name; for the best epoch so far, mAP under ``best/`` too."""
        best = {
            f"best/{name}": value
            for name, value in epoch.metrics.items()
            if is_best and name.startswith("val/mAP")
        }
        self._show(epoch.number, _scalars(epoch.metrics | best))

    def log_results(self, results: Results) -> None:
        """Write the scores, plots and predictions of ``best.pt`` at its epoch."""
        self._show(results.metadata.best_epoch, _results(results))

    def finish(self, *, exit_code: int) -> None:
        """Write how the run ended, and close the file."""
        if self._file is not None:
            self._show(0, [_session_end(exit_code)])
            self._close()

    def _show(self, step: int, summaries: Iterable[Any]) -> None:
        """Write summaries and force them to the disk."""
        if self._file is None:
            raise TrackingError(
                f"no event file is open in {self._directory}",
                hint="an earlier error closed it; every epoch is in metrics.jsonl",
            )
        with self._as_tracking_error():
            for summary in summaries:
                self._write(step=step, summary=summary)
            self._file.flush()

    def _write(self, **fields: Any) -> None:  # noqa: ANN401
        from tensorboardX.proto.event_pb2 import Event

        self._file.write(Event(wall_time=time.time(), **fields).SerializeToString())

    @contextlib.contextmanager
    def _as_tracking_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._close()
            raise TrackingError(
                f"{error.filename or self._directory}: {error.strerror or error}",
                hint="check the free space and the permissions; every epoch is in metrics.jsonl",
            ) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # on a full disk it fails again, but is closed
                file.close()


def _record_writer() -> Any:  # noqa: ANN401 - the package is untyped
    import_torch()  # tensorboardX imports it too, but with threads that wait actively
    from tensorboardX.record_writer import RecordWriter

    return RecordWriter


def _about(record: RunRecord) -> Iterator[Any]:
    from tensorboardX.summary import hparams, text

    params = {name: section for name, section in record.params.items() if name not in _NOT_TRAINING}
    yield from hparams(dict(_flatten(params)), dict.fromkeys(_COMPARED, 0.0))[:2]
    document = record.model_dump_json(indent=2, include=_ABOUT_A_RUN)
    yield text("run", textwrap.indent(document, "    "))  # code, in Markdown


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name each value as in ``--set``, without ``detection``; TensorBoard has no lists."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            is_scalar = value is None or isinstance(value, bool | int | float | str)
            yield f"{prefix}{name}", value if is_scalar else str(value)


def _scalars(values: Mapping[str, float]) -> Iterator[Any]:
    from tensorboardX.summary import scalar

    return (scalar(name, value) for name, value in values.items())


def _results(results: Results) -> Iterator[Any]:
    from tensorboardX.summary import text

    test = results.metadata.evaluation.splits.get("test")
    if test is not None:
        coco = {f"coco_{name}": value for name, value in test.coco.items()}
        in_use = {f"operating_{name}": of for name, of in test.operating_point.figures.items()}
        scores = test.ultralytics | coco | in_use
        yield from _scalars({f"best/test/{name}": value for name, value in scores.items()})
    yield text("results", _table(results))
    for name, path in results.plots.items():
        yield _image(name, path.read_bytes())
    for prediction in _worst_pictures(results):
        name = f"predictions/{short_name(prediction.image)}"
        yield _image(f"{results.predictions.split}/{name}", _draw(prediction, results.images))


def _table(results: Results) -> str:
    lines = [f"| {name} | {value:.4f} |" for name, value in results.metadata.metrics.items()]
    best = f"`{results.metadata.version}`, epoch {results.metadata.best_epoch}"
    title = f"{best}; precision and recall: at the confidence of the best F1"
    return "\n".join([title, "", "| measured | best.pt |", "| --- | --- |", *lines])


def _worst_pictures(results: Results) -> list[Prediction]:
    """Return the pictures with the most errors whose files still exist."""
    ordered = results.predictions.worst_first()
    return [each for each in ordered if (results.images / each.image).exists()][:MOST_PICTURES]


def _draw(prediction: Prediction, images: Path) -> bytes:
    boxes = [found.box_xyxy for found in prediction.found]
    confidences = [found.confidence for found in prediction.found]
    matches = match(boxes, confidences, prediction.labelled_xyxy)
    detections = Detections(
        images / prediction.image, prediction.width_px, prediction.height_px, boxes, confidences
    )
    encoded = io.BytesIO()
    pictures.draw(detections, prediction.labelled_xyxy, matches).save(encoded, "JPEG", quality=88)
    return encoded.getvalue()


def _image(name: str, encoded: bytes) -> Any:  # noqa: ANN401
    """Return a PNG or JPEG as a summary, without re-encoding."""
    from tensorboardX.proto.summary_pb2 import Summary

    with Image.open(io.BytesIO(encoded)) as picture:
        size = {"width": picture.width, "height": picture.height}
        colours = len(picture.getbands())
    image = Summary.Image(**size, colorspace=colours, encoded_image_string=encoded)
    return Summary(value=[Summary.Value(tag=name, image=image)])


def _session_end(exit_code: int) -> Any:  # noqa: ANN401
    """Return the summary with the run's status for the table of runs; ``hparams()`` cannot."""
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    status = Status.Value("STATUS_FAILURE" if exit_code else "STATUS_SUCCESS")
    end = SessionEndInfo(status=status, end_time_secs=time.time())
    content = HParamsPluginData(session_end_info=end, version=0).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    tag = "_hparams_/session_end_info"
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])
