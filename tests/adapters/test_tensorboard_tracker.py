"""What is written, read back by TensorBoard's own reader."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from container_doors.adapters.tensorboard_tracker import MOST_PICTURES, TensorboardTracker
from container_doors.core.errors import TrackingError
from container_doors.core.ports import Results
from container_doors.core.records import FoundBox, Prediction, Predictions
from container_doors.data.drawing import LABEL, MISTAKE
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.names import parse_name
from tests.builders import a_history, a_record, an_evaluation

DOOR_XYXY = (40.0, 60.0, 140.0, 160.0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tracking" / "tensorboard"


@pytest.fixture
def tracker(directory: Path) -> TensorboardTracker:
    return TensorboardTracker(directory)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def tell(tracker: TensorboardTracker, epochs: int, *, best: int | None = None) -> None:
    for epoch in a_history(epochs):
        tracker.log_epoch(epoch, is_best=epoch.number == best)


def read(directory: Path) -> EventAccumulator:
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return EventAccumulator(str(directory), size_guidance=everything).Reload()


def curve(seen: EventAccumulator, name: str) -> dict[int, float]:
    """By step; a step that is there twice is a fault."""
    points = seen.Scalars(name)
    assert len({point.step for point in points}) == len(points)
    return {point.step: point.value for point in points}


def text(seen: EventAccumulator, name: str) -> str:
    (event,) = seen.Tensors(f"{name}/text_summary")
    return bytes(event.tensor_proto.string_val[0]).decode()


def hparams(seen: EventAccumulator, name: str) -> HParamsPluginData:
    content = seen.SummaryMetadata(f"_hparams_/{name}").plugin_data.content
    return HParamsPluginData.FromString(content)


def pixels(seen: EventAccumulator, name: str) -> np.ndarray:
    (event,) = seen.Images(name)
    with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
        assert picture.size == (event.width, event.height)
        return np.asarray(picture.convert("RGB")).astype(int)


def nearly(picture: np.ndarray, colour: str) -> int:
    """Count the pixels of a colour, as far as JPEG keeps it."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return int((abs(picture - wanted).max(axis=-1) < 40).sum())


def a_prediction(images: Path, name: str, *, is_found: bool) -> Prediction:
    (images / "images/test").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (200, 200), "#202020").save(images / "images/test" / name)
    found = FoundBox(box_xyxy=DOOR_XYXY, confidence=0.9, correct=True)
    return Prediction(
        image=f"images/test/{name}",
        width_px=200,
        height_px=200,
        found=[found] if is_found else [],
        labelled_xyxy=[DOOR_XYXY],
        missed=0 if is_found else 1,
    )


@pytest.fixture
def results(tmp_path: Path) -> Results:
    plot = tmp_path / "PR_curve.png"
    Image.new("RGB", (24, 16), "#0072B2").save(plot)
    photographs = [f"yard {number:02}.jpg" for number in range(MOST_PICTURES)]
    view = tmp_path / "data"
    found = [a_prediction(view, name, is_found=True) for name in photographs]
    missed = a_prediction(view, "zoo.jpg", is_found=False)
    version = parse_name("detection_v1.0_20261123_detection_exp001")
    record = a_record()
    return Results(
        metadata=build_metadata(record, an_evaluation(), version),
        weights=tmp_path / "best.pt",
        plots={"test/PR_curve": plot},
        predictions=Predictions(run_id=record.run_id, split="test", pictures=[*found, missed]),
        images=view,
    )


def test_every_metric_is_a_curve_under_its_own_name_over_the_epochs(
    tracker: TensorboardTracker, directory: Path
):
    assert tracker.start(a_record()) == 0
    tell(tracker, 3)
    tracker.finish(exit_code=0)

    seen = read(directory)
    assert set(seen.Tags()["scalars"]) == set(a_history(1)[0].metrics)
    for name in a_history(1)[0].metrics:
        expected = {epoch.number: epoch.metrics[name] for epoch in a_history(3)}
        assert curve(seen, name) == pytest.approx(expected, rel=1e-6)


def test_an_epoch_can_be_seen_as_soon_as_it_is_told(tracker: TensorboardTracker, directory: Path):
    tracker.start(a_record())
    tell(tracker, 2)

    assert list(curve(read(directory), "val/mAP50")) == [1, 2]
    tracker.finish(exit_code=0)


def test_only_an_epoch_that_is_the_best_so_far_is_shown_as_the_best(
    tracker: TensorboardTracker, directory: Path
):
    tracker.start(a_record())
    tell(tracker, 3, best=2)
    tracker.finish(exit_code=0)

    expected = a_history(3)[1].metrics["val/mAP50-95"]
    assert curve(read(directory), "best/val/mAP50-95") == {2: pytest.approx(expected)}


def test_a_second_start_doubles_nothing(tracker: TensorboardTracker, directory: Path):
    tracker.start(a_record())
    tell(tracker, 5)
    tracker.start(a_record())  # without an end, as after a kill
    tell(tracker, 3)
    tracker.finish(exit_code=1)

    another = TensorboardTracker(directory)
    assert another.start(a_record()) == 0
    tell(another, 2)
    another.finish(exit_code=0)

    assert len(list(directory.iterdir())) == 1
    assert list(curve(read(directory), "val/mAP50")) == [1, 2]


