"""SSH public keys: parse and check them, and compute fingerprints."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from container_doors.core.errors import TunnelError

KINDS = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip
"""Key types that current servers accept; OpenSSH 10 removed ssh-dss."""

_MAKE_ONE = "ssh-keygen -t ed25519, then give ~/.ssh/id_ed25519.pub"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key."""

    kind: str
    blob: str
    """Base64."""
    comment: str = ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint as ``ssh-keygen -l`` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def line(self) -> str:
        """The line for ``authorized_keys``, without options."""
        return " ".join(part for part in (self.kind, self.blob, self.comment) if part)


def parse_public_keys(text: str, *, source: str) -> list[PublicKey]:
    """Parse the lines of an ``authorized_keys``, of a ``.pub`` file, or of GitHub's list.

    Raises:
        TunnelError: If there is no key, or an invalid line; a private key is not quoted.
    """
    if "PRIVATE KEY" in text:
        raise TunnelError(
            f"{source} contains a private key, which must never leave its machine",
            hint="give the .pub file instead; and make a new pair, because this one was pasted",
        )
    lines = (line.strip() for line in text.splitlines())
    keys = [_key(line, source) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise TunnelError(f"{source} contains no public key", hint=_MAKE_ONE)
    return keys


def parse_host_key(text: str) -> PublicKey:
    """Parse a host key: a line of ``known_hosts`` without its names, or only the Base64.

    Raises:
        TunnelError: If it is not a host key.
    """
    words = text.split()
    blob = next((word for word in words if word not in KINDS), "")
    kind = _kind_in(blob)
    if kind not in KINDS or (len(words) > 1 and words[0] != kind):
        raise TunnelError(
            f"expected a host key (AAAA...), found {len(text)} other characters",
            hint="copy the whole command that the notebook printed",
        )
    return PublicKey(kind, blob)


def _key(line: str, source: str) -> PublicKey:
    kind, _, rest = line.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if kind not in KINDS or _kind_in(blob) != kind:
        raise TunnelError(
            f"{source}: expected a public key such as 'ssh-ed25519 AAAA... you@laptop', found a "
            f"line of {len(line)} other characters",
            hint=_MAKE_ONE,
        )
    # A comment is shown to people; control characters in it could affect the terminal.
    return PublicKey(kind, blob, "".join(c for c in comment if c.isprintable()))


def _kind_in(blob: str) -> str:
    """Return the key type at the beginning: https://www.rfc-editor.org/rfc/rfc4253#section-6.6 ."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return ""
    length = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + length].decode("ascii", "replace") if len(raw) > 4 + length else ""
