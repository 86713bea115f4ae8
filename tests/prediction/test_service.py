"""The service apart from HTTP: thresholds, and what is kept."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container_doors.core.config import QualityLimits
from container_doors.core.errors import PredictionError
from container_doors.core.ports import FoundBoxes
from container_doors.core.predictions import PhotographResult
from container_doors.data.unlabelled import photographs_below
from container_doors.prediction import keeping
from container_doors.prediction.keeping import Keep
from container_doors.prediction.results import read_results
from container_doors.prediction.service import (
    Asked,
    BusyError,
    Service,
    ServiceLimits,
    Upload,
    only_result,
)
from container_doors.prediction.suppression import suppress
from tests.predicting import FakeNetwork, jpeg
from tests.prediction.finding import USED


class Raw(FakeNetwork):
    """A network whose boxes are suppressed as those of a real one."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        numbers = np.random.default_rng(seed)
        self._output = numbers.uniform(5, 40, (5, 60)).astype(np.float32)
        self._output[4] = numbers.uniform(0, 1, 60)

    def find(self, picture: Any, **settings: Any) -> FoundBoxes:
        kept = suppress(self._output, **settings)
        return FoundBoxes(kept.boxes_xyxy, kept.confidences, kept.class_ids, 0, 0, 0)


def look(service: Service, *uploads: Upload, asked: Asked | None = None) -> list[PhotographResult]:
    futures = service.submit(uploads, only_result, asked or Asked())
    return [one.result(10) for one in futures]


def open_service(
    network: FakeNetwork, keep: Keep | None = None, used: Mapping[str, float] | None = None
) -> Service:
    return Service(
        network, USED.model_copy(update=used), limits=ServiceLimits(), keep=keep, threads=1
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("asked", [Asked(0.6), Asked(0.1), Asked(0.1, 3), Asked(None, 1)])
def test_another_threshold_finds_what_a_model_of_that_threshold_would(seed: int, asked: Asked):
    settings = {"conf_threshold": asked.conf, "max_detections": asked.max_detections}
    direct = {name: value for name, value in settings.items() if value is not None}

    (found,) = look(open_service(Raw(seed)), Upload("a.jpg", jpeg()), asked=asked)
    (expected,) = look(open_service(Raw(seed), used=direct), Upload("a.jpg", jpeg()))

    assert found.detections
    assert (found.detections, found.model) == (expected.detections, expected.model)


def test_what_would_wait_for_too_long_is_refused_before_the_queue_is_full():
    limits = ServiceLimits(queue=1000, files=1, seconds=1)
    service = Service(FakeNetwork(before=lambda: time.sleep(0.1)), USED, limits=limits, threads=1)
    photograph = Upload("a.jpg", jpeg())
    for _ in range(10):
        look(service, photograph)

    taken = []
    refused = None
    while refused is None:
        try:
            taken += service.submit([photograph], only_result)
        except BusyError as error:
            refused = error

    assert 3 <= len(taken) <= 10, "about half a second of work"
    assert refused.retry_after_s == 1
    assert [one.result(5).status for one in taken] == ["SUCCESS"] * len(taken)


def keep_in(folder: Path, said: list[str] | None = None, **used: Any) -> Keep:
    say = (said if said is not None else []).append
    return Keep(folder, USED.model_copy(update=used), QualityLimits(), say=say)


def test_photographs_are_kept_once_with_what_was_found(tmp_path: Path):
    folder = tmp_path / "kept"
    sent = [Upload("../x/a.JPG", jpeg()), Upload("b", jpeg(91)), Upload("again.jpg", jpeg())]
    service = open_service(FakeNetwork(), keep_in(folder))
    look(service, *sent, Upload("no.jpg", b"no picture"), asked=Asked(0.95))
    service.close()
    service = open_service(FakeNetwork(), keep_in(folder))
    look(service, sent[0])
    service.close()

    found = read_results(folder)
    assert sorted(Path(one.path) for one in found.seen) == photographs_below(folder / "photographs")
    assert {path.suffix for path in (folder / "photographs").iterdir()} == {".jpg"}
    assert {path.read_bytes() for path in (folder / "photographs").iterdir()} == {
        jpeg(), jpeg(91),
    }  # fmt: skip
    assert [len(one.boxes_xyxy) for one in found.seen] == [1, 1], "at the model's own threshold"


def test_photographs_of_another_model_are_not_mixed_with_them(tmp_path: Path):
    keep_in(tmp_path / "kept").close()

    with pytest.raises(PredictionError, match="weights_sha256: expected abab") as error:
        keep_in(tmp_path / "kept", weights_sha256="cd" * 32)
    assert error.value.hint == "another folder: --keep DIR"


def test_two_services_do_not_keep_in_one_folder(tmp_path: Path):
    first = keep_in(tmp_path / "kept")

    with pytest.raises(PredictionError, match="another process writes"):
        keep_in(tmp_path / "kept")
    first.close()


def test_on_a_full_disk_the_answer_is_given_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(keeping, "LEAST_FREE_BYTES", free * 2)
    service = open_service(FakeNetwork(), keep_in(tmp_path / "kept", said))

    (result,) = look(service, Upload("a.jpg", jpeg()))
    service.close()

    assert result.status == "SUCCESS"
    assert (service.keep and service.keep.left_out, len(said)) == (1, 1)
    assert not list((tmp_path / "kept/photographs").iterdir())
    assert not (tmp_path / "kept/predictions.jsonl").read_bytes()
