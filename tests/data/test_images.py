"""Every kind of picture file that is not what it seems, and what Ultralytics makes of it."""

import os
import struct
from pathlib import Path
from zlib import compress, crc32

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from container_doors.data import decoding
from container_doors.data.images import examine, read_picture
from container_doors.data.layout import PICTURE_SUFFIXES
from tests.data.trainer import verdict
from tests.data.trees import encoded, jpeg, oriented, photograph, picture

_GREYS = Image.fromarray(np.linspace(0, 65535, 3072).reshape(48, 64).astype(np.uint16))

FINE: dict[str, tuple[str, bytes]] = {
    "jpeg": ("a.jpg", jpeg()),
    "upper-case suffix": ("a.JPG", jpeg()),
    "progressive jpeg": ("a.jpg", encoded(picture(), progressive=True)),
    "grey jpeg": ("a.jpg", encoded(picture(mode="L"))),
    "cmyk jpeg": ("a.jpg", encoded(picture(mode="CMYK"))),
    "exif orientation 1": ("a.jpg", oriented(1)),
    "png": ("a.png", encoded(picture(), "PNG")),
    "png with alpha": ("a.png", encoded(picture(mode="RGBA"), "PNG")),
    "png with palette": ("a.png", encoded(picture(mode="P"), "PNG")),
    "png of 16 bits": ("a.png", encoded(_GREYS, "PNG")),
    "webp": ("a.webp", encoded(picture(), "WEBP")),
    "bmp": ("a.bmp", encoded(picture(), "BMP")),
    "tiff": ("a.tif", encoded(picture(), "TIFF")),
    "jpeg 2000": ("a.jp2", encoded(picture(), "JPEG2000")),
    "avif": ("a.avif", encoded(picture(), "AVIF")),
    "a phone's second picture": (
        "a.jpg", encoded(picture(), "MPO", save_all=True, append_images=[picture(1)]),
    ),
    "ten pixels": ("a.jpg", jpeg(0, (10, 10))),
}  # fmt: skip

_WHOLE = photograph()
_MIDDLE = len(_WHOLE) // 2
_PNG = encoded(picture(0, (320, 240)), "PNG")

