"""Files of one JSON object a line, whatever bytes they hold."""

import json
import resource
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from container_doors.core.lines import append_line, parse_lines, read_lines, spelled_line

VALUES = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key != "crc32"),
    st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.none()),
    min_size=1,
)
WHOLE = spelled_line({"epoch": 1, "val/mAP50": 0.5}).encode()
DAMAGED = {
    "torn": b'{"epoch": 2, "val/m\n',
    "joined": b'{"epoch": 2, "va{"epoch": 3}\n',
    "nul": b"\0\0\0\n",
    "not utf-8": b'{"epoch": 2, "\xff": 1}\n',
    "a number": b"5\n",
    "a list": b"[1]\n",
    "null": b"null\n",
    "empty object": b"{}\n",
    "deep": b"[" * 100_000 + b"\n",
    "a huge integer": b'{"epoch": 1' + b"0" * 5000 + b"}\n",
    "a key twice": b'{"epoch": 1, "epoch": 2}\n',
    "a huge line": b'{"epoch": "' + b"a" * 2**20 + b'"}\n',
    "another value": WHOLE.replace(b"0.5", b"0.6"),
    "a key renamed": WHOLE.replace(b"mAP50", b"mAP51"),
    "another checksum": WHOLE.replace(b'crc32": "', b'crc32": "0'),
}


@given(st.lists(VALUES, max_size=4))
def test_what_is_written_is_read(rows: list[dict[str, object]]):
    content = parse_lines("".join(map(spelled_line, rows)).encode())

    assert [line.values for line in content.lines] == rows
    assert all(line.is_proven for line in content.lines)
    assert (content.faults, content.tail) == ([], None)


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_line_that_cannot_be_read_is_named_and_the_others_are_read(damaged: bytes):
    content = parse_lines(WHOLE + damaged + b'{"epoch": 3}\n')

    assert [line.number for line in content.lines] == [1, 3]
    assert [fault.number for fault in content.faults] == [2]
    assert len(content.faults[0].what) < 200


@given(st.binary())
@example(b"\0")
def test_any_bytes_are_read_without_an_exception(data: bytes):
    parse_lines(data)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_passes_for_another_value(place: int, change: int):
    changed = bytearray(WHOLE)
    changed[place] ^= change

    for line in parse_lines(bytes(changed)).lines:
        assert line.values == {"epoch": 1, "val/mAP50": 0.5} or not line.is_proven


@given(st.integers(0, len(WHOLE)), st.integers(0, 9))
def test_a_write_after_a_power_cut_is_never_joined_to_what_it_left(
    tmp_path_factory: pytest.TempPathFactory, written: int, nuls: int
):
    """The last write may be there in part, with NUL bytes in the place of the rest."""
    path = tmp_path_factory.mktemp("cut") / "lines.jsonl"
    path.write_bytes(WHOLE + WHOLE[:written] + bytes(nuls))

    append_line(path, {"epoch": 3})

    content = read_lines(path)
    is_whole = (written >= len(WHOLE) - 1 and not nuls) or written == len(WHOLE)
    assert [line.values["epoch"] for line in content.lines] == [1, 1, 3] if is_whole else [1, 3]
    assert (content.faults, content.tail) == ([], None)


def test_a_torn_line_may_be_kept_as_one_that_cannot_be_read(tmp_path: Path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(WHOLE + WHOLE[:20])

    append_line(path, {"epoch": 3}, keeps_tail=True)

    content = read_lines(path)
    assert [line.number for line in content.lines] == [1, 3]
    assert [fault.number for fault in content.faults] == [2]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path):
    """A limit on a file's size stands for a full disk: part of the line fits, and not all."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(WHOLE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(WHOLE) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            append_line(path, {"epoch": 2, "val/mAP50": 0.25})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == WHOLE


def test_other_readers_of_json_lines_read_ours():
    assert json.loads(WHOLE) | {"crc32": ""} == {"epoch": 1, "val/mAP50": 0.5, "crc32": ""}
