"""A weight file that executes nothing can still be no detector of doors: it is tried first."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from container_doors.adapters.yolo.detector import load_door_detector
from container_doors.adapters.yolo.weights import check_door_weights, open_weights
from container_doors.core.errors import WeightsError
from container_doors.core.records import Hardware
from tests.tiny import tiny_network


@pytest.fixture(scope="module")
def whole() -> Any:
    return tiny_network()


@pytest.fixture
def network(whole: Any) -> Any:
    return copy.deepcopy(whole)


def write(network: Any, folder: Path) -> Path:
    path = folder / "best.pt"
    torch.save({"model": network, "ema": None, "train_args": {"imgsz": 64}}, path)
    return path


def test_a_detector_of_doors_works_and_stays_as_it_was(network: Any, tmp_path: Path):
    path = write(network, tmp_path)
    before = path.read_bytes()

    check_door_weights(path)

    assert path.read_bytes() == before
    assert not torch.nn.modules.module._global_forward_hooks


def give_no_numbers(network: Any) -> None:
    network.model[3].conv.weight.data[:] = float("nan")


def give_a_variance_below_zero(network: Any) -> None:
    network.model[0].bn.running_var[:] = -1


def give_no_stride(network: Any) -> None:
    network.model[-1].stride = torch.zeros(3)


def give_another_stride(network: Any) -> None:
    network.stride = torch.tensor([8.0, 16.0, 64.0])


def give_three_classes(network: Any) -> None:
    network.names = {0: "door", 1: "lorry", 2: "person"}


def give_more_outputs_than_names(network: Any) -> None:
    network.model[-1].nc = 80


def name_it(name: object) -> Callable[[Any], None]:
    def give_name(network: Any) -> None:
        network.names = {0: name}

    return give_name


def take_the_head(network: Any) -> None:
    network.model = network.model[:-1]


def take_all_layers(network: Any) -> None:
    network.model = torch.nn.Sequential()


def take_what_a_layer_needs(network: Any) -> None:
    del network.model[2].cv1


def enlarge(network: Any) -> None:
    network.model[11].scale_factor = 1e6


def pad(network: Any) -> None:
    network.model[0].conv.padding = (10**6, 10**6)


def enlarge_again_and_again(network: Any) -> None:
    """Each layer is harmless by itself."""
    network.model[11].scale_factor = 50.0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (give_no_numbers, "weights are not all finite numbers"),
        (give_a_variance_below_zero, "weights are not all finite numbers"),
        (give_no_stride, r"expected strides of \[8.0, 16.0, 32.0\], found tensor\(\[0., 0., 0."),
        (give_another_stride, r"expected strides of \[8.0, 16.0, 32.0\], found tensor\(\[ 8., 16"),
        (give_three_classes, "expected one class, found 3 names and 1 outputs"),
        (give_more_outputs_than_names, "expected one class, found 1 names and 80 outputs"),
        (name_it("\x1b[2Jdoor"), r"found '\\x1b\[2Jdoor'"),
        (name_it("door\nbest.pt is fine"), r"printable characters, found 'door\\nbest"),
        (name_it("x" * 300), r"found 'x{50,}\.\.\. \(302 characters\)"),
        (name_it(7), "printable characters, found 7"),
        (take_the_head, "ends in C3k2, and not in Detect"),
        (take_all_layers, "its network has no layers"),
        (take_what_a_layer_needs, "it fails: AttributeError"),
        (enlarge, "its layer model.11 has scale_factor 1000000.0"),
        (pad, r"its layer model.0.conv has padding \(1000000, 1000000\)"),
        (enlarge_again_and_again, r"it fails: ValueError: a layer makes \d+ numbers"),
    ],
)
def test_what_is_no_working_detector_of_doors_is_refused(
    network: Any, spoil: Callable[[Any], None], why: str, tmp_path: Path
):
    spoil(network)
    path = write(network, tmp_path)

    with pytest.raises(WeightsError, match=why) as caught:
        check_door_weights(path)

    assert caught.value.problem.isprintable()
    assert caught.value.problem.startswith(f"{path} ")
    assert len(caught.value.problem) < len(str(path)) + 300


def test_a_detector_from_elsewhere_is_tried_before_it_is_used(network: Any, tmp_path: Path):
    give_three_classes(network)
    cpu = Hardware(device="cpu", description="", cpu="", cores=1, memory_gib=1)

    with pytest.raises(WeightsError, match="no detector of doors alone"):
        load_door_detector(write(network, tmp_path), image_size_px=64, hardware=cpu)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([1, 2], "it has a list instead of a dictionary"),
        ({"model": None}, "it has no network; its keys: 'model'"),
        ({}, "it has no network; its keys: none"),
        ({"model": [1]}, "it has a list instead of a network"),
        ({"model": torch.zeros(2)}, "it has a Tensor instead of a network"),
        ({"x" * 400: 1}, r"its keys: 'x+\.\.\. \(402 characters\)"),
        ({"model": torch.nn.Linear(1, 1)}, "its network is a Linear"),
    ],
    ids=["list", "no model", "empty", "list as model", "tensor", "long key", "layer"],
)
def test_what_has_no_network_is_named_without_a_type_error(
    content: object, why: str, tmp_path: Path
):
    path = tmp_path / "best.pt"
    torch.save(content, path)

    with pytest.raises(WeightsError, match=why) as caught:
        open_weights(path)

    assert "Error" not in caught.value.problem


def test_settings_of_a_training_that_are_none_are_named(network: Any, tmp_path: Path):
    path = tmp_path / "best.pt"
    torch.save({"model": network, "train_args": [1]}, path)

    with pytest.raises(WeightsError, match="the settings of its training are no dictionary"):
        open_weights(path)