# file name, bytes, rule, severity, whether Ultralytics drops the photograph
FAULTY: dict[str, tuple[str, bytes, str, str, bool]] = {
    "0 bytes": ("a.jpg", b"", "image-empty", "error", True),
    "1 byte": ("a.jpg", b"\xff", "image-not-an-image", "error", True),
    "a web page": (
        "a.jpg", b"<!DOCTYPE html><p>404</p>", "image-not-an-image", "error", True,
    ),
    "a pointer of git lfs": (
        "a.jpg", b"version https://git-lfs.github.com/spec/v1\n", "image-not-an-image", "error",
        True,
    ),
    "zeros": ("a.jpg", bytes(5000), "image-not-an-image", "error", True),
    "heic of an iphone": (
        "a.heic", b"\0\0\0\x18ftypheic" + bytes(100), "image-not-an-image", "error", True,
    ),
    "jpeg header alone": ("a.jpg", _WHOLE[:20], "image-not-an-image", "error", True),
    "truncated jpeg": ("a.jpg", _WHOLE[:_MIDDLE], "image-truncated", "error", True),
    "jpeg without its last byte": ("a.jpg", _WHOLE[:-1], "image-truncated", "error", True),
    "truncated jpeg with an end marker": (
        "a.jpg", _WHOLE[:_MIDDLE] + b"\xff\xd9", "image-damaged", "error", False,
    ),
    "jpeg zeroed in the middle": (
        "a.jpg", _WHOLE[:_MIDDLE] + bytes(4096) + _WHOLE[_MIDDLE + 4096 :], "image-damaged",
        "error", False,
    ),
    "jpeg with a piece missing": (
        "a.jpg", _WHOLE[:_MIDDLE] + _WHOLE[_MIDDLE + 3000 :], "image-damaged", "error", False,
    ),
    "truncated png": ("a.png", _PNG[: len(_PNG) // 2], "image-truncated", "error", True),
    "damaged png": (
        "a.png", _PNG[:9000] + bytes(64) + _PNG[9064:], "image-damaged", "error", True,
    ),
    "truncated webp": (
        "a.webp", encoded(picture(0, (320, 240)), "WEBP")[:3000], "image-not-an-image", "error",
        True,
    ),
    "jpeg with damaged tables": (
        "a.jpg", _WHOLE.replace(b"\xff\xc4\x00", b"\xff\xc4\xff", 1), "image-undecodable",
        "error", False,
    ),
    "truncated tiff": (
        "a.tif", encoded(picture(0, (320, 240)), "TIFF")[:9000], "image-undecodable", "error",
        False,
    ),
    "trailing zeros": (
        "a.jpg", jpeg() + bytes(500), "image-trailing-bytes", "warning", False,
    ),
    "trailing text": (
        "a.jpg", jpeg() + b"<!-- cached -->", "image-trailing-bytes", "warning", False,
    ),
    "9 pixels high": ("a.jpg", jpeg(0, (64, 9)), "image-too-small", "error", True),
    "8x8": ("a.png", encoded(picture(0, (8, 8)), "PNG"), "image-too-small", "error", True),
    "gif named jpg": ("a.jpg", encoded(picture(), "GIF"), "image-format", "error", True),
    "ppm named png": ("a.png", encoded(picture(), "PPM"), "image-format", "error", True),
    "jpeg named png": ("a.png", jpeg(), "image-suffix", "warning", False),
    "png named jpg": ("a.jpg", encoded(picture(), "PNG"), "image-suffix", "warning", False),
    "jpeg named tif": ("a.tif", jpeg(), "image-suffix", "warning", False),
    "webp named jpg": ("a.jpg", encoded(picture(), "WEBP"), "image-suffix", "warning", False),
    "animated png": (
        "a.png", encoded(picture(), "PNG", save_all=True, append_images=[picture(1)]),
        "image-frames", "warning", False,
    ),
    "animated webp": (
        "a.webp", encoded(picture(), "WEBP", save_all=True, append_images=[picture(1)]),
        "image-frames", "warning", False,
    ),
    "tiff of two pages": (
        "a.tif", encoded(picture(), "TIFF", save_all=True, append_images=[picture(1)]),
        "image-frames", "warning", False,
    ),
    **{
        f"exif orientation {value}": ("a.jpg", oriented(value), "image-rotated", "warning", False)
        for value in range(2, 9)
    },
    "exif orientation 6 in a png": (
        "a.png", oriented(6, "PNG"), "image-rotated", "warning", False,
    ),
    "exif orientation 6 in a webp": (
        "a.webp", oriented(6, "WEBP"), "image-rotated", "warning", False,
    ),
    "exif orientation 6 in a tiff": (
        "a.tif", oriented(6, "TIFF"), "image-rotated", "warning", False,
    ),
    "exif orientation 0": ("a.jpg", oriented(0), "image-orientation", "warning", False),
    "exif orientation 9": ("a.jpg", oriented(9), "image-orientation", "warning", False),
}  # fmt: skip

_ALL = {**FINE, **{name: row[:2] for name, row in FAULTY.items()}}


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


@pytest.mark.parametrize(("name", "data"), FINE.values(), ids=FINE)
def test_a_picture_that_is_right_gives_no_finding(name: str, data: bytes):
    size_px, faults = examine(data, suffix=_suffix(name))

    assert faults == []
    assert size_px is not None


@pytest.mark.parametrize(
    ("name", "data", "rule", "severity", "dropped"), FAULTY.values(), ids=FAULTY
)
def test_a_faulty_picture_is_named(name, data, rule, severity, dropped):
    _, faults = examine(data, suffix=_suffix(name))

    assert [(f.rule, f.severity, f.dropped) for f in faults] == [(rule, severity, dropped)]
    assert faults[0].expected
    assert faults[0].found
    assert faults[0].remedy


@pytest.mark.parametrize(("name", "data"), _ALL.values(), ids=_ALL)
def test_the_trainer_drops_what_is_said_to_be_dropped_and_sees_the_same_size(
    name: str, data: bytes, tmp_path: Path
):
    (tmp_path / name).write_bytes(data)
    size_px, faults = examine(data, suffix=_suffix(name))
    theirs = verdict(tmp_path / name, tmp_path / "none.txt")

    assert any(fault.dropped for fault in faults) == theirs.is_dropped, theirs.message
    if not theirs.is_dropped:
        assert size_px == theirs.size_wh


@pytest.mark.parametrize(("name", "data"), _ALL.values(), ids=_ALL)
def test_the_trainer_can_load_every_picture_without_an_error(
    name: str, data: bytes, tmp_path: Path
):
    from ultralytics.utils.patches import imread

    (tmp_path / name).write_bytes(data)
    size_px, faults = examine(data, suffix=_suffix(name))
    pixels = imread(tmp_path / name)

    if not any(fault.severity == "error" for fault in faults):
        assert pixels is not None
        assert pixels.shape[1::-1] == size_px
    elif "image-undecodable" in {fault.rule for fault in faults}:
        assert pixels is None


def test_orientation_is_applied_before_training_so_labels_are_of_the_upright_picture(tmp_path):
    """A red left half, stored on its side: orientation 6 turns it clockwise into the top half."""
    from ultralytics.utils.patches import imread

    image = Image.new("RGB", (64, 48), "blue")
    image.paste("red", (0, 0, 32, 48))
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(image, exif=exif))

    pixels = imread(tmp_path / "a.jpg")
    assert pixels is not None
    blue, _, red = pixels[8, 24]

    assert red > 200
    assert blue < 60
    assert examine((tmp_path / "a.jpg").read_bytes(), suffix="jpg")[0] == (48, 64)


def test_the_suffixes_are_those_of_the_trainer():
    from ultralytics.data.utils import IMG_FORMATS

    assert PICTURE_SUFFIXES == IMG_FORMATS


def test_every_zeroed_block_of_four_kilobytes_is_noticed():
    damaged = [
        _WHOLE[:at] + bytes(4096) + _WHOLE[at + 4096 :]
        for at in range(700, len(_WHOLE) - 4200, len(_WHOLE) // 40)
    ]

    unnoticed = [data for data in damaged if not examine(data, suffix="jpg")[1]]

    assert len(damaged) > 30
    assert unnoticed == []


def test_a_picture_too_large_for_memory_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr(decoding, "_decode_opened", None)

    [fault] = examine(jpeg(), suffix="jpg")[1]

    assert (fault.rule, fault.dropped) == ("image-too-large", True)


def test_a_picture_above_the_warning_of_pillow_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)

    [fault] = examine(jpeg(), suffix="jpg")[1]

    assert (fault.rule, fault.severity, fault.dropped) == ("image-huge", "warning", False)


def test_what_libraries_print_does_not_reach_the_terminal(capfd: pytest.CaptureFixture[str]):
    for _, data in _ALL.values():
        examine(data, suffix="jpg")

    assert capfd.readouterr() == ("", "")


def test_the_error_stream_is_given_back(capfd: pytest.CaptureFixture[str]):
    examine(jpeg(), suffix="jpg")
    os.write(2, b"heard")

    assert capfd.readouterr().err == "heard"


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        pytest.param(lambda path: path.symlink_to("gone.jpg"), "image-broken-link", id="dangling"),
        pytest.param(lambda path: path.symlink_to(path.name), "image-broken-link", id="own-tail"),
        pytest.param(lambda path: path.mkdir(), "image-not-a-file", id="folder"),
        pytest.param(os.mkfifo, "image-not-a-file", id="pipe"),
    ],
)
def test_what_is_no_file_is_named_and_never_waited_for(make, rule, tmp_path: Path):
    path = tmp_path / "a.jpg"
    make(path)

    [fault] = read_picture(path).faults

    assert (fault.rule, fault.dropped) == (rule, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_without_permission_is_named(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "a.jpg").chmod(0)

    assert [f.rule for f in read_picture(tmp_path / "a.jpg").faults] == ["image-unreadable"]


_HEADERS = [data[:40] for _, data in FINE.values()]


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from([b"", *_HEADERS]),
    rest=st.binary(max_size=200),
    suffix=st.sampled_from(sorted(PICTURE_SUFFIXES)),
)
def test_any_bytes_give_faults_and_no_exception(start: bytes, rest: bytes, suffix: str):
    _, faults = examine(start + rest, suffix=suffix)

    assert faults


