"""Fetch the public keys of a GitHub account."""

import re
import urllib.error
import urllib.request

from container_doors.core.errors import TunnelError
from container_doors.tunnel.public_keys import PublicKey, parse_public_keys

_NAME = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")
_WAIT_S = 20.0


def keys_of(name: str, *, server: str = "https://github.com") -> list[PublicKey]:
    """Return an account's public keys from GitHub.

    Raises:
        TunnelError: If there is no such account, or it has no key, or GitHub does not answer.
    """
    if not _NAME.fullmatch(name):
        raise TunnelError(f"{name!r} is not a GitHub user name", hint="use letters, digits and '-'")
    url = f"{server}/{name}.keys"
    try:
        with urllib.request.urlopen(url, timeout=_WAIT_S) as answer:  # noqa: S310 - our own url
            text = answer.read(100_000).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        error.close()
        raise TunnelError(f"{url}: {error.code} {error.reason}", hint=_ANOTHER_WAY) from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise TunnelError(f"{url} does not answer: {reason}", hint=_ANOTHER_WAY) from None
    return parse_public_keys(text, source=url)


_ANOTHER_WAY = "check the name, or paste the line of your ~/.ssh/id_ed25519.pub instead"
