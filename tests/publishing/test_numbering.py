from pathlib import Path

import pytest

from container_doors.core.errors import VersioningError
from container_doors.core.records import Version
from container_doors.publishing.numbering import known_versions


def test_tags_and_pointers_are_both_known(tmp_path: Path):
    (tmp_path / "best.pt.dvc").write_text(
        "outs:\n- md5: a\n  path: best.pt\nmeta:\n  version: detection_v1.3_20261123_exp003\n"
    )
    (tmp_path / "last.pt.dvc").write_text("outs:\n- md5: a\n  path: last.pt\n")

    found = known_versions(["detection@v1.1.0+20261101.exp001", "v0.1.0"], tmp_path)

    assert found == {
        Version(major=1, minor=1, date="20261101", experiment="exp001"),
        Version(major=1, minor=3, date="20261123", experiment="exp003"),
    }


def test_before_the_first_release_nothing_is_known(tmp_path: Path):
    assert known_versions([], tmp_path / "absent") == set()


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nouts: []\n=======\n", "", "- a\n"])
def test_a_pointer_after_a_failed_merge_is_named(text: str, tmp_path: Path):
    (tmp_path / "best.pt.dvc").write_text(text)

    with pytest.raises(VersioningError, match=r"best\.pt\.dvc is not a DVC pointer"):
        known_versions([], tmp_path)
