"""What Kaggle and its client say when something is wrong, as an error with a next step.

No error's own text is passed on where it could hold a signed address or a token.
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
"""Characters of what a server says; pages of HTML are longer, and say less."""

_PHONE = f"verify your phone number at {SETTINGS} > Phone verification; GPUs and internet need it"
_REMEDIES = (
    (r"phone|verif", _PHONE),
    (
        r"session count|too many .*session|concurrent",
        "two may run or wait at once: `doors kaggle list` shows yours; wait for one, or stop it",
    ),
    (
        r"quota|weekly limit|allowance",
        "`doors kaggle plan` says when the week's hours are renewed; train here until then",
    ),
    (r"internet", _PHONE),
    (
        r"already in use|already exists|same (title|slug)",
        "delete it on Kaggle, or choose another experiment's name",
    ),
    (r"size|too large|exceeds", "send less: a smaller data set, or smaller photographs"),
)
"""By what is in a refusal; Kaggle has no codes for them. The count of sessions is quoted from
https://github.com/Kaggle/kaggle-cli/issues/185, the others are not known word by word."""


@contextmanager
def translated(wish: str) -> Iterator[None]:
    """Turn what the client raises into an error of ours.

    Args:
        wish: What was asked for, to follow "Kaggle refuses to ...".
    """
    try:
        yield
    except exceptions.HTTPError as error:
        raise _of_status(wish, error) from None
    except exceptions.RequestException as error:
        raise unreachable(wish, error) from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(
            error.__context__, exceptions.HTTPError
        ):  # the client's guess at a 401 or 403
            raise _of_status(wish, error.__context__) from None
        raise _unread(wish, error) from None


def of_answer(wish: str, answer: Response) -> HostError:
    """Say what an HTTP status means for who asked."""
    status, said = int(answer.status_code), _said(answer)
    if status == 401:
        return refused_credentials()
    if status == 404 or "denied" in said:  # of what is not there it says that it may not be seen
        return AbsentError(
            f"Kaggle cannot {wish}: there is no such thing ({status})",
            hint="`doors kaggle list` shows what there is; a deleted one is gone for good",
        )
    if status == 429:
        wait = answer.headers.get("Retry-After")
        return UnreachableError(
            f"Kaggle will not {wish} just now: too many requests (429)",
            hint=f"wait {f'{wait} s' if wait else 'some minutes'}, then run this again",
        )
    if status >= 500 or status == 408:
        return UnreachableError(
            f"Kaggle cannot {wish} just now ({status})",
            hint="try again in some minutes; https://status.kaggle.com says how it is",
        )
    return refusal(wish, f"{said} ({status})" if said else f"{status} {answer.reason}")


def _of_status(wish: str, error: exceptions.HTTPError) -> HostError:
    answer = error.response
    return unreachable(wish, error) if answer is None else of_answer(wish, answer)


def refusal(wish: str, said: str) -> HostError:
    """Say why Kaggle will not, in its own words, and what helps."""
    remedy = next(
        (remedy for sign, remedy in _REMEDIES if re.search(sign, said, re.IGNORECASE)),
        "if that does not say what to do, look at https://www.kaggle.com in a browser: it may ask "
        "for something (its rules, your phone number)",
    )
    return HostError(f"Kaggle refuses to {wish}: {redacted(said)[:_LONGEST]}", hint=remedy)


def refused_credentials() -> HostError:
    """Say whose credentials are not good, without a character of them."""
    names = " or ".join(source.name for source in sources()) or "what it was given"
    why = "; ".join(damaged()) or "expired, revoked or misspelt"
    return HostError(
        f"Kaggle does not take the credentials of {names} (401): {why}",
        hint=how_to_log_in(),
    )


def unreachable(wish: str, error: Exception) -> UnreachableError:
    """Say how the network failed; the client's words hold addresses, and are left out."""
    reason, hint = next(
        (reason, hint) for sign, reason, hint in _SIGNS if re.search(sign, repr(error))
    )
    return UnreachableError(f"cannot {wish}: Kaggle {reason}", hint=hint)


_AGAIN = "is the network up? Then run this again: nothing is lost"
_SIGNS = (
    (r"NameResolution|Name or service|gaierror|getaddrinfo", "has no address here (DNS)", _AGAIN),
    (
        r"SSLError|CERTIFICATE|certificate",
        "cannot be told from an impostor (TLS)",
        "is this machine's clock right? Behind a proxy that reads along, set REQUESTS_CA_BUNDLE",
    ),
    (r"ReadTimeout|ConnectTimeout|timed out", "does not answer in time", _AGAIN),
    (r"refused", "cannot be reached: connection refused", _AGAIN),
    (r"JSONDecode", "answers with a page, as the log-in of a network does", _AGAIN),
    (r"", "hung up, or cannot be reached", _AGAIN),
)


def _unread(wish: str, error: Exception) -> HostError:
    """Tell an answer that makes no sense from a request that the client will not send."""
    if isinstance(error, json.JSONDecodeError) or "Upload unsuccessful" in str(error):
        return unreachable(wish, error)
    if type(error) is ValueError:
        return HostError(
            f"Kaggle's client refuses to {wish}: {redacted(str(error))[:_LONGEST]}",
            hint="if that does not say what to do, it is a fault of ours: please report it",
        )
    return HostError(
        f"cannot {wish}: Kaggle answers what its client does not know ({type(error).__name__})",
        hint="a newer client may: uv lock --upgrade-package kaggle && uv sync",
    )


def _said(answer: Response) -> str:
    """The message of an error in JSON; a page of HTML says nothing."""
    try:
        document = answer.json()
    except ValueError:
        return ""
    said = document.get("message") or document.get("error") if isinstance(document, dict) else ""
    return str(said or "")
