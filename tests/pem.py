"""Text in the shape of a private key, put together here so that no scanner takes a test for one."""


def private_key(body: str, *, kind: str = "") -> str:
    """Frame a body that is no key; ``kind`` is such as ``OPENSSH``."""
    name = f"{kind} PRIVATE KEY".strip()
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"
