"""Write labels in doubt as one HTML page: pictures, keys to decide, and a file of decisions."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from jinja2 import Template
from PIL import Image

from container_doors.core.files import replace_text
from container_doors.core.measurements import BoxXyxy
from container_doors.core.printable import printable
from container_doors.reporting.escaping import page_templates
from container_doors.reporting.figures import count
from container_doors.reporting.offline import picture_uri, policy
from container_doors.reporting.outputs import refuse_another_file

DECISIONS_NAME = "label_decisions.json"
"""The file that the page saves."""

_BEGINS = "<!doctype html><!-- labels in doubt -->"
_PICTURE_PX = 960
_QUALITY = 75


@dataclass(frozen=True, slots=True)
class DoubtCard:
    """One label in doubt; boxes are in pixels of the upright photograph."""

    image: str
    """The photograph's name in the data set."""
    path: Path
    size_wh: tuple[int, int]
    kind: str
    description: str
    change: str
    """What accepting it does."""
    score: float
    confidence: float | None
    line: int | None
    box: BoxXyxy | None
    proposed: BoxXyxy | None
    others: Sequence[BoxXyxy]
    """The photograph's other labels."""
    decision: dict[str, object]
    """What the page saves of it, but for what the person decides."""

    @property
    def document(self) -> str:
        """The same as JSON."""
        return json.dumps(self.decision)

    @property
    def source(self) -> str:
        """The picture; empty if it cannot be shown."""
        try:
            with warnings.catch_warnings(action="ignore"):
                return picture_uri(self.path, longest_px=_PICTURE_PX, quality=_QUALITY)
        except (OSError, ValueError, Image.DecompressionBombError):
            return ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the labels were compared with."""

    by: str
    """Whose predictions."""
    notes: Sequence[str]
    """What a person should know of them."""
    photographs: int
    """How many were compared."""


def write_review(
    output: Path,
    cards: Sequence[DoubtCard],
    comparison: Comparison,
    *,
    more: int,
    command: str,
) -> None:
    """Write the page.

    Args:
        output: The HTML file; only an earlier page is replaced.
        cards: The doubts, the strongest first.
        comparison: What the labels were compared with.
        more: How many weaker ones are not shown.
        command: What applies the decisions.

    Raises:
        RunError: If ``output`` is not an earlier page.
    """
    refuse_another_review(output)
    style, script = _text("page.css") + _text("review.css"), _text("review.js")
    documents = "\n".join(one.document for one in cards)
    text = _BEGINS + _template().render(
        policy=policy(style, script),
        style=style,
        script=script,
        page=sha256(documents.encode()).hexdigest()[:16],
        doubts=cards,
        more=more,
        photographs=comparison.photographs,
        by=comparison.by,
        notes=comparison.notes,
        file=DECISIONS_NAME,
        command=command,
    )
    replace_text(output, text)


def refuse_another_review(output: Path) -> None:
    """Check, before anything is detected, that a page can be written there.

    Raises:
        RunError: If ``output`` is another file.
    """
    refuse_another_file(output, begins=_BEGINS, what="page of doors data review", option="--out")


@cache
def _text(name: str) -> str:
    return files("container_doors.reporting").joinpath(name).read_text("utf-8")


@cache
def _template() -> Template:
    environment = page_templates(_shown)
    environment.filters |= {"count": count}
    return environment.get_template("review.html.j2")


def _shown(value: object) -> object:
    """Make text from outside one line; Markup is ours."""
    return printable(value) if type(value) is str else value
