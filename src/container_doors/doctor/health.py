"""The result of a check: one line, with a remedy where something is wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Health:
    """The result of one check."""

    name: str
    verdict: Verdict
    """``warn``: training works, but something will be missing; ``fail``: training does not work."""
    found: str
    remedy: str = ""


def passed(name: str, found: str) -> Health:
    """Return a result without a problem."""
    return Health(name, "pass", found)


def warned(name: str, found: str, remedy: str) -> Health:
    """Return a problem that does not prevent training, with what will be missing."""
    return Health(name, "warn", found, remedy)


def failed(name: str, found: str, remedy: str) -> Health:
    """Return a problem that has to be corrected before training."""
    return Health(name, "fail", found, remedy)


def as_lines(lines: Sequence[Health]) -> list[str]:
    """Format results for people, in columns, with the standard library alone."""
    width = max((len(line.name) for line in lines), default=0)
    written = []
    for line in lines:
        written.append(f"{line.verdict:<4}  {line.name:<{width}}  {_in_one_line(line.found)}")
        if line.remedy:
            written.append(f"{'':<4}  {'':<{width}}  -> {line.remedy}")
    return written


def _in_one_line(text: str) -> str:
    r"""Join a message of several lines into one, so that it stays in its column.

    >>> _in_one_line("config:\n    ^\nexpected '}'")
    "config: ^ expected '}'"
    """
    return " ".join(text.split())


def as_document(lines: Sequence[Health]) -> dict[str, Any]:
    """Return results as a JSON document."""
    return {"worst": worst(lines), "checks": [asdict(line) for line in lines]}


def worst(lines: Sequence[Health]) -> Verdict:
    """Return the worst verdict.

    >>> worst([passed("a", ""), warned("b", "", "")]), worst([])
    ('warn', 'pass')
    """
    verdicts = {line.verdict for line in lines}
    return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"
