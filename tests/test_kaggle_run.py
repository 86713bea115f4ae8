"""From laptop to laptop, with the real client, a Kaggle and a W&B on loopback, and real kernels."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from container_doors.core.measurements import CrossValidation, Detected
from container_doors.core.records import Metadata, RunRecord
from container_doors.core.run import Run
from container_doors.training.history import read_epochs
from tests.builders import a_small_dataset
from tests.loopback.kaggle_backend import KaggleBackend
from tests.loopback.kaggle_session import TOO_LONG
from tests.loopback.wandb_backend import KEY, WandbBackend

TINY = {
    "model": {"architecture": "yolov11n", "pretrained": False},
    "data": {"min_train_images": 2, "min_val_images": 1},
    "training": {
        "epochs": 5, "image_size_px": 64, "warmup_epochs": 0, "patience": 0, "workers": 0,
        "batch_size": 3, "device": "cpu",
    },
    "augmentation": {"close_mosaic": 0},
    "checkpoints": {"every_minutes": 0.02},
}  # fmt: skip
RUN = "doors kaggle run --experiment exp1 --yes --commit --sessions 3"
PASSWORD = "Zq9" * 12  # spelled nowhere else
FAST = {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1"}

ODD_CODE = r"""
git config i18n.commitEncoding ISO-8859-1
git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z'
mkdir odd; cd odd
printf '%s\n' '*.not export-ignore' '*.subst export-subst' '*.up filter=up' '*.id ident' \
    '*.lfs filter=lfs -text' '*.eol text eol=crlf' > .gitattributes
