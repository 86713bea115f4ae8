import re
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.core.errors import DatasetError
from container_doors.data.attributes import examine_attributes, read_attributes
from container_doors.data.checks import check
from container_doors.data.layout import Layout, read_layout
from tests.builders import a_small_dataset


def layout_of(root: Path, content: str | bytes, *names: str) -> Layout:
    """A small data set, with more photographs, and a table."""
    a_small_dataset(root)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    data = content if isinstance(content, bytes) else content.encode()
    (root / "attributes.csv").write_bytes(data)
    layout, _ = read_layout(root)
    assert layout is not None
    return layout


def read(root: Path, content: str | bytes, *names: str):
    return read_attributes(layout_of(root, content, *names))[0]


def test_an_empty_cell_says_nothing(tmp_path: Path):
    found = read(tmp_path, "image,split,group,light\nimages/test/0.png,test,,\n")

    assert found.values == {"images/test/0.png": {}}
    assert found.scenes == {}


def test_many_numbers_are_cut_into_thirds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container_doors.data.attributes._MOST_LEVELS", 2)
    rows = "".join(f"images/train/{n}.png,{10 * n}\n" for n in range(3))

    found = read(tmp_path, f"image,angle\n{rows}")

    assert [row["angle"] for row in found.values.values()] == ["below 10", "10 to 20", "10 to 20"]


def test_numbers_of_cameras_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container_doors.data.attributes._MOST_LEVELS", 2)
    rows = "".join(f"images/train/{n}.png,{n}\n" for n in range(3))

    found = read(tmp_path, f"image,Camera\n{rows}")

    assert [row["Camera"] for row in found.values.values()] == ["0", "1", "2"]


def test_a_third_of_equal_numbers_is_that_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container_doors.data.attributes._MOST_LEVELS", 1)
    rows = "".join(f"images/train/{n}.png,{value}\n" for n, value in enumerate((0.5, 1, 1)))

    found = read(tmp_path, f"image,sharpness\n{rows}")

    assert [row["sharpness"] for row in found.values.values()] == ["below 1", "1", "1"]


def test_a_decimal_comma_is_a_number_where_columns_are_parted_by_semicolons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("container_doors.data.attributes._MOST_LEVELS", 2)
    rows = "".join(f"images/train/{n}.png;{n},5\n" for n in range(3))

    found = read(tmp_path, f"image;angle\n{rows}")

    assert [row["angle"] for row in found.values.values()] == [
        "below 1.5", "1.5 to 2.5", "1.5 to 2.5",
    ]  # fmt: skip


def test_what_is_no_number_is_not_ordered_among_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("container_doors.data.attributes._MOST_LEVELS", 1)
    cells = ("1", "nan", "3")
    rows = "".join(f"images/train/{n}.png,{cell}\n" for n, cell in enumerate(cells))

    found = read(tmp_path, f"image,angle\n{rows}")

    assert [row["angle"] for row in found.values.values()] == list(cells)


NFC, NFD = normalize("NFC", "Tür.jpg"), normalize("NFD", "Tür.jpg")

