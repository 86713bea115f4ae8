"""Compares ways of training on photographs of sources that the model never saw, by several seeds.

    uv run python -m benchmarks.ways_of_training --weights FILE --out build/ways \
        --way baseline nominal16 --seeds 5

The photographs are in $CONTAINER_DOORS_REAL_DATA (see real_photographs.py). Two groups of sources
are left out in turn, so that each way and seed is two trainings, each judged on the group that it
was not trained on; what both find is pooled. No epoch is chosen: the last one is the model. From
the same training comes a second model, the mean of the weights of the last five epochs. The
photographs are made smaller first, to 640 px. Each training runs on one core, as many at a time as
there are cores. What is finished is kept in --out,
so that the same command goes on, and more ways and seeds can be added.

``--robustness`` measures the models' AP50 on corrupted photographs besides: those of `doors
robustness --quick --common`, three severities each.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import scipy.stats
import torch
from PIL import Image

from container_doors.adapters import corruptions as library
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.config import Params, load_params
from container_doors.core.measurements import Estimate, Photograph
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.data.labels import read_boxes
from container_doors.data.layout import Layout, read_layout
from container_doors.data.view import Mixed, link_view
from container_doors.evaluation.corruptions import (
    SEVERITIES,
    apply_corruption,
    read_picture,
    write_picture,
)
from container_doors.evaluation.matched import (
    MatchedPhotograph,
    match_photographs,
    scene_numbers,
)
from container_doors.evaluation.matching import iou, match, outside
from container_doors.evaluation.paired import mean_differences
from container_doors.evaluation.robustness import planned_steps
from container_doors.evaluation.scores import all_scores
from container_doors.scenes import draw_sample
from container_doors.training.recorder import Recorder

import_ultralytics()

from container_doors.adapters.yolo.engine import Engine  # noqa: E402

GROUPS: Mapping[str, Sequence[str]] = {
    "one": ("ContainerDamageDetector/detector-models",),
    "five": (
        "lalusaptiadibadaruddin/Container-Damage",
        "Fatalisz/HPTContainerDetection",
        "budikawira/cv-container-inspection",
        "Rythmbouncy/Cargo_Container_OCR",
        "MohammedSaadRiad/Container-ID-detection-and-retrieval",
    ),
}
"""The groups that are left out in turn, each half of the photographs; two more sources are always
trained on."""

FIXED = {"patience": 0, "save_period": 1000, "workers": 0, "device": "cpu", "cache": "ram"}
"""Settings of ``training`` in every way."""

CONF = 0.25
"""The confidence threshold of recall and false alarms: that of ``params.yaml``."""

MODELS = ("last", "mean")
MEAN_OF = 5

_TIGHT_IOU = 0.9
_DRAWN = 400
_FIRST_EPOCHS = 12
_LONGEST_PX = 640
_EVERY = 2
"""Of the photographs with a door, every second one is looked at under corruption."""

_YAML = "train: images/train\nval: images/val\ntest: images/test\nnc: 1\nnames: [container_door]\n"


@dataclass(frozen=True)
class Way:
    """A way of training: settings of ``params.yaml``, and where it starts."""

    settings: Sequence[str] = ()
    frozen_epochs: int = 0
    """Epochs with a frozen backbone, before those of the settings."""
    starts_drawn: bool = False
    """Whether it starts from weights that were trained on drawn photographs."""

    @property
    def mixes_drawn(self) -> bool:
        """Whether drawn photographs are trained on beside the real ones."""
        return any(one.startswith("data.drawn_share") for one in self.settings)

    @property
    def needs_drawn(self) -> bool:
        """Whether it is trained on drawn photographs at all."""
        return self.starts_drawn or self.mixes_drawn


_TIGHT = ("augmentation.degrees=3", "augmentation.shear=2")
_SMALL_BATCH = ("training.nominal_batch_size=16",)
_ROBUST = ("augmentation.preset=robust",)
_DRAWN_BESIDE = ("data.drawn_share=0.3",)
_LOW_RATE = ("training.learning_rate=0.0005", "training.epochs=22")

WAYS: Mapping[str, Way] = {
    "baseline": Way(),
    "nominal16": Way(_SMALL_BATCH),
    "epochs60": Way(("training.epochs=60",)),
    "frozen": Way(_LOW_RATE, frozen_epochs=8),
    "tight": Way(_TIGHT),
    "nominal16-tight": Way((*_SMALL_BATCH, *_TIGHT)),
    "robust": Way(_ROBUST),
    "drawn-beside": Way(_DRAWN_BESIDE),
    "drawn-first": Way(starts_drawn=True),
    "nominal16-tight-robust": Way((*_SMALL_BATCH, *_TIGHT, *_ROBUST)),
    "all": Way((*_SMALL_BATCH, *_TIGHT, *_ROBUST, *_DRAWN_BESIDE), starts_drawn=True),
    "all-but-tight": Way((*_SMALL_BATCH, *_ROBUST, *_DRAWN_BESIDE), starts_drawn=True),
}


@dataclass(frozen=True)
class Setup:
    """What is the same for all trainings."""

    source: Path
    weights: Path
    out: Path
    image_size_px: int
    epochs: int

    def params(self, way: Way, seed: int, *more: str) -> Params:
        """Return the params of a way: those of the repository, with few changes."""
        fixed = [f"training.{key}={value}" for key, value in FIXED.items()]
        drawn = [f"data.drawn_path={self.out / 'drawn'}"] if way.mixes_drawn else []
        return load_params(
            Path("params.yaml"),
            [
                *fixed, f"training.image_size_px={self.image_size_px}",
                f"training.epochs={self.epochs}", f"training.seed={seed}",
                f"model.weights={self.weights}", *way.settings, *drawn, *more,
            ],
        )  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One training, and the group that it is judged on."""

    way: str
    seed: int
    group: str

    @property
    def name(self) -> str:
        """Of its run and its files."""
        return f"{self.way}-{self.group}-seed{self.seed}"


