import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from container_doors.core.config import Params, dump, known_params, load_params, warnings
from container_doors.core.errors import ConfigError
from container_doors.steps.start import training_params

ROOT = Path(__file__).parents[2]
SPECIFIED = yaml.safe_load(
    """
    model: {architecture: yolov11s, pretrained: true}
    training: {epochs: 100, save_period: 1, batch_size: 16, optimizer: AdamW,
      learning_rate: 0.001, weight_decay: 0.0005, warmup_epochs: 3, lr_scheduler: cosine,
      patience: 20}
    augmentation: {hsv_h: 0.015, hsv_s: 0.7, hsv_v: 0.4, degrees: 10.0, translate: 0.1, scale: 0.5,
      shear: 10.0, perspective: 0.0, flipud: 0.0, fliplr: 0.5, mosaic: 1.0, mixup: 0.0,
      copy_paste: 0.0}
    validation: {conf_threshold: 0.25, iou_threshold: 0.45}
    wandb: {project: container-id-research, entity: null,
      name: detection_exp001_yolo11s_baseline, tags: [module1, detection, yolov11s]}
    """
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_in_the_repository_has_every_key_and_value_of_the_specification():
    ours = load_params(ROOT / "params.yaml").model_dump()

    for section, keys in SPECIFIED.items():
        assert {key: ours[section][key] for key in keys} == keys


def test_the_file_in_the_repository_spells_out_every_key_there_is():
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))

    assert document == {"detection": load_params(ROOT / "params.yaml").model_dump()}


def test_the_file_in_the_repository_is_free_of_harm():
    assert warnings(load_params(ROOT / "params.yaml")) == []


