"""Runs that went wrong, each in one way, and what is said of them."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from container_doors.records import Epoch, Setback, StartingWeights
from container_doors.remote.run_diagnosis import Case, diagnose
from tests.builders import a_history, a_record


def a_case(**changes: Any) -> Case:
    record = changes.pop("record", a_record())
    usual: dict[str, Any] = {"history": a_history(30), "log": "", "is_held": False, "idle_s": 5.0}
    return Case(record, **(usual | changes))


def said(case: Case) -> dict[str, str]:
    return {line.name: f"{line.verdict}: {line.found} -> {line.remedy}" for line in diagnose(case)}


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
    trains = a_case(record=a_record(status="running"), is_held=True)

    assert said(killed)["outcome"].startswith("fail: it was killed after 3 of 30 epochs")
    assert said(trains)["outcome"] == "pass: in training, 30 of 30 epochs -> "


def test_a_run_that_hangs_is_one_that_is_held_and_writes_nothing():
    hangs = a_case(record=a_record(status="running"), is_held=True, idle_s=7200.0)

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
    back = Setback(reason="out of memory", after_epoch=3, batch_size=8)

    assert "batches of 8" in said(a_case(record=a_record(setbacks=[back])))["memory"]


def test_a_loss_that_is_no_number_is_named_with_its_epoch():
    history = [Epoch(1, {"val/mAP50": 0.9}), Epoch(2, {"train/box_loss": math.nan})]

    assert said(a_case(history=history))["loss"].startswith("fail: not finite from epoch 2 on")


@pytest.mark.parametrize(
    ("why", "case"),
    [
        (
            "still learning",
            a_case(history=epochs(**{"val__mAP50": lambda x: x / 2, "val__mAP50-95": lambda x: x})),
        ),
        (
            "learns them by heart",
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
    ids=["too short", "by heart", "false alarms", "missed", "from nothing", "no sign of a cause"],
)
def test_a_low_map_comes_with_its_likely_cause(why: str, case: Case):
    assert "is below 0.85" in said(case)["accuracy"]
    assert why in said(case)["accuracy"]


def test_few_photographs_are_a_cause_too():
    facts = a_record().dataset
    splits = {**facts.splits, "train": facts.splits["train"].model_copy(update={"images": 110})}
    record = a_record(dataset=facts.model_copy(update={"splits": splits}))
    case = a_case(record=record, history=epochs(val__mAP50=lambda x: 0.5))

    assert "110 photographs" in said(case)["accuracy"]


def test_a_gpu_that_waits_for_photographs_is_noticed():
    hardware = a_record().hardware.model_copy(update={"device": "cuda:0"})
    case = a_case(
        record=a_record(hardware=hardware), history=epochs(perf__images_per_s=lambda x: 6.0)
    )

    assert "cache=ram" in said(case)["speed"]
