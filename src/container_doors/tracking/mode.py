"""Whether W&B is online, offline or off, and why: one answer, said in one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from container_doors.core.config import Wandb

Mode = Literal["online", "offline", "disabled"]

NO_KEY = "there is no key (WANDB_API_KEY or ~/.netrc; doors track login asks for one)"


@dataclass(frozen=True, slots=True)
class Choice:
    """A mode, and the reason as the end of a sentence."""

    mode: Mode
    because: str


def choose_mode(
    settings: Wandb,
    *,
    key_source: str | None,
    environment: Mapping[str, str],
    why_no_key: str = NO_KEY,
) -> Choice:
    """Settle what ``detection.wandb.mode`` leaves open.

    Args:
        settings: ``auto`` follows WANDB_MODE, then the key; anything else is what it says, but
            nobody is online without a key.
        key_source: Where a key was found, such as ``WANDB_API_KEY``; None without one.
        environment: Where WANDB_MODE is looked up; values that it does not know are passed over.
        why_no_key: The reason where there is none.
    """
    if settings.mode in ("offline", "disabled"):
        return Choice(cast("Mode", settings.mode), f"detection.wandb.mode is {settings.mode}")
    asked = environment.get("WANDB_MODE", "")
    if settings.mode == "auto" and asked in ("offline", "disabled"):
        return Choice(cast("Mode", asked), f"WANDB_MODE is {asked}")
    if key_source is None:
        return Choice("offline", why_no_key)
    return Choice("online", f"a key is in {key_source}")
