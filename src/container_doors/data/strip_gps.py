"""Removes the place from a JPEG, PNG or WebP, and keeps every other byte of its picture.

The entries of a photograph's place are cut out of the EXIF block, their values are overwritten by
zeros, and those of XMP by spaces. No length changes, so that every other offset stays right; in
PNG, which has no offsets, a text that is compressed may become shorter.
Sources: https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (EXIF 3.0),
https://www.w3.org/TR/png-3/#11Ancillary-chunks,
https://developers.google.com/speed/webp/docs/riff_container
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

_GPS_IFD = 0x8825
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_VIDEO_PLACE = b"\xa9xyz"
_END = b"\xff\xd9"
_BEGIN, _APP1, _PIXELS, _FILL = b"\xff\xd8\xff", 0xE1, 0xDA, 0xFF
_XMP_PLACE = re.compile(
    rb"[\w-]{1,40}:GPS\w{1,40}\s*=\s*(?:\"[^\"]*\"|'[^']*')|"
    rb"<([\w-]{1,40}:GPS\w{1,40})[^>]*>.{0,2000}?</\1>",
    re.DOTALL | re.IGNORECASE,
)
"""Of any prefix: cameras of drones have one of their own."""

_MOST_ENTRIES = 500
_MOST_TEXT_BYTES = 4 * 1024**2
_PNG_XMP, _PNG_PROFILES = b"XML:com.adobe.xmp", b"Raw profile type "
_HEX_LINE = 72


def without_gps(data: bytes, kind: str) -> bytes:
    """Return the picture without its place; the same object if it has none.

    Args:
        data: The file.
        kind: Pillow's name of its format; of others than JPEG, MPO, PNG and WEBP the place stays.
    """
    strip = _STRIPS.get(kind)
    return strip(data) if strip else data


def _jpeg(data: bytes, *, has_more_pictures: bool = False) -> bytes:
    """Clear a JPEG; of several in a file (MPO), each has a place of its own."""
    changed, start = data, 0
    while start >= 0:
        blocks, end = _blocks(data, start)
        header = bytearray(data[start:end])
        for kind, first, last in blocks:
            (_clear_exif if kind == _EXIF else _clear_xmp)(header, first - start, last - start)
        if header != data[start:end]:
            changed = b"".join((changed[:start], header, changed[end:]))
        start = data.find(_BEGIN, end) if has_more_pictures else -1
    return changed if data.endswith(_END) else _clear_video(changed)


def _clear_video(data: bytes) -> bytes:
    """Overwrite the place in a video behind the picture, as phones add to moving photographs."""
    at = data.rfind(_VIDEO_PLACE)
    if at < 4:
        return data
    end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
    first = at + len(_VIDEO_PLACE) + 4
    if not first < end <= len(data) or not data[first:end].strip():
        return data
    return data[:first] + b" " * (end - first) + data[end:]


def _blocks(data: bytes, start: int) -> tuple[list[tuple[bytes, int, int]], int]:
    """Find the blocks of EXIF and XMP, and where the compressed pixels begin."""
    found = []
    at = start + 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _PIXELS:
        if data[at + 1] == _FILL:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == _APP1:
            kinds = [kind for kind in (_EXIF, _XMP, _MORE_XMP) if data.startswith(kind, at + 4)]
            found += [(kind, at + 4 + len(kind), min(end, len(data))) for kind in kinds]
        at = max(end, at + 2)
    return found, min(at, len(data))


def _webp(data: bytes) -> bytes:
    changed = bytearray(data)
    at = 12
    while at + 8 <= len(data):
        first = at + 8
        end = min(first + int.from_bytes(data[at + 4 : first], "little"), len(data))
        if data[at:first].startswith(b"EXIF"):
            _clear_exif(changed, first, end)
        elif data[at:first].startswith(b"XMP "):
            _clear_xmp(changed, first, end)
        at = end + (end - first) % 2
    return data if changed == data else bytes(changed)


def _png(data: bytes) -> bytes:
    parts, done = [], 0
    for start, end in _png_chunks(data):
        kind, body = data[start + 4 : start + 8], data[start + 8 : end - 4]
        new = _PNG_CHUNKS[kind](body)
        if new == body:
            continue
        parts.append(data[done:start])
        if new is not None:
            crc = zlib.crc32(kind + new).to_bytes(4, "big")
            parts.append(len(new).to_bytes(4, "big") + kind + new + crc)
        done = end
    return b"".join((*parts, data[done:])) if done else data


def _png_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Find the chunks of metadata: their first byte, and the one behind them."""
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        if data[at + 4 : at + 8] in _PNG_CHUNKS:
            yield at, end
        at = end


def _png_exif(body: bytes) -> bytes:
    block = bytearray(body)
    _clear_exif(block, 0, len(block))
    return bytes(block)


def _png_text(body: bytes) -> bytes | None:
    name, _, text = body.partition(b"\0")
    new = _text_without_place(name, text)
    return None if new is None else name + b"\0" + new


def _png_compressed(body: bytes) -> bytes | None:
    name, _, rest = body.partition(b"\0")
    return _recompressed(body, name, rest[1:], before=name + b"\0" + rest[:1])


