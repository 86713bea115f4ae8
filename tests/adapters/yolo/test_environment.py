import subprocess
import sys
from pathlib import Path

import pytest

IMPORT = """
import os
from container_doors.adapters.yolo.environment import import_ultralytics
{before}
import_ultralytics()
from ultralytics.utils import GIT, SETTINGS
{after}
"""


def python(tmp_path: Path, *, before: str = "", after: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(before=before, after=after)],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_a_token_in_the_address_of_the_git_remote_reaches_no_checkpoint(tmp_path: Path):
    """Ultralytics writes GIT.origin into every checkpoint."""
    printed = python(
        tmp_path,
        before=(
            "import_ultralytics()\n"
            "from ultralytics.utils import GIT\n"
            "GIT.origin = 'https://me:ghp_secret@example.org/a.git'"
        ),
        after="print(GIT.origin)",
    )

    assert printed.strip() == "https://example.org/a.git"


def test_the_persons_own_settings_are_not_touched_and_no_integration_is_on(tmp_path: Path):
    printed = python(
        tmp_path, after="print([k for k in ('wandb', 'mlflow', 'dvc', 'sync') if SETTINGS[k]])"
    )

    assert printed.strip() == "[]"
    assert not (tmp_path / ".config/Ultralytics").exists()


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path):
    printed = python(
        tmp_path,
        before="os.environ['XDG_CACHE_HOME'] = '/proc/nowhere'",
        after="print(os.environ['YOLO_CONFIG_DIR'])",
    )

    assert printed.strip().startswith("/tmp/container-doors-")


@pytest.mark.slow
@pytest.mark.parametrize(("before", "expected"), [("", "None"), ("os.environ[NAME] = '3'", "3")])
def test_what_is_started_later_computes_on_as_many_cores(
    tmp_path: Path, before: str, expected: str
):
    """A killed training ends with the same weights only if it goes on with as many threads."""
    named = before.replace("NAME", "'OMP_NUM_THREADS'")

    printed = python(tmp_path, before=named, after="print(os.environ.get('OMP_NUM_THREADS'))")

    assert printed.strip() == expected


@pytest.mark.slow
def test_each_line_of_its_log_has_a_time_and_a_level(tmp_path: Path):
    code = (
        "from pathlib import Path; from container_doors.training.logbook import logbook;"
        "from container_doors.adapters.yolo.environment import import_ultralytics;"
        "import_ultralytics(); from ultralytics.utils import LOGGER;"
        "logged = logbook(Path('train.log')); logged.__enter__();"
        r"LOGGER.info('Using %d workers\n\033[1mLogging\033[0m to x\n\n'); LOGGER.info('');"
        r"LOGGER.warning('%s\nsecond', 'first')"
    )

    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)

    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[2][4:] for line in lines] == [
        "INFO    ultralytics: Using %d workers",
        "INFO    ultralytics: Logging to x",
        "WARNING ultralytics: first",
        "WARNING ultralytics: second",
    ]
