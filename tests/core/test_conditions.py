"""``augmentation.conditions`` of params.yaml: what is drawn, and what is refused."""

import re
from pathlib import Path

import pytest

from container_doors.core.conditions import ROBUST
from container_doors.core.config import Params, dump, known_params, load_params
from container_doors.core.errors import ConfigError

PARAMS = Path(__file__).parents[2] / "params.yaml"
KEY = "augmentation.conditions"


def load(*overrides: str) -> Params:
    return load_params(PARAMS, overrides)


def probabilities(params: Params) -> dict[str, float | None]:
    return {name: one.probability for name, one in params.augmentation.conditions.each()}


def test_without_a_word_no_photograph_gets_a_condition():
    assert not any(probabilities(load()).values())
    assert load().augmentation.conditions.corruptions() == frozenset()


def test_the_preset_turns_every_condition_on():
    params = load("augmentation.preset=robust")

    assert probabilities(params) == ROBUST
    assert {"darkness", "lens dirt", "motion_blur"} <= params.augmentation.conditions.corruptions()


def test_what_is_said_of_one_condition_goes_before_the_preset(tmp_path: Path):
    chosen = load(
        "augmentation.preset=robust", f"{KEY}.rain.probability=0.0", f"{KEY}.dirt.low=0.2"
    )

    assert probabilities(chosen) == {**ROBUST, "rain": 0.0}
    assert chosen.augmentation.conditions.dirt.low == 0.2
    assert "rain" not in chosen.augmentation.conditions.corruptions()
    (tmp_path / "params.yaml").write_text(dump(chosen), encoding="utf-8")
    assert load_params(tmp_path / "params.yaml") == chosen


def test_a_run_of_a_release_without_conditions_is_read_as_one_without_any():
    recorded = load().model_dump()
    del recorded["augmentation"]["preset"], recorded["augmentation"]["conditions"]

    assert known_params(recorded, "run.json") == load()


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        pytest.param([f"{KEY}.snow.probability=0.1"], "conditions.snow: no such key", id="unknown"),
        pytest.param(
            [f"{KEY}.rain={{probability: 0.1, low: 0.0, high: 0.0}}"],
            "conditions.rain: would have no effect, because low and high are 0",
            id="no effect",
        ),
        pytest.param(
            ["augmentation.preset=robust", f"{KEY}.darkness={{low: 1.0, high: 1.0}}"],
            "conditions.darkness: would have no effect, because low and high are 1",
            id="no effect, by the preset",
        ),
        pytest.param(
            [f"{KEY}.darkness={{probability: 0.1, low: 0.0, high: 0.5}}"],
            "low from 0.02 to 1 (fraction of the light), found 0, which leaves nothing to see",
            id="too dark",
        ),
        pytest.param(
            [f"{KEY}.dirt={{probability: 0.1, low: 0.1, high: 1.0}}"],
            "high from 0 to 0.6 (fraction of the image), found 1, which leaves nothing to see",
            id="all covered",
        ),
        pytest.param(
            [f"{KEY}.rain={{probability: 0.1, low: -1.0, high: 0.5}}"],
            "low from 0 to 1.5 (fraction of a downpour), found -1",
            id="less than nothing",
        ),
        pytest.param(
            [f"{KEY}.rain={{probability: 0.1, low: 0.5, high: 0.2}}"],
            "expected low <= high, found 0.5 and 0.2",
            id="upside down",
        ),
        pytest.param(
            [f"{KEY}.rain.high=0.5"],
            "conditions.rain.high: 0.5 would be ignored, because probability is 0",
            id="a range of nothing",
        ),
        pytest.param(
            ["conditions.rain.low=0.3"],
            "did you mean detection.augmentation.conditions.rain.low?",
            id="a part of the key",
        ),
    ],
)
def test_what_changes_nothing_or_hides_all_is_refused(overrides: list[str], complaint: str):
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        load(*overrides)
