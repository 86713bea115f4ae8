"""Removes the place from a JPEG, and keeps every other byte, and every byte where it is.

The entries of a photograph's place are cut out of the EXIF block, their values are overwritten by
zeros, and those of XMP by spaces. No length changes, so that every other offset stays right.
Source: https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (EXIF 3.0)
"""

import re
import struct

_GPS_IFD = 0x8825
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_VIDEO_PLACE = b"\xa9xyz"
_END = b"\xff\xd9"
_BEGIN, _APP1, _PIXELS = b"\xff\xd8\xff", 0xE1, 0xDA
_XMP_PLACE = re.compile(
    rb"exif:GPS\w+\s*=\s*(?:\"[^\"]*\"|'[^']*')|<exif:GPS(\w+)[^>]*>.*?</exif:GPS\1>", re.DOTALL
)
_MOST_ENTRIES = 500


def without_gps(data: bytes, *, has_more_pictures: bool = False) -> bytes:
    """Return the JPEG without its place; the same object if it has none.

    Args:
        data: The file.
        has_more_pictures: Whether others follow in the file (MPO), which have places of their own.
    """
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
    if not first < end <= len(data):
        return data
    return data[:first] + b" " * (end - first) + data[end:]


def _blocks(data: bytes, start: int) -> tuple[list[tuple[bytes, int, int]], int]:
    """Find the blocks of EXIF and XMP, and where the compressed pixels begin."""
    found = []
    at = start + 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _PIXELS:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == _APP1:
            kinds = [kind for kind in (_EXIF, _XMP) if data.startswith(kind, at + 4)]
            found += [(kind, at + 4 + len(kind), min(end, len(data))) for kind in kinds]
        at = max(end, at + 2)
    return found, min(at, len(data))


def _clear_xmp(data: bytearray, start: int, end: int) -> None:
    for place in _XMP_PLACE.finditer(bytes(data[start:end])):
        data[start + place.start() : start + place.end()] = b" " * len(place[0])


def _clear_exif(data: bytearray, start: int, end: int) -> None:
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
