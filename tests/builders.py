"""Values for tests: whole and plausible, each field open to change."""

import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from container_doors.core.config import load_params
from container_doors.core.records import (
    Artifact,
    CodeState,
    DatasetFacts,
    Environment,
    Epoch,
    Evaluation,
    Hardware,
    Latency,
    OperatingPoint,
    RunRecord,
    SplitCounts,
    SplitScores,
    StartingWeights,
)
from container_doors.core.run import Run

PARAMS_YAML = Path(__file__).parents[1] / "params.yaml"

PLOTS = ("results.png", "confusion_matrix.png", "BoxF1_curve.png", "BoxP_curve.png",
         "BoxR_curve.png", "BoxPR_curve.png")  # fmt: skip


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def an_artifact(content: bytes) -> Artifact:
    return Artifact(sha256=sha256_of(content), size_bytes=len(content))


def a_record(**changes: Any) -> RunRecord:
    """A run of 30 epochs that ended well on a laptop."""
    record = RunRecord(
        run_id="0123456789abcdef0123456789abcdef",
        experiment="detection_exp001",
        status="trained",
        started_at=datetime(2026, 11, 23, 8, 30, tzinfo=UTC),
        finished_at=datetime(2026, 11, 23, 9, 42, 30, tzinfo=UTC),
        duration_s=4350.0,
        params=load_params(PARAMS_YAML, ["detection.training.epochs=30"]).model_dump(mode="json"),
        params_sha256="a" * 64,
        code=CodeState(commit="c" * 40, clean=True),
        dataset=DatasetFacts(
            path="data/processed/detection",
            sha256="d" * 64,
            splits={
                "train": SplitCounts(images=352, doors=360, background_images=12),
                "val": SplitCounts(images=75, doors=77, background_images=3),
                "test": SplitCounts(images=75, doors=76, background_images=0),
            },
        ),
        starting_weights=StartingWeights(
            source="file", path="weights/pretrained/yolo11s.pt", sha256="e" * 64, official=True
        ),
        hardware=Hardware(
            device="cpu",
            description="AMD EPYC 7B13",
            cpu="AMD EPYC 7B13",
            cores=2,
            memory_gib=7.8,
        ),
        environment=Environment(
            python="3.11.7", platform="Linux-6.1", packages={"ultralytics": "8.4.190"}
        ),
        seed=0,
        epochs_finished=30,
        best_epoch=24,
        artifacts={
            "best.pt": Artifact(sha256="b" * 64, size_bytes=19_146_000),
            "last.pt": Artifact(sha256="f" * 64, size_bytes=19_146_100),
        },
    )
    return record.model_copy(update=changes)


def split_scores(**changes: Any) -> SplitScores:
    """75 photographs with 76 doors: 72 found, 3 false alarms."""
    scores = SplitScores(
        images=75,
        doors=76,
        background_images=0,
        ultralytics={"mAP50": 0.951, "mAP50-95": 0.742, "precision": 0.96, "recall": 0.94},
        coco={"AP": 0.731, "AP50": 0.956, "AP75": 0.81},
        operating_point=OperatingPoint(
            conf_threshold=0.25,
            iou_threshold=0.45,
            true_positives=72,
            false_positives=3,
            missed=4,
            precision=72 / 75,
            recall=72 / 76,
        ),
        latency=Latency(
            median_ms=87.4,
            p95_ms=102.9,
            images=75,
            method="Ultralytics predict() in PyTorch at 640 px, on AMD EPYC 7B13, 2 threads",
        ),
    )
    return scores.model_copy(update=changes)


def an_evaluation(**changes: Any) -> Evaluation:
    """Of :func:`a_record`'s ``best.pt``, on val and test."""
    evaluation = Evaluation(
        run_id="0123456789abcdef0123456789abcdef",
        weights_sha256="b" * 64,
        image_size_px=640,
        splits={"val": split_scores(background_images=3), "test": split_scores()},
    )
    return evaluation.model_copy(update=changes)


