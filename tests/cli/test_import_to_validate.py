"""From a heap of files to a data set that the gate passes, in three commands."""

import json
from pathlib import Path

import cv2
import pytest
from tests.data.planted import CHANGES
from tests.data.test_duplicates import scene

from container_doors.cli import main


def test_import_split_and_validate_in_three_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    export = tmp_path / "export"
    images: list[dict[str, object]] = []
    for gate in range(12):
        for number in range(2):
            pixels = scene(10 * gate + number, (160, 120))
            name = f"gate_{gate}/{number}.jpg"
            (export / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(export / name), pixels)
            images.append({"id": len(images), "file_name": name, "width": 160, "height": 120})
    cv2.imwrite(str(export / "copy.jpg"), CHANGES["mirrored"](scene(0, (160, 120)), 0))
    images.append({"id": len(images), "file_name": "copy.jpg", "width": 160, "height": 120})
    boxes = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [20, 20, 60, 80], "area": 4800}
        for n in range(len(images))
    ]
    categories = [{"id": 1, "name": "container_door"}]
    (export / "coco.json").write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": categories})
    )
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    monkeypatch.chdir(workspace)

    assert main(["data", "import", str(export)]) == 0
    assert main(["data", "split", "--group-by", "folder"]) == 0
    capsys.readouterr()
    main(["data", "validate", "--path", "data/processed/detection", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert {finding["rule"] for finding in document["findings"]} == {"split-too-small"}
    splits = {name: split["images"] for name, split in document["splits"].items()}
    assert splits == {"train": 17, "val": 4, "test": 4}
    assert (document["scenes"], document["photographs_in_scenes"]) == (12, 25)
    attributes = workspace / "data/processed/detection/attributes.csv"
    for said in ("25 photographs of 25 in 12 groups of", "none known, so each photograph counts"):
        main(["data", "validate", "--path", "data/processed/detection"])
        assert f"scenes: {said}" in " ".join(capsys.readouterr().out.split())
        attributes.unlink(missing_ok=True)
