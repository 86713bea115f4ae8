"""Choose whether W&B is online, offline or disabled, and give the reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from container_doors.core.config import Wandb

Mode = Literal["online", "offline", "disabled"]

NO_KEY = "there is no key (WANDB_API_KEY or ~/.netrc; doors track login asks for one)"


@dataclass(frozen=True, slots=True)
class Choice:
    """A mode, and the reason, worded as the end of a sentence."""

    mode: Mode
    reason: str


def choose_mode(
    settings: Wandb,
    *,
    key_source: str | None,
    environment: Mapping[str, str],
    why_no_key: str = NO_KEY,
) -> Choice:
    """Choose the mode from ``detection.wandb.mode``, WANDB_MODE and the key.

    Args:
        settings: ``auto`` follows WANDB_MODE, then the key; other values are used as they are, but
            without a key the mode is never online.
        key_source: Where a key was found, such as ``WANDB_API_KEY``; None without one.
        environment: Contains WANDB_MODE; unknown values are ignored.
        why_no_key: Why there is no key.
    """
    if settings.mode in ("offline", "disabled"):
        return Choice(cast("Mode", settings.mode), f"detection.wandb.mode is {settings.mode}")
    requested = environment.get("WANDB_MODE", "")
    if settings.mode == "auto" and requested in ("offline", "disabled"):
        return Choice(cast("Mode", requested), f"WANDB_MODE is {requested}")
    if key_source is None:
        return Choice("offline", why_no_key)
    return Choice("online", f"a key is in {key_source}")