@settings(max_examples=150, deadline=None)
@given(
    which=st.sampled_from(sorted(FINE)),
    at=st.integers(0, 2000),
    patch=st.binary(min_size=1, max_size=40),
)
def test_a_damaged_picture_gives_no_exception(which: str, at: int, patch: bytes):
    name, data = FINE[which]

    examine(data[:at] + patch + data[at + len(patch) :], suffix=_suffix(name))


def test_padding_before_the_end_marker_is_a_warning_and_damage_an_error():
    """Some cameras pad a JPEG after its last pixel; libjpeg calls both corrupt."""
    whole = encoded(noise())
    padded = whole[:-2] + b"\x00" * 4 + whole[-2:]
    middle = len(whole) // 2
    damaged = whole[:middle] + b"\x00" * 200 + whole[middle + 200 :]

    (_, (warning,)), (_, (error,)) = (examine(data, suffix="jpg") for data in (padded, damaged))

    assert (warning.rule, warning.severity) == ("image-damaged", "warning")
    assert (error.rule, error.severity) == ("image-damaged", "error")
    assert "\0" not in error.found, "what was printed of the file before is gone"


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
    )


def png(width: int, height: int, *chunks: bytes, pixels: bytes | None = None) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = compress(bytes((width * 3 + 1) * height)) if pixels is None else pixels
    ends = chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *chunks, ends])


