"""Documentation and command line tell the same story."""

import re
import shlex
from pathlib import Path

import pytest

from container_doors.cli.parser import build_parser

RUN_BY_TESTS = {
    "pip install --target .uv uv": "tests/test_demo.py",
    "uv run pytest": ".ci/run",
    "uv run doors data validate": "tests/test_readme.py",
    "uv run doors data sample": "tests/test_readme.py",
    "uv run doors storage set": "tests/test_readme.py",
    "uv run doors storage check": "tests/test_readme.py",
    "uv run dvc add": "tests/test_readme.py",
    "uv run dvc push": "tests/test_readme.py",
    "uv run doors data pack": "tests/test_readme.py",
    "uv run doors data pull": "tests/test_readme.py",
    "bash scripts/run_training.sh": "tests/test_readme.py",
    "uv run doors train": "tests/test_readme.py",
    "uv run doors runs": "tests/test_readme.py",
    "uv run doors publish": "tests/test_readme.py",
    "uv run doors train --resume": "tests/test_tracking.py",
    "uv run doors track login": "tests/test_tracking.py",
    "uv run doors track sync": "tests/test_tracking.py",
    "uv run doors track show": "tests/test_readme.py",
    "uv run doors evaluate --experiment": "tests/test_readme.py",
    "uv run doors evaluate --target": "tests/test_assessment.py",
    "uv run doors compare": "tests/test_readme.py",
    "uv run doors gate": "tests/test_assessment.py",
    "uv run doors robustness": "tests/test_readme.py",
    "uv run doors latency": "tests/test_readme.py",
    "uv run doors metadata": "tests/test_readme.py",
    "uv run doors version": "tests/test_readme.py",
    "uv run doors summary": "tests/test_readme.py",
    "uv run doors predict": "tests/test_readme.py",
    "uv run doors export": "tests/test_export_for_real.py",
    "uv run doors serve": "tests/test_serve.py",
    "uv run doors sync": "tests/test_handover.py",
    "uv run doors verify": "tests/test_handover.py",
    "uv run doors kaggle plan": "tests/test_remote_training.py",
    "uv run doors kaggle run": "tests/test_kaggle_run.py",
    "uv run doors tunnel connect": "tests/test_tunnel.py",
    "uv run doors tunnel run": "tests/test_tunnel.py",
    "uv run doors doctor": "tests/cli/test_doctor.py",
    "uv run doors completion": "tests/cli/test_completion.py",
    "uv run dvc repro": "tests/test_readme.py",
    "uv run dvc metrics diff": "tests/test_readme.py",
    "uv run dvc params diff": "tests/test_readme.py",
    "uv run dvc plots show": "tests/test_readme.py",
}
"""Every command of the README, and where it is run."""


def commands(readme: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", readme, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_every_command_of_the_readme_is_run_somewhere(repository_root: Path):
    found = commands((repository_root / "README.md").read_text(encoding="utf-8"))

    for command in found:
        assert any(command.startswith(known) for known in RUN_BY_TESTS), command
    for known, where in RUN_BY_TESTS.items():
        assert any(command.startswith(known) for command in found), known
        assert (repository_root / where).exists()


def test_every_doors_command_of_the_readme_parses(repository_root: Path):
    for command in commands((repository_root / "README.md").read_text(encoding="utf-8")):
        words = shlex.split(command.partition(" > ")[0])
        if "doors" in words:
            assert build_parser().parse_args(words[words.index("doors") + 1 :]).handler


def test_every_command_there_is_stands_in_the_readme(repository_root: Path):
    readme = (repository_root / "README.md").read_text(encoding="utf-8")

    for command in (
        "demo",
        "init",
        "data sample",
        "data validate",
        "data pack",
        "data pull",
        "train",
        "sweep",
        "evaluate",
        "compare",
        "gate",
        "robustness",
        "predict",
        "serve",
        "export",
        "publish",
        "runs",
        "metadata",
        "version",
        "sync",
        "verify",
        "track login",
        "track sync",
        "track show",
        "storage set",
        "storage check",
        "storage login",
        "kaggle plan",
        "kaggle run",
        "kaggle push",
        "kaggle follow",
        "kaggle pull",
        "kaggle stop",
        "kaggle list",
        "tunnel serve",
        "tunnel connect",
        "tunnel run",
        "doctor",
        "completion",
    ):
        assert f"doors {command}" in readme


def test_the_map_names_what_there_is(repository_root: Path):
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    map_of_the_house = readme[readme.index("## Map") : readme.index("## Troubleshooting")]
    named = {
        repository_root / path
        for row in map_of_the_house.splitlines()
        for path in re.findall(r"`([\w./-]+)`", row.split("|")[1] if "|" in row else "")
    }

    assert all(path.exists() for path in named)
    package = repository_root / "src/container_doors"
    there = {path for path in package.glob("*.py") if not path.name.startswith("_")}
    assert there | {path.parent for path in package.glob("*/*.py")} <= named


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/decisions.md",
        "docs/export.md",
        "docs/google-drive.md",
        "docs/kaggle.md",
        "docs/predictions.md",
        "docs/README.md",
        "docs/serve.md",
        "docs/training.md",
        "docs/sweeps.md",
        "docs/tunnel.md",
        "docs/security.md",
    ],
)
def test_links_lead_somewhere(document: str, repository_root: Path):
    path = repository_root / document
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert link.startswith("http") or (path.parent / link).exists(), link
