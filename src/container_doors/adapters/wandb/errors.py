"""Turn the exceptions of the W&B client into errors with a hint."""

from collections.abc import Iterator
from contextlib import contextmanager

from container_doors.adapters.shell import redacted
from container_doors.adapters.wandb.account import how_to_log_in
from container_doors.core.errors import TrackingError


@contextmanager
def as_tracking_error(problem: str, *, hint: str) -> Iterator[None]:
    """Turn any exception of the client into a TrackingError; they have no common base class."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        raise TrackingError(f"{problem}: {reason(str(error))}", hint=hint) from error


def reason(message: str) -> str:
    r"""Return a short reason why the client failed.

    >>> reason('Failed to get resume status for run a: returned error 401: {"data":null}')
    'the key is refused; make a key at https://wandb.ai/authorize, then: doors track login'
    >>> reason("context deadline exceeded\nwhile retrying: HTTP 503: {}")
    'it answers 503'
    """
    text = redacted(message).strip()
    if "401" in text or "403" in text or "not logged in" in text.lower():
        return f"the key is refused; {how_to_log_in()}"
    if "permission denied" in text.lower():
        return "the key may not write there; see entity and project in detection.wandb"
    if "HTTP 5" in text:
        return f"it answers {text.partition('HTTP ')[2][:3]}"
    if any(sign in text for sign in ("connection refused", "no such host", "unreachable")):
        return "it cannot be reached"
    if any(sign in text.lower() for sign in ("deadline exceeded", "timed out", "in time")):
        return "it does not answer in time"
    return text.partition("\n")[0] or "no reason was given"
