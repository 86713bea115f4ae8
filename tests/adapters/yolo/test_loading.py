"""Files that would execute something when they are opened, each in another way."""

import functools
import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from container_doors.adapters.yolo import state as yolo_state
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.loading import load_weights
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.adapters.yolo.weights import open_weights
from container_doors.core.config import Model, params_with
from container_doors.core.errors import WeightsError
from container_doors.core.records import Hardware
from tests.tiny import tiny_params

MARK = "executed"


class Call:
    """Asks whoever unpickles it to call a function."""

    def __init__(self, function: Callable[..., object], *arguments: object):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def network() -> Any:
    return import_ultralytics().YOLO("yolo11n.yaml", task="detect").model.half()


@pytest.fixture
def honest(network: Any) -> dict[str, Any]:
    return {
        "epoch": -1, "model": network, "ema": None, "optimizer": None,
        "train_args": {"imgsz": 32}, "train_metrics": {"fitness": np.float64(0.5)},
    }  # fmt: skip


def touching() -> Call:
    return Call(os.system, f"touch {MARK}")


PROGRAMS: dict[str, Callable[[], object]] = {
    "a shell command": touching,
    "Python code": lambda: Call(exec, f"open('{MARK}', 'w')"),
    "an open file": lambda: Call(open, MARK, "w"),
    "a partial call": lambda: functools.partial(os.system, f"touch {MARK}"),
    "a model of a file or address": lambda: Call(_detection_model(), "https://example.org/x.yaml"),
    "a layer that is called": lambda: Call(torch.nn.Linear, 1, 1),
    "an array of objects": lambda: np.array([touching()], dtype=object),
    "a method of another class": lambda: Path.unlink,
    "a function of PyTorch": lambda: Call(torch.load, "x.pt"),
}


def _detection_model() -> Any:
    from ultralytics.nn.tasks import DetectionModel

    return DetectionModel


def write(content: object, name: str = "weights.pt") -> Path:
    torch.save(content, name)
    return Path(name)


def test_weights_that_we_write_are_opened(honest: dict[str, Any]):
    assert open_weights(write(honest)).model.yaml["scale"] == "n"


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_among_the_weights_is_refused(
    honest: dict[str, Any], program: Callable[[], object]
):
    path = write(honest | {"train_args": {"imgsz": program()}})

    with pytest.raises(WeightsError, match="contains more than weights"):
        open_weights(path)
    assert not Path(MARK).exists()


def test_a_program_is_refused_by_whoever_opens_the_file(honest: dict[str, Any]):
    from ultralytics.utils.torch_utils import strip_optimizer

    path = write(honest | {"date": touching()})
    cpu = Hardware(device="cpu", description="", cpu="", cores=1, memory_gib=1)

    with pytest.raises(WeightsError, match=r"a call of posix\.system"):
        YoloDetector(path, image_size_px=32, hardware=cpu)
    with pytest.raises(WeightsError, match=r"a call of posix\.system"):
        yolo_state.load(path)
    with pytest.raises(WeightsError, match=r"a call of posix\.system"):
        import_ultralytics().YOLO(str(path))
    assert strip_optimizer(path) == {}
    assert not Path(MARK).exists()


@pytest.mark.slow
def test_what_runs_yolo_among_what_we_start_loads_data_only(honest: dict[str, Any]):
    path = write(honest | {"date": touching()})
    import_ultralytics()
    code = f"from ultralytics import YOLO; YOLO('{path}')"

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "outside the supported Ultralytics checkpoint format" in done.stderr
    assert not Path(MARK).exists()


@pytest.mark.parametrize("named", [None, "mine.pt"])
def test_damaged_starting_weights_have_a_way_back_that_works(named: str | None):
    """They are neither in DVC nor trained here."""
    path = Path(named or "weights/pretrained/yolo11n.pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK\x03\x04 half")
    model = Model(architecture="yolov11n", pretrained=True, weights=named)
    params = tiny_params(epochs=1).model_copy(update={"model": model})

    with pytest.raises(WeightsError, match=f"{path} is damaged") as refused:
        YoloTrainer().starting_weights(params)

    hint = refused.value.hint
    assert "dvc pull" not in hint
    if named is None:
        subprocess.run(hint.partition(":")[0], shell=True, check=True)
        assert not path.exists(), "so that it is downloaded"
        assert path.with_name("yolo11n.pt.damaged").exists()
    overrides = re.findall(r"--set (detection\S+=(?:false|null))", hint)
    random = params_with(params, overrides, where="the hint")
    assert YoloTrainer().starting_weights(random).source == "random"


def test_a_network_that_brings_a_function_is_refused(network: Any, honest: dict[str, Any]):
    head = network.model[-1]
    head._forward_pre_hooks[1] = type(head).forward
    try:
        path = write(honest)
    finally:
        head._forward_pre_hooks.clear()

    with pytest.raises(WeightsError, match=r"model\.23 would call .* '_forward_pre_hooks'"):
        open_weights(path)


