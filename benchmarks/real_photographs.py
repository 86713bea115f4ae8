"""Arranges real photographs as a data set of three splits: by source, not at random.

    uv run python benchmarks/real_photographs.py --out data/processed/detection

The photographs are in $CONTAINER_DOORS_REAL_DATA: ``images/``, ``labels/`` and
``provenance.csv`` with the columns ``file``, ``source_repo`` and ``group``. A source is often one
camera in one yard, so all photographs of a source are in the same split. Those of one group are
one scene, which attributes.csv records. The test split has three sources, because most of its
doors are in a single scene.
"""

import argparse
import csv
import os
import shutil
import sys
from pathlib import Path

SPLIT_OF_SOURCE = {
    "ContainerDamageDetector/detector-models": "train",
    "Lin-KuanChou/YOLOv4_ContainerNumberDetection": "train",
    "shruti-bankar-envecon/container-inspection-ai-old": "train",
    "Rythmbouncy/Cargo_Container_OCR": "val",
    "lalusaptiadibadaruddin/Container-Damage": "val",
    "budikawira/cv-container-inspection": "test",
    "MohammedSaadRiad/Container-ID-detection-and-retrieval": "test",
    "Fatalisz/HPTContainerDetection": "test",  # 19 of one scene with a door, 11 without
}
DATA_YAML = """\
train: images/train
val: images/val
test: images/test

nc: 1
names: ['container_door']
"""


def lay_out(source: Path, out: Path) -> dict[str, int]:
    """Copy every photograph and its label; return the number of photographs of each split."""
    counts = dict.fromkeys(("train", "val", "test"), 0)
    scenes = []
    with (source / "provenance.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            split = SPLIT_OF_SOURCE[row["source_repo"]]
            image = source / row["file"]
            label = source / "labels" / f"{image.stem}.txt"
            for path, kind in ((image, "images"), (label, "labels")):
                (out / kind / split).mkdir(parents=True, exist_ok=True)
                target = out / kind / split / path.name
                if path.exists():
                    shutil.copyfile(path, target)
                else:  # a photograph without a door
                    target.touch()
            counts[split] += 1
            if row["group"]:
                scenes.append((f"images/{split}/{image.name}", row["group"]))
    with (out / "attributes.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "group"), *scenes])
    (out / "data.yaml").write_text(DATA_YAML, encoding="utf-8")
    return counts


def main() -> int:
    """Parse, copy, print the number of photographs of each split."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    out: Path = parser.parse_args().out
    source = os.environ.get("CONTAINER_DOORS_REAL_DATA")
    if source is None or out.exists():
        problem = f"{out} exists" if source else "CONTAINER_DOORS_REAL_DATA is not set"
        print(f"error: {problem}", file=sys.stderr)
        return 2
    print(", ".join(f"{split} {count}" for split, count in lay_out(Path(source), out).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
