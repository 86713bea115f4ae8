"""The secrets of a Kaggle machine: names, purposes, and where to set them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PAGE = "Add-ons > Secrets, in the notebook's editor"
"""Where Kaggle stores them; each must be ticked for the notebook that reads it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that training can use."""

    label: str
    """Its name among Kaggle's secrets, and in the environment of another machine."""
    variable: str
    """Its environment variable in sessions."""
    purpose: str
    origin: str
    """Where its value comes from."""


SECRETS = (
    Secret(
        "DVC_SERVICE_ACCOUNT_JSON",
        "KAGGLE_SECRET_DVC_JSON",
        "DVC, to pull the data set and push the model",
        "docs/google-drive.md",
    ),
    Secret(
        "WANDB_API_KEY",
        "KAGGLE_SECRET_WANDB_KEY",
        "W&B, to show the run; without it the run is recorded offline",
        "https://wandb.ai/authorize",
    ),
)
"""The secrets of the specification."""

PUBLIC_KEY = "SSH_PUBLIC_KEY"
"""The label of a person's public key, so that it need not be pasted."""

TUNNEL_TOKEN = "CLOUDFLARE_TUNNEL_TOKEN"  # noqa: S105 - a label
"""The label of a named tunnel's token, for those who have one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A source's answer to the request for a secret."""

    value: str | None = field(repr=False)
    where: str
    """The source, or why it has no value, for messages."""


@dataclass(frozen=True, slots=True)
class FoundSecrets:
    """The secrets found, by their variables in sessions, and a message about each."""

    values: Mapping[str, str] = field(repr=False)
    lines: Sequence[str]
    missing: Sequence[Secret]


def find_secrets(answers: Mapping[str, Sequence[Answer]]) -> FoundSecrets:
    """Return the first value of each secret, with messages that do not contain it.

    Args:
        answers: The answers of the sources, in order, by the secret's label.
    """
    values, lines, missing = {}, [], []
    for secret in SECRETS:
        given = answers[secret.label]
        found = next((answer for answer in given if answer.value), None)
        if found is not None and found.value is not None:
            values[secret.variable] = found.value
            lines.append(f"{secret.variable}: {len(found.value)} characters, from {found.where}")
        else:
            missing.append(secret)
            lines.append(_absence(secret, given))
    return FoundSecrets(values, lines, missing)


def _absence(secret: Secret, given: Sequence[Answer]) -> str:
    reasons = "; ".join(answer.where for answer in given)
    return (
        f"{secret.variable}: missing ({reasons})\n"
        f"  for {secret.purpose}\n"
        f"  get it: {secret.origin}\n"
        f"  set it: {PAGE}, as {secret.label}"
    )
