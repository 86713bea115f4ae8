"""``steps.predict``: the loop, with a network that is a fake."""

import io
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.networks import RUNTIMES
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.core.config import QualityLimits
from container_doors.core.errors import PredictionError
from container_doors.core.predictions import PhotographResult
from container_doors.prediction.output import KINDS
from container_doors.prediction.sources import plan
from container_doors.steps.detections import one_by_one
from container_doors.steps.open_model import OpenedModel, open_model
from container_doors.steps.predict import (
    Predicted,
    Prediction,
    Target,
    choose_folder,
    predict,
)
from tests.fakes import FakeProgress
from tests.predicting import WHITE, FakeNetwork, jpeg, put, put_video, put_zip
from tests.prediction.picture_files import readable_files

OUT = Path("out")
ALL = KINDS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class KilledError(Exception):
    """Stands for a kill."""


def run(
    *typed: str,
    network: FakeNetwork | None = None,
    target: Target | None = None,
    every: int = 1,
    show: Callable[[PhotographResult], None] = lambda _: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Predicted:
    found = plan(typed or ("photos",), here=Path.cwd(), standard_input=io.BytesIO())
    return predict(
        Prediction(found, (network or FakeNetwork()).opened, every=every),
        target,
        show=show,
        progress=FakeProgress(),
        is_stopping=is_stopping,
    )


def lines(folder: Path = OUT) -> list[PhotographResult]:
    text = (folder / "predictions.jsonl").read_text()
    return [PhotographResult.model_validate_json(line) for line in text.splitlines()]


def paths(results: Sequence[PhotographResult]) -> list[tuple[str, int | None]]:
    return [(one.path, one.frame.index if one.frame else None) for one in results]


def test_results_come_in_the_order_of_the_sources():
    put(Path("photos"), *(f"{number}.jpg" for number in range(20)))
    Path("photos/7.jpg").write_bytes(b"no picture")
    put(Path("photos"), "11.jpg", level=WHITE)
    shown: list[PhotographResult] = []

    predicted = run(show=shown.append)

    assert [one.path for one in shown] == [f"photos/{number}.jpg" for number in range(20)]
    assert shown[7].status == "FAILED"
    assert shown[7].problem == "it is no picture of a known format"
    assert not shown[11].detections
    assert predicted == Predicted(
        photographs=19, with_a_door=18, doors=18, refused=18, failed=1, left_out=0
    )


def test_a_result_says_all_of_the_photograph_the_model_and_the_durations():
    (path,) = put(Path("photos"), "a.jpg")
    shown: list[PhotographResult] = []

    run(show=shown.append)

    (one,) = shown
    assert (one.size_bytes, one.original_shape) == (path.stat().st_size, (48, 64))
    assert one.sha256 is not None
    assert one.orientation is not None
    assert one.model.weights_sha256 == "ab" * 32
    assert one.durations_ms is not None
    assert one.durations_ms.network == 2.0
    assert one.detections[0].bbox_tight == (16, 12, 48, 36)


def test_everything_that_is_asked_for_is_written():
    put(Path("photos"), "a.jpg", "b.jpg")
    put_video(Path("photos/v.avi"), [90, 90, 90])

    run(target=Target(OUT, ALL), every=2)

    assert paths(lines()) == [
        ("photos/a.jpg", None),
        ("photos/b.jpg", None),
        ("photos/v.avi", 0),
        ("photos/v.avi", 2),
    ]
    crop = lines()[0].detections[0].crop
    assert crop is not None
    assert (OUT / crop.file).exists()
    kinds = {path.relative_to(OUT).parts[0] for path in OUT.rglob("*") if path.is_file()}
    assert kinds >= {
        "settings.json", "predictions.jsonl", "predictions.csv", "pictures", "crops", "labels",
        "coco",
    }  # fmt: skip


def kill_after(count: int) -> FakeNetwork:
    network = FakeNetwork()

    def count_down() -> None:
        if len(network.seen) == count:
            raise KilledError

    network.before = count_down
    return network


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"predictions.jsonl", ".predictions.jsonl.lock"}
    }


