"""Pictures of every kind become what the trainer reads; a JPEG loses nothing but its place."""

import base64
import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from container_doors.core.errors import SourceError
from container_doors.data import convert_pictures
from container_doors.data.convert_pictures import UnreadablePictureError, prepare
from container_doors.data.images import examine
from tests.data.formats.exports import boxes_of, coco, imported, write
from tests.data.trees import encoded, jpeg, picture

_GPS, _EXIF = 0x8825, 0x8769


def gradient(size_wh: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth picture, which lossy formats keep: red from left to right, green from the top."""
    width, height = size_wh
    red = np.tile(np.linspace(0, 255, width), (height, 1))
    green = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 128)]).astype(np.uint8))


def trained_on(data: bytes) -> np.ndarray[Any, Any]:
    """What the trainer gets: OpenCV's colours, turned as EXIF says."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels[..., ::-1]


def located(order: str = "<") -> Image.Exif:
    exif = Image.Exif()
    exif.endian = order
    exif[271], exif[272], exif[274] = "Canon", "Canon EOS R5", 1
    exif[306] = "2026:11:20 08:30:00"
    exif.get_ifd(_EXIF)[0x9003] = "2026:11:20 08:29:59"
    exif.get_ifd(_GPS).update({1: "N", 2: (53.0, 32.0, 42.5), 3: "E", 4: (9.0, 58.0, 1.25)})
    return exif


def with_place(order: str = "<") -> bytes:
    return encoded(picture(3, (160, 120)), exif=located(order))


def entries(data: bytes, order: str) -> int:
    """Count the entries of the first EXIF block, as the file states it."""
    tiff = data[data.index(b"Exif\0\0") + 6 :]
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    return int(struct.unpack_from(f"{order}H", tiff, first)[0])


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_jpeg_keeps_every_byte_but_those_of_its_place(order: str):
    data = with_place(order)

    prepared = prepare(data)

    assert prepared.has_lost_place
    assert len(prepared.data) == len(data)
    exif = Image.open(io.BytesIO(prepared.data)).getexif()
    assert exif.get_ifd(_GPS) == {}
    assert _GPS not in exif
    assert exif[272] == "Canon EOS R5"
    assert exif.get_ifd(_EXIF)[0x9003] == "2026:11:20 08:29:59"
    assert entries(prepared.data, order) == entries(data, order) - 1
    scan = data.index(b"\xff\xda")
    assert prepared.data[scan:] == data[scan:]
    assert (prepared.date_taken, prepared.camera) == ("2026-11-20T08:29:59", "Canon EOS R5")
    assert np.array_equal(trained_on(prepared.data), trained_on(data))
    assert prepare(data, keep_gps=True).data == data


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="53,32.7N" '
    b'drone-dji:GpsLongitude="9.58E" tiff:Model="R5"><exif:GPSAltitude>9.58</exif:GPSAltitude>'
    b"</rdf:Description></x:xmpmeta>"
)


def with_segment(packet: bytes, data: bytes, *, fill: bytes = b"") -> bytes:
    """Put an APP1 block first into a JPEG."""
    return data[:2] + fill + b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + data[2:]


@pytest.mark.parametrize("name", [b"xap/1.0/\0", b"xmp/extension/\0"])
def test_the_place_in_xmp_is_removed_too(name: bytes):
    data = with_segment(b"http://ns.adobe.com/" + name + XMP, jpeg(), fill=b"\xff\xff")

    stripped = prepare(data).data

    assert len(stripped) == len(data)
    assert b"53,32" not in stripped
    assert b"9.58" not in stripped
    assert b'tiff:Model="R5"' in stripped


