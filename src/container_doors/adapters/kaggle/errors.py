"""Turns the errors of Kaggle and its client into errors with a next step.

The text of an error is not passed on where it could contain a signed address or a token.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from requests import Response, exceptions

from container_doors.adapters.kaggle.account import SETTINGS, damaged, how_to_log_in, sources
from container_doors.adapters.shell import redacted
from container_doors.core.errors import AbsentError, HostError, UnreachableError

_LONGEST = 300
"""Characters of a server's message; pages of HTML are longer, and tell less."""

_PHONE = f"verify your phone number at {SETTINGS} > Phone verification; GPUs and internet need it"
_REMEDIES = (
    (r"phone|verif", _PHONE),
    (
        r"session count|too many .*session|concurrent",
        "at most two may run or wait: `doors kaggle list` shows yours; wait for one, or stop it",
    ),
    (
        r"quota|weekly limit|allowance",
        "`doors kaggle plan` shows when the week's hours are renewed; train here until then",
    ),
    (r"internet", _PHONE),
    (
        r"already in use|already exists|same (title|slug)",
        "delete it on Kaggle, or choose another experiment's name",
    ),
    (r"size|too large|exceeds", "send less: a smaller data set, or smaller photographs"),
)
"""Hints by the text of a refusal; Kaggle has no codes for them. The one about sessions is quoted
from https://github.com/Kaggle/kaggle-cli/issues/185, the exact text of the others is not known."""


@contextmanager
def translate_errors(action: str) -> Iterator[None]:
    """Turn what the client raises into an error of ours.

    Args:
        action: What was requested, to follow "Kaggle refuses to ...".
    """
    try:
        yield
    except exceptions.HTTPError as error:
        raise _of_status(action, error) from None
    except exceptions.RequestException as error:
        raise unreachable(action, error) from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(
            error.__context__, exceptions.HTTPError
        ):  # the client's guess at a 401 or 403
            raise _of_status(action, error.__context__) from None
        raise _client_error(action, error) from None


def error_of_response(action: str, answer: Response) -> HostError:
    """Return the error for an HTTP status."""
    status, message = int(answer.status_code), _message_of(answer)
    if status == 401:
        return refused_credentials()
    if status == 404 or "denied" in message:  # Kaggle answers "denied" also where nothing exists
        return AbsentError(
            f"Kaggle cannot {action}: there is no such thing ({status})",
            hint="`doors kaggle list` shows what there is; what was deleted cannot be restored",
        )
    if status == 429:
        wait = answer.headers.get("Retry-After")
        return UnreachableError(
            f"Kaggle will not {action} just now: too many requests (429)",
            hint=f"wait {f'{wait} s' if wait else 'some minutes'}, then run this again",
        )
    if status >= 500 or status == 408:
        return UnreachableError(
            f"Kaggle cannot {action} just now ({status})",
            hint="try again in some minutes; https://status.kaggle.com shows Kaggle's state",
        )
    return refusal(action, f"{message} ({status})" if message else f"{status} {answer.reason}")


def _of_status(action: str, error: exceptions.HTTPError) -> HostError:
    answer = error.response
    return unreachable(action, error) if answer is None else error_of_response(action, answer)


def refusal(action: str, message: str) -> HostError:
    """Return the error for a refusal, with Kaggle's message and a hint."""
    remedy = next(
        (remedy for sign, remedy in _REMEDIES if re.search(sign, message, re.IGNORECASE)),
        "if the message is not clear, open https://www.kaggle.com in a browser: it may ask "
        "for something (its rules, your phone number)",
    )
    return HostError(f"Kaggle refuses to {action}: {redacted(message)[:_LONGEST]}", hint=remedy)


def refused_credentials() -> HostError:
    """Return the error for credentials that Kaggle rejects; no character of them is in it."""
    names = " or ".join(source.name for source in sources()) or "what it was given"
    why = "; ".join(damaged()) or "expired, revoked or misspelt"
    return HostError(
        f"Kaggle does not take the credentials of {names} (401): {why}",
        hint=how_to_log_in(),
    )


def unreachable(action: str, error: Exception) -> UnreachableError:
    """Return the error for a network failure; the client's text contains addresses: left out."""
    reason, hint = next(
        (reason, hint) for sign, reason, hint in _SIGNS if re.search(sign, repr(error))
    )
    return UnreachableError(f"cannot {action}: Kaggle {reason}", hint=hint)


_AGAIN = "is the network up? Then run this again: nothing is lost"
_SIGNS = (
    (r"NameResolution|Name or service|gaierror|getaddrinfo", "has no address here (DNS)", _AGAIN),
    (
        r"SSLError|CERTIFICATE|certificate",
        "has a certificate that is not trusted (TLS)",
        "is this machine's clock right? Behind a proxy that decrypts TLS, set REQUESTS_CA_BUNDLE",
    ),
    (r"ReadTimeout|ConnectTimeout|timed out", "does not answer in time", _AGAIN),
    (r"refused", "cannot be reached: connection refused", _AGAIN),
    (r"JSONDecode", "answers with a page, as the log-in of a network does", _AGAIN),
    (r"", "closed the connection, or cannot be reached", _AGAIN),
)


def _client_error(action: str, error: Exception) -> HostError:
    """Return the error for an answer that cannot be read, or a request that is not sent."""
    if isinstance(error, json.JSONDecodeError) or "Upload unsuccessful" in str(error):
        return unreachable(action, error)
    if type(error) is ValueError:
        return HostError(
            f"Kaggle's client refuses to {action}: {redacted(str(error))[:_LONGEST]}",
            hint="if the message is not clear, this is a bug of container-doors: please report it",
        )
    return HostError(
        f"cannot {action}: Kaggle's client cannot read the answer ({type(error).__name__})",
        hint="a newer client may: uv lock --upgrade-package kaggle && uv sync",
    )


def _message_of(answer: Response) -> str:
    """Return the message of an error in JSON; empty for a page of HTML."""
    try:
        document = answer.json()
    except ValueError:
        return ""
    message = document.get("message") or document.get("error") if isinstance(document, dict) else ""
    return str(message or "")
