"""``scripts/run_training.sh``, killed and run again, as whoever finds a dead machine does."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.test_readme import TINY, environment

pytestmark = pytest.mark.slow
SCRIPT = ["bash", "scripts/run_training.sh", "exp1"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Path:
    tmp_path = tmp_path_factory.mktemp("again")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", repository_root, clone], check=True)
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    for section, keys in TINY.items():
        params["detection"][section] |= keys
    params["detection"]["training"]["epochs"] = 6
    params["detection"]["data"] |= {"min_train_images": 2, "min_val_images": 1}
    params["detection"]["wandb"]["mode"] = "disabled"
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for command in (
        "doors data sample --out data/processed/detection --train 6 --val 3 --test 3",
        f"doors storage set {tmp_path}/remote",
    ):
        subprocess.run(command.split(), cwd=clone, env=environment(tmp_path), check=True)
    return clone


def killed_at(line: str, clone: Path, *, number: int = signal.SIGKILL) -> str:
    """Run the script, and send a signal to all of it as soon as it says ``line``."""
    said = []
    with subprocess.Popen(
        SCRIPT, cwd=clone, env=environment(clone.parent), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for one in process.stdout:
            said.append(one)
            if one.startswith(line):
                os.killpg(process.pid, number)
                line = "nothing more"
    assert line == "nothing more", "".join(said)
    return "".join(said)


def test_a_time_limit_ends_it_well_and_versions_nothing(clone: Path):
    said = done(clone, *SCRIPT[:2], "short", "--max-hours", "0.0001")

    assert "to be continued: short has 1 of 6 epochs: no further epoch fits" in said
    assert "To be continued: bash scripts/run_training.sh short --max-hours 0.0001" in said
    assert "[4/5]" not in said


@pytest.fixture(scope="module")
def finished(clone: Path) -> tuple[Path, list[str]]:
    """Run it until it is killed, twice, and then to its end; returns what each has said."""
    killed = [killed_at(line, clone) for line in ("epoch 2/6", "[4/5]")]
    return clone, [*killed, done(clone, *SCRIPT)]


def test_the_same_command_goes_on_whatever_was_killed(finished: tuple[Path, list[str]]):
    clone, (_, resumed, said) = finished

    assert "resuming exp1 after epoch" in resumed
    assert "published detection_v1.0_" in resumed
    assert "exp1 is finished already" in said
    assert (clone / "weights/detection/best.pt.dvc").exists()
    assert (clone / "summary_exp1.md").exists()


def test_a_run_that_is_no_better_ends_well_and_says_so(finished: tuple[Path, list[str]]):
    """Both score nothing in a few epochs of a tiny network; of equals the published one stays."""
    clone, _ = finished
    params = clone / "params.yaml"
    params.write_text(params.read_text("utf-8").replace("epochs: 6", "epochs: 1"), "utf-8")
    told = done(clone, *SCRIPT[:2], "exp2")

    assert "kept detection_v1.0_" in told
    assert "exp2 has the same val mAP50-95, 0.000; to publish exp2 anyway" in told
    assert "nothing to version: exp2 is not published" in told
    assert (clone / "summary_exp2.md").exists()
    assert "doors publish exp2 --anyway" in told
    refused = done(clone, "bash", "scripts/finalize_training_kaggle.sh", "exp2", code=2)
    assert "hint: doors publish exp2 publishes exp2 if it is better" in refused
    names = [line.split()[0] for line in done(clone, "doors", "runs").splitlines()[1:]]
    assert names[:2] == ["exp2", "exp1"]
    done(clone, "doors", "publish", "exp2", "--anyway")
    finalized = done(clone, "bash", "scripts/finalize_training_kaggle.sh", "exp2")
    assert "git tag -a detection@v1.1.0" in finalized
    assert "published detection_v1.0" in done(clone, "doors", "publish", "exp1", "--anyway")


def done(clone: Path, *command: str, code: int = 0) -> str:
    ended = subprocess.run(
        command, cwd=clone, env=environment(clone.parent), check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
