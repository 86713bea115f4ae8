"""Drawn photographs that are mixed into a training, with fakes for what is outside."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from container_doors import pipeline
from container_doors.core.config import Data, Params
from container_doors.core.errors import ConfigError, DatasetError
from container_doors.core.records import RunRecord
from container_doors.steps.data.validate import fit_data
from container_doors.steps.kaggle.plan import _one_data_set
from tests.builders import a_small_dataset
from tests.fakes import FakeProgress, FakeTrainer, FakeWorld
from tests.trained import PARAMS, RUN


def mixed(share: float = 0.4, path: str = "drawn") -> Params:
    data = Data(min_train_images=2, min_val_images=1, drawn_share=share, drawn_path=path)
    return PARAMS.model_copy(update={"data": data})


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_small_dataset(tmp_path / PARAMS.data.path)
    a_small_dataset(tmp_path / "drawn")
    monkeypatch.chdir(tmp_path)


class Seeing(FakeTrainer):
    seen: Any = None

    def train(self, params: Params, run: Any, *, data_yaml: Path, **named: Any) -> None:
        self.seen = yaml.safe_load(data_yaml.read_text(encoding="utf-8"))
        super().train(params, run, data_yaml=data_yaml, **named)


def train(params: Params, trainer: FakeTrainer, **how: Any) -> RunRecord:
    pipeline.train(params, RUN, world=replace(FakeWorld().world, trainer=trainer), **how)
    return RunRecord.read(RUN.record)


def test_the_trainer_gets_both_folders_and_how_many_of_the_drawn_ones_an_epoch_has():
    """Two of five are 0.4: the train split has three."""
    trainer = Seeing()

    record = train(mixed(), trainer)

    view = Path(trainer.seen["path"])
    assert trainer.seen["drawn_each_epoch"] == 2
    assert [len(list((view / one).iterdir())) for one in trainer.seen["train"]] == [3, 3]
    assert (view / "labels/drawn/0.txt").is_file()
    assert trainer.seen["val"] == "images/val"
    assert record.drawn is not None
    assert record.drawn.path == "drawn"


def test_a_training_without_them_gets_the_data_set_alone():
    trainer = Seeing()

    record = train(PARAMS, trainer)

    assert (trainer.seen["train"], record.drawn) == ("images/train", None)
    assert not RUN.mixed_view.exists()


def test_a_run_does_not_go_on_with_other_drawn_photographs():
    first = train(mixed(), Seeing())
    first.model_copy(update={"status": "trained"}).write(RUN.record)  # killed in its evaluation
    assert train(mixed(), Seeing()).run_id == first.run_id
    first.model_copy(update={"status": "trained"}).write(RUN.record)
    Path("drawn/labels/train/0.txt").write_text("0 0.4 0.5 0.5 0.75\n")

    after = train(mixed(), Seeing())

    assert after.run_id != first.run_id
    assert after.drawn != first.drawn
    assert after.dataset == first.dataset


@pytest.mark.parametrize(
    ("params", "problem", "hint"),
    [
        pytest.param(
            mixed(path="nothing"), "takes 2 drawn .* there is no nothing",
            "doors data sample --out nothing --train 2", id="none",
        ),
        pytest.param(
            mixed(share=0.8), "takes 12 drawn .* drawn has 3", "--train 12", id="too few",
        ),
        pytest.param(
            mixed(path=PARAMS.data.path), "which is the data set itself", "drawn_path", id="itself",
        ),
    ],
)  # fmt: skip
def test_a_share_without_drawn_photographs_is_refused(params: Params, problem: str, hint: str):
    with pytest.raises(DatasetError, match=problem) as caught:
        fit_data(params, progress=FakeProgress())

    assert hint in str(caught.value.hint)


def test_drawn_photographs_of_other_classes_are_refused():
    text = Path("drawn/data.yaml").read_text(encoding="utf-8")
    Path("drawn/data.yaml").write_text(text.replace("container_door", "gate"), encoding="utf-8")

    with pytest.raises(DatasetError, match=r"expected .* found"):
        fit_data(mixed(), progress=FakeProgress())


def test_a_job_on_kaggle_has_none():
    with pytest.raises(ConfigError, match="a job has no drawn photographs"):
        _one_data_set({"exp1": mixed()})
