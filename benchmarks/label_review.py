"""Measures `doors data review`: how many wrong labels are among the first tenth that it shows.

    uv run python -m benchmarks.label_review
    uv run python -m benchmarks.label_review --train weights/pretrained/yolo11s.pt

The photographs are in $CONTAINER_DOORS_REAL_DATA, as for real_photographs.py. A tenth of their
boxes is made wrong: deleted, added, made larger, moved or drawn twice, each as often; and again
with other boxes. Predictions are simulated, or read from --predictions (detections.json, by the
photographs' names), or made with --train: by two small models, each trained on the wrong labels of
the half of the scenes that it does not judge. With a few minutes of training they are far weaker
than a model in use.
"""

import argparse
import csv
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tests.evaluation.disturbed_labels import (
    disturb,
    found_among_first,
    found_among_first_doubts,
    simulated,
)

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.data.convert_pictures import upright_size
from container_doors.data.formats.yolo import row_text
from container_doors.data.labels import read_boxes
from container_doors.data.predictions_file import PredictedPhotograph, read_predictions
from container_doors.evaluation.label_doubts import ReviewedPhotograph, label_doubts
from container_doors.evaluation.matching import BoxXyxy

FIRST = WRONG = 0.1
BAR = 0.8
_YAML = "train: images/train\nval: images/val\nnc: 1\nnames: [container_door]\n"
_HALVES = (0, 1)

Labels = dict[str, list[BoxXyxy]]
Sizes = dict[str, tuple[int, int]]