def test_every_fault_is_reported_at_once(tmp_path: Path):
    path = write(
        tmp_path,
        """
        detection:
          model: {architecture: yolo11s}
          training: {epoch: 100, batch_size: 0, learning_rate: 1e-3, device: gpu}
          augmentation: {copy_paste: 0.3}
        """,
    )
    with pytest.raises(ConfigError, match=r"7 fault") as caught:
        load_params(path)
    assert str(caught.value).splitlines()[1:8] == [
        "  - detection.model.architecture: expected 'yolov11n', 'yolov11s', 'yolov11m', "
        "'yolov11l' or 'yolov11x', found 'yolo11s'; did you mean 'yolov11s'?",
        "  - detection.training.epochs: required, but absent",
        "  - detection.training.batch_size: input should be greater than 0, found 0",
        "  - detection.training.learning_rate: YAML reads 1e-3 as text; write 0.001 or 1.0e-3",
        "  - detection.training.device: expected auto, cpu, cuda, or GPUs by number such as 0 or "
        "0,1, found 'gpu'",
        "  - detection.training.epoch: no such key; did you mean 'epochs'?",
        "  - detection.augmentation.copy_paste: needs masks, but doors have boxes: write 0.0, "
        "found 0.3",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("detection: {training: {epochs: 1", "not YAML", id="broken"),
        pytest.param("", "expected a section 'detection'", id="empty"),
        pytest.param("- 1\n- 2", "expected a section 'detection'", id="a list"),
        pytest.param("detection: 3", "expected a section 'detection'", id="no keys"),
        pytest.param("detection:\n  training: {epochs: 1, epochs: 2}", "duplicate key", id="twice"),
        pytest.param("detection: {training: {epochs: .nan}}", "whole number", id="nan"),
        pytest.param("detection: {training: {learning_rate: .inf}}", "finite", id="infinite"),
        pytest.param("detection: {training: {epochs: yes}}", "whole number", id="true is no 1"),
        pytest.param("detection: {training: 3}", "detection.training", id="a section is a value"),
        pytest.param(
            "detection: {model: {pretrained: false, weights: a.pt}}", "ignored", id="ignored"
        ),
        pytest.param(
            "detection: {model: {weights: 'https://example.org/a.pt'}}",
            r"model.weights: expected a file on this machine \(download it first\), found 'https://",
            id="an address",
        ),
        pytest.param(
            'detection: {model: {weights: "a\\0.pt"}}',
            r"expected a file .* found 'a\\x00.pt'",
            id="a NUL",
        ),
        pytest.param("detection: {model: {weights: ''}}", "expected a file", id="no file"),
        pytest.param(
            "detection: {wandb: {entity: a/b}}",
            "wandb.entity: .*a name without any of",
            id="an entity and more",
        ),
        pytest.param("detection: {wandb: {project: ' '}}", "a name without any of", id="a blank"),
        pytest.param(
            "detection: {wandb: {tags: ['', a]}}",
            r"wandb.tags.0: expected 1 to 64",
            id="an empty tag",
        ),
        pytest.param("detection: {wandb: {tags: [a, a]}}", "each tag once", id="a tag twice"),
        pytest.param("detection: {training: {device: '0,1,0'}}", "each GPU once", id="a GPU twice"),
        pytest.param(
            "detection: {augmentation: {conditions: {rain: 0.3}}}",
            "rain: expected a section with probability, low, high, found 0.3",
            id="a value for a section",
        ),
        pytest.param(
            "detection: {training: {device: '0,1', epochs: 1, learning_rate: 0.1, batch_size: 7}}",
            "cannot be divided evenly among 2 GPUs: set batch_size to 8",
            id="a batch that cannot be shared",
        ),
        pytest.param(
            "detection: {training: {average_last: 1}}", "of one epoch is that epoch", id="one"
        ),
        pytest.param(
            "detection: {training: {average_last: 9, epochs: 5, learning_rate: 0.1, "
            "batch_size: 8}}",
            "average_last of 9 epochs in a run of 5: set it to 5 or less",
            id="a mean of more epochs than there are",
        ),
        pytest.param(
            "detection: {training: {average_last: 5, epochs: 50, learning_rate: 0.1, "
            "batch_size: 8}}",
            "with a patience of 20 the training may end before them: set patience to 0",
            id="a mean of epochs that may not come",
        ),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, text: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        load_params(write(tmp_path, text))


def test_an_absent_file_is_explained(tmp_path: Path):
    with pytest.raises(ConfigError, match="no configuration at"):
        load_params(tmp_path / "params.yaml")


def test_an_override_wins():
    params = load_params(ROOT / "params.yaml", ["detection.training.epochs=3"])

    assert params.training.epochs == 3


@pytest.mark.parametrize("key", ["wandb.mode", "detection.wandb.mode"])
def test_a_key_is_known_by_the_name_that_documents_give_it(key: str):
    assert load_params(ROOT / "params.yaml", [f"{key}=offline"]).wandb.mode == "offline"


WITHOUT_EFFECT = {
    "a bias rate without warm-up": (
        ["training.warmup_epochs=0", "training.warmup_bias_lr=0.05"], "warmup_bias_lr",
    ),
    "an end of no mosaic": (
        ["augmentation.mosaic=0.0", "augmentation.close_mosaic=50"], "close_mosaic",
    ),
    "a pace of nothing sent": (
        ["checkpoints.publish=false", "checkpoints.every_minutes=1"], "every_minutes",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("overrides", "key"), WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
def test_a_setting_that_was_chosen_and_changes_nothing_is_refused(overrides: list[str], key: str):
    with pytest.raises(ConfigError, match=rf"1 fault[^-]*- detection\.\w+\.{key}: .* ignored"):
        load_params(ROOT / "params.yaml", overrides)

    for override in overrides:  # each by itself is taken
        load_params(ROOT / "params.yaml", [override])


def test_settings_without_effect_are_named_beside_every_other_fault():
    overrides = [override for each, _ in WITHOUT_EFFECT.values() for override in each]

    with pytest.raises(ConfigError, match="5 fault") as caught:
        load_params(ROOT / "params.yaml", [*overrides, "training.epochs=x", "wandb.mod=offline"])

    assert str(caught.value).count("ignored") == 3


def test_a_recorded_run_with_a_setting_without_effect_stays_readable():
    recorded = load_params(ROOT / "params.yaml").model_dump()
    recorded["checkpoints"] |= {"publish": False, "every_minutes": 1}

    assert known_params(recorded, "run.json").checkpoints.every_minutes == 1


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["training.epochs=9", "training.patience=0", "augmentation.mixup=0.1"],
         "mosaic and mixup are never used"),
        (["training.epochs=9", "training.patience=0", "augmentation.mosaic=0.0",
          "augmentation.mixup=0.1"], "9: mixup is never used"),
        (["training.epochs=9", "training.patience=0"], "9: mosaic is never used"),
        (["augmentation.mosaic=0.0"], "10 changes nothing, because mosaic and mixup are 0"),
        (["wandb.mode=disabled", "wandb.entity=team"], "entity of detection.wandb are not used"),
        (["wandb.mode=disabled", "wandb.entity=team", "wandb.project=doors"],
         "entity and project of detection.wandb are not used"),
    ],
)  # fmt: skip
def test_what_will_not_be_used_is_warned_of(overrides: list[str], problem: str):
    (warned,) = warnings(load_params(ROOT / "params.yaml", overrides))

    assert problem in str(warned)


