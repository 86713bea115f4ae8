"""What is written in a format is read back within a hundredth of a pixel."""

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.data.convert_pictures import Prepared
from container_doors.data.formats.known import FORMATS, format_of
from container_doors.data.formats.record import ExportedPhotograph
from container_doors.data.framing import frame
from container_doors.data.sources import FolderSource

NAMES = st.text("abXY019 _-.é门&<>'\"", min_size=1, max_size=8).filter(
    lambda name: name.strip(". ")
)


@st.composite
def photographs(draw: st.DrawFn) -> list[ExportedPhotograph]:
    stems = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=lambda name: name.casefold()))
    is_split = draw(st.booleans())
    return [
        ExportedPhotograph(
            name=f"{number}{stem.strip(' .')}.jpg",
            split=draw(st.sampled_from(["train", "val", "test"])) if is_split else "unsplit",
            size_wh=(size := (draw(st.integers(64, 9000)), draw(st.integers(64, 9000)))),
            boxes=tuple(draw(st.lists(boxes(*size), max_size=4))),
            class_name="container_door",
        )
        for number, stem in enumerate(stems)
    ]


@st.composite
def boxes(draw: st.DrawFn, width: int, height: int) -> tuple[float, float, float, float]:
    left, top = draw(st.floats(0, width - 3)), draw(st.floats(0, height - 3))
    right, bottom = draw(st.floats(left + 2, width)), draw(st.floats(top + 2, height))
    return left, top, right, bottom


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.write])
@settings(max_examples=25)
@given(written=photographs())
def test_boxes_splits_and_names_come_back(name: str, written: list[ExportedPhotograph]):
    write = FORMATS[name].write
    assert write is not None
    with tempfile.TemporaryDirectory() as folder:
        places = write(written, Path(folder))
        for place in places.values():
            (Path(folder) / place).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / place).touch()
        source = FolderSource(Path(folder))
        if name != "yolo" or {one.split for one in written} != {"unsplit"}:
            assert format_of(source, None).name == name
        read = {Path(one.picture).name: one for one in FORMATS[name].read(source)}

    assert set(read) == {one.name for one in written}
    for one in written:
        labelled = read[one.name]
        assert (labelled.split or "unsplit") == one.split
        assert labelled.is_labelled
        assert labelled.problems == ()
        size = one.size_wh
        picture = Prepared(b"", "jpg", size, size, 1, "", has_lost_place=False, has_place=False,
                           date_taken="", camera="")  # fmt: skip
        framed = frame(labelled, picture)
        assert framed.problems == ()
        assert len(framed.boxes) == len(one.boxes)
        for (edges, box), before in zip(framed.boxes, one.boxes, strict=True):
            assert box.class_name == "container_door"
            scale = (*size, *size)
            assert all(
                math.isclose(a * px, b, abs_tol=0.01)
                for a, b, px in zip(edges, before, scale, strict=True)
            )