def _png_international(body: bytes) -> bytes | None:
    name, _, rest = body.partition(b"\0")
    language, _, more = rest[2:].partition(b"\0")
    translated, _, text = more.partition(b"\0")
    before = b"\0".join((name, rest[:2] + language, translated, b""))
    if rest[:1] == b"\1":
        return _recompressed(body, name, text, before=before)
    new = _text_without_place(name, text)
    return None if new is None else before + new


def _recompressed(body: bytes, name: bytes, packed: bytes, *, before: bytes) -> bytes | None:
    """Clear a compressed text; None, without it, if a place may be in what cannot be read."""
    if not _may_have_place(name):
        return body
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, _MOST_TEXT_BYTES)
    except zlib.error:
        return None
    new = _text_without_place(name, text) if unpacker.eof else None
    if new == text:
        return body
    return None if new is None else before + zlib.compress(new)


def _may_have_place(name: bytes) -> bool:
    return name == _PNG_XMP or name.startswith(_PNG_PROFILES) or b"gps" in name.lower()


def _text_without_place(name: bytes, text: bytes) -> bytes | None:
    """Clear a text of PNG by its name; None: it is a place, or may have one and is damaged."""
    if b"gps" in name.lower():
        return None
    if name == _PNG_XMP:
        return _xmp_without_place(text)
    return _raw_profile(text) if name.startswith(_PNG_PROFILES) else text


def _xmp_without_place(text: bytes) -> bytes:
    block = bytearray(text)
    _clear_xmp(block, 0, len(block))
    return bytes(block)


def _raw_profile(text: bytes) -> bytes | None:
    """Clear EXIF or XMP that ImageMagick has written in digits: a name, a length, and lines."""
    head, length, *lines = text.strip(b"\n").split(b"\n")
    try:
        block = bytearray.fromhex(b"".join(lines).decode("ascii"))
    except ValueError:
        return None
    before = bytes(block)
    if block.startswith(_XMP):
        _clear_xmp(block, len(_XMP), len(block))
    elif head.strip().lower() == b"xmp":
        _clear_xmp(block, 0, len(block))
    else:
        _clear_exif(block, 0, len(block))
    if block == before:
        return text
    digits = block.hex().encode()
    rows = [digits[at : at + _HEX_LINE] for at in range(0, len(digits), _HEX_LINE)]
    return b"\n".join((b"", head, length, *rows, b""))


_PNG_CHUNKS: Mapping[bytes, Callable[[bytes], bytes | None]] = {
    b"eXIf": _png_exif,
    b"tEXt": _png_text,
    b"zTXt": _png_compressed,
    b"iTXt": _png_international,
}

_STRIPS: Mapping[str, Callable[[bytes], bytes]] = {
    "JPEG": _jpeg,
    "MPO": lambda data: _jpeg(data, has_more_pictures=True),
    "PNG": _png,
    "WEBP": _webp,
}


def _clear_xmp(data: bytearray, start: int, end: int) -> None:
    for place in _XMP_PLACE.finditer(bytes(data[start:end])):
        data[start + place.start() : start + place.end()] = b" " * len(place[0])


def _clear_exif(data: bytearray, start: int, end: int) -> None:
    if data[start:end].startswith(_EXIF):  # PNG and WebP have it without, but for some writers
        start += len(_EXIF)
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[start : start + 2]))
    if order is None:
        return
    try:
        tiff = memoryview(data)[start:end]
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        _cut_pointer(tiff, first, order)
    except struct.error:  # a damaged block: nothing reads a place from it
        return


def _cut_pointer(tiff: memoryview, ifd: int, order: str) -> None:
    """Cut the entry that leads to the place, after what it leads to is overwritten."""
    (count,) = struct.unpack_from(f"{order}H", tiff, ifd)
    for number in range(min(count, _MOST_ENTRIES)):
        entry = ifd + 2 + 12 * number
        tag, _, _, value = struct.unpack_from(f"{order}HHII", tiff, entry)
        if tag == _GPS_IFD:
            _clear_ifd(tiff, value, order)
            end = ifd + 2 + 12 * count + 4  # the rest moves up, with the offset of the next block
            tiff[entry : end - 12] = bytes(tiff[entry + 12 : end])
            tiff[end - 12 : end] = bytes(12)
            struct.pack_into(f"{order}H", tiff, ifd, count - 1)
            return


def _clear_ifd(tiff: memoryview, ifd: int, order: str) -> None:
    (count,) = struct.unpack_from(f"{order}H", tiff, ifd)
    count = min(count, _MOST_ENTRIES)
    for number in range(count):
        _, kind, values, offset = struct.unpack_from(f"{order}HHII", tiff, ifd + 2 + 12 * number)
        size = _TYPE_BYTES.get(kind, 0) * values
        if size > 4 and offset + size <= len(tiff):
            tiff[offset : offset + size] = bytes(size)
    end = min(ifd + 2 + 12 * count + 4, len(tiff))
    tiff[ifd:end] = bytes(end - ifd)
