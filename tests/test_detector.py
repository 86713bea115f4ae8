"""The public Python interface: three lines find the doors."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import container_doors
from container_doors import Detector, detector
from container_doors.core.errors import MissingToolError
from container_doors.core.predictions import PhotographResult
from container_doors.detector import UnreadablePictureError
from tests.prediction.published import VERSION, FakeRuntimes, publish
from tests.test_imports import HEAVY

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
"""Blue first."""


@pytest.fixture
def runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRuntimes:
    monkeypatch.chdir(tmp_path)
    publish(Path("weights/detection"))
    fake = FakeRuntimes()
    monkeypatch.setattr(detector, "RUNTIMES", fake.runtimes)
    cv2.imwrite("a.png", PIXELS)
    return fake


@pytest.fixture
def doors(runtimes: FakeRuntimes) -> Detector:
    return Detector()


def test_the_package_opens_at_once():
    code = (
        "import sys, container_doors; dir(container_doors); container_doors.__version__; "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    loaded = set(done.stdout.split())
    assert not HEAVY & loaded
    assert {one for one in loaded if one.startswith("container_doors")} == {"container_doors"}


def test_the_package_has_the_public_names_and_no_others():
    assert container_doors.Found is detector.Found
    assert {"Detector", "Found", "Door"} <= set(dir(container_doors))
    with pytest.raises(AttributeError, match="has no attribute 'Detectors'"):
        _ = container_doors.Detectors


def test_three_lines_find_the_doors(doors: Detector):
    found = doors("a.png")

    assert [(door.box_xyxy, door.confidence, door.class_id) for door in found] == [
        ((15.0, 10.0, 45.0, 30.0), 0.75, 0)
    ]
    assert found[0].bbox_tight == (15, 10, 45, 30)
    assert len(found) == len(found[:]) == 1
    assert repr(found) == "<Found: 1 door(s) in a.png>"


def test_all_that_is_known_is_the_json_of_predict(doors: Detector):
    found = doors("a.png")

    assert PhotographResult.model_validate_json(found.to_json()) == found.result
    document = json.loads(found.to_json())
    assert document["path"] == "a.png"
    assert document["size_bytes"] == Path("a.png").stat().st_size
    assert document["original_shape"] == [40, 60]
    assert document["model"]["version"] == VERSION
    assert document["durations_ms"]["network"] == 2
    assert "\n" not in found.to_json()


def test_the_model_is_used_at_its_thresholds_or_at_another(runtimes: FakeRuntimes):
    Detector()("a.png")
    Detector(conf=0.9)("a.png")

    settings = [asked for _, asked in runtimes.network.seen]
    assert settings[0] == {"conf_threshold": 0.4, "iou_threshold": 0.6, "max_detections": 300}
    assert settings[1] == settings[0] | {"conf_threshold": 0.9}


@pytest.mark.parametrize("where", ["weights/detection", VERSION, Path("weights/detection/best.pt")])
def test_a_model_is_named_by_its_folder_its_version_or_a_file(
    where: str | Path, runtimes: FakeRuntimes
):
    opened = Detector(where)

    assert opened.used.version == VERSION
    assert opened.model is not None
    assert repr(opened) == f"<Detector: {VERSION}, pytorch, confidence above 0.4>"


def as_pillow() -> Image.Image:
    return Image.fromarray(PIXELS[..., ::-1])


def turned() -> Image.Image:
    """The same picture, stored sideways."""
    picture = as_pillow().transpose(Image.Transpose.ROTATE_90)
    picture.getexif()[274] = 6
    return picture


@pytest.mark.parametrize(
    ("photograph", "channels", "name"),
    [
        (lambda: "a.png", "BGR", "a.png"),
        (lambda: Path("a.png"), "BGR", "a.png"),
        (lambda: Path("a.png").read_bytes(), "BGR", "<bytes>"),
        (lambda: memoryview(Path("a.png").read_bytes()), "BGR", "<bytes>"),
        (lambda: io.BytesIO(Path("a.png").read_bytes()), "BGR", "<bytes>"),
        (as_pillow, "BGR", "<PIL.Image>"),
        (turned, "BGR", "<PIL.Image>"),
        (lambda: as_pillow().convert("RGBA"), "BGR", "<PIL.Image>"),
        (lambda: PIXELS, "BGR", "<array>"),
        (lambda: np.asfortranarray(PIXELS), "BGR", "<array>"),
        (lambda: PIXELS[..., ::-1], "RGB", "<array>"),
    ],
    ids=["path", "Path", "bytes", "memoryview", "open file", "Pillow", "turned", "RGBA", "BGR",
         "order", "RGB"],
)  # fmt: skip
def test_a_photograph_is_given_in_any_form(
    photograph: Callable[[], Any], channels: Any, name: str, doors: Detector, runtimes: FakeRuntimes
):
    found = doors(photograph(), channels=channels)

    seen, _ = runtimes.network.seen[-1]
    np.testing.assert_array_equal(seen, PIXELS)
    assert seen.flags.c_contiguous
    assert found.result.path == name


def test_grey_pixels_are_a_photograph_too(doors: Detector, runtimes: FakeRuntimes):
    doors(PIXELS[..., 0])

    np.testing.assert_array_equal(runtimes.network.seen[-1][0], PIXELS[..., :1].repeat(3, axis=2))


def test_a_scan_in_printing_inks_has_the_same_pixels_from_its_file_and_from_pillow(
    doors: Detector, runtimes: FakeRuntimes
):
    inks = np.random.default_rng(0).integers(0, 256, (64, 48, 4), dtype=np.uint8)
    Image.fromarray(inks, "CMYK").save("inks.jpg", quality=95)

    doors("inks.jpg")
    doors(Image.open("inks.jpg"))

    (of_file, _), (of_pillow, _) = runtimes.network.seen[-2:]
    np.testing.assert_array_equal(of_file, of_pillow)


def test_a_file_in_text_mode_is_an_error(doors: Detector):
    with Path("a.txt").open("w+") as file, pytest.raises(TypeError, match="binary mode"):
        doors(file)


def test_several_photographs_have_a_list_and_a_generator_an_iterator(
    doors: Detector, runtimes: FakeRuntimes
):
    listing: list[detector.Photograph] = ["a.png", PIXELS]
    listed = doors(listing)
    lazy = doors(iter(listing))

    assert [found.result.path for found in listed] == ["a.png", "<array>"]
    assert len(runtimes.network.seen) == 2  # the generator was not read
    assert next(lazy).result.path == "a.png"
    assert len(runtimes.network.seen) == 3
    assert [found.result.path for found in lazy] == ["<array>"]


def test_a_generator_goes_on_after_a_damaged_photograph(doors: Detector):
    Path("b.jpg").write_bytes(b"<html>")
    found = doors(iter(["b.jpg", "a.png"]))

    with pytest.raises(UnreadablePictureError, match=r"^b\.jpg: it is no picture"):
        next(found)
    assert next(found).result.path == "a.png"


@pytest.mark.parametrize(
    ("photograph", "error", "message"),
    [
        ("absent.jpg", FileNotFoundError, "absent.jpg"),
        (".", UnreadablePictureError, "expected a file, found a folder"),
        (b"", UnreadablePictureError, "it is no picture"),
        (7, TypeError, "expected a path, bytes, a picture of Pillow or pixels, found int"),
        ({"a.png"}, TypeError, "found set; several photographs are given as a list"),
        (PIXELS.astype(float), ValueError, r"found \(40, 60, 3\) of float64"),
        (PIXELS[None], ValueError, r"found \(1, 40, 60, 3\) of uint8"),
        (PIXELS[..., :2], ValueError, r"found \(40, 60, 2\)"),
        (PIXELS[:0], ValueError, r"found \(0, 60, 3\)"),
    ],
)
def test_what_is_no_photograph_is_an_error(
    photograph: Any, error: type[Exception], message: str, doors: Detector
):
    with pytest.raises(error, match=message):
        doors(photograph)


def test_another_order_of_colours_is_an_error(doors: Detector):
    with pytest.raises(ValueError, match="expected 'BGR' or 'RGB', found 'rgb'"):
        doors("a.png", channels="rgb")  # type: ignore[call-overload]


def test_a_huge_file_is_not_read_into_memory(doors: Detector):
    with Path("film.mp4").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)

    with pytest.raises(UnreadablePictureError, match=r"film\.mp4: \d+ bytes, and at most"):
        doors("film.mp4")


def test_a_crop_is_the_door_with_padding_at_full_resolution(doors: Detector):
    found = doors("a.png")

    np.testing.assert_array_equal(found.crop(found[0], padding=0), PIXELS[10:30, 15:45])
    assert found.crop(found[0]).shape == (24, 36, 3)
    found.crop(found[0])[:] = 0
    np.testing.assert_array_equal(found.picture_bgr, PIXELS)


def test_the_doors_are_handed_to_supervision_and_pandas(
    doors: Detector, monkeypatch: pytest.MonkeyPatch
):
    """Neither is installed here: what they are given is what their constructors take."""
    for name, constructor in (("supervision", "Detections"), ("pandas", "DataFrame")):
        module: Any = ModuleType(name)
        setattr(module, constructor, lambda *given, **named: SimpleNamespace(given=given, **named))
        monkeypatch.setitem(sys.modules, name, module)
    found = doors("a.png")
    detections: Any = found.to_supervision()
    table: Any = found.to_pandas()

    assert detections.xyxy.tolist() == [[15, 10, 45, 30]]
    assert detections.confidence.tolist() == [0.75]
    assert detections.class_id.tolist() == [0]
    ((row,),) = table.given
    assert row == ("a.png", 15, 10, 45, 30, 0.75, 0)
    assert len(table.columns) == len(row)


@pytest.mark.parametrize("package", ["supervision", "pandas"])
def test_a_package_that_is_missing_is_named(
    package: str, doors: Detector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingToolError, match=f"{package} is not installed") as caught:
        getattr(doors("a.png"), f"to_{package}")()
    assert caught.value.hint == f"pip install {package}"


def test_several_threads_share_a_detector_one_photograph_at_a_time(
    doors: Detector, runtimes: FakeRuntimes, monkeypatch: pytest.MonkeyPatch
):
    inside, most = 0, 0
    find = runtimes.network.find
    step = threading.Event()

    def counted(picture: NDArray[np.uint8], **settings: float) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        step.wait(0.01)
        inside -= 1
        return find(picture, **settings)

    monkeypatch.setattr(runtimes.network, "find", counted)
    threads = [threading.Thread(target=doors, args=["a.png"]) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert (len(runtimes.network.seen), most) == (8, 1)