@pytest.mark.parametrize(
    "overrides",
    [
        ["wandb.mode=disabled"],
        ["wandb.mode=offline", "wandb.entity=team"],
        ["checkpoints.publish=false"],
        ["augmentation.mosaic=0.0", "augmentation.close_mosaic=0"],
        ["augmentation.mosaic=0.0", "augmentation.mixup=0.1", "augmentation.close_mosaic=50"],
    ],
)
def test_what_has_an_effect_or_was_not_chosen_is_no_complaint(overrides: list[str]):
    assert warnings(load_params(ROOT / "params.yaml", overrides)) == []


UNUSED = {
    "a short run": ["training.epochs=3"],
    "a default beside no mosaic": ["augmentation.mosaic=0.0"],
    "a private run": ["wandb.mode=disabled", "wandb.entity=team", "wandb.project=doors"],
}


def test_the_reference_names_what_is_refused_and_what_is_warned_of():
    text = (ROOT / "docs/params.md").read_text(encoding="utf-8").partition("without effect\n")[2]
    refused, warned = text.split("Only a warning")

    assert {f"`{key}`" for _, key in WITHOUT_EFFECT.values()} <= {*re.findall("`\\w+`", refused)}
    for overrides in UNUSED.values():
        for warning in warnings(load_params(ROOT / "params.yaml", overrides)):
            *_, key = warning.key.split(".")
            assert re.search(rf"`{key}[`:]", warned)


def test_the_number_of_a_gpu_may_be_written_as_a_number():
    params = load_params(ROOT / "params.yaml", ["detection.training.device=1"])

    assert params.training.device == "1"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        pytest.param(
            "detection.training.epochs",
            "expected KEY=VALUE, .*; did you mean --set detection.training.epochs=VALUE",
            id="no value",
        ),
        pytest.param("epochs=3", "did you mean detection.training.epochs", id="a key alone"),
        pytest.param("mode=offline", "did you mean detection.wandb.mode", id="of W&B alone"),
        pytest.param("detection.patience=3", "no such key", id="no section"),
        pytest.param("wanb.mode=x", "did you mean detection.wandb.mode", id="section misspelled"),
        pytest.param("wandb.mod=x", "wandb.mod: no such key; did you mean 'mode'", id="no root"),
        pytest.param("detection.training.epocs=3", "did you mean 'epochs'", id="misspelled"),
        pytest.param("detection.training.epochs.x=3", "is a value, not a section", id="too deep"),
        pytest.param("detection.training.epochs=[", "not YAML", id="not YAML"),
        pytest.param("detection=3", "expected detection.SECTION", id="all of it"),
        pytest.param("quality.min_area_share=0.95", "every door would be refused", id="no area"),
        pytest.param("quality.min_sharpnes=0", "did you mean 'min_sharpness'", id="a limit"),
    ],
)
def test_a_bad_override_is_explained(override: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        load_params(ROOT / "params.yaml", [override])


@given(st.text(max_size=40))
def test_no_override_gets_past_the_checks_or_breaks_them(override: str):
    try:
        params = load_params(ROOT / "params.yaml", [override])
    except ConfigError:
        return
    assert isinstance(params, Params)


def test_a_run_is_the_same_with_other_limits_of_what_is_refused_in_use():
    params = load_params(ROOT / "params.yaml")
    other = load_params(ROOT / "params.yaml", ["quality.min_sharpness=0.1"])

    assert params != other
    assert training_params(params.model_dump()) == training_params(other.model_dump())


def test_params_survive_being_written(tmp_path: Path):
    params = load_params(ROOT / "params.yaml", ["detection.training.learning_rate=0.00001"])

    assert load_params(write(tmp_path, dump(params))) == params


@pytest.mark.parametrize(
    ("override", "key"),
    [
        pytest.param("detection.training.patience=100", "patience", id="never stops early"),
        pytest.param("detection.training.warmup_epochs=100", "warmup_epochs", id="only warm-up"),
        pytest.param("detection.training.warmup_bias_lr=0.1", "warmup_bias_lr", id="bias rate"),
        pytest.param("detection.augmentation.flipud=0.5", "flipud", id="upside down"),
        pytest.param(
            "detection.training.nominal_batch_size=8", "nominal_batch_size", id="small batch"
        ),
        pytest.param("detection.augmentation.close_mosaic=100", "close_mosaic", id="no mosaic"),
    ],
)
def test_a_harmful_combination_is_named_with_its_remedy(override: str, key: str):
    (warned,) = warnings(load_params(ROOT / "params.yaml", [override]))

    assert warned.key.endswith(key)
    assert "set it" in warned.remedy


def test_a_bias_rate_is_harmless_for_plain_gradient_descent():
    overrides = ["detection.training.warmup_bias_lr=0.1", "detection.training.optimizer=SGD"]

    assert warnings(load_params(ROOT / "params.yaml", overrides)) == []
