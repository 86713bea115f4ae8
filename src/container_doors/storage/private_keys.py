"""Check that a text is a valid RSA key: a truncated or changed key has inconsistent numbers."""

import base64
import binascii
import re

_PEM = re.compile(
    r"-----BEGIN (?P<kind>RSA )?PRIVATE KEY-----\s(?P<body>[A-Za-z0-9+/=\s]+)"
    r"-----END (RSA )?PRIVATE KEY-----"
)
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30


def is_rsa_key(text: str) -> bool:
    """Return whether a PEM (RFC 8017 or RFC 5208) has two primes whose product is its modulus."""
    pem = _PEM.fullmatch(text.strip())
    if pem is None:
        return False
    try:
        members = _members(base64.b64decode("".join(pem["body"].split()), validate=True))
        if len(members) > 2 and members[2][0] == _OCTETS:
            members = _members(members[2][1])
        if len(members) < 6 or any(tag != _INTEGER for tag, _ in members[:6]):
            return False
    except (binascii.Error, ValueError, IndexError):
        return False
    _, modulus, _, _, one, other = (int.from_bytes(content, "big") for _, content in members[:6])
    return modulus > 0 and modulus == one * other


def _members(der: bytes) -> list[tuple[int, bytes]]:
    """Split a DER sequence, which must fill all bytes, into its members."""
    tag, content, rest = _value(der)
    if tag != _SEQUENCE or rest:
        raise ValueError("not a sequence")
    members = []
    while content:
        tag, value, content = _value(content)
        members.append((tag, value))
    return members


def _value(der: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and content of the first DER value, and the bytes after it."""
    length, start = der[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise ValueError("cut off")
    return der[0], der[start : start + length], der[start + length :]
