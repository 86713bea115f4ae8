"""The command line opens at once: nothing heavy is imported for it."""

import subprocess
import sys

HEAVY = {
    "cv2", "dvc", "hotcoco", "jinja2", "matplotlib", "numpy", "PIL", "pydantic", "rich", "scipy",
    "torch", "ultralytics", "wandb", "yaml",
}  # fmt: skip


def test_help_imports_nothing_but_the_parser():
    code = (
        "import sys, container_doors.cli.parser as p; p.build_parser().format_help(); "
        "import container_doors.cli; print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert not HEAVY & set(done.stdout.split())


def test_the_dependency_rule_holds():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