def test_an_architecture_by_address_is_refused(network: Any, honest: dict[str, Any]):
    architecture = network.yaml
    network.yaml = "https://example.org/dvc.yaml"
    try:
        path = write(honest)
    finally:
        network.yaml = architecture

    with pytest.raises(WeightsError, match="only names its architecture, in another file"):
        open_weights(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("activation", f"__import__('os').system('touch {MARK}')", id="activation"),
        pytest.param("backbone", [[-1, 1, f"open('{MARK}', 'w')", [64, 3, 2]]], id="layer"),
        pytest.param("head", [[-1, 1, "Conv", [f"os.system('touch {MARK}')"]]], id="argument"),
        pytest.param("scales", {"__class__": [1, 1, 1]}, id="key"),
    ],
)
def test_a_text_of_an_architecture_that_is_no_name_is_refused(
    network: Any, honest: dict[str, Any], key: str, value: object
):
    architecture = network.yaml
    network.yaml = architecture | {key: value}
    try:
        path = write(honest)
    finally:
        network.yaml = architecture

    with pytest.raises(WeightsError, match=r"its architecture has .* not the name of a layer"):
        open_weights(path)
    assert not Path(MARK).exists()


def _plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(touching()))


def _before_1_6(path: Path) -> None:
    torch.save({"model": 1}, path, _use_new_zipfile_serialization=False)


def _torchscript(path: Path) -> None:
    with warnings.catch_warnings():  # that it has a successor
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Identity()), path)


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/data.pkl", bytes(10**7))


def _two_pickles(name: str) -> Callable[[Path], None]:
    """Whoever reads the other one of two opens what was not looked at."""

    def add(path: Path) -> None:
        torch.save({"model": torch.zeros(1)}, path)
        with warnings.catch_warnings():  # that the name is there already
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(name, pickle.dumps(touching()))

    return add


def _cut_off(path: Path) -> None:
    torch.save({"model": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-2000])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(_plain_pickle, "expected the archive that PyTorch writes", id="pickle"),
        pytest.param(_before_1_6, "expected the archive that PyTorch writes", id="old"),
        pytest.param(_torchscript, "found a TorchScript program", id="TorchScript"),
        pytest.param(_compressed, "it is compressed", id="bomb"),
        pytest.param(_two_pickles("weights/data.pkl"), "and one data.pkl", id="two pickles"),
        pytest.param(_two_pickles("weights/DATA.pkl"), "and one data.pkl", id="two by case"),
        pytest.param(_two_pickles("other/data.pkl"), "and one data.pkl", id="two folders"),
        pytest.param(_cut_off, "damaged, or not a weight file", id="cut off"),
        pytest.param(Path.touch, "expected the archive that PyTorch writes", id="empty"),
    ],
)
def test_what_is_no_weight_file_is_told_from_one(make: Callable[[Path], None], why: str):
    make(Path("weights.pt"))

    with pytest.raises(WeightsError, match=why):
        open_weights(Path("weights.pt"))
    with pytest.raises(WeightsError, match=why):
        load_weights("weights.pt")
    assert not Path(MARK).exists()


def test_weights_of_another_task_are_refused_by_name():
    path = write({"model": import_ultralytics().YOLO("yolo11n-cls.yaml").model})

    with pytest.raises(WeightsError, match=r"contains more than weights: .*ClassificationModel"):
        open_weights(path)


@pytest.mark.parametrize("name", ["weights.yaml", "weights.torchscript", "weights"])
def test_what_does_not_end_in_pt_is_not_tried(name: str):
    Path(name).touch()

    with pytest.raises(WeightsError, match="expected weights of PyTorch"):
        open_weights(Path(name))


def test_another_file_than_the_one_that_is_expected_is_not_opened(honest: dict[str, Any]):
    with pytest.raises(WeightsError, match=r"expected sha256 000000000000, found .* not opened"):
        open_weights(write(honest), sha256="0" * 64)


def test_a_cache_of_labels_is_never_read():
    from ultralytics.data import dataset

    with Path("labels.cache").open("wb") as file:
        np.save(file, np.array([touching()], dtype=object), allow_pickle=True)

    with pytest.raises(FileNotFoundError):
        vars(dataset)["load_dataset_cache_file"](Path("labels.cache"))
    assert not Path(MARK).exists()


@pytest.mark.slow
def test_an_environment_that_asks_for_the_opposite_is_not_heeded(
    monkeypatch: pytest.MonkeyPatch, honest: dict[str, Any]
):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setenv("ULTRALYTICS_SAFE_LOAD", "0")
    path = write(honest | {"date": touching()})
    code = (
        "import ultralytics\n"  # by somebody else, before us
        "from pathlib import Path\n"
        "from container_doors.adapters.yolo.weights import open_weights\n"
        f"open_weights(Path('{path}'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "a call of posix.system" in done.stderr
    assert not Path(MARK).exists()