PLAIN = "image,group,light\nimages/test/0.png,quay,dawn\nimages/test/1.png,quay,dusk\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN.encode("utf-8-sig"), id="a byte order mark"),
        pytest.param(PLAIN.replace(",", "\t").encode("utf-16"), id="Unicode text of Excel"),
        pytest.param(PLAIN.encode("utf-16-be").join([b"\xfe\xff", b""]), id="UTF-16, big-endian"),
        pytest.param(PLAIN.replace(",", ";").encode(), id="semicolons"),
        pytest.param(("sep=;\r\n" + PLAIN.replace(",", ";")).encode(), id="sep=; above"),
        pytest.param(('"sep=|"\n' + PLAIN.replace(",", "|")).encode(), id="sep=| in quotes"),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="line ends of Windows"),
        pytest.param(PLAIN.replace("\n", "\r").encode(), id="line ends of old macOS"),
        pytest.param(PLAIN.replace("\n", ",,\n").encode() + b",,,,\n\n", id="empty at the end"),
        pytest.param(PLAIN.replace(",", " , ").encode(), id="spaces"),
        pytest.param(PLAIN.replace(",", "\xa0,").encode(), id="hard spaces"),
        pytest.param(PLAIN.replace("image,group", "Image,GROUP").encode(), id="case"),
        pytest.param(b'"image","group","light"\n' + PLAIN.partition("\n")[2].encode(), id="quotes"),
        pytest.param(
            PLAIN.replace("images/test/", "")
            .replace("0", "test/0")
            .replace("1.", "test/1.")
            .encode(),
            id="ends of paths",
        ),
        pytest.param(PLAIN.replace("/", "\\").encode(), id="paths of Windows"),
        pytest.param(PLAIN.replace(".png", "").encode(), id="no suffix"),
        pytest.param(PLAIN.replace(".png", ".PNG").encode(), id="another case of the suffix"),
        pytest.param(PLAIN.replace("images/", "./images/").encode(), id="from here"),
        pytest.param(PLAIN.replace(",quay,dusk", ",Quay ,dusk").encode(), id="two cases"),
    ],
)
def test_every_form_that_a_spreadsheet_saves_says_the_same(content: bytes, tmp_path: Path):
    found = read(tmp_path, content)

    assert len(found.scenes) == 2
    assert len(set(found.scenes.values())) == 1
    assert found.values == {
        "images/test/0.png": {"light": "dawn"}, "images/test/1.png": {"light": "dusk"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("name\nx\n", ":1: expected a column 'image', found 'name'", id="no column"),
        pytest.param("", "expected a column 'image', found nothing", id="empty"),
        pytest.param("\n\n", "found nothing", id="blank"),
        pytest.param("sep=;\nname;group\n", ":2: expected a column 'image'", id="below sep="),
        pytest.param(
            "image,a\ntest/0.png,1\n\nimages/test/0.png,1\n",
            ":4: .* is images/test/0.png of line 2",
            id="twice",
        ),
        pytest.param(
            "image,a\ntest/0.png,1\ntest/0.png,2\n",
            ":3: .* again, .* with another 'a'",
            id="twice, with other values",
        ),
        pytest.param("image,a,A \ntest/0.png,1,2\n", ":1: .* each column once", id="same column"),
        pytest.param("image,a\ntest/0.png,1,2\n", ":2: expected 2 cells, found 3", id="one more"),
        pytest.param("image\n/etc/passwd\n", ":2: .* found '/etc/passwd'", id="elsewhere"),
        pytest.param("image\n../images/test/0.png\n", r":2: .* found '\.\./images", id="above"),
        pytest.param("image,a\n,1\n", ":2: .* found a row without a name", id="no name"),
        pytest.param("image\n0.png\n", ":2: .* images/train/0.png or images/val/0.png", id="short"),
        pytest.param('image,a\ntest/0.png,"x\n', ":2: .* a closing quote", id="open quote"),
        pytest.param(
            f"image,a\ntest/0.png,{'x' * 200_000}\n",
            ":2: expected cells of at most 1000 characters, found one of more than 131072",
            id="a cell without end",
        ),
        pytest.param(
            f"image,{'x' * 200_000}\n", ":1: .* found one of more than 131072", id="a long name"
        ),
        pytest.param(
            'image,a\ntest/0.png,"x\ntest/1.png,"\n',
            ":2: .* found one of 2 line",
            id="a quote that swallows a row",
        ),
        pytest.param(
            "image,a\ntest/0.png," + "x" * 2000, ":2: .* 2000 characters", id="a long cell"
        ),
        pytest.param(PLAIN.replace("aw", "ä").encode("latin-1"), ":2: .* byte 0xe4", id="Latin"),
        pytest.param(PLAIN.encode("utf-16-le"), ":1: .* a zero byte", id="UTF-16 without mark"),
        pytest.param(b"PK\x03\x04\x14\x00", "found a workbook", id="xlsx"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1", "found a workbook", id="xls"),
        pytest.param(
            "image,group\ntrain/0.png,q\ntest/0.png,Q\n",
            ":3: .*'Q' of images/test/0.png, and of images/train/0.png",
            id="a group in two splits",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(content: str | bytes, complaint: str, tmp_path: Path):
    with pytest.raises(DatasetError, match=complaint):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("data_yaml", "written", "remedy"),
    [
        ("val: images/vall", "images/val/0.png", "correct val in data.yaml first, and keep the"),
        ("val: images/train", "images/val/0.png", "correct val in data.yaml first, and keep the"),
        ("", "images/val/0.png", "correct val in data.yaml first, and keep the line"),
        ("val: images/val/new", "val\\0.png", "correct data.yaml, where images/val is in no split"),
        ("val: images/val", "images/val/9.png", "img_001.jpg, or delete the line"),
        ("val: images/val", "images/val/0.jpg", "there is images/val/0.png; correct the name"),
        ("val: images/val", r"VAL\0.HEIC", "there is images/val/0.png; correct the name"),
        ("val: images/val", "0.jpg", "there is images/train/0.png and images/val/0.png; correct"),
    ],
    ids=[
        "misspelt",
        "that of another",
        "absent",
        "a part of it",
        "right",
        "converted",
        "converted, of another system",
        "converted, of several splits",
    ],
)
def test_no_right_row_is_to_be_deleted_because_data_yaml_is_wrong(
    data_yaml: str, written: str, remedy: str, tmp_path: Path
):
    layout = layout_of(tmp_path, f"image,group\n{written},q\n", "images/val/new/7.png")
    text = layout.data_yaml.read_text().replace("val: images/val", data_yaml)
    layout.data_yaml.write_text(text)
    wrong, _ = read_layout(tmp_path)
    assert wrong is not None

    _, findings = examine_attributes(wrong)

    (unknown,) = (one for one in findings if one.rule == "attributes-unknown-photograph")
    assert remedy in unknown.remedy


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("image,groups\ntest/0.png,q\n", ":1: .* found 'groups'", id="another name"),
        pytest.param("image,Scene\ntest/0.png,q\n", ":1: .* found 'Scene'", id="scene"),
        pytest.param(
            "image,group\ntest/0.png,q\n", "of test, found none for 1 of 2", id="some without"
        ),
        pytest.param(
            "image,group\ntest/0.png,q\ntest/1.png,Q\n", ":3: .* 'q' on line 2", id="spelling"
        ),
        pytest.param("image,split\ntest/0.png,val\n", ":2: .* photograph of val", id="split"),
        pytest.param("image,,a\ntest/0.png,x,1\n", ":2: .* 'x' in a column without", id="no name"),
    ],
)
def test_what_may_be_meant_is_a_warning(content: str, complaint: str, tmp_path: Path):
    _, findings = examine_attributes(layout_of(tmp_path, content))

    meant = [finding for finding in findings if re.search(complaint, str(finding))]
    assert [finding.severity for finding in meant] == ["warning"]


def test_two_photographs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path):
    names = ("images/test/a/img_1.jpg", "images/test/b/img_1.jpg")

    found = read(tmp_path, "image,group\na/img_1.jpg,q\nb/img_1.jpg,r\n", *names)

    assert found.scenes == dict(zip(names, "qr", strict=True))


