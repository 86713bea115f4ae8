"""sweep.yaml is checked completely before anything is trained."""

from pathlib import Path

import pytest
import yaml

from container_doors.core.config import load_params
from container_doors.core.errors import ConfigError
from container_doors.core.sweeps import Choice, Range
from container_doors.sweeps.plan import Budget, Pruning, read_plan
from container_doors.sweeps.space import contains, override, values_of, with_values
from tests.sweeps.workspace import PARAMS, SPACE

RATE = "detection.training.learning_rate"


def faults_of(text: str, folder: Path) -> list[str]:
    path = folder / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"sweep\.yaml") as caught:
        read_plan(path, PARAMS)
    return [*caught.value.faults] or [str(caught.value)]


def test_a_plan_has_ranges_choices_and_defaults(tmp_path: Path):
    path = tmp_path / "sweep.yaml"
    path.write_text(SPACE + "  detection.augmentation.mosaic: [0, 1]\npruning: none\n")

    plan = read_plan(path, PARAMS)

    assert plan.space[RATE] == Range(low=1e-4, high=1e-2, is_whole=False, is_log=True)
    assert plan.space["detection.augmentation.mosaic"] == Choice(of=[0.0, 1.0])
    assert (plan.objective, plan.budget.trials, plan.pruning.rule) == ("val mAP50-95", 20, "none")
    assert values_of(PARAMS, plan.space)[RATE] == 0.0003


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("detection.training.learnin_rate: {low: 1, high: 2}",
         "line 2: detection.training.learnin_rate: no such key in params.yaml; did you mean "
         f"'{RATE}'?"),
        ("learning_rate: {low: 1, high: 2}", f"did you mean '{RATE}'?"),
        ("detection.wandb.project: [a, b]", "keys of wandb do not change what a training learns"),
        ("detection.training.seed: [0, 1]", "the best of several seeds is the luckiest"),
        (f"{RATE}: {{low: 0.01, high: 0.001}}", "an empty range: expected low < high, found 0.01"),
        (f"{RATE}: {{low: 0, high: 0.1, log: true}}", "log: true needs low above 0, found 0"),
        (f"{RATE}: {{low: 0.01, high: 2}}", f"{RATE}: input should be less than 1, found 2.0"),
        (f"{RATE}: {{low: 0.01, hihg: 0.1}}", "no such key in a range: hihg; did you mean 'high'?"),
        (f"{RATE}: {{low: 0.01}}", "a range needs low and high, found no high"),
        (f"{RATE}: {{low: .nan, high: 0.1}}", "low: expected a number, found nan"),
        (f"{RATE}: 0.01", f"set it for all trials in params.yaml, or by --set {RATE}=0.01"),
        (f"{RATE}: [0.01]", "expected two values or more to choose from, found 1"),
        (f"{RATE}: [0.01, 0.01]", "expected each value once"),
        (f"{RATE}: [0.01, fast]", "expected a number, found 'fast'"),
        ("detection.training.optimizer: [SGD, Adan]", "did you mean 'Adam'?"),
        ("detection.training.optimizer: {low: 1, high: 2}", "write a list of values"),
        ("detection.training.batch_size: {low: 1.5, high: 4}", "low: expected a whole number"),
        ("detection.training.image_size_px: {low: 320, high: 640}", "321"),
        ("detection.training.image_size_px: {low: 320, high: 640, step: 64, log: true}",
         "step would be ignored, because log is true"),
        ("detection.training.batch_size: {low: 2, high: 9, step: 4}",
         "expected high to be low plus a multiple of 4, found 9"),
    ],
)  # fmt: skip
def test_a_faulty_axis_is_refused_with_its_line(line: str, fault: str, tmp_path: Path):
    found = faults_of(f"space:\n  {line}\n", tmp_path)

    assert any(one.startswith("line 2: ") and fault in one for one in found), found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("budget: {trials: 5}", "space: expected keys of params.yaml with ranges or lists"),
        (f"{SPACE}bugdet: {{trials: 5}}", "line 5: bugdet: no such key; did you mean 'budget'?"),
        (
            f"{SPACE}budget:\n  trails: 5",
            "line 6: budget.trails: no such key; did you mean 'tri",
        ),
        (f"{SPACE}budget: {{trials: 1}}", "budget.trials: input should be greater than or equal"),
        (f"{SPACE}objective: test mAP50-95", "objective: expected 'val mAP50-95', 'val mAP50'"),
        (f"{SPACE}pruning: {{rule: none, after_trials: 2}}", "would be ignored, because rule is"),
        ("- a list", "expected keys, such as space, found ['a list']"),
        ("space: {a: [", "is not YAML"),
    ],
)
def test_a_faulty_plan_is_refused(text: str, fault: str, tmp_path: Path):
    assert any(fault in one for one in faults_of(text, tmp_path))


def test_without_a_file_the_hint_is_one_that_works(tmp_path: Path):
    with pytest.raises(ConfigError, match="no search space at") as caught:
        read_plan(tmp_path / "sweep.yaml", PARAMS)
    (tmp_path / "sweep.yaml").write_text(caught.value.hint.partition("one line: ")[2])

    assert [*read_plan(tmp_path / "sweep.yaml", PARAMS).space] == [RATE]


@pytest.mark.parametrize("value", [1e-05, 0.1 + 0.2, 3, True, None, "SGD", "null"])
def test_values_pass_through_an_override_exactly(value: object):
    found = yaml.safe_load(override("key", value).removeprefix("key="))  # type: ignore[arg-type]

    assert (type(found), found) == (type(value), value)


def test_values_of_a_trial_become_params():
    params = with_values(PARAMS, {RATE: 1e-05, "detection.training.optimizer": "SGD"}, where="it")

    assert (params.training.learning_rate, params.training.optimizer) == (1e-05, "SGD")
    assert not contains(Range(low=1e-4, high=1, is_whole=False, is_log=True), 1e-05)


def test_the_documented_example_is_one_and_every_key_is_documented(
    tmp_path: Path, repository_root: Path
):
    text = (repository_root / "docs/sweeps.md").read_text(encoding="utf-8")
    path = tmp_path / "sweep.yaml"
    path.write_text(text.partition("```yaml\n")[2].partition("```")[0])

    plan = read_plan(path, load_params(repository_root / "params.yaml"))

    assert plan.budget.hours == 12
    for key in ("space", "objective", "seed"):
        assert f"| `{key}` |" in text
    for section, model in (("budget", Budget), ("pruning", Pruning)):
        assert all(f"| `{section}.{key}` |" in text for key in model.model_fields)
