"""Public keys of SSH: read, checked, named by their fingerprint."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from container_doors.core.errors import TunnelError

KINDS = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip
"""What today's servers take; ssh-dss is gone since OpenSSH 10."""

_MAKE_ONE = "ssh-keygen -t ed25519, then give ~/.ssh/id_ed25519.pub"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key; whoever has the private half of it is whom it means."""

    kind: str
    blob: str
    """Base64."""
    comment: str = ""

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def line(self) -> str:
        """As it stands in ``authorized_keys``, without options."""
        return " ".join(part for part in (self.kind, self.blob, self.comment) if part)


def parse_public_keys(text: str, *, source: str) -> list[PublicKey]:
    """Read the lines of an ``authorized_keys``, of a ``.pub`` file, or of GitHub's list.

    Raises:
        TunnelError: If there is none, or a line is something else; a private key is not quoted.
    """
    if "PRIVATE KEY" in text:
        raise TunnelError(
            f"{source} holds a private key, and those never leave the machine they were made on",
            hint="give the file that ends in .pub; and as this one was pasted, make a new pair",
        )
    lines = (line.strip() for line in text.splitlines())
    keys = [_key(line, source) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise TunnelError(f"{source} holds no public key", hint=_MAKE_ONE)
    return keys


def parse_host_key(text: str) -> PublicKey:
    """Read a server's key: a line of ``known_hosts`` without its names, or the Base64 alone.

    Raises:
        TunnelError: If it is none.
    """
    words = text.split()
    blob = next((word for word in words if word not in KINDS), "")
    kind = _kind_in(blob)
    if kind not in KINDS or (len(words) > 1 and words[0] != kind):
        raise TunnelError(
            f"expected a host key (AAAA...), found {len(text)} characters that are none",
            hint="copy the whole command that the notebook printed",
        )
    return PublicKey(kind, blob)


def _key(line: str, source: str) -> PublicKey:
    kind, _, rest = line.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if kind not in KINDS or _kind_in(blob) != kind:
        raise TunnelError(
            f"{source}: expected a public key such as 'ssh-ed25519 AAAA... you@laptop', found a "
            f"line of {len(line)} characters that is none",
            hint=_MAKE_ONE,
        )
    # A comment is for people; control characters in it would be for the terminal.
    return PublicKey(kind, blob, "".join(c for c in comment if c.isprintable()))


def _kind_in(blob: str) -> str:
    """Read the name at the beginning: https://www.rfc-editor.org/rfc/rfc4253#section-6.6 ."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return ""
    length = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + length].decode("ascii", "replace") if len(raw) > 4 + length else ""