def pages(count: int) -> bytes:
    """A TIFF that shows one picture on every page."""
    tags = (256, 16), (257, 16), (258, 8), (259, 1), (262, 1), (273, 8), (278, 16), (279, 256)
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    one = struct.pack("<H", len(tags)) + fields
    size = len(one) + 4
    starts = [8 + size * (number + 1) for number in range(count - 1)] + [0]
    return (
        b"II*\0\x08\0\0\0"
        + b"".join(one + struct.pack("<I", start) for start in starts)
        + bytes(256)
    )


def scanned_again(times: int) -> bytes:
    progressive = encoded(picture(size_wh=(320, 240)), progressive=True)
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    return progressive[:-2] + last * times + progressive[-2:]


def shown_again(times: int) -> bytes:
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 12, 12, 0) + b"\x02\x02\x4c\x01\x00"
    return encoded(picture(size_wh=(12, 12), mode="P"), "GIF")[:-1] + frame * times + b";"


BOMB = compress(b"a" * 50_000_000, 9)


@pytest.mark.parametrize(
    ("content", "suffix", "rule"),
    [
        pytest.param(png(65535, 65535, pixels=b""), "png", "image-too-large", id="4 gigapixels"),
        pytest.param(
            png(20, 20, chunk(b"zTXt", b"k\0\0" + BOMB)), "png", "image-not-an-image", id="a text"
        ),
        pytest.param(
            png(20, 20, chunk(b"iCCP", b"k\0\0" + BOMB)), "png", "image-not-an-image", id="colours"
        ),
        pytest.param(png(20, 20, pixels=BOMB), "png", "image-undecodable", id="pixels"),
        pytest.param(pages(20_000), "tif", "image-frames", id="a TIFF of many pages"),
        pytest.param(shown_again(100_000), "jpg", "image-format", id="a GIF of many frames"),
        pytest.param(scanned_again(1000), "jpg", "image-damaged", id="a JPEG of many scans"),
    ],
)
def test_a_picture_that_stands_for_a_larger_one_is_a_finding(
    content: bytes, suffix: str, rule: str
):
    _, faults = examine(content, suffix=suffix)

    assert rule in {fault.rule for fault in faults}
    assert all(len(str(fault)) < 600 for fault in faults)


