"""Online, offline or off, and the reason that is told."""

import pytest

from container_doors.core.config import Wandb
from container_doors.tracking.mode import choose_mode


@pytest.mark.parametrize(
    ("asked", "key", "variable", "mode", "reason"),
    [
        ("auto", "WANDB_API_KEY", "", "online", "a key is in WANDB_API_KEY"),
        ("auto", None, "", "offline", "there is no key"),
        ("auto", "WANDB_API_KEY", "offline", "offline", "WANDB_MODE is offline"),
        ("auto", "WANDB_API_KEY", "disabled", "disabled", "WANDB_MODE is disabled"),
        ("auto", None, "online", "offline", "there is no key"),
        ("auto", "~/.netrc", "a typing error", "online", "a key is in ~/.netrc"),
        ("online", "WANDB_API_KEY", "offline", "online", "a key is in WANDB_API_KEY"),
        ("online", None, "", "offline", "there is no key"),
        ("offline", "WANDB_API_KEY", "online", "offline", "detection.wandb.mode is offline"),
        ("disabled", "WANDB_API_KEY", "online", "disabled", "detection.wandb.mode is disabled"),
    ],
)
def test_params_come_first_then_the_variable_then_the_key(
    asked: str, key: str | None, variable: str, mode: str, reason: str
):
    settings = Wandb.model_validate({"mode": asked})

    choice = choose_mode(settings, key_source=key, environment={"WANDB_MODE": variable})

    assert choice.mode == mode
    assert choice.reason.startswith(reason)
