"""A pointer that is damaged: in this clone git restores it, in a download it cannot."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container_doors.core.errors import VersioningError
from container_doors.publishing.arrival import find_download, find_weights_only
from container_doors.publishing.pointers import Pointer, read_pointer

POINTER = Path("weights/detection/best.pt.dvc")
OTHER_TEXT = {
    "empty": "",
    "a merge": "<<<<<<< HEAD\nouts: []\n=======\n",
    "of another file": Pointer("last.pt", "0" * 32, 1).to_yaml(),
    "outside": Pointer("../best.pt", "0" * 32, 1).to_yaml(),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "clone"
    (folder / POINTER.parent).mkdir(parents=True)
    (folder / POINTER).write_text(Pointer("best.pt", "0" * 32, 1).to_yaml())
    monkeypatch.chdir(folder)
    for command in ("init --quiet", "add --all", "commit --quiet --message pointer"):
        subprocess.run(["git", *command.split()], check=True)
    return folder


@pytest.mark.parametrize("text", OTHER_TEXT.values(), ids=OTHER_TEXT)
@pytest.mark.parametrize("find", [find_download, find_weights_only])
def test_in_a_download_it_is_downloaded_again(
    find: Callable[[Path], object], text: str, here: Path, tmp_path: Path
):
    download = tmp_path / "out"
    (download / POINTER).parent.mkdir(parents=True)
    (download / POINTER).write_text(text)
    if find is find_download:
        (download / POINTER).with_name("metadata.json.dvc").write_text(text)

    with pytest.raises(VersioningError, match="expected a pointer to best") as bad:
        find(Path("../out"))

    assert bad.value.hint.startswith("download it again")


def test_in_this_clone_the_hint_restores_it(here: Path):
    before = POINTER.read_text()
    POINTER.write_text("outs:")

    with pytest.raises(VersioningError, match="expected a DVC pointer to one file") as bad:
        read_pointer(POINTER)
    subprocess.run(bad.value.hint.partition(" restores it")[0], shell=True, check=True)

    assert POINTER.read_text() == before
    assert bad.value.hint.endswith(f"if git does not have it: rm {POINTER} && doors version")