@pytest.mark.parametrize("torn", ["", '{"format": "container-doors/predi', "complete"])
def test_a_killed_prediction_goes_on_with_nothing_twice_and_nothing_lost(torn: str):
    put(Path("photos"), *(f"{number}.jpg" for number in range(6)))
    Path("photos/2.jpg").write_bytes(b"no picture")
    put_video(Path("photos/9.avi"), [20, 40, 60, 80])
    put_zip(Path("z.zip"), {"a.jpg": jpeg(100), "b.jpg": jpeg(101)})
    sources = ("photos", "z.zip")
    run(*sources, target=Target(Path("whole"), ALL))

    for count in (2, 7, 10):
        shutil.rmtree(OUT, ignore_errors=True)
        with pytest.raises(KilledError):
            run(*sources, network=kill_after(count), target=Target(OUT, ALL))
        journal = OUT / "predictions.jsonl"
        if torn == "complete":  # killed within the last line
            journal.write_bytes(journal.read_bytes()[:-20])
        else:
            with journal.open("a") as file:
                file.write(torn)
        predicted = run(*sources, target=Target(OUT, ALL, is_resumed=True))

        assert paths(lines()) == paths(lines(Path("whole"))), count
        assert contents(OUT) == contents(Path("whole")), count
        assert (predicted.photographs, predicted.failed) == (11, 1)


def test_what_is_done_is_not_looked_at_again():
    put(Path("photos"), "a.jpg", "b.jpg")
    run(target=Target(OUT))
    put(Path("photos"), "c.jpg", level=50)
    network = FakeNetwork()

    predicted = run(network=network, target=Target(OUT, is_resumed=True))

    assert network.seen == [50]
    assert predicted.photographs == 3


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_folder_that_is_not_there_is_begun(is_resumed: bool):
    put(Path("photos"), "a.jpg")

    run(target=Target(OUT / "deep", is_resumed=is_resumed))

    assert len(lines(OUT / "deep")) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: replace(it, every=3), "every: expected 1, found 3"),
        (
            lambda it: replace(it, limits=QualityLimits(min_area_share=0.2)),
            "limits.min_area_share: expected 0.1, found 0.2",
        ),
        (
            lambda it: replace(
                it,
                opened=OpenedModel(
                    it.opened.network,
                    it.opened.used.model_copy(update={"weights_sha256": "cd" * 32}),
                    None,
                ),
            ),
            "model.weights_sha256: expected abab.*, found cdcd",
        ),
        (
            lambda it: replace(it, plan=replace(it.plan, relative_to="/elsewhere")),
            "relative_to: expected .*, found /elsewhere",
        ),
    ],
    ids=["every", "limits", "weights", "folder"],
)
def test_other_settings_are_refused_and_nothing_is_changed(change, said: str):
    put(Path("photos"), "a.jpg", "b.jpg")
    run(target=Target(OUT))
    before = contents(OUT), lines()
    found = plan(["photos"], here=Path.cwd(), standard_input=io.BytesIO())
    other = change(Prediction(found, FakeNetwork().opened))

    with pytest.raises(PredictionError, match=f"out cannot be continued .*: {said}"):
        predict(other, Target(OUT, is_resumed=True), show=lambda _: None, progress=FakeProgress())
    assert (contents(OUT), lines()) == before


def test_other_kinds_of_files_or_another_padding_are_refused():
    put(Path("photos"), "a.jpg")
    run(target=Target(OUT, ("jsonl", "crops")))

    with pytest.raises(PredictionError, match="save: expected jsonl,crops, found jsonl; padding"):
        run(target=Target(OUT, ("jsonl",), padding=0.2, is_resumed=True))


@pytest.mark.parametrize("name", ["settings.json", "mine.txt"])
def test_no_folder_with_files_is_written_to(name: str):
    put(Path("photos"), "a.jpg")
    OUT.mkdir()
    (OUT / name).write_text("mine")

    with pytest.raises(PredictionError, match="out: expected a new or empty folder, found"):
        run(target=Target(OUT))
    assert [(path.name, path.read_text()) for path in OUT.iterdir()] == [(name, "mine")]


