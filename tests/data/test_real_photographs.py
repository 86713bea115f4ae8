"""Photographs that people took and labelled pass the gate; CONTAINER_DOORS_REAL_DATA names them."""

import os
from pathlib import Path

import pytest

from container_doors.data.checks import check

_FOLDER = os.environ.get("CONTAINER_DOORS_REAL_DATA")
_SPLITS = ("train", "train", "train", "val", "test")

pytestmark = pytest.mark.skipif(
    _FOLDER is None, reason="CONTAINER_DOORS_REAL_DATA names no folder of real photographs"
)


def test_real_photographs_are_fit_to_train_on(tmp_path: Path):
    photographs = sorted(Path(_FOLDER or "", "images").iterdir())
    for number, photograph in enumerate(photographs):
        split = _SPLITS[number % len(_SPLITS)]
        label = photograph.parents[1] / "labels" / f"{photograph.stem}.txt"
        for kind, file in (("images", photograph), ("labels", label)):
            link = tmp_path / kind / split / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    (tmp_path / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnames: [container_door]\n",
        encoding="utf-8",
    )

    report = check(tmp_path, min_train_images=10, min_val_images=3)

    assert [str(finding) for finding in report.errors] == []
    assert sum(counts.images for counts in report.splits.values()) == len(photographs)
    assert all(counts.doors for counts in report.splits.values())
