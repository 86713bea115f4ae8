"""Text in the shape of a private key, put together here so that no scanner takes a test for one."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def private_key(body: str, *, kind: str = "") -> str:
    """Frame a body that is no key; ``kind`` is such as ``OPENSSH``."""
    name = f"{kind} PRIVATE KEY".strip()
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"


@cache
def rsa_key(*, pkcs1: bool = False) -> str:
    """Make a whole one, as small as it may be."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
