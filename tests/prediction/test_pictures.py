"""Files are decoded as Ultralytics decodes them, bit for bit; bombs and damage are refused."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.prediction import pictures
from container_doors.prediction.pictures import UnreadablePictureError, decode
from tests.data.test_convert_pictures import HEIC
from tests.prediction.picture_files import readable_files, saved, scene

READABLE = dict(readable_files()) | {"phone.heic": HEIC}


def read_by_ultralytics(path: Path) -> NDArray[Any]:
    import_ultralytics()
    from ultralytics.data.loaders import LoadImagesAndVideos

    ((_, (pixels,), _),) = LoadImagesAndVideos(path)
    return np.asarray(pixels)


@pytest.mark.parametrize("name", READABLE)
def test_a_file_is_decoded_as_by_ultralytics(name: str, tmp_path: Path):
    path = tmp_path / Path(name).name
    path.write_bytes(READABLE[name])

    ours = decode(READABLE[name], name=name).bgr

    theirs = read_by_ultralytics(path)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", [name for name in READABLE if "turned" in name])
def test_it_is_said_whether_a_picture_was_turned_upright(name: str):
    stored = Image.fromarray(scene())
    _, _, exif = name.partition(".")[0].partition("_")
    stored.getexif()[274] = int(exif)
    upright = np.asarray(ImageOps.exif_transpose(stored))

    found = decode(READABLE[name], name=name)

    assert found.orientation.exif == int(exif) or name == "turned_1.avif"  # it is not written
    rgb = found.bgr[..., ::-1].astype(int)
    is_upright = rgb.shape == upright.shape and abs(rgb - upright).mean() < 20
    assert found.orientation.is_applied == is_upright


def test_what_opencv_does_not_turn_is_not_said_to_be_upright():
    found = decode(READABLE["avif_in_truth.jpg"], name="avif_in_truth.jpg")

    assert (found.orientation.exif, found.orientation.is_applied) == (6, False)
    assert found.bgr.shape == (40, 56, 3)


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1.jpg", "IMG_1.hif", "IMG_1"])
def test_a_phones_heic_is_read_upright_under_any_name(name: str):
    found = decode(HEIC, name=name)

    np.testing.assert_array_equal(found.bgr, decode(HEIC, name="a.heic").bgr)
    assert (found.orientation.exif, found.orientation.is_applied) == (6, True)


def test_a_gif_is_read_though_ultralytics_would_skip_it():
    found = decode(saved(Image.fromarray(scene()).convert("P"), "GIF"), name="a.gif")

    assert abs(found.bgr[..., ::-1].astype(int) - scene()).mean() < 20


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def huge_png(side: int) -> bytes:
    """Encode a complete black picture of one bit per pixel."""
    rows = zlib.compress(bytes((-(-side // 8) + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def huge_jpeg() -> bytes:
    data = bytearray(saved(Image.fromarray(scene()), "JPEG"))
    size_at = data.index(b"\xff\xc0") + 5
    data[size_at : size_at + 4] = struct.pack(">HH", 60000, 60000)
    return bytes(data)


def huge_bmp() -> bytes:
    data = bytearray(saved(Image.fromarray(scene()), "BMP"))
    data[18:26] = struct.pack("<ii", 40000, 40000)
    return bytes(data)


def huge_gif() -> bytes:
    data = bytearray(saved(Image.fromarray(scene()).convert("P"), "GIF"))
    data[6:10] = struct.pack("<HH", 60000, 60000)
    return bytes(data)


def huge_tiff() -> bytes:
    data = bytearray(saved(Image.fromarray(scene()), "TIFF"))
    at = data.index(struct.pack("<HHI", 256, 4, 1)) + 8
    data[at : at + 4] = struct.pack("<I", 1 << 24)
    return bytes(data)


def huge_gif_frame() -> bytes:
    """Pillow refuses it before it can be asked for its size."""
    data = bytearray(saved(Image.fromarray(scene()).convert("P"), "GIF"))
    size_at = data.index(b",\0\0\0\0" + struct.pack("<HH", 56, 40)) + 5
    data[size_at : size_at + 4] = struct.pack("<HH", 60000, 60000)
    return bytes(data)


def huge_webp() -> bytes:
    data = bytearray(saved(Image.fromarray(scene()), "WEBP", 1))
    size_at = data.index(b"VP8X") + 12
    data[size_at : size_at + 6] = b"\0\xff\0" * 2
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [huge_gif_frame(), huge_webp(), huge_gif_frame()[:900]],
    ids=["gif", "webp", "cut off"],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.heic"])
def test_a_bomb_that_pillow_refuses_has_a_reason_too(data: bytes, name: str):
    with pytest.raises(UnreadablePictureError, match="announces more pixels"):
        decode(data, name=name)


@pytest.mark.parametrize(
    "data",
    [huge_png(16000), huge_jpeg(), huge_bmp(), huge_gif(), huge_tiff()],
    ids=["png", "jpeg", "bmp", "gif", "tiff"],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.heic"])
def test_a_decompression_bomb_is_refused_by_its_header(data: bytes, name: str):
    with pytest.raises(UnreadablePictureError, match="pixels, and at most 200 million"):
        decode(data, name=name)


def test_a_caller_can_ask_for_fewer_pixels():
    data = saved(Image.fromarray(scene(100, 100)), "PNG")

    assert decode(data, name="a.png", most_pixels=10_000).bgr.shape == (100, 100, 3)
    with pytest.raises(UnreadablePictureError, match=r"at most 0.009999 million"):
        decode(data, name="a.png", most_pixels=9_999)


@pytest.mark.slow
def test_a_photograph_of_200_megapixels_is_no_bomb():
    """Pillow alone would refuse it."""
    name, side = "a.png", 13500

    assert decode(huge_png(side), name=name).bgr.shape == (side, side, 3)


def test_only_the_first_page_is_decoded(monkeypatch: pytest.MonkeyPatch):
    """The header of the first page says nothing of the size of the second."""
    decoded: list[tuple[int, int]] = []
    decode_pages: Any = cv2.imdecodemulti

    def note(*arguments: Any, range: tuple[int, int]) -> Any:
        decoded.append(range)
        return decode_pages(*arguments, range=range)

    monkeypatch.setattr(cv2, "imdecodemulti", note)

    decode(READABLE["pages.tif"], name="pages.tif")

    assert decoded == [(0, 1)]


def test_a_picture_that_the_trainer_cannot_read_is_not_guessed_at():
    grey = Image.fromarray(scene()[..., 0].astype(np.float32))

    with pytest.raises(UnreadablePictureError, match="a TIFF that OpenCV, and so the trainer"):
        decode(saved(grey, "TIFF"), name="depth.tif")


def test_more_bytes_than_a_photograph_has_are_not_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 100)

    with pytest.raises(UnreadablePictureError, match="and at most 100 are read"):
        decode(READABLE["plain.jpg"], name="plain.jpg")


def test_a_jpeg_of_very_many_scans_is_refused():
    data = READABLE["plain.jpg"]

    with pytest.raises(UnreadablePictureError, match="601 scans"):
        decode(data[:-2] + b"\xff\xda" * 600 + data[-2:], name="a.jpg")


@pytest.mark.parametrize("part", [0.3, 0.7, 0.98])
@pytest.mark.parametrize(
    "name",
    ["plain.jpg", "cmyk.jpg", "progressive.JPG", "plain.png", "plain.webp", "plain.tif",
     "lzw.tiff", "plain.avif", "plain.bmp", "plain.jp2", "phone.heic"],
)  # fmt: skip
def test_a_file_that_is_cut_off_is_refused(name: str, part: float):
    data = READABLE[name]

    with pytest.raises(UnreadablePictureError):
        decode(data[: int(len(data) * part)], name=name)


def test_a_cut_jpeg_is_refused_also_where_opencv_fills_it_with_grey(
    monkeypatch: pytest.MonkeyPatch,
):
    """OpenCV 4 does, and OpenCV 5 does not."""
    data = saved(Image.fromarray(scene(400, 560)), "JPEG")
    monkeypatch.setattr(pictures, "_is_like_opencv", lambda: False)
    monkeypatch.setattr(pictures, "_by_opencv", lambda _: scene())

    with pytest.raises(UnreadablePictureError, match="truncated"):
        decode(data[: len(data) // 2], name="a.jpg")
    assert decode(data + b"a camera's own trailer", name="a.jpg").bgr.shape == (40, 56, 3)


def test_the_jpegs_of_all_kinds_have_the_pixels_of_opencv():
    """Which decodes for the trainer."""
    noise = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    kinds = [{"subsampling": one} for one in (0, 1, 2)] + [
        {"progressive": True},
        {"optimize": True},
    ]
    for exif in range(1, 9):
        for kind in kinds:
            data = saved(Image.fromarray(noise), "JPEG", exif, **kind)
            expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            np.testing.assert_array_equal(decode(data, name="a.jpg").bgr, expected)
    assert pictures._is_like_opencv()


def test_a_jpeg_that_has_lost_data_in_the_middle_is_refused(capfd: pytest.CaptureFixture[str]):
    data = saved(Image.fromarray(scene(400, 560)), "JPEG", quality=95)
    middle = len(data) // 2

    with pytest.raises(UnreadablePictureError, match="Corrupt JPEG data"):
        decode(data[:middle] + bytes(2000) + data[middle + 2000 :], name="a.jpg")
    with pytest.raises(UnreadablePictureError, match="Corrupt JPEG data"):
        decode(data[:middle] + b"\xff\xd9", name="a.jpg")
    assert decode(data[:-2] + bytes(4) + data[-2:], name="a.jpg").bgr.shape == (400, 560, 3)
    assert capfd.readouterr().err == ""


def test_a_jpeg_with_any_sampling_is_decoded_or_refused():
    data = bytearray(saved(Image.fromarray(scene(40, 56)), "JPEG"))
    at = data.index(b"\xff\xc0") + 11  # of the first component
    for sampling in range(256):
        data[at] = sampling
        with suppress(UnreadablePictureError):
            assert decode(bytes(data), name="a.jpg").bgr.shape[2] == 3


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"<html>", b"\xff\xd8\xff", b"II*\0", b"\0\0\0\x18ftypheic" + bytes(9), b"MZ" * 99],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.heic", "", "."])
def test_what_is_no_picture_is_refused_with_a_reason_without_an_address(data: bytes, name: str):
    with pytest.raises(UnreadablePictureError) as caught:
        decode(data, name=name)

    assert 0 < len(str(caught.value)) < 150
    assert "0x" not in str(caught.value)


@settings(max_examples=300)
@given(
    name=st.sampled_from(sorted(READABLE)),
    suffix=st.sampled_from(["jpg", "tif", "heic", "png"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8),
    part=st.floats(0, 1),
)
def test_damaged_bytes_are_decoded_or_refused_and_nothing_else(
    name: str, suffix: str, changes: list[tuple[float, int]], part: float
):
    data = bytearray(READABLE[name])
    for where, value in changes:
        data[int(where * min(len(data), 300))] = value
    data = data[: int(len(data) * part) if part < 0.5 else len(data)]
    try:
        found = decode(bytes(data), name=f"a.{suffix}")
    except UnreadablePictureError:
        return
    assert found.bgr.shape[2] == 3


def test_pillow_and_its_filters_of_warnings_are_left_as_they_were():
    import warnings

    before, readers = list(warnings.filters), set(Image.OPEN)
    decode(HEIC, name="a.heic")
    with pytest.raises(UnreadablePictureError):
        decode(io.BytesIO(b"nothing").getvalue(), name="a.heic")

    assert warnings.filters == before
    assert set(Image.OPEN) == readers
