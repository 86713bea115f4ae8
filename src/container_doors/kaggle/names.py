"""Names on the host: short, told apart by content, and the same as their titles.

Kaggle makes the address of what it is given from the title, and refuses one that differs.
"""

import re

LONGEST = 50
"""Characters of a slug (Kaggle's dataset and kernel metadata); the shortest has 5."""

PREFIX = "doors-"
"""Of everything that is ours."""


def slugged(text: str) -> str:
    """Spell a text as part of an address.

    >>> slugged("Detection_exp001--yolo11s ")
    'detection-exp001-yolo11s'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def job_slug(experiments: list[str], mark: str) -> str:
    """Name a job: readable, and never the same twice.

    Args:
        experiments: What it trains.
        mark: A few characters by which it is told from the others.

    >>> job_slug(["exp1", "exp2"], "3f2a91")
    'doors-exp1-exp2-3f2a91'
    """
    room = LONGEST - len(PREFIX) - len(mark) - 1
    return f"{PREFIX}{slugged('-'.join(experiments))[:room].strip('-')}-{mark}"


def bundle_slug(kind: str, sha256: str) -> str:
    """Name what is sent by its content, so that it is sent once.

    >>> pack_slug("data", "0123456789abcdef" * 4)
    'doors-data-0123456789abcdef'
    """
    return f"{PREFIX}{kind}-{sha256[:16]}"