def main() -> int:
    """Train what is missing, then print the tables."""
    arguments = _parse()
    source = os.environ.get("CONTAINER_DOORS_REAL_DATA", "")
    for path, what in (
        (Path(source) / "provenance.csv", "set CONTAINER_DOORS_REAL_DATA: see real_photographs.py"),
        (arguments.weights, "name weights to start from: --weights FILE"),
    ):
        if not path.is_file():
            print(f"error: there is no {path}; {what}", file=sys.stderr)
            return 2
    setup = Setup(
        Path(source), arguments.weights.absolute(), arguments.out.absolute(),
        arguments.size, arguments.epochs,
    )  # fmt: skip
    _prepare(
        setup,
        is_drawn=not arguments.report and any(WAYS[one].needs_drawn for one in arguments.way),
        with_corrupted=arguments.robustness,
    )
    cells = [
        Cell(way, seed, group)
        for seed in range(arguments.seeds)
        for way in arguments.way
        for group in GROUPS
    ]
    if not arguments.report:
        if any(WAYS[way].starts_drawn for way in arguments.way):
            cells.insert(0, Cell("first", 0, "drawn"))
        _compute(setup, cells, robustness=arguments.robustness, processes=arguments.processes)
    _print_scores(setup, arguments.way, arguments.seeds)
    if arguments.robustness:
        _print_robustness(setup, arguments.way, arguments.seeds)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--way", nargs="+", choices=WAYS, default=["baseline"])
    parser.add_argument("--seeds", type=int, choices=range(1, 101), default=5, metavar="N")
    parser.add_argument("--size", type=int, default=128, metavar="PX")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--robustness", action="store_true")
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _prepare(setup: Setup, *, is_drawn: bool, with_corrupted: bool) -> None:
    """Lay out the data of each group, drawn photographs, and corrupted ones."""
    for group in GROUPS:
        _lay_out(setup, group)
    if is_drawn and not (setup.out / "drawn").exists():
        draw_sample(setup.out / "drawn", counts={"train": _DRAWN, "val": 8}, seed=0)
    if with_corrupted:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            steps = planned_steps(library.KINDS, is_quick=True)
            list(pool.map(_corrupted, [setup] * len(steps), steps))


