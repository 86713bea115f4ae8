from pathlib import Path

import pytest

from container_doors.dataset.attributes import read_attributes
from container_doors.dataset.layout import read_layout
from container_doors.errors import DatasetError
from tests.builders import a_small_dataset


def read(root: Path, text: str):
    a_small_dataset(root)
    (root / "attributes.csv").write_text(text)
    layout, _ = read_layout(root)
    assert layout is not None
    return read_attributes(layout)


def test_an_empty_cell_says_nothing(tmp_path: Path):
    found = read(tmp_path, "image,split,group,light\nimages/test/0.png,test,,\n")

    assert found.values == {"images/test/0.png": {}}
    assert found.scenes == {}


def test_many_numbers_are_cut_into_thirds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container_doors.dataset.attributes._MOST_LEVELS", 2)
    rows = "".join(f"images/train/{n}.png,{10 * n}\n" for n in range(3))

    found = read(tmp_path, f"image,angle\n{rows}")

    assert [row["angle"] for row in found.values.values()] == ["below 10", "10 to 20", "10 to 20"]


def test_a_third_of_equal_numbers_is_that_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container_doors.dataset.attributes._MOST_LEVELS", 1)
    rows = "".join(f"images/train/{n}.png,{value}\n" for n, value in enumerate((0.5, 1, 1)))

    found = read(tmp_path, f"image,sharpness\n{rows}")

    assert [row["sharpness"] for row in found.values.values()] == ["below 1", "1", "1"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("name\nx\n", "expected a column 'image'", id="no column"),
        pytest.param("", "found nothing", id="empty"),
        pytest.param("image\nimages/test/0.png\nimages/test/0.png\n", ":3: .* again", id="twice"),
        pytest.param("image,a,a\nimages/test/0.png,1,2\n", "each column once", id="same column"),
        pytest.param(
            "image,a\nimages/test/0.png,1,2\n", ":2: expected 2 cells, found 3", id="one cell more"
        ),
        pytest.param("image\n/etc/passwd\n", ":2: .* found '/etc/passwd'", id="elsewhere"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, complaint: str, tmp_path: Path):
    with pytest.raises(DatasetError, match=complaint):
        read(tmp_path, text)
