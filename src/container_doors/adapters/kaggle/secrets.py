"""Kaggle's secrets, read with its own client in a notebook; they are not variables there.

The client's errors have no common class, and quote the service's answer: none of their texts is
passed on. An SSH session does not have the token that the client needs, on purpose.
"""

import os
from collections.abc import Mapping, Sequence

from container_doors.tunnel.secrets import PAGE, Answer


def look_up(label: str, environment: Mapping[str, str] | None = None) -> Sequence[Answer]:
    """Ask Kaggle's client, then the environment, which is for other machines.

    Returns:
        The answer of each.
    """
    return (_from_kaggle(label), _from_environment(label, environment or os.environ))


def _from_kaggle(label: str) -> Answer:
    try:
        import kaggle_secrets
    except ImportError:
        return Answer(None, "this is no Kaggle notebook")
    try:
        value = kaggle_secrets.UserSecretsClient().get_secret(label)
    except ConnectionError:
        return Answer(None, "Kaggle does not answer: is Internet on, in the notebook's settings?")
    except Exception as error:  # noqa: BLE001 - CredentialError, BackendError, ValidationError
        return Answer(None, _REASONS.get(type(error).__name__, "Kaggle's client failed"))
    return Answer(str(value).strip(), "Kaggle's secrets") if value else Answer(None, "it is empty")


_REASONS = {
    "CredentialError": "Kaggle gives secrets only to its notebooks, not to an SSH session",
    "BackendError": f"Kaggle has no secret of that name for this notebook: {PAGE}, and tick it",
    "NotFoundError": f"Kaggle has no secret of that name for this notebook: {PAGE}, and tick it",
}


def _from_environment(label: str, environment: Mapping[str, str]) -> Answer:
    value = environment.get(label, "").strip()
    return Answer(value, "the environment") if value else Answer(None, f"{label} is not set")
