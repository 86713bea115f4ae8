"""Archives that no reader may unpack: each writes one file."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

Write = Callable[[Path], None]


def member(name: str, content: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def of(*members: tuple[tarfile.TarInfo, bytes]) -> Write:
    def write(path: Path) -> None:
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))

    return write


def raw(*blocks: bytes) -> Write:
    """A file of whole blocks, with the end of an archive."""

    def write(path: Path) -> None:
        path.write_bytes(b"".join(b + bytes(-len(b) % 512) for b in blocks) + bytes(1024))

    return write


def header(name: str, **fields: Any) -> bytes:
    return member(name, b"", **fields)[0].tobuf(tarfile.GNU_FORMAT)


def checked(block: bytearray) -> bytes:
    """A header that was changed, with the sum that belongs to it."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


def sized(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header with any size, also a negative one."""
    block = bytearray(header("a", type=kind)[:512])
    block[124:136] = size.to_bytes(12, "big", signed=True)
    block[124] |= 0x80
    return checked(block)


def sparse_of_old() -> bytes:
    """A terabyte of nothing, as GNU tar wrote it once."""
    block = bytearray(header("a", type=tarfile.GNUTYPE_SPARSE)[:512])
    block[386:410] = b"%011o\0%011o\0" % (0, 0)
    block[483:495] = (10**12).to_bytes(12, "big")
    block[483] |= 0x80
    return checked(block)


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a",
          "GNU.sparse.realsize": str(10**12)}  # fmt: skip


def packed_by(compress: Callable[[bytes], bytes]) -> Write:
    def write(path: Path) -> None:
        of(member("a", bytes(1024**2)))(path)
        path.write_bytes(compress(path.read_bytes()))

    return write


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "x")


def cut(path: Path) -> None:
    of(member("a", bytes(4096)))(path)
    path.write_bytes(path.read_bytes()[:2000])


NAMES = {
    "above": "../x",
    "above, later": "a/../../x",
    "above, in the end": "a/..",
    "from the root": "/x",
    "from the root, twice": "//x",
    "a drive": "C:/x",
    "a drive alone": "C:",
    "a drive, as Windows writes it": "C:\\x",
    "above, as Windows writes it": "..\\..\\x",
    "a share of Windows": "\\\\host\\x",
    "nothing": "",
    "here": ".",
    "from here": "./a",
    "an empty folder name": "a//b",
    "a folder itself": "a/./b",
    "a line end": "a\nerror: 0",
    "a carriage return": "a\rb",
    "an escape": "a\x1b[2Jb",
    "a C1 escape": "a\x9b2Jb",
    "deleted": "a\x7fb",
    "turned around": "a\u202egpj.b",
    "a part too long": "a" * 256,
    "a part of too many bytes": "ü" * 128,
    "too long": "/".join(["a" * 200] * 6),
    "too deep": "/".join("a" * 65),
}
"""By what is wrong with each."""

OTHERS = {
    "a zero byte": of(member("a", pax_headers={"path": "a\0b"})),
    "a link outside": of(member("a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "a link inside": of(member("b"), member("a", b"", type=tarfile.SYMTYPE, linkname="b")),
    "through a link": of(
        member("a", b"", type=tarfile.SYMTYPE, linkname="/tmp"),
        member("a/x"),
    ),
    "a second name outside": of(member("a", b"", type=tarfile.LNKTYPE, linkname="../secret")),
    "a second name": of(member("b"), member("a", b"", type=tarfile.LNKTYPE, linkname="b")),
    "a character device": of(member("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)),
    "a block device": of(member("a", b"", type=tarfile.BLKTYPE)),
    "a pipe": of(member("a", b"", type=tarfile.FIFOTYPE)),
    "a contiguous file": of(member("a", b"", type=tarfile.CONTTYPE)),
    "an unknown type": of(member("a", b"", type=b"Z")),
    "a volume": of(member("a", b"", type=b"V")),
    "a sparse file": raw(sparse_of_old()),
    "a sparse file of today": of(member("b", b"1\n0\n0\n".ljust(512, b"\0"), pax_headers=SPARSE)),
    "one name twice": of(member("a"), member("a", b"y")),
    "a file that is a folder": of(member("a"), member("a/b")),
    "a folder that is a file": of(member("a/b"), member("a")),
    "more than there is": raw(sized(10**12), b"x"),
    "less than nothing": raw(sized(-512), b"x"),
    "a header of less than nothing": raw(sized(-512, tarfile.GNUTYPE_LONGNAME), b"x"),
    "a header of a terabyte": raw(sized(10**12, tarfile.XHDTYPE), b"x"),
    "a header that is too long": raw(sized(2**20, tarfile.XHDTYPE), b"1" * 2**20),
    "headers of headers": raw(*[header("a", type=tarfile.GNUTYPE_LONGLINK)] * 3000),
    "a size that is no number": of(member("a", pax_headers={"size": "much"})),
    "cut off": cut,
    "gzip": packed_by(gzip.compress),
    "bzip2": packed_by(bz2.compress),
    "xz": packed_by(lzma.compress),
    "a zip": zipped,
    "noise": raw(b"noise" * 999),
    "text": raw(b"<html>"),
    "an empty file": lambda path: path.write_bytes(b""),
}
CLASHES = {
    "one name in two cases": of(member("Quay.jpg"), member("quay.jpg")),
    "a folder in two cases": of(member("A/1"), member("a"), member("a/1")),
    "one name in two forms": of(
        member(normalize("NFC", "Tür.jpg")), member(normalize("NFD", "Tür.jpg"))
    ),
}
"""Which a case-sensitive file system can hold."""

HOSTILE: dict[str, Write] = {
    **{f"name: {what}": of(member("fine"), member(name)) for what, name in NAMES.items()},
    **OTHERS,
}