for kind in not subst up id lfs eol; do echo '$Id$ $Format:%H$' > $'T\xfcr\n'.$kind; done
ln -s ../src link; touch empty; chmod +x empty; cd ..
printf 'Merge ssh://git@host/T\xfcr.git\n' > ../message"""
"""What a commit may have that an archive, a text or a working directory would change."""

pytestmark = pytest.mark.slow


class Laptop:
    """A clone of this project with drawn photographs, a remote, and accounts."""

    def __init__(
        self, folder: Path, sources: Path, kaggle: KaggleBackend, wandb: WandbBackend
    ) -> None:
        self.clone = folder / "clone"
        self.kaggle = kaggle
        ours = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        self.environment = {
            **ours, **FAST, **kaggle.environment, **wandb.environment(),
            "HOME": str(folder / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_SECRET_ACCESS_KEY": PASSWORD,
        }  # fmt: skip
        (folder / "home").mkdir()
        (folder / "storage").mkdir()
        self._clone(sources)

    def _clone(self, sources: Path) -> None:
        """Take the files as they are now: a commit of this project may not have them yet."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=sources, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (sources / name).is_file() and not name.startswith(("docs/", "tests/", "uv.lock")):
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(sources / name, self.clone / name)
        params = yaml.safe_load((sources / "params.yaml").read_text(encoding="utf-8"))
        for section, keys in TINY.items():
            params["detection"][section] |= keys
        (self.clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        a_small_dataset(self.clone / "data/processed/detection")
        with (self.clone / ".gitignore").open("a", encoding="utf-8") as ignored:
            ignored.write("/data/\n")
        config = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../storage\n"
        (self.clone / ".dvc/config").write_text(config, encoding="utf-8")
        self.run(
            f"git init --quiet; {ODD_CODE}; git add --all; git commit --quiet --file ../message"
        )

    def start(self, command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", "-uc", f"exec {command}"], cwd=self.clone, env=self.environment,
            text=True, errors="backslashreplace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str, *, exit_code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-euc", command], cwd=self.clone, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            errors="backslashreplace", check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == exit_code, f"{command}\n{done.stdout}"
        return done.stdout

    @property
    def jobs(self) -> list[str]:
        return [ref.partition("/")[2] for ref in self.kaggle.state.kernels]


@pytest.fixture
def kaggle(tmp_path: Path) -> Iterator[KaggleBackend]:
    with KaggleBackend(tmp_path / "kaggle") as backend:
        yield backend


@pytest.fixture
def wandb() -> Iterator[WandbBackend]:
    with WandbBackend() as backend:
        yield backend


@pytest.fixture
def laptop(
    tmp_path: Path, repository_root: Path, kaggle: KaggleBackend, wandb: WandbBackend
) -> Laptop:
    return Laptop(tmp_path, repository_root, kaggle, wandb)


def end_after_an_epoch(kaggle: KaggleBackend) -> threading.Thread:
    """Kill the first session as Kaggle does, once it has kept a checkpoint."""

    def has_kept_one() -> bool:
        for kernel in list(kaggle.state.kernels.values()):
            said = [str(event["data"]) for event in list(kernel.session.events)]
            first = next((n for n, line in enumerate(said) if '"is": "epoch"' in line), None)
            if first is not None and any('"is": "kept"' in line for line in said[first:]):
                return True
        return False

    def watch() -> None:
        deadline = time.monotonic() + 120
        while not has_kept_one() and time.monotonic() < deadline:
            time.sleep(0.05)
        next(iter(kaggle.state.kernels.values())).session.kill("ERROR", TOO_LONG)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    return watching


def test_one_command_survives_a_killed_session_and_ends_with_a_versioned_model(
    laptop: Laptop, kaggle: KaggleBackend, wandb: WandbBackend, monkeypatch: pytest.MonkeyPatch
):
    kaggle.rules.log_cut_s = 3.0
    ending = end_after_an_epoch(kaggle)
    assert "no GPU" in laptop.run("doors kaggle plan --experiment exp1")
    left = leave_after_an_epoch(laptop, RUN)
    said = laptop.run(RUN)
    ending.join()

    monkeypatch.chdir(laptop.clone)
    assert len(kaggle.state.kernels) == 2
    assert "doors kaggle follow exp1" in left
    assert "is already started: following it" in said
    assert TOO_LONG in said
    assert "session 2 of 3: continuing exp1" in said
    run = Run("exp1")
    record = RunRecord.read(run.record)
    assert len(record.resumed_after) == 1
    assert [epoch.number for epoch in read_epochs(run.metrics_jsonl)] == [1, 2, 3, 4, 5]
    metadata = Metadata.read(Path("weights/detection/metadata.json"))
    head = laptop.run("git rev-parse HEAD~1").strip()
    assert (metadata.code.commit, metadata.code.clean) == (head, True)
    assert (metadata.run_id, record.status) == (record.run_id, "finished")
    assert metadata.git_tag in laptop.run("git tag").split()
    assert not laptop.run("git status --porcelain")
    assert Path("summary_exp1.md").is_file()
    assert {job["outcome"] for job in json.loads(laptop.run("doors kaggle list --json"))} == {
        "finished", "to be continued"
    }  # fmt: skip
    (shown,) = wandb.runs.values()
    assert (shown.state, shown.summary["epoch"]) == ("finished", 5)
    assert shown.summary["weights_sha256"] == metadata.artifacts["best.pt"].sha256
    no_secret_was_sent(kaggle)


def leave_after_an_epoch(laptop: Laptop, command: str) -> str:
    """Press Ctrl-C as soon as an epoch is seen."""
    with laptop.start(command) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith("epoch 1/5"):
                process.send_signal(signal.SIGINT)
        assert process.wait() == 130, "".join(lines)
    return "".join(lines)


def no_secret_was_sent(kaggle: KaggleBackend) -> None:
    """Kaggle is told its own token when it is asked whose it is, and never in what is kept."""
    token = next(iter(kaggle.account.tokens))
    kept = b"".join(r.body for r in kaggle.requests if r.name != "IntrospectToken")
    assert len(kept) > 1_000_000
    for secret in (KEY, PASSWORD, token):
        assert secret.encode() not in kept
        for kernel in kaggle.state.kernels.values():
            assert secret not in json.dumps(kernel.session.events)
    assert all(kernel.is_private for kernel in kaggle.state.kernels.values())
    assert all(dataset.is_private for dataset in kaggle.state.datasets.values())


def test_a_cross_validation_trains_two_folds_at_a_time_and_repeats_none_after_a_kill(
    laptop: Laptop, kaggle: KaggleBackend, monkeypatch: pytest.MonkeyPatch
):
    folds = "train/0.png,1 train/1.png,2 train/2.png,3 val/0.png,3"
    rows = "".join(f"images/{row}\n" for row in folds.split())
    (laptop.clone / "data/processed/detection/folds.csv").write_text(f"image,fold\n{rows}")
    command = (
        "doors crossval --experiment cv --on kaggle --yes --no-final --set data.min_train_images=1 "
        "--set training.epochs=2 --set wandb.mode=disabled"
    )
    with laptop.start(command) as killed:
        for line in killed.stdout or ():
            if "epoch 1/2" in line:
                killed.kill()
    output = laptop.run(command)

    monkeypatch.chdir(laptop.clone)
    assert "is already started: following it" in output
    assert [len(json.loads((Path("runs/.jobs") / f"{job}.json").read_text())["experiments"])
            for job in laptop.jobs] == [2, 1]  # fmt: skip
    records = [RunRecord.read(Run(f"cv-fold{number}").record) for number in (1, 2, 3)]
    assert [record.status for record in records] == ["finished"] * 3
    assert not any(record.resumed_after for record in records)
    assert [one.image for one in Detected.read(Run("cv").out_of_fold).photographs] == [
        f"images/{row.partition(',')[0]}" for row in folds.split()
    ]
    assert len(CrossValidation.read(Run("cv").crossval).folds) == 3