def test_the_column_split_tells_photographs_of_one_name_apart(tmp_path: Path):
    found = read(tmp_path, "image,split,group\n0.png,Test,q\n0.png,val,r\n")

    assert found.scenes == {"images/test/0.png": "q", "images/val/0.png": "r"}


@pytest.mark.parametrize("written", [NFC, NFD], ids=["NFC", "NFD"])
@pytest.mark.parametrize("name", [NFC, NFD], ids=["of NFC", "of NFD"])
def test_accents_are_the_same_in_either_form(written: str, name: str, tmp_path: Path):
    found = read(tmp_path, f"image,group\n{written},q\n", f"images/test/{name}")

    assert found.scenes == {f"images/test/{name}": "q"}


def test_a_name_that_is_exact_is_not_taken_for_another_spelling(tmp_path: Path):
    names = ("images/test/IMG.jpg", "images/test/img.jpg")

    found = read(tmp_path, "image,group\nimg.jpg,q\nIMG.jpg,r\n", *names)

    assert found.scenes == dict(zip(names, "rq", strict=True))


def test_the_table_is_found_beside_data_yaml_wherever_its_path_leads(tmp_path: Path):
    a_small_dataset(tmp_path / "inner")
    (tmp_path / "inner/data.yaml").rename(tmp_path / "data.yaml")
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(f"path: inner\n{text}")
    (tmp_path / "attributes.csv").write_text("image,group\nimages/test/0.png,q\n")
    layout, _ = read_layout(tmp_path)
    assert layout is not None
    assert read_attributes(layout)[0].scenes == {"images/test/0.png": "q"}

    (tmp_path / "inner/attributes.csv").write_text("image\n")

    with pytest.raises(DatasetError, match=r"expected one file, found .*inner/attributes.csv"):
        read_attributes(layout)


