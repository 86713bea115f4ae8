"""Names on the host: short, unique by content, and equal to their titles.

Kaggle makes the address from the title, and refuses one that differs.
"""

import re

LONGEST = 50
"""Characters of a slug (Kaggle's dataset and kernel metadata); the shortest has 5."""

PREFIX = "doors-"
"""Begins every name of ours."""


def slugify(text: str) -> str:
    """Write a text as part of an address.

    >>> slugify("Detection_exp001--yolo11s ")
    'detection-exp001-yolo11s'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def job_slug(experiments: list[str], mark: str) -> str:
    """Return a job's name: readable, and never the same twice.

    Args:
        experiments: What it trains.
        mark: A few characters that make the name unique.

    >>> job_slug(["exp1", "exp2"], "3f2a91")
    'doors-exp1-exp2-3f2a91'
    """
    room = LONGEST - len(PREFIX) - len(mark) - 1
    return f"{PREFIX}{slugify('-'.join(experiments))[:room].strip('-')}-{mark}"


def bundle_slug(kind: str, sha256: str) -> str:
    """Return a bundle's name, by its content, so that it is sent once.

    >>> bundle_slug("data", "0123456789abcdef" * 4)
    'doors-data-0123456789abcdef'
    """
    return f"{PREFIX}{kind}-{sha256[:16]}"
