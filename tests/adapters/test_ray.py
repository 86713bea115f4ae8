"""A real Ray cluster of two nodes on this machine, one of which is killed in the middle."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from container_doors.adapters.ray import cluster as ray_cluster
from container_doors.adapters.ray.workers import RayWorkers
from container_doors.cli.ray_trainings import RayTrainings
from container_doors.core.config import Data, Publishing, QualityLimits, Wandb, dump
from container_doors.core.errors import ClusterError, DoorsError
from container_doors.core.ports import TrainingTask
from container_doors.core.run import Run
from container_doors.prediction.sources import plan
from container_doors.steps import predict_on as step
from container_doors.steps.data.sample import draw_samples
from container_doors.steps.data.validate import check_data
from container_doors.steps.open_model import OpenedModel
from container_doors.steps.predict import Predicted, Prediction, Target, predict
from container_doors.steps.predict_on import Elsewhere, predict_on
from container_doors.training.history import read_epochs
from tests.fakes import FakeProgress, NeverStopping
from tests.predicting import FakeNetwork, put
from tests.tiny import tiny_params

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).parents[2]
DEADLY = 33
"""The grey level of a photograph that its worker dies of."""


class TwoNodes:
    """A head node with a processor, and another one."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self.cluster.address
        self.other: Any = None

    def add(self) -> None:
        if self.other is None:
            self.other = self.cluster.add_node(num_cpus=1, object_store_memory=10**8)

    def kill_other(self) -> None:
        self.cluster.remove_node(self.other, allow_graceful=False)
        self.other = None


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        found = TwoNodes()
        found.add()
        yield found
        with suppress(Exception):
            found.cluster.shutdown()


@pytest.fixture
def workers(nodes: TwoNodes, monkeypatch: pytest.MonkeyPatch) -> RayWorkers:
    nodes.add()
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    return RayWorkers(say=print)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(step, "CHUNK", 4)


def slow_model() -> OpenedModel:
    return FakeNetwork(before=partial(time.sleep, 0.2)).opened


class Deadly(FakeNetwork):
    def find(self, picture: Any, **settings: Any) -> Any:
        if abs(int(picture[0, 0, 0]) - DEADLY) < 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().find(picture, **settings)


def deadly_model() -> OpenedModel:
    return Deadly().opened


def absent_model() -> OpenedModel:
    raise DoorsError("no model at /nowhere", hint="doors sync")


def prediction() -> Prediction:
    found = plan(["photos"], here=Path.cwd(), standard_input=io.BytesIO())
    limits = QualityLimits()
    return Prediction(found, FakeNetwork().opened, limits=limits, with_times=False)


def run(
    workers: RayWorkers, open_model: Callable[[], OpenedModel], progress: FakeProgress
) -> Predicted:
    target = Target(Path("out"), save=("jsonl", "crops"), is_resumed=True)
    elsewhere = Elsewhere(workers, open_model)
    return predict_on(prediction(), target, elsewhere, show=lambda _: None, progress=progress)


def on_one_machine() -> bytes:
    target = Target(Path("one"), save=("jsonl", "crops"))
    predict(prediction(), target, show=lambda _: None, progress=FakeProgress())
    return Path("one/predictions.jsonl").read_bytes()


def test_a_node_that_is_killed_is_carried_on_without(
    nodes: TwoNodes, workers: RayWorkers, capfd: pytest.CaptureFixture[str]
):
    put(Path("photos"), *(f"{number}.jpg" for number in range(80)))
    said: list[str] = []
    workers = RayWorkers(say=said.append)

    def kill_in_the_middle() -> None:
        lines = Path("out/predictions.jsonl")
        while not (lines.exists() and lines.read_bytes().count(b"\n") >= 8):
            time.sleep(0.1)
        nodes.kill_other()

    killer = Thread(target=kill_in_the_middle)
    killer.start()
    found = run(workers, slow_model, FakeProgress())
    killer.join()

    assert (found.photographs, found.failed) == (80, 0)
    assert Path("out/predictions.jsonl").read_bytes() == on_one_machine()
    assert any("was lost; others do its part again" in one for one in said)
    assert len(list(Path("out/crops").iterdir())) == 80
    assert capfd.readouterr().out == "", "Ray prints nothing among the results"


def test_a_photograph_that_kills_three_workers_is_one_failed_line(workers: RayWorkers):
    put(Path("photos"), *(f"{number}.jpg" for number in range(8)))
    put(Path("photos"), "5.jpg", level=DEADLY)

    found = run(workers, deadly_model, FakeProgress())

    lines = Path("out/predictions.jsonl").read_text().splitlines()
    assert (found.photographs, found.failed, len(lines)) == (7, 1, 8)
    assert '"path":"photos/5.jpg","status":"FAILED","problem":"3 workers died of it' in lines[5]