def exif_block() -> bytes:
    """The EXIF of a photograph with a place, from its byte order on."""
    return located().tobytes().removeprefix(b"Exif\0\0")


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with chunks of metadata behind its header, of 25 bytes."""
    data = encoded(gradient(), "PNG")
    middle = b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in chunks
    )
    return data[:33] + middle + data[33:]


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP with chunks of metadata behind its picture."""
    data = encoded(gradient(), "WEBP", xmp=b"<x/>", exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    middle = data[12 : data.index(b"EXIF")]
    for kind, body in chunks:
        middle += kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
    return data[:4] + (len(middle) + 4).to_bytes(4, "little") + data[8:12] + middle


def raw_profile(body: bytes) -> bytes:
    """Metadata in digits, as ImageMagick writes it."""
    digits = body.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return "\n".join(["", "exif", f"{len(body):8}", *lines, ""]).encode()


_ITXT = b"XML:com.adobe.xmp\0%c\0\0\0"
LOCATED = {
    "JPEG": with_place,
    "PNG": lambda: png((b"eXIf", exif_block())),
    "PNG with a prefix": lambda: png((b"eXIf", b"Exif\0\0" + exif_block())),
    "PNG with XMP": lambda: png((b"iTXt", _ITXT % 0 + XMP)),
    "PNG with compressed XMP": lambda: png((b"iTXt", _ITXT % 1 + zlib.compress(XMP))),
    "PNG of ImageMagick": lambda: png(
        (b"zTXt", b"Raw profile type exif\0\0"
         + zlib.compress(raw_profile(b"Exif\0\0" + exif_block()))),
        (b"tEXt", b"exif:GPSLatitude\x00" + b"53/1, 32/1"),
    ),
    "PNG with a damaged profile": lambda: png((b"zTXt", b"Raw profile type exif\0\0x")),
    "WebP": lambda: webp((b"EXIF", exif_block())),
    "WebP with a prefix": lambda: webp((b"EXIF", b"Exif\0\0" + exif_block())),
    "WebP with XMP": lambda: webp((b"XMP ", XMP)),
}  # fmt: skip


def metadata(data: bytes) -> str:
    """Everything that Pillow and a search of the bytes find of a place, unpacked."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        info = {str(key): value for key, value in opened.info.items()}
        exif = opened.getexif()
        raw = info.get("Raw profile type exif", "").replace("\n", "")
        return f"{dict(exif.get_ifd(_GPS))} {info} {raw} {data!r}"


@pytest.mark.parametrize("make", LOCATED.values(), ids=LOCATED)
def test_the_place_is_removed_whatever_the_format_and_the_pixels_stay(make: Callable[[], bytes]):
    data = make()

    prepared = prepare(data)

    assert prepared.has_lost_place
    assert not prepared.has_place
    assert not prepared.converted_from
    found = metadata(prepared.data)
    assert found.startswith("{} ")
    assert not re.search(r"53,32|9\.58|32/1|GPSLat", found)
    assert np.array_equal(trained_on(prepared.data), trained_on(data))
    kept = {"exif", "xmp"} if b"WEBP" in data[:12] else set()
    with Image.open(io.BytesIO(prepared.data)) as after, Image.open(io.BytesIO(data)) as before:
        after.load(), before.load()
        assert kept & after.info.keys() == kept & before.info.keys()
        assert after.getexif().get(272) == before.getexif().get(272)
    assert [one.rule for one in examine(data, suffix="jpg")[1] if one.rule == "image-place"]
    again = prepare(prepared.data)
    assert again.data is prepared.data
    assert "image-place" not in [one.rule for one in examine(again.data, suffix="jpg")[1]]
    assert prepare(data, keep_gps=True).data is data


@pytest.mark.parametrize(
    ("kind", "mode"), [("AVIF", "RGB"), ("TIFF", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGBA")]
)
def test_what_is_converted_has_lost_its_place(kind: str, mode: str):
    exif = Image.Exif()
    exif.load(exif_block())
    picture = gradient().convert(mode)
    if mode == "RGBA":
        picture.putalpha(200)
    data = encoded(picture, kind, exif=exif)

    prepared = prepare(data)

    assert prepared.converted_from
    assert prepared.has_lost_place
    assert "image-place" in [one.rule for one in examine(data, suffix=kind.lower())[1]]
    assert metadata(prepared.data).startswith("{} ")


def test_a_place_that_could_not_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(convert_pictures, "without_gps", lambda data, _: data)
    write(tmp_path / "heap", {"a.jpg": with_place(), "b.jpg": jpeg()})

    report = imported(tmp_path / "heap", out=tmp_path / "set", without_labels="negatives")

    [note] = report.notes
    assert re.search(r"^1 photograph\(s\) still have their place .*: heap, a\.jpg;", note)
    assert (
        imported(
            tmp_path / "heap", out=tmp_path / "2", without_labels="negatives", keep_gps=True
        ).notes
        == []
    )


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("part", [0.5, 0.98])
def test_a_picture_that_is_cut_off_is_refused(kind: str, part: float, tmp_path: Path):
    data = encoded(picture(3, (160, 120)), kind)
    write(tmp_path / "heap", {f"a.{kind.lower()}": data[: int(len(data) * part)]})
    if kind == "MPO":
        (tmp_path / "heap/a.mpo").rename(tmp_path / "heap/a.jpg")

    with pytest.raises(SourceError, match=r"nothing was imported") as refused:
        imported(tmp_path / "heap", out=tmp_path / "set", without_labels="negatives")

    assert re.search(r"a\.\w+: expected a complete picture, found a damaged", str(refused.value))


def test_the_places_of_a_second_picture_and_of_a_video_behind_it_are_removed():
    first, second = with_place(), with_place(">")
    pictures = [Image.open(io.BytesIO(one)) for one in (first, second)]
    file = io.BytesIO()
    exif = pictures[0].getexif()
    pictures[0].save(file, "MPO", save_all=True, append_images=pictures[1:], exif=exif)
    place = b"+53.5451+009.9671/"
    box = (12 + len(place)).to_bytes(4, "big") + b"\xa9xyz" + b"\0\x12\x15\xc7" + place
    data = file.getvalue() + b"\0\0\0\x18ftypmp42" + box + b"SEFT"

    stripped = prepare(data).data

    assert len(stripped) == len(data)
    assert place not in stripped
    opened = Image.open(io.BytesIO(stripped))
    for number in range(2):
        opened.seek(number)
        assert opened.getexif().get_ifd(_GPS) == {}
        assert data.count(b"Canon EOS R5") == stripped.count(b"Canon EOS R5")


def test_a_jpeg_without_a_place_is_the_same_file():
    data = jpeg()

    assert prepare(data).data is data


@pytest.mark.parametrize("cut", range(0, 700, 7))
def test_a_damaged_exif_block_is_left_alone(cut: int):
    data = bytearray(with_place())
    data[20 + cut : 24 + cut] = b"\xff\xff\xff\xff"

    try:
        prepared = prepare(bytes(data))
    except UnreadablePictureError:
        return
    assert len(prepared.data) == len(data)


def deep_png(pixels: np.ndarray[Any, Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


CASES = {
    "AVIF": (encoded(gradient(), "AVIF", quality=95), "AVIF", "jpg", 6),
    "TIFF": (encoded(gradient(), "TIFF"), "TIFF", "png", 0),
    "a palette": (encoded(gradient().quantize(256), "PNG"), "PNG with a palette", "png", 40),
    "CMYK": (encoded(gradient().convert("CMYK"), "JPEG", quality=95), "CMYK JPEG", "jpg", 12),
    "CMYK TIFF": (encoded(gradient().convert("CMYK"), "TIFF"), "TIFF", "png", 3),
    "GIF": (encoded(gradient().quantize(256), "GIF"), "GIF", "png", 40),
    "JPEG 2000": (encoded(gradient(), "JPEG2000"), "JPEG2000", "jpg", 6),
    "16 bits of colour": (
        deep_png(np.asarray(gradient())[..., ::-1].astype(np.uint16) * 257), "16-bit PNG",
        "png", 1),
    "12 bits in 16": (
        deep_png(np.asarray(gradient())[..., ::-1].astype(np.uint16) * 16), "16-bit PNG", "png", 4),
    "opaque RGBA": (encoded(gradient().convert("RGBA"), "PNG"), "transparent PNG", "png", 0),
}  # fmt: skip


@pytest.mark.parametrize(("data", "kind", "suffix", "most"), CASES.values(), ids=CASES.keys())
def test_other_pictures_are_converted_without_a_loss_that_shows(
    data: bytes, kind: str, suffix: str, most: int
):
    prepared = prepare(data)

    assert (prepared.converted_from, prepared.suffix) == (kind, suffix)
    difference = trained_on(prepared.data).astype(int) - np.asarray(gradient()).astype(int)
    assert np.percentile(np.abs(difference), 99) <= most
    assert examine(prepared.data, suffix=suffix)[1] == []


def test_a_12_bit_grey_picture_has_its_levels():
    grey = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (48, 1))

    prepared = prepare(deep_png(grey))

    assert trained_on(prepared.data)[0, :, 0].tolist() == [
        round(value * 255 / 4095) for value in range(0, 4096, 64)
    ]


def test_a_drawing_that_is_only_in_alpha_is_put_on_white():
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[10:30, 10:30, 3] = 255

    seen = trained_on(prepare(encoded(Image.fromarray(pixels), "PNG")).data)

    assert seen[5, 5].tolist() == [255, 255, 255]
    assert seen[20, 20].tolist() == [0, 0, 0]


HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAcltZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7QABAAAAAAAAAI0AAgAAAAACegABAAAAAAAAAEwAAAA4aWluZgAAAAAA"
    "AgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABCGlwcnAAAADn"
    "aXBjbwAAAHdodmNDAQQIAAAAnjgAAAAAHvAA/P/4+AAADwNgAAEAF0ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpC"
    "AQEECAAAAwCeOAAAAwAAHpAEECCy3VyU1zcBDQYEAAADAGQAAAMABCBiAAEACEQBwXMYMAiQAAAAE2NvbHJuY2x4AAEA"
    "DQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAABAAAAAAQAAADAAAAABAAAAAAAAAAL////wAAAAAgAAABBw"
    "aXhpAAAAAAMICAgAAAAJaXJvdAMAAAAZaXBtYQAAAAAAAAABAAEGgQIDBYSGAAAAGmlyZWYAAAAAAAAADmNkc2MAAgAB"
    "AAEAAADhbWRhdAAAAIkoAa8J4D3+zc8nCDpYYxafYL9GC5kUoZ4mMTY5aDoQUwhGt8/jGLubbmAKdbCcWjxxxhw0r5fQ"
    "lPEnkgM7uCNPa8VTIJO0+en4SHaCg+7vKLuhQ1hphKxwda9uy6tXwH+fpF7PAT6qkMfaOFG7t/ZMA8RkioQPAj5PfxCG"
    "FIV8/YPUaAErx9wjwAAAAAZFeGlmAABNTQAqAAAACAADAQ8AAgAAAAYAAAAyARAAAgAAAAoAAAA4ARIAAwAAAAEABgAA"
    "AAAAAEFwcGxlAGlQaG9uZSAxNQA="
)
"""The gradient as an iPhone stores a photograph that was taken upright: lying, with a mark (irot).

Made with pillow-heif 1.4: ``gradient().save(path, "HEIF", quality=60, exif=orientation_6)``.
"""


def test_heic_is_read_upright():
    prepared = prepare(HEIC)

    assert (prepared.converted_from, prepared.suffix) == ("HEIF", "jpg")
    assert (prepared.upright_wh, prepared.camera) == ((48, 64), "Apple iPhone 15")
    upright = np.asarray(gradient().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.percentile(np.abs(trained_on(prepared.data).astype(int) - upright), 99) <= 16


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "^0 bytes$"),
        (b"<html>", "^a web page$"),
        (b"\xff\xd8\xff", "^a JPEG without a picture in it$"),
        (b"\0\0\0\x18ftypheic" + bytes(9), "^a damaged one: .{5,90}$"),
        (b"x" * 99, "^bytes of an unknown format$"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_short_reason(data: bytes, found: str):
    with pytest.raises(UnreadablePictureError, match=found):
        prepare(data)


# A box of the upright picture of 120 x 160: left, top, right, bottom.
BOX = (10, 20, 40, 90)


def turned_back(orientation: int) -> tuple[float, float, float, float]:
    """Where the box is in the picture as stored, by turning a mask of it with Pillow."""
    mask = Image.new("L", (120, 160))
    mask.paste(255, BOX)
    ways = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    way = ways[orientation]
    stored = mask if way is None else mask.transpose(way)
    box = stored.getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawn", ["upright", "as stored", "not stated"])
def test_boxes_fit_the_upright_picture_however_they_were_drawn(
    orientation: int, drawn: str, tmp_path: Path
):
    stored_wh = (160, 120) if orientation >= 5 else (120, 160)
    exif = Image.Exif()
    exif[274] = orientation
    photograph = encoded(picture(1, stored_wh), exif=exif)
    tells = drawn == "as stored" and orientation >= 5  # else both have the same size
    left, top, right, bottom = turned_back(orientation) if tells else BOX
    size = stored_wh if tells else (120, 160)
    document = coco({"a.jpg": [(left, top, right - left, bottom - top)]}, size=size)
    if drawn == "not stated":
        document = document.replace('"width": 120, "height": 160', '"width": 0, "height": 0')
    source = write(tmp_path / "e", {"a.jpg": photograph, "l.json": document})

    report = imported(source, out=tmp_path / "set")

    assert boxes_of(tmp_path / "set", (120, 160)) == {"unsplit/a.jpg": [BOX]}
    assert (tmp_path / "set/images/unsplit/a.jpg").read_bytes() == photograph
    said = " ".join(report.notes)
    assert ("labelled as stored" in said) == tells
    is_unclear = orientation != 1 and (orientation < 5 or drawn == "not stated")
    assert ("do not tell" in said) == is_unclear


def test_boxes_of_a_picture_that_is_converted_fit_its_upright_copy(tmp_path: Path):
    exif = Image.Exif()
    exif[274] = 6
    data = encoded(gradient((160, 120)), "TIFF", exif=exif)
    document = coco({"a.tif": [(10, 20, 30, 70)]}, size=(120, 160))

    imported(write(tmp_path / "e", {"a.tif": data, "l.json": document}), out=tmp_path / "set")

    assert boxes_of(tmp_path / "set", (120, 160)) == {"unsplit/a.png": [BOX]}
    pixels = trained_on((tmp_path / "set/images/unsplit/a.png").read_bytes())
    upright = np.asarray(gradient((160, 120)).transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(pixels, upright)