def test_folders_without_a_name_are_numbered():
    with pytest.raises(PredictionError, match="expected a prediction to resume, found none"):
        choose_folder(None, is_resumed=True)
    assert choose_folder(None, is_resumed=False) == Path("predictions/1")
    put(Path("photos"), "a.jpg")
    run(target=Target(Path("predictions/9")))
    Path("predictions/10").mkdir()
    Path("predictions/x").mkdir()

    assert choose_folder(None, is_resumed=False) == Path("predictions/11")
    assert choose_folder(None, is_resumed=True) == Path("predictions/9")
    assert choose_folder(OUT, is_resumed=True) == OUT


def test_when_it_is_stopped_all_that_was_found_is_written():
    put(Path("photos"), *(f"{number}.jpg" for number in range(50)))
    network = FakeNetwork()

    run(network=network, target=Target(OUT, ALL), is_stopping=lambda: len(network.seen) >= 5)

    assert [one.path for one in lines()] == [f"photos/{number}.jpg" for number in range(5)]
    assert len(json.loads((OUT / "coco/images.json").read_text())["images"]) == 5


@pytest.mark.slow
def test_memory_is_flat_over_thousands_of_frames_of_a_video():
    put_video(Path("v.avi"), [number % 200 for number in range(3000)])
    network = FakeNetwork(remembers=False)
    peaks: list[int] = []

    def measure(result: PhotographResult) -> None:
        assert result.frame is not None
        if result.frame.index % 1000 == 999:
            peaks.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        run("v.avi", network=network, target=Target(OUT, ("jsonl", "csv")), show=measure)
    finally:
        tracemalloc.stop()

    assert len(peaks) == 3
    assert peaks[-1] - peaks[0] < 100_000, "50 bytes a frame would be five megabytes of 100,000"


REAL = Path(os.environ.get("CONTAINER_DOORS_REAL_DATA", "-"))
WEIGHTS = Path(os.environ.get("CONTAINER_DOORS_WEIGHTS", "-")) / "yolo11s-standin.pt"


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL.is_dir() and WEIGHTS.is_file()),
    reason="no real photographs and weights (CONTAINER_DOORS_REAL_DATA, CONTAINER_DOORS_WEIGHTS)",
)
def test_the_boxes_are_those_of_the_evaluation_for_each_kind_of_file():
    from tests.steps.test_detections import of_one_class

    photographs = sorted((REAL / "images").iterdir())[::60]
    contents = [(f"real/{one.name}", one.read_bytes()) for one in photographs]
    one_of_each = {name.rpartition(".")[2]: (name, data) for name, data in readable_files()}
    for name, data in [*one_of_each.values(), *contents]:
        path = Path("photos") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    files = sorted(path for path in Path("photos").rglob("*") if path.is_file())
    weights = of_one_class(Path("best.pt"))
    opened = open_model(weights, networks=RUNTIMES, conf=0.001, device="cpu")
    used = opened.used
    found = plan([str(one) for one in files], here=Path.cwd(), standard_input=io.BytesIO())

    predict(
        Prediction(found, opened),
        Target(OUT, ALL),
        show=lambda _: None,
        progress=FakeProgress(),
    )

    detector = YoloDetector(
        weights, image_size_px=used.image_size_px, hardware=describe_machine("cpu")
    )
    results = {Path(one.path): one for one in lines()}
    assert set(results) == set(files)
    expected = one_by_one(detector, files, used.iou_threshold)
    for kept in expected:
        result = results[kept.image]
        assert result.status == "SUCCESS", result.problem
        assert result.original_shape == (kept.height_px, kept.width_px)
        assert [door.box_xyxy for door in result.detections] == [*kept.boxes_xyxy], kept.image
        assert [door.confidence for door in result.detections] == [*kept.confidences]
    assert any(kept.boxes_xyxy for kept in expected)
