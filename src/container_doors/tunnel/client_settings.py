"""What a laptop's SSH client is told, so that ``ssh``, ``scp`` and editors find the machine.

A folder of our own under ``~/.ssh`` holds it all; the person's own file gets one line.
``man 5 ssh_config`` explains each word.
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
    """Read a tunnel's address as it is copied from a notebook.

    >>> parse_address("https://four-words.trycloudflare.com/")
    'four-words.trycloudflare.com'

    Raises:
        TunnelError: If it is none.
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
    """Write the machine's block for ``ssh_config``.

    Raises:
        TunnelError: If the account or a path cannot stand there.
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
        cloudflared=_quoted(cloudflared),
        known_hosts=_quoted(known_hosts),
        algorithm=host_key.kind,
    )
    if identity is not None:
        block += f"    IdentityFile {_quoted(str(identity))}\n    IdentitiesOnly yes\n"
    return block


def known_host(host_key: PublicKey) -> str:
    """Write the line by which the machine is known, whatever its address is today."""
    return f"{HOST} {host_key.kind} {host_key.blob}"


def with_include(config: str, included: Path) -> str:
    """Put our one line in front: behind the first ``Host`` it would hold for that host alone."""
    # A pattern of paths, in which % means itself.
    line = f"Include {_quoted(str(included)).replace('%%', '%')}"
    if line in (existing.strip() for existing in config.splitlines()):
        return config
    return f"{line}\n\n{config}" if config else f"{line}\n"


def _quoted(word: str) -> str:
    """Write a path as one word; ``%`` begins a token of ssh's own (``man 5 ssh_config``).

    Raises:
        TunnelError: If ssh cannot be told it.
    """
    if any(character in word for character in '"\\\n*?[') or "${" in word:
        raise TunnelError(
            f"ssh cannot be told of the path {word!r}",
            hint="use a path without quotes, backslashes, wildcards and line ends",
        )
    escaped = word.replace("%", "%%")
    return f'"{escaped}"' if set(" #'\t") & set(word) else escaped
