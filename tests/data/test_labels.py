"""Every kind of label line that people and programs write, and what Ultralytics makes of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from container_doors.core.errors import DatasetError
from container_doors.core.records import Finding
from container_doors.data.checks import check
from container_doors.data.label_rules import Context
from container_doors.data.labels import parse_labels, read_boxes
from container_doors.data.poses import find_poses, pose_points
from tests.data.trainer import verdict
from tests.data.trees import Tree, jpeg

PATH = Path("labels/train/a.txt")
ONE_CLASS = Context(("container_door",), size_px=(640, 480))

FINE = {
    "a box": "0 0.5 0.5 0.25 0.5\n",
    "two boxes": "0 0.25 0.5 0.25 0.5\n0 0.75 0.5 0.25 0.5",
    "nothing": "",
    "blank lines": "\n \n\t\n0 0.5 0.5 0.25 0.5\n\n",
    "windows line ends": "0 0.5 0.5 0.25 0.5\r\n0 0.2 0.2 0.1 0.1\r\n",
    "old mac line ends": "0 0.5 0.5 0.25 0.5\r0 0.2 0.2 0.1 0.1\r",
    "tabs": "0\t0.5\t0.5\t0.25\t0.5\n",
    "byte order mark": "\ufeff0 0.5 0.5 0.25 0.5\n",
    "class 0.0": "0.0 0.5 0.5 0.25 0.5\n",
    "seventeen digits": "0 0.50000000000000001 0.5 0.25000000000000003 0.5\n",
    "exponents": "0 5e-1 5E-1 2.5e-1 0.5\n",
    "plus signs": "+0 +0.5 +.5 .25 0.5\n",
    "the whole picture": "0 0.5 0.5 1 1\n",
    "five digits at the edge": "0 0.97626 0.5 0.04749 0.1\n",
    "no-break spaces": "0\u00a00.5\u00a00.5 0.25 0.5\n",
}

# text, rule, line, severity, whether Ultralytics drops the photograph
FAULTY: dict[str, tuple[str | bytes, str, int | None, str, bool]] = {
    "utf-16": ("0 0.5 0.5 0.2 0.2".encode("utf-16"), "label-encoding", None, "error", True),
    "utf-16 without a mark": (
        "0 0.5 0.5 0.2 0.2".encode("utf-16-le"), "label-encoding", None, "error", True,
    ),
    "latin-1": (b"0 0.5 0.5 0.2 0.2\n\xe9 0.5", "label-encoding", None, "error", True),
    "zeroed by a crash": (b"\0" * 40, "label-encoding", None, "error", True),
    "comma decimals": ("0 0,5 0,5 0,2 0,2", "label-comma", 1, "error", True),
    "comma separated": ("0,0.5,0.5,0.2,0.2", "label-comma", 1, "error", True),
    "confidence column": ("0 0.5 0.5 0.2 0.2 0.93", "label-confidence", 1, "error", True),
    "one confidence of two": (
        "0 0.5 0.5 0.2 0.2\n0 0.2 0.2 0.1 0.1 0.9", "label-confidence", 2, "error", True,
    ),
    "a comment line": ("# doors\n0 0.5 0.5 0.2 0.2", "label-comment", 1, "error", True),
    "a comment after a box": ("0 0.5 0.5 0.2 0.2 # left", "label-comment", 1, "error", True),
    "a glued comment": ("0 0.5 0.5 0.2 0.2#x", "label-not-a-number", 1, "error", True),
    "four columns": ("0 0.5 0.5 0.2", "label-columns", 1, "error", True),
    "one column": ("0", "label-columns", 1, "error", True),
    "class name": ("container_door 0.5 0.5 0.2 0.2", "label-class-name", 1, "error", True),
    "words": ("0 0.5 left 0.2 0.2", "label-not-a-number", 1, "error", True),
    "a web page": ("<html><body>404</body></html>", "label-not-a-number", 1, "error", True),
    "xml": ("<bndbox> <xmin>3</xmin>", "label-not-a-number", 1, "error", True),
    "a second mark inside": ("\ufeff\ufeff0 0.5 0.5 0.2 0.2", "label-class-name", 1, "error", True),
    "class 0.5": ("0.5 0.5 0.5 0.2 0.2", "label-class-fraction", 1, "error", True),
    "class 1 of 1": ("1 0.5 0.5 0.2 0.2", "label-class-unknown", 1, "error", True),
    "class -1": ("-1 0.5 0.5 0.2 0.2", "label-class-unknown", 1, "error", True),
    "class nan": ("nan 0.5 0.5 0.2 0.2", "label-class-fraction", 1, "error", True),
    "class 1e40": ("1e40 0.5 0.5 0.2 0.2", "label-class-fraction", 1, "error", True),
    "nan": ("0 nan 0.5 0.2 0.2", "label-not-finite", 1, "error", True),
    "inf": ("0 0.5 0.5 inf 0.2", "label-not-finite", 1, "error", True),
    "minus inf": ("0 -inf 0.5 0.2 0.2", "label-not-finite", 1, "error", True),
    "too large for single precision": ("0 1e39 0.5 0.2 0.2", "label-not-finite", 1, "error", True),
    "pixels": ("0 320 240 100 80", "label-pixels", 1, "error", True),
    "one coordinate in pixels": ("0 320 0.5 0.2 0.2", "label-out-of-range", 1, "error", True),
    "percent": ("0 50 50 20 20", "label-pixels", 1, "error", True),
    "center left of the picture": ("0 -0.2 0.5 0.1 0.2", "label-out-of-range", 1, "error", True),
    "center just outside": ("0 1.005 0.5 0.1 0.2", "label-out-of-range", 1, "error", False),
    "center just left": ("0 -0.005 0.5 0.1 0.2", "label-out-of-range", 1, "error", False),
    "zero width": ("0 0.5 0.5 0 0.2", "label-no-area", 1, "error", False),
    "zero height": ("0 0.5 0.5 0.2 0.0", "label-no-area", 1, "error", False),
    "negative width": ("0 0.5 0.5 -0.2 0.2", "label-no-area", 1, "error", True),
    "slightly negative height": ("0 0.5 0.5 0.2 -0.001", "label-no-area", 1, "error", True),
    "past the right edge": ("0 0.9 0.5 0.3 0.2", "label-past-edge", 1, "error", False),
    "higher than the picture": ("0 0.5 0.5 0.1 1.002", "label-out-of-range", 1, "error", False),
    "past the top by little": ("0 0.5 0.0499 0.1 0.1", "label-past-edge", 1, "error", False),
    "corners": ("0 0.6 0.5 0.9 0.8", "label-corners", 1, "error", False),
    "the same line twice": (
        "0 0.5 0.5 0.2 0.2\n0 0.50 0.50 0.20 0.20", "label-duplicate", 2, "warning", False,
    ),
    "one door twice": (
        "0 0.5 0.5 0.2 0.2\n0 0.501 0.5 0.2 0.2", "label-double", 2, "error", False,
    ),
    "tiny": ("0 0.5 0.5 0.005 0.2", "label-tiny", 1, "warning", False),
    "polygon": ("0 0.1 0.1 0.4 0.1 0.4 0.5", "label-polygon", 1, "warning", False),
    "polygon and box": (
        "0 0.1 0.1 0.4 0.1 0.4 0.5\n0 0.7 0.7 0.1 0.1", "label-mixed", 2, "error", True,
    ),
    "polygon with half a point": (
        "0 0.1 0.1 0.4 0.1 0.4 0.5 0.3", "label-columns", 1, "error", True,
    ),
    "polygon past the edge": (
        "0 0.1 0.1 1.004 0.1 0.4 0.5", "label-past-edge", 1, "error", False,
    ),
    "polygon in pixels": ("0 10 10 400 10 400 500", "label-pixels", 1, "error", True),
    "polygon without area": ("0 0.1 0.1 0.1 0.1 0.1 0.1", "label-no-area", 1, "error", False),
    "pose of 4 points, seen": (
        "0 0.5 0.5 0.4 0.4 0.35 0.35 2 0.65 0.35 2 0.65 0.65 2 0.35 0.65 1", "label-pose", 1,
        "error", True,
    ),
    "pose of 4 points, none seen": (
        "0 0.5 0.5 0.4 0.4 0 0 0 0 0 0 0 0 0 0 0 0", "label-pose", 1, "error", False,
    ),
    "pose of 2 points, at the edge": (
        "0 0.2 0.5 0.4 0.4 0.0 0.35 2 0 0 0", "label-pose", 1, "error", True,
    ),
    "pose of 3 points": (
        "0 0.5 0.5 0.4 0.4 0.35 0.35 2 0.65 0.35 2 0 0 0", "label-pose", 1, "error", True,
    ),
    "pose of 6 points without a third number": (
        "0 0.5 0.5 0.4 0.4 0.3 0.3 0.7 0.3 0.7 0.5 0.7 0.7 0.3 0.7 0.3 0.5", "label-pose", 1,
        "error", False,
    ),
    "pose of 4 corners without a third number": (
        "0 0.3 0.6 0.4 0.2 0.1 0.5 0.5 0.52 0.49 0.7 0.12 0.69", "label-pose", 1, "error", False,
    ),
    "pose whose points lie outside of its box": (
        "0 0.5 0.5 0.2 0.2 0.1 0.1 2 0.9 0.9 1", "label-pose", 1, "error", True,
    ),
    "a point beside a polygon": (
        "0 0.1 0.1 0.4 0.1 0.4 0.5\n0 0.7 0.7", "label-columns", 2, "error", False,
    ),
}  # fmt: skip


def parsed(text: str | bytes, context: Context = ONE_CLASS) -> list[Finding]:
    return parse_labels(_bytes(text), PATH, context)[1]


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A photograph that is right, and the place of its label file."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "a.jpg").write_bytes(jpeg())
    return folder / "a.jpg", folder / "a.txt"


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_a_label_that_is_right_gives_no_finding(text: str):
    assert parsed(text) == []


@pytest.mark.parametrize(
    ("text", "rule", "line", "severity", "dropped"), FAULTY.values(), ids=FAULTY
)
def test_a_faulty_label_is_named(text, rule, line, severity, dropped):
    findings = parsed(text)

    assert rule in [finding.rule for finding in findings]
    finding = next(each for each in findings if each.rule == rule)
    assert (finding.line, finding.severity, finding.dropped) == (line, severity, dropped)
    assert finding.path == PATH
    assert finding.expected
    assert finding.found
    assert finding.remedy


@pytest.mark.parametrize(
    "text", [*FINE.values(), *(row[0] for row in FAULTY.values())], ids=[*FINE, *FAULTY]
)
def test_the_trainer_drops_what_is_said_to_be_dropped_and_reads_the_same_boxes(text, pair):
    _compare(_bytes(text), pair)


def _compare(data: bytes, pair: tuple[Path, Path], classes: Sequence[str] = ("door",)) -> None:
    image, label = pair
    label.write_bytes(data)
    boxes, findings = parse_labels(data, PATH, Context(classes))
    theirs = verdict(image, label, classes=len(classes))

    assert any(finding.dropped for finding in findings) == theirs.is_dropped, theirs.message
    if not theirs.is_dropped and "label-columns" not in {finding.rule for finding in findings}:
        assert sorted((box.class_id, *box.values) for box in boxes) == theirs.boxes


_NUMBERS = (
    "0", "1", "0.5", "0.25", "1.0", "1.01", "1.02", "-0.01", "-0.011", "-0", "-0.0", "nan", "inf",
    "1e39", "1e-50", "2",
)  # fmt: skip
_NUMBER = st.one_of(
    st.sampled_from(_NUMBERS),
    st.floats(-0.015625, 1.015625, width=32).map(repr),
    st.floats(0, 1).map(repr),
    st.floats(allow_nan=True).map(repr),
)
_CLASS = st.sampled_from(["0", "0", "0", "0", "0", "0.0", "1", "2", "-1", "0.5", "door"])
_FIELDS = st.one_of(
    st.lists(_NUMBER, min_size=4, max_size=4),
    st.lists(_NUMBER, min_size=6, max_size=10),
    st.lists(_NUMBER, max_size=8),
)
_LINE = st.one_of(
    st.builds(lambda first, rest: " ".join([first, *rest]), _CLASS, _FIELDS),
    st.text("0123456789.,-+e_# \t\u00a0\u0663x", max_size=30),
    st.text(max_size=12),
)
_FILE = st.lists(_LINE, max_size=4).map("\n".join)
_CORNER_CASES = (
    "0 1.01 0.5 0.1 0.1",
    "0 1.0105 0.5 0.1 0.1",
    "0 -0.0105 0.5 0.1 0.1",
    "0 -0.01 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.2",
    "0 1_0 0.5 0.1 0.1",
    "0 \u0663 0.5 0.1 0.1",
    "0 0.1 0.1 0.2 0.2 0.3 0.3\n0 0.2 0.2\n",
    "0 0.1 0.1 0.2 0.2 0.3 0.3\n0\n",
    "0 0.1 0.1 0.2 0.2 0.3 0.3\n0 0.1 0.1 0.3 0.3 0.2 0.2\n",
    "0 0.5 0.5 0.1 0.1\x0b0 0.5 0.5 0.2 0.1\u2028",
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=_FILE)
def test_any_text_is_judged_as_the_trainer_judges_it(text: str, pair):
    _compare(text.encode("utf-8", "surrogatepass"), pair)


@pytest.mark.parametrize("text", _CORNER_CASES)
def test_corner_cases_are_judged_as_the_trainer_judges_them(text: str, pair):
    _compare(text.encode(), pair)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=60))
@example(data=b"\xff\xfe")
@example(data=b"\xef\xbb\xbf")
def test_any_bytes_give_findings_and_no_exception(data: bytes):
    for finding in parsed(data):
        assert str(finding).startswith("labels/train/a.txt")


@settings(max_examples=200, deadline=None)
@given(x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9), w=st.floats(0.02, 0.2), h=st.floats(0.02, 0.2))
def test_a_box_inside_of_the_picture_comes_back_as_it_was_written(x, y, w, h):
    [box], findings = parse_labels(f"0 {x!r} {y!r} {w!r} {h!r}".encode(), PATH, ONE_CLASS)

    assert findings == []
    assert box.values == pytest.approx((x, y, w, h), abs=1e-7)
    assert box.edges == pytest.approx((x - w / 2, y - h / 2, x + w / 2, y + h / 2), abs=1e-6)


def test_classes_are_told_apart_in_a_data_set_that_has_more(pair):
    names = ("door", "lock")

    _compare(b"1 0.5 0.5 0.2 0.2", pair, names)
    _compare(b"2 0.5 0.5 0.2 0.2", pair, names)
    assert parsed("lock 0.5 0.5 0.2 0.2", Context(names))[0].remedy == "write 1 instead"


def test_every_fault_of_a_file_is_named_at_once():
    text = "0 0.5 0.5 0.2\n0 0.5 0.5 0.2 0.2\n3 0.5 0.5 7 0.2\n\n# end\n"

    found = [(finding.line, finding.rule) for finding in parsed(text)]

    assert found == [
        (1, "label-columns"),
        (3, "label-class-unknown"),
        (3, "label-out-of-range"),
        (5, "label-comment"),
    ]


def test_a_finding_says_how_far_a_box_is_past_which_edge_and_how_to_clip_it():
    [finding] = parsed("0 0.9 0.5 0.3 0.2")

    # 0.9 + 0.3 / 2 = 1.05; the part inside spans 0.75 to 1
    assert str(finding) == (
        "labels/train/a.txt:1: expected a box inside of the picture, "
        "found one that ends 0.050000 past the right edge; clip it: '0.875 0.5 0.25 0.2'"
    )


def test_corners_are_shown_as_the_box_that_they_may_be():
    [finding] = parsed("0 0.6 0.5 0.9 0.8")

    # center (0.6 + 0.9) / 2 and (0.5 + 0.8) / 2, size 0.9 - 0.6 by 0.8 - 0.5
    assert "'0.75 0.65 0.3 0.3'" in finding.remedy


def test_a_comma_is_mended_in_the_remedy():
    assert parsed("0 0,5 0,5 0,2 0,2")[0].remedy == "write '0 0.5 0.5 0.2 0.2'"


def test_a_long_file_of_one_fault_is_folded():
    findings = parsed("<br>\n" * 50)

    assert len(findings) == 21
    assert findings[-1].found == "30 more lines like these"
    assert findings[-1].dropped


def test_repetitions_beyond_the_twentieth_are_no_graver_than_those_before():
    findings = parsed("0 0.5 0.5 0.2 0.2\n" * 50)

    assert {finding.severity for finding in findings} == {"warning"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"0 0.5 0.5 0.2 0.2\n" * 20_000, "10000 boxes, found 20000", id="lines"),
        pytest.param(b"0" * (5 * 1024**2), "at most 4 MiB, found more", id="one long line"),
    ],
)
def test_a_label_file_of_another_size_is_a_finding_and_no_empty_photograph(
    content: bytes, complaint: str, tree: Tree
):
    label = tree.write("labels/train/train_0.txt", content)

    errors = check(tree.root, min_train_images=1, min_val_images=1, workers=1).errors

    assert [(error.rule, error.where) for error in errors] == [
        ("label-too-large", "labels/train/train_0.txt")
    ]
    assert complaint in str(errors[0])
    with pytest.raises(DatasetError, match=complaint):
        read_boxes(label)


def test_a_number_of_any_length_is_a_short_finding():
    assert all(
        len(str(finding)) < 1000 for finding in parsed("0 " + "5" * 100_000 + " 0.5 0.2 0.2")
    )


def test_two_doors_side_by_side_are_not_one_labelled_twice():
    # IoU 0.19 / 0.21 = 0.905 at a shift of 0.01, and 0.18 / 0.22 = 0.818 at 0.02
    shifted = "0 0.5 0.5 0.2 0.2\n0 {} 0.5 0.2 0.2"

    assert [f.rule for f in parsed(shifted.format(0.51))] == ["label-double"]
    assert parsed(shifted.format(0.52)) == []


def test_tiny_is_measured_in_pixels_of_the_photograph():
    line = "0 0.5 0.5 0.01 0.01"

    assert parsed(line, Context(("door",), (396, 4000)))[0].rule == "label-tiny"
    assert parsed(line, Context(("door",), (404, 4000))) == []
    assert parsed(line, Context(("door",))) == []


def test_boxes_are_read_back_for_the_evaluation(tmp_path: Path):
    label = tmp_path / "a.txt"
    label.write_text("0 0.5 0.5 0.25 0.5\n0 0.5 0.5 0.25 0.5\n", encoding="utf-8")

    assert [box.edges for box in read_boxes(label)] == [(0.375, 0.25, 0.625, 0.75)]
    assert read_boxes(tmp_path / "absent.txt") == []


def test_boxes_of_a_file_that_is_no_label_file_are_refused(tmp_path: Path):
    label = tmp_path / "a.txt"
    label.write_text("0 0.5 0.5 0.25\n", encoding="utf-8")

    with pytest.raises(DatasetError, match=r"a\.txt:1: expected 5 columns"):
        read_boxes(label)


def test_a_line_that_is_no_box_is_no_double_of_another():
    findings = parsed("0 0.5 0.5 0.2 0.2\n0 nan 0.5 0.2 0.2\n0 0.5 0.5 0 0.2")

    assert "label-double" not in [finding.rule for finding in findings]


@pytest.mark.parametrize(
    "points",
    [
        pytest.param("0.3 0.3 0.7 0.3 0.7 0.7 0.3 0.7", id="a door"),
        pytest.param("0.45 0.45 0.55 0.45 0.55 0.55 0.45 0.55", id="a small door in the middle"),
        pytest.param("0 0 1 0 1 1 0 1 0 0", id="the whole picture, closed"),
        pytest.param("0.5 0.2 0.6 0.3 0.6 0.6 0.5 0.8 0.4 0.6 0.4 0.3", id="six corners"),
        pytest.param("0.2 0.2 0.4 0.2 0.4 0 0.2 0 0.2 0.1 0.2 0.2 0.2 0.2", id="on the upper edge"),
    ],
)
def test_a_polygon_is_no_pose(points: str):
    [finding] = parsed(f"0 {points}\n")

    assert finding.rule == "label-polygon"


@given(st.integers(0, 10**6), st.integers(3, 40), st.floats(0.02, 0.48), st.floats(0.3, 1))
def test_points_around_a_shape_are_no_pose(seed: int, count: int, radius: float, flat: float):
    turns = sorted(np.random.default_rng(seed).uniform(0, 2 * np.pi, count))
    points = [
        value
        for turn in turns
        for value in (0.5 + radius * np.cos(turn), 0.5 + radius * flat * np.sin(turn))
    ]

    assert pose_points(points) == 0


def test_a_pose_is_named_as_one_and_once(tmp_path: Path):
    row = "0 0.5 0.5 0.4 0.4 0.35 0.35 2 0.65 0.35 2 0.65 0.65 2 0.35 0.65 1"

    [finding] = parsed(f"{row}\n")

    assert "17, a pose: a box and 4 point(s)" in finding.found
    assert "'0 0.5 0.5 0.4 0.4'" in finding.remedy
    mixed = [one for one in parsed(f"{row}\n0 0.1 0.1 0.1 0.1\n") if one.rule == "label-mixed"]
    assert mixed[0].found.startswith("a pose on line 1")


def test_poses_are_not_compared_as_the_polygons_that_they_are_not():
    first = "0 0.52 0.5 0.1 0.1 0.5 0.5 2 0.54 0.5 2 0.5 0.52 2 0.54 0.52 2"
    other = "0 0.11 0.5 0.1 0.1 0.1 0.5 2 0.12 0.5 2 0.1 0.52 2 0.12 0.52 2"

    assert {finding.rule for finding in parsed(f"{first}\n{other}")} == {"label-pose"}


RANDOM = np.random.default_rng(0)
BOXES = np.column_stack([RANDOM.uniform(0.3, 0.7, (40, 2)), RANDOM.uniform(0.1, 0.5, (40, 2))])
CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
MIDDLE = np.full((40, 2), 0.5) + RANDOM.uniform(-0.02, 0.02, (40, 2))


def pose_rows(points: np.ndarray, boxes: np.ndarray = BOXES) -> np.ndarray:
    """Poses with points at these places of the box, in its width and height from its middle."""
    placed = boxes[:, None, :2] + points * boxes[:, None, 2:]
    return np.column_stack([boxes, placed.reshape(len(boxes), -1)])


def polygon_rows(points: np.ndarray, boxes: np.ndarray = BOXES) -> np.ndarray:
    return pose_rows(points, boxes)[:, 4:]


@pytest.mark.parametrize(
    ("rows", "poses"),
    {
        "corners": (pose_rows(CORNERS), {12: 4}),
        "corners of the inner half": (pose_rows(CORNERS / 2), {12: 4}),
        "corners near the middle": (pose_rows(CORNERS / 10), {12: 4}),
        "one point": (pose_rows(CORNERS[:1] / 3), {6: 1}),
        "two handles": (pose_rows(np.array([(-0.1, 0.2), (0.1, 0.2)])), {8: 2}),
        **{
            f"quadrilaterals from corner {start}, {way} way": (
                polygon_rows(np.roll(CORNERS[::step], start, axis=0)),
                {},
            )
            for start in range(4)
            for way, step in (("one", 1), ("the other", -1))
        },
        "turned boxes of a camera with each door in its middle": (
            polygon_rows(np.roll(CORNERS, 2, axis=0), np.column_stack([MIDDLE, BOXES[:, 2:] / 2])),
            {},
        ),
        "hexagons": (polygon_rows(np.vstack([CORNERS, [(-0.6, 0.1), (-0.6, -0.1)]])), {}),
    }.values(),
)
def test_a_data_set_has_poses_or_polygons_and_one_verdict(rows: np.ndarray, poses: dict[int, int]):
    lines = [" ".join(["0", *map(repr, map(float, row))]) for row in rows]

    assert find_poses([f"{line}\n".encode() for line in lines], None) == poses


def test_a_polygon_that_could_be_a_pose_is_none_among_polygons_of_other_lengths():
    row = "0 0.5 0.5 0.4 0.4 0.3 0.3 0.7 0.3 0.7 0.7 0.3 0.7"
    others = [f"0 {' '.join(['0.1 0.1', '0.4 0.1', *['0.4 0.5'] * more])}" for more in range(20)]

    assert find_poses([row.encode()], None) == {12: 4}
    assert find_poses([one.encode() for one in (row, *others)], None) == {}