def _rows(setup: Setup) -> list[dict[str, str]]:
    with (setup.source / "provenance.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _lay_out(setup: Setup, group: str) -> None:
    folder = setup.out / "data" / group
    if folder.exists():
        return
    building = folder.with_suffix(".tmp")
    shutil.rmtree(building, ignore_errors=True)
    for row in _rows(setup):
        image = setup.source / row["file"]
        label = setup.source / "labels" / f"{image.stem}.txt"
        split = "test" if row["source_repo"] in GROUPS[group] else "train"
        splits = [split]
        if split == "train" and image.stem.endswith("1"):
            splits.append("val")  # is never looked at, but the trainer wants one
        for each in splits:
            for kind in ("images", "labels"):
                (building / kind / each).mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(read_picture(image))
            picture.thumbnail((_LONGEST_PX, _LONGEST_PX))
            picture.save(building / "images" / each / f"{image.stem}.jpg", quality=95)
            boxes = label.read_text(encoding="utf-8") if label.exists() else ""  # no door
            (building / "labels" / each / label.name).write_text(boxes, encoding="utf-8")
    (building / "data.yaml").write_text(_YAML, encoding="utf-8")
    building.rename(folder)


def _compute(setup: Setup, cells: Sequence[Cell], *, robustness: bool, processes: int) -> None:
    """Train and judge what is missing, several at a time; what is finished is kept."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        first = [one for one in cells if one.way == "first"]
        for stage in (first, [one for one in cells if one.way != "first"]):
            running = {pool.submit(_one, setup, cell, robustness): cell for cell in stage}
            for number, done in enumerate(as_completed(running), start=1):
                done.result()
                print(f"{number}/{len(running)} {running[done].name}", flush=True)


def _one(setup: Setup, cell: Cell, robustness: bool) -> None:
    """Train a cell, unless it is trained, and judge it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder = setup.out / "cells" / cell.name
    if not (folder / "last.pt").exists():
        _train(setup, cell, folder)
    if cell.way == "first":
        return
    for model in MODELS:
        _judge(setup, cell, folder / f"{model}.pt", "clean")
    if robustness:
        for step in planned_steps(library.KINDS, is_quick=True):
            _judge(setup, cell, folder / "mean.pt", _name_of(step))


def _train(setup: Setup, cell: Cell, folder: Path) -> None:
    """Train, and keep both models: ``last.pt`` and ``mean.pt``."""
    building = folder.with_suffix(".tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    if cell.way == "first":
        params = setup.params(Way(), cell.seed, f"training.epochs={_FIRST_EPOCHS}")
        trainer_dir = _fit(params, Run("run", building), setup.out / "drawn")
    else:
        way, data = WAYS[cell.way], setup.out / "data" / cell.group
        start = []
        if way.starts_drawn:
            start = [f"model.weights={setup.out / 'cells' / 'first-drawn-seed0' / 'last.pt'}"]
        if way.frozen_epochs:
            shorter = [f"training.epochs={way.frozen_epochs}", "augmentation.close_mosaic=0"]
            frozen = setup.params(Way(), cell.seed, *shorter, *start)
            trained = _fit(frozen, Run("frozen", building), data, is_frozen=True)
            start = [f"model.weights={trained / 'one.pt'}"]
        mean = f"training.average_last={MEAN_OF}"
        params = setup.params(way, cell.seed, mean, *start)
        trainer_dir = _fit(params, Run("run", building), data)
    (trainer_dir / "last.pt").rename(building / "mean.pt")
    (trainer_dir / "one.pt").rename(building / "last.pt")
    for run in ("run", "frozen"):
        shutil.rmtree(building / run, ignore_errors=True)
    building.rename(folder)


def _fit(params: Params, run: Run, data: Path, *, is_frozen: bool = False) -> Path:
    """Train with the params; return the folder of the weights."""
    run.directory.mkdir(parents=True)
    trainer = YoloTrainer(vendor_trainer=_keeping_engine(is_frozen=is_frozen))
    layout = _layout(data)
    drawn = None
    if params.data.drawn_share:
        files = _layout(Path(params.data.drawn_path)).splits["train"]
        each_epoch = params.data.drawn_each_epoch(len(layout.splits["train"].images))
        drawn = Mixed(replace(files, name="drawn"), each_epoch)
    trainer.train(
        params, run, data_yaml=link_view(layout, run.data_view, drawn),
        listener=Recorder(run, epochs=params.training.epochs, progress=_Silent()),
        weights=trainer.starting_weights(params),
    )  # fmt: skip
    return run.last_weights.parent


def _keeping_engine(*, is_frozen: bool) -> type:
    """Return our trainer, which keeps the last epoch's own weights besides their mean."""

    class Keeping(Engine):
        def __init__(self, cfg: Any = None, overrides: Any = None, **named: Any) -> None:  # noqa: ANN401
            chosen = {**(overrides or {}), **({"freeze": 10} if is_frozen else {})}
            super().__init__(*([cfg] if cfg is not None else []), overrides=chosen, **named)

        def average_weights(self, last: int) -> None:
            if self.epoch + 1 == self.epochs:
                ema: Any = self.ema
                network = deepcopy(ema.ema).half()
                network.criterion = None  # as Ultralytics writes its own
                kept = {"model": network, "train_args": vars(self.args), "epoch": -1}
                torch.save(kept, self.wdir / "one.pt")
            super().average_weights(last)

    return Keeping


class _Silent:
    """A :class:`ports.Progress` that shows nothing."""

    def say(self, text: str) -> None:
        pass

    def step(self, what: str, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        pass


def _layout(data: Path) -> Layout:
    layout, findings = read_layout(data)
    if layout is None:
        raise SystemExit(f"{data}: {findings[0]}")
    return layout


@dataclass
class _Opened:
    """The model that was judged last, opened."""

    path: Path | None = None
    detector: Any = None


_OPENED = _Opened()


def _judge(setup: Setup, cell: Cell, weights: Path, what: str) -> None:
    """Detect on the photographs of a cell's group, clean or corrupted, and keep it."""
    path = weights.parent / f"{weights.stem}-{what}.json"
    if path.exists():
        return
    if _OPENED.path != weights:
        _OPENED.detector = YoloDetector(
            weights, image_size_px=setup.image_size_px, hardware=describe_machine("cpu")
        )
        _OPENED.path = weights
    images, doors = _photographs(setup, cell.group, what)
    found = _OPENED.detector.detect(images, conf_threshold=0.001, iou_threshold=0.45)
    photographs = [
        Photograph(
            image=image.stem, width_px=one.width_px, height_px=one.height_px, doors_xyxy=boxes,
            scored_xyxy=list(one.boxes_xyxy), scored_confidences=list(one.confidences),
            used_xyxy=list(one.boxes_xyxy), used_confidences=list(one.confidences),
        ).model_dump(mode="json")
        for image, boxes, one in zip(images, doors, found, strict=True)
    ]  # fmt: skip
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(photographs), encoding="utf-8")
    beside.rename(path)


def _photographs(setup: Setup, group: str, what: str) -> tuple[list[Path], list[Any]]:
    """List a group's photographs and their doors, in pixels; corrupted ones have a door each."""
    if what != "clean":
        folder = setup.out / "corrupted" / group / what
        doors = json.loads((folder / "doors.json").read_text(encoding="utf-8"))
        return [folder / name for name in doors], [
            [tuple(box) for box in boxes] for boxes in doors.values()
        ]
    files = _layout(setup.out / "data" / group).splits["test"]
    return list(files.images), [_doors(image) for image in files.images]


@cache
def _doors(image: Path) -> list[tuple[float, float, float, float]]:
    height, width = read_picture(image).shape[:2]
    label = image.parents[2] / "labels" / image.parent.name / f"{image.stem}.txt"
    return [
        (left * width, top * height, right * width, bottom * height)
        for left, top, right, bottom in (box.edges for box in read_boxes(label))
    ]


def _name_of(step: tuple[str, float]) -> str:
    return f"{step[0].replace(' ', '_')}-{step[1]:g}"


def _corrupted(setup: Setup, step: tuple[str, float]) -> None:
    """Corrupt all photographs with a door, at one severity."""
    for group in GROUPS:
        folder = setup.out / "corrupted" / group / _name_of(step)
        if folder.exists():
            continue
        building = folder.with_suffix(folder.suffix + ".tmp")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        doors: dict[str, Any] = {}
        images = _layout(setup.out / "data" / group).splits["test"].images
        with_door = [image for image in images if _doors(image)]
        for image in with_door[::_EVERY]:
            boxes = _doors(image)
            pixels = read_picture(image)
            kind, severity = step
            if kind in SEVERITIES:
                corrupted, moved = apply_corruption(kind, severity, image.name, pixels, boxes)
            else:
                corrupted, moved = library.corrupt(kind, int(severity), image.name, pixels), boxes
            write_picture(building / f"{image.stem}.png", corrupted)
            doors[f"{image.stem}.png"] = moved
        (building / "doors.json").write_text(json.dumps(doors), encoding="utf-8")
        building.rename(folder)


@dataclass
class Trainings:
    """Of one way: what the models of each seed found, both groups pooled."""

    way: str
    model: str
    matched: list[list[MatchedPhotograph]] = field(default_factory=list)


def _read(setup: Setup, way: str, model: str, seeds: int, what: str) -> Trainings:
    """Read the seeds for which both groups are finished."""
    found = Trainings(way, model)
    for seed in range(seeds):
        cells = [setup.out / "cells" / Cell(way, seed, group).name for group in GROUPS]
        paths = [cell / f"{model}-{what}.json" for cell in cells]
        if all(path.exists() for path in paths):
            photographs = [
                Photograph.model_validate(one)
                for path in paths
                for one in json.loads(path.read_text(encoding="utf-8"))
            ]
            scenes = scene_numbers([one.image for one in photographs], _scenes(setup))
            found.matched.append(match_photographs(photographs, scenes, conf_threshold=CONF))
    return found


@cache
def _scenes(setup: Setup) -> dict[str, str]:
    return {Path(row["file"]).stem: row["group"] for row in _rows(setup) if row["group"]}


_SCORES = ("AP50", "AP50-95", "recall")


def _print_scores(setup: Setup, ways: Sequence[str], seeds: int) -> None:
    baseline = _read(setup, "baseline", "last", seeds, "clean")
    print("\n| way | seeds | AP50 | AP50-95 | recall | false alarms |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = [_read(setup, way, model, seeds, "clean") for way in ways for model in MODELS]
    for row in rows:
        if len(row.matched) < 1:
            continue
        scores = [all_scores(one)[0] for one in row.matched]
        cells = [_spread([one[name].value for one in scores]) for name in _SCORES]
        alarms = [sum(len(one.alarms) for one in each) / len(each) for each in row.matched]
        print(f"| {row.way}, {row.model} | {len(row.matched)} | {' | '.join(cells)} | "
              f"{_spread(alarms)} |")  # fmt: skip
    _print_fit(rows)
    if not baseline.matched:
        return
    print("\nminus the last epoch of the baseline, with a 95 % interval over scenes and trainings")
    for row in rows:
        is_baseline = (row.way, row.model) == ("baseline", "last")
        if is_baseline or min(len(row.matched), len(baseline.matched)) < 2:
            continue
        ratio = _spread_ratio(*([all_scores(one)[0]["AP50-95"].value for one in each.matched]
                                for each in (row, baseline)))  # fmt: skip
        by = mean_differences(baseline.matched, row.matched)
        print(f"{row.way}, {row.model}: " + ", ".join(
            f"{name} {_interval(by[name])}" for name in (*_SCORES, "false alarms") if name in by
        ) + f"; deviation of AP50-95 between seeds, as a ratio: {ratio}")  # fmt: skip


def _print_fit(rows: Sequence[Trainings]) -> None:
    """Print how tight the boxes of found doors are."""
    print(
        "\n| way | found doors | outside the label, of the door's size | median IoU | above 0.9 |"
    )
    print("| --- | --- | --- | --- | --- |")
    for row in rows:
        fits = [fit for each in row.matched for one in each for fit in _fits(one.photograph)]
        if fits:
            outside, overlaps = zip(*fits, strict=True)
            tight = statistics.fmean(overlap > _TIGHT_IOU for overlap in overlaps)
            print(f"| {row.way}, {row.model} | {len(fits)} | {statistics.fmean(outside):+.4f} | "
                  f"{statistics.median(overlaps):.3f} | {tight:.2f} |")  # fmt: skip


def _fits(photograph: Photograph) -> Iterator[tuple[float, float]]:
    """Return of each found door how far its box is outside on average, and its IoU."""
    boxes, confidences = photograph.used_xyxy, photograph.used_confidences
    matches = match(boxes, confidences, photograph.doors_xyxy)
    for box, confidence, door in zip(boxes, confidences, matches.door_of, strict=True):
        if door is not None and confidence >= CONF:
            label = photograph.doors_xyxy[door]
            yield outside(box, label), iou(box, label)


def _print_robustness(setup: Setup, ways: Sequence[str], seeds: int) -> None:
    """Print the mean AP50 of each corruption as a fraction of the clean one."""
    steps = planned_steps(library.KINDS, is_quick=True)
    kept: dict[str, dict[str, list[float]]] = {}
    for way in ways:
        clean = _ap50(setup, way, seeds, "clean")
        by_kind: dict[str, list[list[float]]] = {}
        for step in steps:
            by_kind.setdefault(step[0], []).append(_ap50(setup, way, seeds, _name_of(step)))
        if not clean or not all(each for severities in by_kind.values() for each in severities):
            continue
        number = min(len(clean), *(len(each) for all_ in by_kind.values() for each in all_))
        kept[way] = {
            kind: [
                statistics.fmean(each[seed] for each in severities) / clean[seed]
                for seed in range(number)
            ]
            for kind, severities in by_kind.items()
        }
    print("\nAP50 under corruption as a fraction of the clean one; mean of the last 5 epochs")
    print(f"| corruption | {' | '.join(kept)} |")
    print(f"| --- |{' --- |' * len(kept)}")
    own, common = list(SEVERITIES), list(library.KINDS)
    for name, kinds in (("the door's own", own), ("the library's 18", common)):
        means = [_mean_over(by, kinds) for by in kept.values()]
        print(f"| **{name}** | {' | '.join(_spread(each) for each in means)} |")
        for kind in kinds:
            print(f"| {kind} | {' | '.join(_spread(by[kind]) for by in kept.values())} |")


def _mean_over(by: Mapping[str, Sequence[float]], kinds: Sequence[str]) -> list[float]:
    return [statistics.fmean(each) for each in zip(*(by[kind] for kind in kinds), strict=True)]


def _ap50(setup: Setup, way: str, seeds: int, what: str) -> list[float]:
    found = _read(setup, way, "mean", seeds, what)
    mildest = f"darkness-{SEVERITIES['darkness'][0]:g}"
    corrupted = {image.stem for group in GROUPS for image in _photographs(setup, group, mildest)[0]}
    found.matched = [  # the clean ones of the same photographs
        [one for one in each if one.photograph.image in corrupted] for each in found.matched
    ]
    return [all_scores(one)[0]["AP50"].value for one in found.matched]


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def _spread_ratio(first: Sequence[float], second: Sequence[float]) -> str:
    """Return the ratio of two standard deviations, with the interval of the F test."""
    ratio = statistics.stdev(first) / statistics.stdev(second)
    degrees = len(second) - 1, len(first) - 1
    low, high = (float(scipy.stats.f.ppf(each, *degrees)) ** 0.5 for each in (0.025, 0.975))
    return f"{ratio:.2f} ({ratio * low:.2f} to {ratio * high:.2f})"


def _interval(by: Estimate) -> str:
    return f"{by.value:+.3f} ({by.low:+.3f} to {by.high:+.3f})"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