def test_nothing_but_its_own_files_is_removed(tracker: TensorboardTracker, directory: Path):
    others = [directory / "events.out.tfevents.1.somebody", directory / "deeper" / "notes.txt",
              directory.parent / "events.out.tfevents.1.container-doors"]  # fmt: skip
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")

    tracker.start(a_record())
    tracker.finish(exit_code=0)

    assert [path.read_text() for path in others] == ["kept"] * 3


def test_params_can_be_compared_and_the_whole_run_read(
    tracker: TensorboardTracker, directory: Path
):
    tracker.start(a_record())
    tracker.finish(exit_code=0)

    seen = read(directory)
    params = hparams(seen, "session_start_info").session_start_info.hparams
    assert params["training.epochs"].number_value == 30
    assert params["model.architecture"].string_value == "yolov11s"
    assert params["model.pretrained"].bool_value is True
    assert not [name for name in params if name.startswith("wandb")]
    assert f'"commit": "{"c" * 40}"' in text(seen, "run")
    assert "status" not in text(seen, "run")


@pytest.mark.parametrize(
    ("exit_code", "status"),
    [
        pytest.param(0, Status.STATUS_SUCCESS, id="well"),
        pytest.param(1, Status.STATUS_FAILURE, id="badly"),
        pytest.param(130, Status.STATUS_FAILURE, id="stopped"),
    ],
)
def test_how_a_run_ended_is_said(
    exit_code: int, status: int, tracker: TensorboardTracker, directory: Path
):
    tracker.start(a_record())
    tracker.finish(exit_code=exit_code)

    assert hparams(read(directory), "session_end_info").session_end_info.status == status


def test_the_scores_of_the_best_epoch_are_at_its_step_and_leave_the_curves_whole(
    tracker: TensorboardTracker, directory: Path, results: Results
):
    tracker.start(a_record())
    tell(tracker, 30, best=24)
    tracker.log_results(results)
    tracker.finish(exit_code=0)

    seen = read(directory)
    assert curve(seen, "best/test/mAP50") == {24: pytest.approx(0.951)}
    assert curve(seen, "best/test/coco_AP") == {24: pytest.approx(0.731)}
    assert len(curve(seen, "val/mAP50")) == 30
    assert "| test_mAP50_95 | 0.7420 |" in text(seen, "results")


def test_plots_and_predictions_are_shown_and_mistakes_come_first(
    tracker: TensorboardTracker, directory: Path, results: Results
):
    tracker.start(a_record())
    tracker.log_results(results)
    tracker.finish(exit_code=0)

    seen = read(directory)
    shown = [name for name in seen.Tags()["images"] if name.startswith("test/predictions/")]
    assert len(shown) == MOST_PICTURES
    missed, found = (pixels(seen, f"test/predictions/{n}.jpg") for n in ("zoo", "yard 00"))
    assert nearly(missed, MISTAKE) > 100
    assert nearly(found, LABEL) > 100 > nearly(found, MISTAKE)
    assert pixels(seen, "test/PR_curve").shape == (16, 24, 3)


def test_a_photograph_that_is_gone_is_left_out(
    tracker: TensorboardTracker, directory: Path, results: Results
):
    (results.images / "images/test/zoo.jpg").unlink()

    tracker.start(a_record())
    tracker.log_results(results)
    tracker.finish(exit_code=0)

    shown = read(directory).Tags()["images"]
    assert "test/predictions/yard 00.jpg" in shown
    assert "test/predictions/zoo.jpg" not in shown


def test_a_full_disk_is_said_and_once_there_is_space_all_is_told_again(small_disk: Path):
    tracker = TensorboardTracker(small_disk / "tensorboard")
    (small_disk / "fills").write_bytes(bytes(40 * 1024))
    tracker.start(a_record())

    with pytest.raises(TrackingError, match="No space left on device"):
        tell(tracker, 200)
    with pytest.raises(TrackingError, match="no event file is open"):
        tell(tracker, 1)
    tracker.finish(exit_code=1)

    (small_disk / "fills").unlink()
    assert tracker.start(a_record()) == 0
    tell(tracker, 5)
    tracker.finish(exit_code=0)
    assert len(curve(read(small_disk / "tensorboard"), "val/mAP50")) == 5


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "tracking").write_text("a file is in the way")

    with pytest.raises(TrackingError, match=r"tracking.*: Not a directory"):
        TensorboardTracker(tmp_path / "tracking" / "tensorboard").start(a_record())


def test_the_trainers_own_tensorboard_stays_off_although_tensorboard_is_installed(tmp_path: Path):
    """It would write event files into the trainer's folder, and trace the model for a graph."""
    code = """
from collections import defaultdict
from container_doors.adapters.yolo.environment import import_ultralytics
import_ultralytics()
from ultralytics.utils import SETTINGS
from ultralytics.utils.callbacks import base, tensorboard
SETTINGS.update({"tensorboard": True})
import_ultralytics()
assert tensorboard.callbacks, "it would work"
class Trainer:
    callbacks = defaultdict(list)
base.add_integration_callbacks(Trainer())
print(sorted({each.__module__ for each in sum(Trainer.callbacks.values(), [])}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "platform" in done.stdout
    assert "tensorboard" not in done.stdout