def main() -> int:
    """Disturb, predict, review; print the mean fractions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--predictions", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--train", type=Path, metavar="WEIGHTS", help="where training starts")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=224, metavar="PX")
    parser.add_argument("--times", type=int, default=20, help="how often labels are disturbed")
    arguments = parser.parse_args()
    source = os.environ.get("CONTAINER_DOORS_REAL_DATA")
    if source is None:
        print("error: CONTAINER_DOORS_REAL_DATA is not set", file=sys.stderr)
        return 2
    labels, sizes = _read(Path(source))
    predicted: Sequence[PredictedPhotograph] = read_predictions(arguments.predictions)
    if arguments.train is not None:
        predicted = _trained(Path(source), labels, sizes, arguments)
    print(f"{len(labels)} photographs, {sum(map(len, labels.values()))} boxes, {WRONG:.0%} wrong")
    if predicted:
        _print("these predictions", labels, sizes, arguments.times, predicted)
    else:
        for is_small, name in ((False, "a model trained in full"), (True, "a small model")):
            _print(f"simulated, {name}", labels, sizes, arguments.times, None, is_small=is_small)
    return 0


def _read(source: Path) -> tuple[Labels, Sizes]:
    labels: Labels = {}
    sizes: Sizes = {}
    for image in sorted((source / "images").iterdir()):
        width, height = sizes[image.name] = upright_size(image)
        edges = [box.edges for box in read_boxes(source / "labels" / f"{image.stem}.txt")]
        labels[image.name] = [
            (left * width, top * height, right * width, bottom * height)
            for left, top, right, bottom in edges
        ]
    return labels, sizes


def _print(
    name: str,
    labels: Labels,
    sizes: Sizes,
    times: int,
    predicted: Sequence[PredictedPhotograph] | None,
    *,
    is_small: bool = False,
) -> None:
    boxes = sum(map(len, labels.values()))
    photographs, doubts = [], []
    for seed in range(times):
        wrong, made = disturb(labels, sizes, WRONG, seed)
        reviewed = (
            simulated(labels, wrong, sizes, seed, is_small=is_small)
            if predicted is None
            else list(_reviewed(predicted, wrong))
        )
        found = label_doubts(reviewed)
        photographs.append(found_among_first(FIRST, made, found, len(labels)))
        doubts.append(found_among_first_doubts(FIRST, made, found, boxes))
    print(f"{name}: of the wrong labels, mean of {times}")
    print(
        f"  {sum(photographs) / times:.2f} in the first {FIRST:.0%} of the photographs "
        f"(bar: {BAR}; {min(photographs):.2f} to {max(photographs):.2f})"
    )
    print(f"  {sum(doubts) / times:.2f} in the first doubts, as many as {FIRST:.0%} of the boxes")


def _reviewed(
    predicted: Sequence[PredictedPhotograph], wrong: Mapping[str, Sequence[BoxXyxy]]
) -> Iterator[ReviewedPhotograph]:
    for one in predicted:
        name = PurePosixPath(one.image).name
        if name in wrong:
            yield ReviewedPhotograph(
                name, tuple(wrong[name]), tuple(one.used_xyxy), tuple(one.used_confidences)
            )


def _trained(
    source: Path, labels: Labels, sizes: Sizes, arguments: argparse.Namespace
) -> list[PredictedPhotograph]:
    """Train on each half of the scenes, with the wrong labels of the first time; judge the other.

    The backbone is frozen, which halves the time; it knows COCO already.
    """
    wrong, _ = disturb(labels, sizes, WRONG, 0)
    half_of = _halves(source)
    found: list[PredictedPhotograph] = []
    with tempfile.TemporaryDirectory() as scratch:
        for half in _HALVES:
            folder = Path(scratch) / str(half)
            _write(folder, source, wrong, sizes, {n: half_of[n] != half for n in labels})
            model = import_ultralytics().YOLO(str(arguments.train.absolute()))
            model.train(
                data=str(folder / "data.yaml"), epochs=arguments.epochs, imgsz=arguments.size,
                batch=8, workers=0, val=False, plots=False, optimizer="AdamW", lr0=0.002, lrf=0.05,
                warmup_epochs=1, mosaic=0.5, close_mosaic=4, freeze=10, seed=0, verbose=False,
                project=scratch, name=f"run{half}",
            )  # fmt: skip
            last = import_ultralytics().YOLO(f"{scratch}/run{half}/weights/last.pt")
            images = sorted((folder / "images/val").iterdir())
            found += [_predicted(image, last, arguments.size) for image in images]
    return found


def _halves(source: Path) -> dict[str, int]:
    with (source / "provenance.csv").open(encoding="utf-8", newline="") as file:
        scenes = {
            Path(row["file"]).name: row["group"] or Path(row["file"]).name
            for row in csv.DictReader(file)
        }
    order = sorted(set(scenes.values()))
    random.Random(1).shuffle(order)  # noqa: S311 - no secret
    return {name: order.index(scene) % len(_HALVES) for name, scene in scenes.items()}


def _write(
    folder: Path,
    source: Path,
    labels: Mapping[str, Sequence[BoxXyxy]],
    sizes: Sizes,
    is_learned: Mapping[str, bool],
) -> None:
    for kind in ("images", "labels"):
        for split in ("train", "val"):
            (folder / kind / split).mkdir(parents=True)
    (folder / "data.yaml").write_text(f"path: {folder}\n{_YAML}", encoding="utf-8")
    for name, boxes in labels.items():
        split = "train" if is_learned[name] else "val"
        shutil.copy(source / "images" / name, folder / "images" / split)
        wide, high = sizes[name]
        rows = [row_text((b[0] / wide, b[1] / high, b[2] / wide, b[3] / high)) for b in boxes]
        text = "".join(f"0 {row}\n" for row in rows)
        path = folder / "labels" / split / f"{Path(name).stem}.txt"
        path.write_text(text, encoding="utf-8")


def _predicted(image: Path, model: Any, size_px: int) -> PredictedPhotograph:  # noqa: ANN401
    (result,) = model.predict(str(image), conf=0.001, iou=0.45, imgsz=size_px, verbose=False)
    height, width = result.orig_shape
    return PredictedPhotograph(
        image=image.name,
        width_px=width,
        height_px=height,
        used_xyxy=result.boxes.xyxy.tolist(),
        used_confidences=result.boxes.conf.tolist(),
    )


if __name__ == "__main__":
    sys.exit(main())