@pytest.mark.parametrize("name", ["Attributes.csv", "attributes.xlsx", "attributes.csv.txt"])
def test_a_table_under_another_name_is_not_passed_over_in_silence(name: str, tmp_path: Path):
    layout = layout_of(tmp_path, "image\n")
    (tmp_path / "attributes.csv").rename(tmp_path / name)

    _, (finding,) = examine_attributes(layout)

    assert str(finding).startswith(
        f"attributes.csv: expected the name attributes.csv, found {name!r}"
    )


def test_the_gate_of_the_data_names_every_row_that_is_wrong_once_and_counts_the_others(
    tmp_path: Path,
):
    rows = "".join(f"images/test/{number}.jpg,q\n" for number in range(100, 200))
    layout_of(tmp_path, f"image,group\nimages/test/0.png,q\nimages/train/0.png,q\n{rows}")

    report = check(tmp_path, min_train_images=1, min_val_images=1)

    errors = [str(finding) for finding in report.errors]
    assert errors[0].startswith("attributes.csv:3: expected each group in one split")
    assert errors[1].startswith("attributes.csv:4: expected a photograph of the data set, found '")
    assert len(errors) == 22
    assert "found 80 more lines like these" in errors[-1]


def test_what_was_understood_has_a_name_and_not_how_it_was_written(tmp_path: Path):
    one = read(tmp_path / "one", "image,group\ntest/0.png,q\ntest/1.png,q\n")
    other = read(tmp_path / "other", "Group;Image\nq;images/test/1.png\nq;images/test/0.png\n")
    another = read(tmp_path / "another", "image,group\ntest/0.png,q\ntest/1.png,r\n")

    assert one.sha256 == other.sha256 != another.sha256


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return layout_of(tmp_path_factory.mktemp("small") / "set", "image\n")


@settings(max_examples=25)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_are_more_than_a_finding(data: bytes, small: Layout):
    (small.root / "attributes.csv").write_bytes(data)

    _, findings = examine_attributes(small)

    assert all(len(str(finding)) < 1500 for finding in findings)


CELLS = st.sampled_from(
    ["images/test/0.png", "0.png", "1", "test\\1.png", "q", "Q", '"', "a\nb", ""]
)


@settings(max_examples=25)
@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6),
    delimiter=st.sampled_from(",;\t"),
    header=st.permutations(["image", "Group", "light"]),
)
def test_each_row_is_a_photograph_or_a_finding(
    rows: list[list[str]], delimiter: str, header: list[str], small: Layout
):
    lines = [delimiter.join(row) for row in (header, *rows)]
    (small.root / "attributes.csv").write_text("\n".join(lines), encoding="utf-8")

    found, findings = examine_attributes(small)

    errors = [finding for finding in findings if finding.severity == "error"]
    said = [row for row in rows if any(cell.strip() for cell in row)]
    assert len(found.values) == len(said) or errors
