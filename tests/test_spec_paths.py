"""The paths that the specification names exist, run from anywhere, and are the console command."""

import subprocess
import sys
from pathlib import Path

import pytest

LAUNCHERS = {
    "src/utils/validate_dataset.py": ["data", "validate"],
    "src/detection/train.py": ["train"],
    "src/detection/generate_metadata.py": ["metadata"],
    "src/detection/generate_summary.py": ["summary"],
    "src/utils/download_kaggle_outputs.py": ["kaggle", "pull"],
}
SCRIPTS = ["setup_kaggle.sh", "run_training.sh", "finalize_training_kaggle.sh"]


@pytest.mark.parametrize(("path", "command"), LAUNCHERS.items())
def test_a_launcher_offers_what_its_command_offers(
    path: str, command: list[str], tmp_path: Path, repository_root: Path
):
    def usage(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv, "--help"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    assert usage(str(repository_root / path)) == usage("-m", "container_doors", *command)


@pytest.mark.parametrize("path", LAUNCHERS)
def test_a_launcher_holds_no_logic(path: str, repository_root: Path):
    assert len((repository_root / path).read_text(encoding="utf-8").splitlines()) < 20


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_clean_and_can_be_run(script: str, repository_root: Path):
    path = repository_root / "scripts" / script

    subprocess.run(["bash", "-n", path], check=True)
    subprocess.run([Path(sys.executable).with_name("shellcheck"), path], check=True)
    assert path.stat().st_mode & 0o100