def a_history(epochs: int = 30) -> list[Epoch]:
    """Curves of the shape that training has: falling losses, mAP that levels off."""
    return [
        Epoch(
            number,
            {
                "train/box_loss": 0.5 + 1.4 * math.exp(-number / 8),
                "train/cls_loss": 0.3 + 2.6 * math.exp(-number / 5),
                "train/dfl_loss": 0.9 + 0.7 * math.exp(-number / 9),
                "val/box_loss": 0.6 + 1.3 * math.exp(-number / 7) + 0.004 * number,
                "val/cls_loss": 0.4 + 2.2 * math.exp(-number / 5) + 0.006 * number,
                "val/dfl_loss": 1.0 + 0.6 * math.exp(-number / 8),
                "val/precision": 0.96 - 0.5 * math.exp(-number / 4),
                "val/recall": 0.94 - 0.6 * math.exp(-number / 5),
                "val/mAP50": 0.951 - 0.7 * math.exp(-number / 5),
                "val/mAP50-95": 0.742 - 0.6 * math.exp(-number / 6) - 0.0004 * abs(number - 24),
                "lr/pg0": 0.0005 * (1 + math.cos(math.pi * number / 30)),
            },
        )
        for number in range(1, epochs + 1)
    ]


def a_trained_run(
    root: Path, name: str = "detection_exp001", *, weights: bytes = b"weights"
) -> tuple[Run, RunRecord, Evaluation]:
    """A run on disk as the trainer leaves it, with the record and evaluation that fit it."""
    run = Run(name, root=root)
    best, last = weights + b" best", weights + b" last"
    (run.trainer_dir / "weights").mkdir(parents=True)
    run.best_weights.write_bytes(best)
    run.last_weights.write_bytes(last)
    (run.trainer_dir / "args.yaml").write_text(f"name: {name}\n", encoding="utf-8")
    (run.trainer_dir / "results.csv").write_text("epoch,time\n1,2\n", encoding="utf-8")
    for plot in PLOTS:
        (run.trainer_dir / plot).write_bytes(f"{name} {plot}".encode())
    run.train_log.write_text("INFO trained\n", encoding="utf-8")
    lines = [json.dumps({"epoch": epoch.number, **epoch.metrics}) for epoch in a_history()]
    run.metrics_jsonl.write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = a_record(
        run_id=sha256_of(name.encode() + weights)[:32],
        experiment=name,
        artifacts={"best.pt": an_artifact(best), "last.pt": an_artifact(last)},
    )
    evaluation = an_evaluation(run_id=record.run_id, weights_sha256=sha256_of(best))
    record.write(run.record)
    evaluation.write(run.scores)
    return run, record, evaluation


def with_pictures(run: Run, photographs: int = 10) -> None:
    """Give a run real, small pictures: evaluation plots and predictions."""
    for folder in (run.evaluation_dir("val"), run.evaluation_dir("test"), run.predictions):
        folder.mkdir(parents=True, exist_ok=True)
    for split in ("val", "test"):
        for plot in PLOTS[1:]:
            Image.new("RGB", (24, 16), "#0072B2").save(run.evaluation_dir(split) / plot)
    for number in range(photographs):
        Image.new("RGB", (32, 24), "#009E73").save(run.predictions / f"yard {number:02}.jpg")


def a_small_dataset(root: Path) -> None:
    """Write 3, 1 and 2 photographs of 64x48 px: a door in each but the last of train and test.

    Their patterns differ, so that none is a near-duplicate of another.
    """
    seed = 0
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            seed += 1
            pattern = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
            photograph = Image.fromarray(pattern).resize((64, 48))
            photograph.paste((40 * number, 10 * len(split), 128), (0, 0, 32, 24))
            photograph.save(root / f"images/{split}/{number}.png")
            background = count > 1 and number == count - 1
            label = "" if background else "0 0.5 0.5 0.5 0.75\n"
            (root / f"labels/{split}/{number}.txt").write_text(label)
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnc: 1\nnames: [container_door]\n"
    )
