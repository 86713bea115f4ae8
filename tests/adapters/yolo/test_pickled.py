import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.adapters.yolo.pickled import MOST_BYTES, UnreadableError, uses_of

CALLED: list[object] = []


def called(*arguments: object) -> str:
    CALLED.append(arguments)
    return "made"


class Call:
    """Asks whoever unpickles it to call :func:`called`."""

    def __init__(self, *arguments: object):
        self.arguments = arguments

    def __reduce__(self):
        return called, self.arguments


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=8,
)


@given(data=NESTED, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_values_use_nothing_that_is_not_plain(data: object, protocol: int):
    assert uses_of(pickle.dumps(data, protocol)).called <= {"_codecs.encode", "__builtin__.bytes"}


@given(around=NESTED, inside=NESTED, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_a_call_is_named_wherever_it_stands_and_is_not_made(
    around: object, inside: object, protocol: int
):
    uses = uses_of(pickle.dumps([around, {"deep": (inside, Call(inside))}], protocol))

    assert f"{__name__}.called" in uses.called
    assert CALLED == []


@given(st.binary(max_size=200))
def test_any_bytes_are_followed_or_refused(data: bytes):
    try:
        uses_of(data)
    except UnreadableError:
        return


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"cos\nsystem\n(S'touch MARK'\ntR.", id="global"),
        pytest.param(b"(S'touch MARK'\nios\nsystem\n.", id="inst"),
        pytest.param(b"(cos\nsystem\nS'touch MARK'\no.", id="obj"),
        pytest.param(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0atouch MARK\x85R.", id="stack"),
    ],
)
def test_each_way_to_call_is_seen(program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    assert uses_of(program).called == {"os.system"}
    assert not Path("MARK").exists()
    pickle.loads(program)
    assert Path("MARK").exists(), "the program is none"


def test_what_is_asked_of_an_object_by_name_is_told():
    assert uses_of(pickle.dumps(Path.exists, 2)).attributes == {"exists"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "EOFError", id="empty"),
        pytest.param(b"\x80\x02X\xff\xff", "error:", id="cut off"),
        pytest.param(b"\x80\x02\x82\x01.", "unregistered", id="extension"),
        pytest.param(pickle.dumps({((1, 2), 3): 4}), "a key of tuple", id="key"),
        pytest.param(pickle.dumps({((1, 2), 3)}), "a key of tuple", id="member"),
        pytest.param(bytes(MOST_BYTES + 1), "at most", id="large"),
    ],
)
def test_what_cannot_be_followed_is_refused(data: bytes, why: str):
    with pytest.raises(UnreadableError, match=why):
        uses_of(data)
