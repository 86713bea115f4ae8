"""The secrets of a Kaggle machine: what they are called, what for, and where they are set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PAGE = "Add-ons > Secrets, in the notebook's editor"
"""Where Kaggle keeps them; each must be ticked for the notebook that reads it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One that training can use."""

    label: str
    """Its name among Kaggle's secrets, and in the environment of another machine."""
    variable: str
    """What sessions see it as."""
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
"""The specification's."""

PUBLIC_KEY = "SSH_PUBLIC_KEY"
"""A label under which a person's public key may stand, to be asked for it no more."""

TUNNEL_TOKEN = "CLOUDFLARE_TUNNEL_TOKEN"  # noqa: S105 - a label
"""The label of a named tunnel's token, for those who have one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a place said when it was asked for a secret."""

    value: str | None = field(repr=False)
    where: str
    """For people: the place, or why it has none."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, under the names that sessions see, and a line on each for people."""

    values: Mapping[str, str] = field(repr=False)
    lines: Sequence[str]
    missing: Sequence[Secret]


def gathered(answers: Mapping[str, Sequence[Answer]]) -> Gathered:
    """Take the first place that has a secret, and say so without it.

    Args:
        answers: What each place said, in the order of asking, by the secret's label.
    """
    values, lines, missing = {}, [], []
    for secret in SECRETS:
        said = answers[secret.label]
        found = next((answer for answer in said if answer.value), None)
        if found is not None and found.value is not None:
            values[secret.variable] = found.value
            lines.append(f"{secret.variable}: {len(found.value)} characters, from {found.where}")
        else:
            missing.append(secret)
            lines.append(_absence(secret, said))
    return Gathered(values, lines, missing)


def _absence(secret: Secret, said: Sequence[Answer]) -> str:
    reasons = "; ".join(answer.where for answer in said)
    return (
        f"{secret.variable}: missing ({reasons})\n"
        f"  for {secret.purpose}\n"
        f"  get it: {secret.origin}\n"
        f"  set it: {PAGE}, as {secret.label}"
    )
