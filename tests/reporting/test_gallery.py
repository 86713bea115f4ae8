"""Check the folder of pictures beside a report."""

from pathlib import Path

import pytest

from container_doors.core.errors import RunError
from container_doors.reporting.gallery import pick_evenly, rebuild


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_replaced(tmp_path: Path):
    folder = tmp_path / "report_files"
    folder.mkdir()
    (folder / "prediction_12.jpg").touch()

    with rebuild(folder) as gallery:
        (gallery.staged / "curves.png").touch()

    assert names(tmp_path) == ["report_files"]
    assert names(folder) == ["curves.png"]


def test_a_failure_leaves_the_earlier_folder_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "report_files"
    folder.mkdir()
    (folder / "curves.png").write_text("earlier")

    with pytest.raises(OSError, match="disk"), rebuild(folder):
        raise OSError("disk")

    assert names(tmp_path) == ["report_files"]
    assert (folder / "curves.png").read_text() == "earlier"


def test_a_folder_with_another_file_is_not_replaced(tmp_path: Path):
    (tmp_path / "thesis_files").mkdir()
    (tmp_path / "thesis_files" / "chapter.tex").write_text("years of work")

    with pytest.raises(RunError, match=r"holds 'chapter.tex', which is not a report's"):
        rebuild(tmp_path / "thesis_files").__enter__()

    assert (tmp_path / "thesis_files" / "chapter.tex").read_text() == "years of work"


@pytest.mark.parametrize("make", ["file", "link"])
def test_what_is_not_a_folder_is_not_replaced(tmp_path: Path, make: str):
    path = tmp_path / "report_files"
    if make == "file":
        path.write_text("mine")
    else:
        path.symlink_to(tmp_path)

    with pytest.raises(RunError, match="is a file or a link"):
        rebuild(path).__enter__()


@pytest.mark.parametrize("count", [0, 1, 11, 12, 13, 25, 100])
def test_pictures_are_picked_evenly_with_the_first_and_the_last(count: int):
    paths = [Path(f"{number:03}") for number in range(count)]

    chosen = pick_evenly(paths, 12)

    assert len(chosen) == len(set(chosen)) == min(count, 12)
    assert chosen == sorted(chosen)
    assert chosen[:1] == paths[:1]
    assert chosen[-1:] == paths[-1:]
