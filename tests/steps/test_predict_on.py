"""Predict by workers: the bytes of one machine, in whatever order they work, and after any stop."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from container_doors.core.config import QualityLimits
from container_doors.core.errors import ClusterError, SourceError, WeightsError
from container_doors.prediction.output import KINDS
from container_doors.prediction.sources import plan
from container_doors.steps import predict_on as step
from container_doors.steps.open_model import OpenedModel
from container_doors.steps.predict import Predicted, Prediction, Target, predict
from container_doors.steps.predict_on import Elsewhere, predict_on
from tests.fakes import FakeProgress, WorkersHere
from tests.predicting import WHITE, FakeNetwork, jpeg, put, put_video, put_zip


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(step, "CHUNK", 3)
    put(Path("photos"), *(f"{number}.jpg" for number in range(9)))
    put(Path("photos"), "a/1.jpg", "a/2.jpg", level=WHITE)
    Path("photos/4.jpg").write_bytes(b"no")
    put_zip(Path("more.zip"), {f"{number}.jpg": jpeg() for number in range(4)})


def fake_model() -> OpenedModel:
    return FakeNetwork().opened


def prediction(*typed: str) -> Prediction:
    found = plan(typed or ("photos", "more.zip"), here=Path.cwd(), standard_input=io.BytesIO())
    return Prediction(found, fake_model(), limits=QualityLimits(), with_times=False)


def run(
    workers: WorkersHere,
    *typed: str,
    is_resumed: bool = False,
    open_model: Callable[[], OpenedModel] = fake_model,
) -> Predicted:
    return predict_on(
        prediction(*typed),
        Target(Path("out"), save=KINDS, is_resumed=is_resumed),
        Elsewhere(workers, open_model),
        show=lambda _: None,
        progress=FakeProgress(),
    )


def contents(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def on_one_machine() -> dict[str, bytes]:
    progress = FakeProgress()
    predict(prediction(), Target(Path("one"), save=KINDS), show=lambda _: None, progress=progress)
    return contents("one")


@pytest.mark.parametrize("order", [lambda number: number, lambda number: -number])
def test_workers_write_what_one_machine_writes(order: Callable[[int], int]):
    shown = run(WorkersHere(order=order))

    assert contents("out") == on_one_machine()
    assert (shown.photographs, shown.doors, shown.failed) == (14, 12, 1)
    assert not Path("out/shards").exists()


@pytest.mark.parametrize("order", [lambda number: number, lambda number: -number])
def test_a_lost_cluster_costs_no_shard_that_was_done(order: Callable[[int], int]):
    for chunks in (1, 1, 2):
        workers = WorkersHere(order=order)
        workers.lost_after = chunks
        with pytest.raises(ClusterError, match="head node"):
            run(workers, is_resumed=True)

    last = WorkersHere(order=order)
    run(last, is_resumed=True)

    assert last.chunks == 1, "four of five were done before"
    assert contents("out") == on_one_machine()


def test_a_kill_while_lines_are_joined_doubles_none():
    run(WorkersHere())
    path = Path("out/predictions.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:20])

    run(WorkersHere(), is_resumed=True)

    assert contents("out") == on_one_machine()


def test_a_photograph_that_kills_its_workers_is_one_failed_line():
    workers = WorkersHere()
    workers.deadly = {"photos/7.jpg"}

    assert run(workers).failed == 2

    of_one, joined = on_one_machine(), contents("out")
    expected = of_one["predictions.jsonl"].splitlines()
    differing = [
        found
        for found, line in zip(joined["predictions.jsonl"].splitlines(), expected, strict=True)
        if found != line
    ]
    assert len(differing) == 1
    assert b'"path":"photos/7.jpg","status":"FAILED","problem":"3 workers died' in differing[0]


def test_a_shard_of_other_photographs_is_not_used():
    workers = WorkersHere(order=lambda number: -number)
    workers.lost_after = 2
    with pytest.raises(ClusterError):
        run(workers)
    put(Path("photos"), "0a.jpg")  # all that follows moves on by one

    run(WorkersHere(), is_resumed=True)

    assert contents("out") == on_one_machine()


def test_a_worker_with_other_weights_is_refused():
    with pytest.raises(WeightsError, match="expected the model abababababab in pytorch, fou"):
        run(WorkersHere(), open_model=other_model)


def other_model() -> OpenedModel:
    opened = fake_model()
    return replace(opened, used=opened.used.model_copy(update={"weights_sha256": "cd" * 32}))


def test_a_video_is_for_one_machine():
    put_video(Path("v.avi"), [100])

    with pytest.raises(SourceError, match="found the video v"):
        run(WorkersHere(), "photos", "v.avi")