def test_what_a_worker_lacks_is_said_with_its_node(workers: RayWorkers):
    put(Path("photos"), "1.jpg")

    with pytest.raises(DoorsError, match=r"on the node \S+: no model at /nowhere"):
        run(workers, absent_model, FakeProgress())


def test_a_data_set_has_the_same_report(workers: RayWorkers):
    draw_samples(
        Path("data"),
        counts={"train": 6, "val": 3, "test": 3},
        seed=0,
        progress=FakeProgress(),
        is_plain=True,
    )
    Path("data/labels/val").joinpath("x.txt").write_text("0 1 2\n")

    here, there = (
        check_data(Path("data"), Data(), progress=FakeProgress(), workers=one)
        for one in (None, workers)
    )

    assert there == here
    assert here.findings


def test_trainings_of_a_lost_node_are_resumed_on_another(nodes: TwoNodes, workers: RayWorkers):
    counts = {"train": 8, "val": 4, "test": 2}
    draw_samples(Path("data"), counts=counts, seed=0, progress=FakeProgress(), is_plain=True)
    tiny = tiny_params(epochs=4)
    params = tiny.model_copy(
        update={
            "data": Data(path="data", min_train_images=2, min_val_images=1),
            "wandb": Wandb(mode="disabled"),
            "publishing": Publishing(when="never"),
            "training": tiny.training.model_copy(update={"device": "auto"}),
        }
    )
    Path("params.yaml").write_text(dump(params))
    tasks = [TrainingTask(name, params) for name in ("one", "two")]
    progress = FakeProgress()

    def has_begun(name: str) -> bool:
        return bool(read_epochs(Run(name).metrics_jsonl))

    def kill_in_the_middle() -> None:
        while not all(has_begun(task.name) for task in tasks):
            time.sleep(0.1)
        nodes.kill_other()

    killer = Thread(target=kill_in_the_middle)
    killer.start()
    trainings = RayTrainings(params, progress, stopping=NeverStopping())
    try:
        ends = list(trainings.train(tasks))
        again = list(trainings.train(tasks))
    finally:
        trainings.close()
        killer.join()

    assert trainings.at_once == 2
    assert sorted(end.name for end in ends) == ["one", "two"]
    assert {end.outcome for end in ends} == {end.outcome for end in again} == {"finished"}
    assert any("was lost; it goes on on another" in line for line in progress.lines)
    for task in tasks:
        epochs = Path(Run(task.name).metrics_jsonl).read_text().splitlines()
        assert len(epochs) == 4, "no epoch is repeated"


def test_another_version_of_this_package_is_refused(
    workers: RayWorkers, monkeypatch: pytest.MonkeyPatch
):
    put(Path("photos"), "1.jpg")
    for module in (ray_cluster, sys.modules[RayWorkers.__module__]):
        monkeypatch.setattr(module, "package_version", lambda: "0.0.9 (0123456789ab)")

    with pytest.raises(ClusterError, match=r"another version .* expected 0\.0\.9 .*, found 0\."):
        run(workers, slow_model, FakeProgress())


def test_a_cluster_without_a_gpu_is_refused(workers: RayWorkers):
    put(Path("photos"), "1.jpg")

    with pytest.raises(ClusterError, match="has no GPU"):
        run(RayWorkers(needs_gpu=True, say=print), slow_model, FakeProgress())


def test_an_address_without_a_cluster_is_refused(monkeypatch: pytest.MonkeyPatch):
    put(Path("photos"), "1.jpg")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    with pytest.raises(ClusterError, match="no Ray cluster at RAY_ADDRESS=127"):
        run(RayWorkers(say=print), slow_model, FakeProgress())


def test_a_lost_head_node_is_named_and_the_same_command_goes_on(
    nodes: TwoNodes, workers: RayWorkers, monkeypatch: pytest.MonkeyPatch
):
    """The last test: the cluster is gone afterwards."""
    put(Path("photos"), *(f"{number}.jpg" for number in range(60)))

    def kill_in_the_middle() -> None:
        lines = Path("out/predictions.jsonl")
        while not (lines.exists() and lines.read_bytes().count(b"\n") >= 8):
            time.sleep(0.1)
        head: Any = nodes.cluster.head_node
        head.kill_gcs_server(check_alive=False)

    killer = Thread(target=kill_in_the_middle)
    killer.start()
    with pytest.raises(ClusterError, match=r"the head node of the Ray cluster, .* was lost"):
        run(workers, slow_model, FakeProgress())
    killer.join()
