"""The result of a check: one line, with a remedy where something is wrong."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
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


def is_kaggle() -> bool:
    """Check whether this is a Kaggle machine, for which the remedies are different."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def install_command() -> str:
    """Return the command that installs missing packages, or activates the right environment."""
    clone = Path(__file__).resolve().parents[3]
    environment = clone / (os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
    if not (clone / "uv.lock").is_file():
        return f"install container-doors again; {sys.executable} -m pip check lists what is missing"
    if is_kaggle():
        return "bash scripts/setup_kaggle.sh"
    is_here = Path(sys.prefix).resolve() == environment.resolve()
    if (environment / "pyvenv.cfg").is_file() and not is_here:
        of_windows = environment / "Scripts" / "activate"
        activate = of_windows if os.name == "nt" else f"source {environment / 'bin' / 'activate'}"
        return f"{activate}, then the same command again"
    sync = "uv sync" if shutil.which("uv") else "pip install uv && uv sync"
    return sync if clone == Path.cwd() else f"cd {clone} && {sync}"


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