def test_a_file_that_no_memory_holds_is_not_read(tmp_path: Path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(10**12)

    (fault,) = read_picture(tmp_path / "a.jpg").faults

    assert (fault.rule, fault.expected) == ("image-file-too-large", "at most 512 MiB")


def pixels(low: int, high: int, *, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(0).integers(low, high + 1, (240, 320, 3), np.uint8)
    return Image.fromarray(noise).convert(mode)


def deep(most: int, kind: str, *channels: int) -> bytes:
    """Sixteen bits a colour, of which the camera uses fewer, and a pixel that is burnt in."""
    noise = np.random.default_rng(0).integers(0, most, (240, 320, *channels), np.uint16)
    noise[0, 0] = 65535
    return bytes(cv2.imencode(f".{kind}", noise)[1])


def in_alpha(kind: str) -> bytes:
    black = Image.new("RGBA", (320, 240))
    black.putalpha(pixels(0, 255, mode="L"))
    return encoded(black, kind)


EMPTY_TO_THE_TRAINER = {
    "twelve of sixteen bits": ("png", deep(4096, "png"), "keeps the upper eight"),
    "ten of sixteen bits in a TIFF": ("tiff", deep(1024, "tiff"), "keeps the upper eight"),
    "twelve of sixteen bits in a coloured TIFF": ("tif", deep(4096, "tiff", 3), "its 16 bits"),
    "twelve of sixteen bits in a JPEG 2000": ("jp2", deep(4096, "jp2", 3), "its 16 bits"),
    "a picture in its transparency": ("png", in_alpha("PNG"), "drops transparency"),
    "a WebP in its transparency": ("webp", in_alpha("WEBP"), "drops transparency"),
    "black": ("jpg", encoded(Image.new("RGB", (320, 240))), "at 0"),
    "white": ("png", encoded(Image.new("L", (320, 240), 255), "PNG"), "at 255"),
    "the lens cap": ("jpg", encoded(pixels(0, 12), quality=95), "from "),
    "one grey": ("bmp", encoded(pixels(120, 124), "BMP"), "from 120 to 124"),
    "a palette of one": ("png", encoded(Image.new("P", (320, 240)), "PNG"), "at 0"),
}


@pytest.mark.parametrize("case", EMPTY_TO_THE_TRAINER.values(), ids=EMPTY_TO_THE_TRAINER)
def test_a_photograph_that_is_nearly_constant_to_the_trainer_is_a_warning(case, tmp_path: Path):
    from ultralytics.utils.patches import imread

    suffix, data, words = case
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    seen = imread(str(path))
    assert seen is not None

    [fault] = read_picture(path).faults

    low, high = np.percentile(seen, (1, 99))
    assert high - low <= 20
    assert (fault.rule, fault.severity, fault.dropped) == (
        "image-nearly-constant",
        "warning",
        False,
    )
    assert words in fault.found


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        pytest.param("jpg", encoded(pixels(0, 40), quality=95), id="a dark night"),
        pytest.param("png", encoded(pixels(200, 240), "PNG"), id="fog"),
        pytest.param("jpg", jpeg(1, (32, 32)), id="noise, smooth at an eighth of its size"),
        pytest.param("png", deep(65536, "png"), id="sixteen of sixteen bits"),
        pytest.param("png", encoded(pixels(0, 255, mode="RGBA"), "PNG"), id="opaque"),
        pytest.param(
            "png",
            encoded(
                Image.merge("RGB", [pixels(0, 99, mode="L")] + [Image.new("L", (320, 240))] * 2),
                "PNG",
            ),
            id="one channel",
        ),
    ],
)
def test_a_photograph_of_little_contrast_is_none(suffix: str, data: bytes, tmp_path: Path):
    (tmp_path / f"a.{suffix}").write_bytes(data)

    assert read_picture(tmp_path / f"a.{suffix}").faults == ()
