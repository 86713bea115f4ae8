"""What a doctor says: one line per thing looked at, with a remedy wherever something is amiss."""

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
    """How one thing is."""

    name: str
    verdict: Verdict
    """``warn``: training works, and something will be missing from it; ``fail``: it does not."""
    found: str
    remedy: str = ""


def passed(name: str, found: str) -> Health:
    """Say that all is well."""
    return Health(name, "pass", found)


def warned(name: str, found: str, remedy: str) -> Health:
    """Say that training works, and what will be missing from it."""
    return Health(name, "warn", found, remedy)


def failed(name: str, found: str, remedy: str) -> Health:
    """Say what has to be put right first."""
    return Health(name, "fail", found, remedy)


def is_kaggle() -> bool:
    """Tell whether this is a machine of Kaggle's, whose remedies are other ones."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def set_up() -> str:
    """Say how this Python, or a better one, comes to what it lacks."""
    clone = Path(__file__).resolve().parents[3]
    environment = clone / (os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
    if not (clone / "uv.lock").is_file():
        return f"install container-doors anew; {sys.executable} -m pip check says what is missing"
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
    """Write them for people, in columns, without anything that may not be installed."""
    width = max((len(line.name) for line in lines), default=0)
    written = []
    for line in lines:
        written.append(f"{line.verdict:<4}  {line.name:<{width}}  {_in_one_line(line.found)}")
        if line.remedy:
            written.append(f"{'':<4}  {'':<{width}}  -> {line.remedy}")
    return written


def _in_one_line(text: str) -> str:
    r"""Join what programs say in several lines, which would leave their column.

    >>> _in_one_line("config:\n    ^\nexpected '}'")
    "config: ^ expected '}'"
    """
    return " ".join(text.split())


def as_document(lines: Sequence[Health]) -> dict[str, Any]:
    """Write them for programs."""
    return {"worst": worst(lines), "checks": [asdict(line) for line in lines]}


def worst(lines: Sequence[Health]) -> Verdict:
    """Name the worst verdict.

    >>> worst([passed("a", ""), warned("b", "", "")]), worst([])
    ('warn', 'pass')
    """
    verdicts = {line.verdict for line in lines}
    return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"
