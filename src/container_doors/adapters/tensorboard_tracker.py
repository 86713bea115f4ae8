"""TensorBoard's event files, behind :class:`container_doors.core.ports.Tracker`."""

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
"""Prediction pictures that are shown, those with the most mistakes first."""

_PREFIX, _SUFFIX = "events.out.tfevents.", ".container-doors"
_COMPARED = ("best/val/mAP50-95", "best/val/mAP50", "best/test/mAP50-95", "best/test/mAP50")
"""The columns beside the params where TensorBoard compares runs."""

_NOT_TRAINING = ("wandb", "tensorboard")
"""Sections of the params that do not bear upon the model."""

_ABOUT_A_RUN = {
    "run_id", "experiment", "started_at", "params", "code", "dataset", "starting_weights",
    "hardware", "environment", "seed",
}  # fmt: skip
"""What is known of a run from its start on, and stays so."""


class TensorboardTracker:
    """Writes one event file into ``directory``, for ``tensorboard --logdir runs`` to show.

    It is derived from the run's own record, so every start begins it anew. tensorboardX's
    ``SummaryWriter`` is not used: its thread dies of a full disk, and then it blocks for ever.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: Any = None

    def start(self, record: RunRecord) -> int:
        """Replace an event file of ours that is there already; every epoch is to be told."""
        self._close()
        with self._reported():
            self._directory.mkdir(parents=True, exist_ok=True)
            for earlier in self._directory.glob(f"{_PREFIX}*{_SUFFIX}"):
                earlier.unlink()
            # By the clock: a TensorBoard that is open must not take it for more of the old one.
            name = f"{_PREFIX}{time.time_ns()}{_SUFFIX}"
            self._file = _record_writer()(str(self._directory / name))
            self._write(file_version="brain.Event:2")
            self._write(
                session_log={"status": "START"}
            )  # drops what a TensorBoard that is open has
        self._show(0, _about(record))
        return 0

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        """Show each metric under its own name; of the best so far, mAP under ``best/`` too."""
        best = {
            f"best/{name}": value
            for name, value in epoch.metrics.items()
            if is_best and name.startswith("val/mAP")
        }
        self._show(epoch.number, _scalars(epoch.metrics | best))

    def log_results(self, results: Results) -> None:
        """Show the scores, plots and predictions of ``best.pt`` at the epoch that it is of."""
        self._show(results.metadata.best_epoch, _results(results))

    def finish(self, *, exit_code: int) -> None:
        """Say how the run ended, and close the file."""
        if self._file is not None:
            self._show(0, [_session_end(exit_code)])
            self._close()

    def _show(self, step: int, summaries: Iterable[Any]) -> None:
        """Write summaries and force them to the disk."""
        if self._file is None:
            raise TrackingError(
                f"no event file is open in {self._directory}",
                hint="it ended with an earlier error; every epoch is in metrics.jsonl",
            )
        with self._reported():
            for summary in summaries:
                self._write(step=step, summary=summary)
            self._file.flush()

    def _write(self, **fields: Any) -> None:  # noqa: ANN401
        from tensorboardX.proto.event_pb2 import Event

        self._file.write(Event(wall_time=time.time(), **fields).SerializeToString())

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._close()
            raise TrackingError(
                f"{error.filename or self._directory}: {error.strerror or error}",
                hint="see that there is space and that it can be read and written; "
                "every epoch is in metrics.jsonl",
            ) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # on a full disk it fails once more, and is closed
                file.close()


def _record_writer() -> Any:  # noqa: ANN401 - the package is untyped
    import_torch()  # tensorboardX imports it too, and would leave its threads waiting awake
    from tensorboardX.record_writer import RecordWriter

    return RecordWriter


def _about(record: RunRecord) -> Iterator[Any]:
    from tensorboardX.summary import hparams, text

    params = {name: held for name, held in record.params.items() if name not in _NOT_TRAINING}
    yield from hparams(dict(_flat(params)), dict.fromkeys(_COMPARED, 0.0))[:2]
    document = record.model_dump_json(indent=2, include=_ABOUT_A_RUN)
    yield text("run", textwrap.indent(document, "    "))  # code, in Markdown


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name each value as ``--set`` does, without ``detection``; TensorBoard knows no lists."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
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
        scores = test.ultralytics | coco
        yield from _scalars({f"best/test/{name}": value for name, value in scores.items()})
    yield text("results", _table(results))
    for name, path in results.plots.items():
        yield _image(name, path.read_bytes())
    for prediction in _most_telling(results):
        name = f"predictions/{short_name(prediction.image)}"
        yield _image(f"{results.predictions.split}/{name}", _drawn(prediction, results.images))


def _table(results: Results) -> str:
    lines = [f"| {name} | {value:.4f} |" for name, value in results.metadata.metrics.items()]
    title = f"`{results.metadata.version}`, epoch {results.metadata.best_epoch}"
    return "\n".join([title, "", "| measured | best.pt |", "| --- | --- |", *lines])


def _most_telling(results: Results) -> list[Prediction]:
    """Pick photographs that are still where they were."""
    ordered = results.predictions.worst_first()
    return [each for each in ordered if (results.images / each.image).exists()][:MOST_PICTURES]


def _drawn(prediction: Prediction, images: Path) -> bytes:
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
    """Show a PNG or JPEG as it is."""
    from tensorboardX.proto.summary_pb2 import Summary

    with Image.open(io.BytesIO(encoded)) as picture:
        size = {"width": picture.width, "height": picture.height}
        colours = len(picture.getbands())
    image = Summary.Image(**size, colorspace=colours, encoded_image_string=encoded)
    return Summary(value=[Summary.Value(tag=name, image=image)])


def _session_end(exit_code: int) -> Any:  # noqa: ANN401
    """Say in the table of runs whether this one ended well, as ``hparams()`` cannot."""
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    status = Status.Value("STATUS_FAILURE" if exit_code else "STATUS_SUCCESS")
    end = SessionEndInfo(status=status, end_time_secs=time.time())
    content = HParamsPluginData(session_end_info=end, version=0).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    tag = "_hparams_/session_end_info"
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])
