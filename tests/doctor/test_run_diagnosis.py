"""Runs that went wrong, each in one way, and what is said of them."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from container_doors.core.records import (
    Epoch,
    FoundBox,
    Prediction,
    Predictions,
    Recovery,
    StartingWeights,
)
from container_doors.doctor.run_diagnosis import Case, diagnose
from container_doors.training.history import best_epoch
from tests.builders import a_history, a_record, split_scores


def a_case(**changes: Any) -> Case:
    record = changes.pop("record", a_record())
    usual: dict[str, Any] = {
        "history": a_history(30),
        "log": "",
        "is_running": False,
        "idle_s": 5.0,
    }
    given = usual | changes
    return Case(record, **({"best_epoch": best_epoch(given["history"]).number} | given))


def said(case: Case) -> dict[str, str]:
    lines: dict[str, str] = {}
    for line in diagnose(case):
        one = f"{line.verdict}: {line.found} -> {line.remedy}"
        lines[line.name] = "\n".join(filter(None, [lines.get(line.name), one]))
    return lines


def epochs(**metrics: Callable[[float], float]) -> list[Epoch]:
    """30 epochs, whose metrics are functions of how far they are, from 0 to 1."""
    return [
        Epoch(n, {name.replace("__", "/"): of(n / 30) for name, of in metrics.items()})
        for n in range(1, 31)
    ]


def test_a_run_that_went_well_gets_no_remedy():
    assert all(line.verdict == "pass" and not line.remedy for line in diagnose(a_case()))


def test_a_run_that_was_killed_is_told_from_one_that_trains():
    killed = a_case(record=a_record(status="running"), history=a_history(3))
    trains = a_case(record=a_record(status="running"), is_running=True)

    assert said(killed)["outcome"].startswith("fail: it was killed after 3 of 30 epochs")
    assert said(trains)["outcome"] == "pass: in training, 30 of 30 epochs -> "


def test_a_run_that_hangs_is_one_that_is_held_and_writes_nothing():
    hangs = a_case(record=a_record(status="running"), is_running=True, idle_s=7200.0)

    assert said(hangs)["progress"].startswith("fail: nothing was written for 120 min")


@pytest.mark.parametrize(
    "message",
    [
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_a_run_without_memory_is_told_a_smaller_batch(message: str):
    failed = a_case(record=a_record(status="failed", message=message), history=a_history(2))

    assert "batch_size=8" in said(failed)["memory"]


def test_a_full_shared_memory_is_told_apart_from_a_full_gpu():
    log = "ERROR DataLoader worker (pid 7) is killed by signal: Bus error."
    failed = a_case(record=a_record(status="failed", message="RuntimeError"), log=log)

    assert "workers=2" in said(failed)["memory"]


def test_a_batch_that_was_halved_on_the_way_is_recommended_from_the_start():
    back = Recovery(reason="out of memory", after_epoch=3, batch_size=8)

    assert "batch size 8" in said(a_case(record=a_record(setbacks=[back])))["memory"]


def test_a_loss_that_is_no_number_is_named_with_its_epoch():
    history = [Epoch(1, {"val/mAP50": 0.9}), Epoch(2, {"train/box_loss": math.nan})]

    assert said(a_case(history=history))["loss"].startswith("fail: not finite from epoch 2 on")


@pytest.mark.parametrize(
    ("why", "case"),
    [
        (
            "still improving",
            a_case(history=epochs(**{"val__mAP50": lambda x: x / 2, "val__mAP50-95": lambda x: x})),
        ),
        (
            "it overfits",
            a_case(
                history=epochs(
                    val__mAP50=lambda x: 0.5,
                    val__box_loss=lambda x: 1 + (x - 0.3) ** 2,
                    train__box_loss=lambda x: 2 - x,
                )
            ),
        ),
        (
            "without a door",
            a_case(
                history=epochs(
                    val__mAP50=lambda x: 0.5,
                    val__precision=lambda x: 0.4,
                    val__recall=lambda x: 0.8,
                )
            ),
        ),
        (
            "missed doors",
            a_case(
                history=epochs(
                    val__mAP50=lambda x: 0.5,
                    val__precision=lambda x: 0.8,
                    val__recall=lambda x: 0.4,
                )
            ),
        ),
        (
            "random weights",
            a_case(
                record=a_record(starting_weights=StartingWeights(source="random")),
                history=epochs(val__mAP50=lambda x: 0.5),
            ),
        ),
        ("doors data validate", a_case(history=epochs(val__mAP50=lambda x: 0.5))),
    ],
    ids=["too short", "overfits", "alarms", "missed", "from nothing", "no sign of a cause"],
)
def test_a_low_map_comes_with_its_likely_cause(why: str, case: Case):
    assert "is below 0.85" in said(case)["accuracy"]
    assert why in said(case)["accuracy"]


@pytest.mark.parametrize("ending", [0.25, math.nan], ids=["worse", "not finite"])
def test_the_figures_of_a_low_map_are_those_of_the_best_epoch(ending: float):
    """In the last epoch, 30, precision is far below recall; in epoch 20, the best, far above."""
    history = [
        Epoch(number, {
            "val/mAP50": 0.4 if number < 30 else ending,
            "val/mAP50-95": 0.3 if number == 20 else 0.1,
            "val/precision": 0.9 if number < 30 else ending,
            "val/recall": 0.5 if number < 30 else 0.75,
        })
        for number in range(1, 31)
    ]  # fmt: skip

    accuracy = said(a_case(history=history))["accuracy"]

    assert "mAP50 0.400 on val, of epoch 20, the best, is below 0.85" in accuracy
    assert (
        "missed doors (precision 0.90, recall 0.50, on val at the best F1, in epoch 20" in accuracy
    )
    assert "false alarms" not in accuracy


@pytest.mark.parametrize(
    ("precision", "recall", "why"),
    [
        pytest.param(0.5, 0.8, "false alarms (precision 0.50, recall 0.80, ", id="alarms"),
        pytest.param(0.8, 0.5, "missed doors (precision 0.80, recall 0.50, ", id="missed"),
        pytest.param(None, 0.0, "missed doors (nothing is detected, recall 0.00, ", id="none"),
    ],
)
def test_precision_and_recall_are_those_in_use_where_they_were_measured(
    precision: float | None, recall: float, why: str
):
    point = split_scores().operating_point
    point = point.model_copy(update={"precision": precision, "recall": recall})
    val = split_scores(ultralytics={"mAP50": 0.6}, operating_point=point)
    opposite = {"val__precision": recall, "val__recall": precision or 0.9}
    history = epochs(
        val__mAP50=lambda x: 0.5, **{name: lambda x, at=at: at for name, at in opposite.items()}
    )

    accuracy = said(a_case(history=history, val=val))["accuracy"]

    assert f"mAP50 0.600 on val, of best.pt, is below 0.85: {why}on val at a confidence" in accuracy
    assert accuracy.count("(") == 1


def test_few_photographs_are_a_cause_too():
    facts = a_record().dataset
    splits = {**facts.splits, "train": facts.splits["train"].model_copy(update={"images": 110})}
    record = a_record(dataset=facts.model_copy(update={"splits": splits}))
    case = a_case(record=record, history=epochs(val__mAP50=lambda x: 0.5))

    assert "110 training photographs" in said(case)["accuracy"]


def found(*confidences: float, image: str = "images/val/a.jpg", missed: int = 0) -> Prediction:
    """A photograph where the first box is a labelled door, and the others are none."""
    boxes = [
        FoundBox(box_xyxy=(1, 1, 5, 5), confidence=one, correct=number == 0)
        for number, one in enumerate(confidences)
    ]
    return Prediction(
        image=image, width_px=64, height_px=48, found=boxes, labelled_xyxy=[], missed=missed
    )


@pytest.mark.parametrize(
    ("pictures", "why"),
    [
        pytest.param(
            [found(0.9), found(0.9, 0.85, 0.4, image="images/val/b.jpg"), found(0.8, 0.81)],
            "2 box(es) of confidence 0.8 or more have no label, the first in images/val/b.jpg",
            id="a door without a label",
        ),
        pytest.param(
            [found(0.9, missed=1), found(0.9, 0.4, image="images/val/b.jpg", missed=2)],
            "3 doors of val are missed, the most errors are in images/val/b.jpg",
            id="doors that are missed",
        ),
    ],
)
def test_a_low_map_names_the_photographs_to_look_at(pictures: list[Prediction], why: str):
    val = Predictions(run_id="0" * 32, split="val", pictures=pictures)

    low = a_case(history=epochs(val__mAP50=lambda x: 0.5), predictions=val)

    assert why in said(low)["accuracy"]
    assert "doors data validate" in said(low)["accuracy"]
    assert said(a_case(predictions=val))["accuracy"].startswith("pass: mAP50 0.9")


T4 = a_record().hardware.model_copy(
    update={"device": "cuda:0", "description": "Tesla T4, 14.6 GiB", "cores": 4}
)


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        pytest.param(
            {}, "8 data loader workers on 4 cores -> --set detection.training.cache=", id="loader"
        ),
        pytest.param(
            {"perf__gpu_memory_gb": lambda x: 3.1 * x},
            "batch size 16 uses 3.1 of 14.6 GiB -> --set detection.training.batch_size=32",
            id="half of the memory is free",
        ),
        pytest.param(
            {"perf__gpu_memory_gb": lambda x: 2.0},
            "batch size 16 uses 2.0 of 14.6 GiB -> --set detection.training.batch_size=64",
            id="most of the memory is free",
        ),
        pytest.param(
            {"perf__images_per_s": lambda x: 6.0 if x < 0.68 else 15.0},
            "epochs without mosaic were 2.5 times as fast (6 and 15 photographs a second) -> "
            "--set detection.augmentation.mosaic=0.5, or 0",
            id="mosaics take the time",
        ),
    ],
)
def test_a_gpu_that_waits_gets_each_advice_that_was_measured(
    metrics: dict[str, Callable[[float], float]], why: str
):
    history = epochs(**{"perf__images_per_s": lambda x: 6.0, **metrics})

    assert why in said(a_case(record=a_record(hardware=T4), history=history))["speed"]


def test_what_was_measured_to_be_of_no_use_is_not_advised():
    """The memory is full, and epochs without mosaics were as slow."""
    history = epochs(perf__images_per_s=lambda x: 6.0, perf__gpu_memory_gb=lambda x: 11.0)

    advice = said(a_case(record=a_record(hardware=T4), history=history))["speed"]

    assert "batch_size" not in advice
    assert "mosaic" not in advice


def test_a_training_of_many_hours_is_slow_on_a_processor_too():
    slow = epochs(perf__images_per_s=lambda x: 2.0, perf__epoch_s=lambda x: 1800.0)
    quick = epochs(perf__images_per_s=lambda x: 2.0, perf__epoch_s=lambda x: 60.0)

    advice = said(a_case(history=slow))["speed"]
    assert "30 epochs take 15.0 h, expected at most 5 h: it was trained on the CPU" in advice
    assert "doors kaggle run --experiment detection_exp001" in advice
    assert said(a_case(history=quick))["speed"].startswith("pass")
