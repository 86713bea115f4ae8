"""The settings of a laptop's SSH client, so that ``ssh``, ``scp`` and editors find the machine.

They are in a folder of our own under ``~/.ssh``; the user's own file gets one line.
``man 5 ssh_config`` explains each setting.
"""

import re
from pathlib import Path

from container_doors.core.errors import TunnelError
from container_doors.tunnel.public_keys import PublicKey

HOST = "kaggle-training"
"""The specification's name for the machine."""

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_BLOCK = """\
Host {host}
    HostName {hostname}
    User {user}
    ProxyCommand {cloudflared} access ssh --hostname %h
    HostKeyAlias {host}
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    HostKeyAlgorithms {algorithm}
    PasswordAuthentication no
    ForwardAgent no
    ServerAliveInterval 30
    ServerAliveCountMax 6
"""


def parse_address(text: str) -> str:
    """Parse a tunnel's address as copied from a notebook.

    >>> parse_address("https://four-words.trycloudflare.com/")
    'four-words.trycloudflare.com'

    Raises:
        TunnelError: If it is not an address.
    """
    hostname = text.strip().removeprefix("https://").removeprefix("ssh://").rstrip("/").lower()
    if not _NAME.fullmatch(hostname) or hostname == "api.trycloudflare.com":
        raise TunnelError(
            f"expected an address such as https://four-words.trycloudflare.com, found {text!r}",
            hint="copy the whole command that the notebook printed",
        )
    return hostname


def host_block(
    hostname: str,
    *,
    host_key: PublicKey,
    known_hosts: str,
    user: str = "root",
    cloudflared: str = "cloudflared",
    identity: Path | None = None,
) -> str:
    """Return the machine's block for ``ssh_config``.

    Raises:
        TunnelError: If the account or a path cannot be written there.
    """
    if not _USER.fullmatch(user):
        raise TunnelError(
            f"expected the name of an account, found {user!r}",
            hint="copy the whole command that the machine printed",
        )
    block = _BLOCK.format(
        host=HOST,
        hostname=hostname,
        user=user,
        cloudflared=_quote(cloudflared),
        known_hosts=_quote(known_hosts),
        algorithm=host_key.kind,
    )
    if identity is not None:
        block += f"    IdentityFile {_quote(str(identity))}\n    IdentitiesOnly yes\n"
    return block


def known_host(host_key: PublicKey) -> str:
    """Return the machine's line for ``known_hosts``, which does not depend on its address."""
    return f"{HOST} {host_key.kind} {host_key.blob}"


def with_include(config: str, included: Path) -> str:
    """Put our line first: after a ``Host`` line it would apply only to that host."""
    # A path pattern, in which % is literal.
    line = f"Include {_quote(str(included)).replace('%%', '%')}"
    if line in (existing.strip() for existing in config.splitlines()):
        return config
    return f"{line}\n\n{config}" if config else f"{line}\n"


def _quote(word: str) -> str:
    """Quote a path as one word; ``%`` starts one of ssh's own tokens (``man 5 ssh_config``).

    Raises:
        TunnelError: If it cannot be quoted.
    """
    if any(character in word for character in '"\\\n*?[') or "${" in word:
        raise TunnelError(
            f"ssh's settings cannot contain the path {word!r}",
            hint="use a path without quotes, backslashes, wildcards and line ends",
        )
    escaped = word.replace("%", "%%")
    return f'"{escaped}"' if set(" #'\t") & set(word) else escaped
