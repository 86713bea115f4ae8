"""The doctor, on machines where something is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.builders import a_trained_run
from tests.loopback.wandb_backend import WandbBackend

from container_doors.adapters import account_health, machine_health
from container_doors.cli import main
from container_doors.cli.doctor import data_set, last_run
from container_doors.core.config import Data, Params, Training, dump
from container_doors.training.claim import claim

KEY = "k" * 40
WITHOUT = (
    "import sys; hidden = {}; "
    "sys.meta_path.insert(0, type('Gone', (), {{'find_spec': staticmethod(lambda name, *_: "
    "(_ for _ in ()).throw(ModuleNotFoundError(name, name=name)) if name in hidden else None)}})); "
    "from container_doors.cli import main; sys.exit(main(['doctor', *sys.argv[1:]]))"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "hidden",
    [{"torch", "wandb"}, {"pydantic", "yaml", "rich"}, {"psutil", "dvc", "numpy", "cv2"}],
    ids=lambda hidden: " ".join(sorted(hidden)),
)
def test_it_works_when_packages_are_missing(hidden: set[str], tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(hidden), "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    assert done.returncode == 1
    assert len(checks) == 14
    missing = [check["found"] for check in checks.values() if "is not installed" in check["found"]]
    assert missing
    assert set(missing) <= {f"{name} is not installed" for name in hidden}
    assert all(check["remedy"] for check in checks.values() if check["verdict"] != "pass")
    assert checks["python"]["verdict"] == "pass"


def test_photographs_wherever_they_are_are_no_change_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(dump(Params(
        data=Data(path="photos/doors"),
        training=Training(epochs=3, batch_size=2, learning_rate=0.001),
    )))  # fmt: skip
    for command in ("init", "add params.yaml", "commit --message params"):
        subprocess.run(["git", *command.split()], check=True, capture_output=True)
    Path("photos/doors").mkdir(parents=True)
    Path("photos/doors/a.jpg").touch()
    assert account_health.git().verdict == "pass"

    Path("new_module.py").touch()
    assert account_health.git().verdict == "warn"


def test_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert account_health.git().verdict == "warn"

    monkeypatch.setenv("PATH", str(tmp_path))
    assert (account_health.git().verdict, account_health.git().remedy) == (
        "fail",
        "install git: https://git-scm.com/downloads",
    )


def test_credentials_that_are_none_are_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAGGLE_SECRET_DVC_JSON", '{"private_key": "MIIE')

    line = account_health.drive_credentials()
    assert line.verdict == "fail"
    assert "KAGGLE_SECRET_DVC_JSON" in line.found
    assert "MIIE" not in f"{line}"


def test_a_wandb_that_does_not_answer_costs_nothing_but_the_view(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")

    line = account_health.wandb()
    assert (line.verdict, KEY in f"{line}") == ("warn", False)
    assert "recorded offline" in line.found


def test_wandb_is_asked_whose_the_key_is(monkeypatch: pytest.MonkeyPatch):
    with WandbBackend(entity="team") as backend:
        for name, value in backend.environment().items():
            monkeypatch.setenv(name, value)
        assert account_health.wandb().found == "team, with the key in WANDB_API_KEY"

        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        line = account_health.wandb()
    assert "refuses the key" in line.found
    assert line.verdict == "warn"  # a training goes on, offline


def test_kaggles_credentials_must_not_be_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    assert account_health.kaggle().verdict == "warn"

    (tmp_path / "kaggle.json").write_text('{"username": "someone", "key": "0123"}')
    (tmp_path / "kaggle.json").chmod(0o644)
    assert account_health.kaggle().remedy == f"chmod 600 {tmp_path}/kaggle.json"


def test_a_gpu_that_torch_does_not_see_is_told_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The trap of SSH sessions: the driver is there, and the variable that leads to it is not."""
    if machine_health.gpu().verdict == "pass":
        pytest.skip("torch sees the GPU of this machine")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho Tesla T4\necho Tesla T4\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    line = machine_health.gpu()
    assert line.verdict == "fail"
    assert line.found.startswith("Tesla T4 + Tesla T4 is there")


def test_on_kaggle_a_machine_without_gpu_is_no_machine_to_train_on(monkeypatch: pytest.MonkeyPatch):
    if machine_health.gpu().verdict == "pass":
        pytest.skip("there is a GPU")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")

    assert machine_health.gpu().verdict == "fail"
    assert "Accelerator" in machine_health.gpu().remedy
    assert machine_health.gpu_for_set_up().verdict == "warn"
    assert "Accelerator" in machine_health.gpu_for_set_up().remedy


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No host answers, no key is anywhere, no driver lists a GPU."""
    monkeypatch.setattr(machine_health, "_HOSTS", ("host.invalid",))
    monkeypatch.setattr(machine_health, "version_of", lambda _: None)
    for name in ("HTTPS_PROXY", "https_proxy", "KAGGLE_KERNEL_RUN_TYPE", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("offline")
def test_on_a_laptop_no_remedy_is_one_for_kaggle(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(repository_root)
    checks = (machine_health.packages, machine_health.network, machine_health.gpu)
    packages, network, gpu = (check() for check in checks)

    assert (packages.verdict, packages.remedy) == ("fail", "uv sync")
    assert (network.verdict, "check the network" in network.remedy) == ("warn", True)
    remedies = f"{packages.remedy} {network.remedy} {gpu.remedy}"
    assert "Settings >" not in remedies
    assert "setup_kaggle" not in remedies


@pytest.mark.usefixtures("offline")
def test_on_kaggle_remedies_are_kaggles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")

    assert machine_health.packages().remedy == "bash scripts/setup_kaggle.sh"
    assert machine_health.network().remedy.startswith("Settings > Internet on")


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (
            "WARNING ultralytics: cache='ram' may produce non-deterministic training results.",
            "pass",
        ),
        ("WARNING py.warnings: /a/b.py:1: UserWarning: no deterministic implementation", "pass"),
        (
            "WARNING container_doors: detection.augmentation.close_mosaic: 10 changes nothing",
            "pass",
        ),
        ("WARNING container_doors: checkpoints are only on this machine for now", "warn"),
        ("ERROR   container_doors: a thread ended: no space left", "warn"),
    ],
)
def test_what_nobody_can_act_on_is_no_complaint_of_the_last_run(
    line: str, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    run, _, _ = a_trained_run(Path("runs"), "exp1")
    run.train_log.write_text(f"2026-11-28 12:01:31,527 {line}\n")

    assert last_run().verdict == verdict


def test_what_the_log_of_the_last_run_says_is_not_cut_within_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    run, record, _ = a_trained_run(Path("runs"), "exp1")
    sentence = f"checkpoints are only on this machine: {'the storage is full, ' * 10}and so on."
    run.train_log.write_text(f"2026-11-28 12:01:31,527 WARNING container_doors: {sentence}\n")
    assert last_run().found.endswith(sentence)
    assert last_run().remedy == f"the whole log is {run.train_log}; doors doctor --run exp1"

    message = "CUDA out of memory: " + "reserved " * 500
    record.model_copy(update={"status": "failed", "message": message}).write(run.record)
    assert last_run().found.endswith("reserved [...]")


def test_a_diagnosis_is_of_the_weights_that_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The last epoch has false alarms; ``best.pt``, in use, misses doors."""
    monkeypatch.chdir(tmp_path)
    run, _, evaluation = a_trained_run(Path("runs"), "exp1")
    lines = [json.loads(line) for line in run.metrics_jsonl.read_text().splitlines()]
    lines[-1] |= {"val/precision": 0.25, "val/recall": 0.75, "val/mAP50": 0.3}
    run.metrics_jsonl.write_text("".join(json.dumps(line) + "\n" for line in lines))
    val = evaluation.splits["val"]
    point = val.operating_point.model_copy(update={"precision": 0.9, "recall": 0.4})
    val = val.model_copy(update={"ultralytics": {"mAP50": 0.828}, "operating_point": point})
    evaluation.model_copy(update={"splits": {"val": val}}).write(run.scores)

    main(["doctor", "--run", "exp1"])

    shown = capsys.readouterr().out
    assert (
        "mAP50 0.828 on val, of best.pt, is below 0.85: missed doors (precision 0.90, "
        "recall 0.40, on val at a confidence of 0.25)"
    ) in shown
    assert "false alarms" not in shown


def test_a_data_set_that_is_not_here_is_fetched_only_where_a_pointer_names_it(
    tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((repository_root / "params.yaml").read_bytes())
    assert data_set().remedy.startswith("import your photographs")

    pointer = tmp_path / "data/processed/detection.dvc"
    pointer.parent.mkdir(parents=True)
    pointer.touch()
    assert data_set().remedy.startswith("doors data pull --path data/processed/detection,")


def test_a_run_is_diagnosed_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    a_trained_run(Path("runs"))

    assert main(["doctor", "--run", "detection_exp001", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worst"] == "pass"
    assert main(["doctor", "--run", "detection_exp002"]) == 2
    assert "did you mean detection_exp001?" in capsys.readouterr().err


def test_epochs_that_are_lost_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    run, _, _ = a_trained_run(Path("runs"), "exp1")
    lines = run.metrics_jsonl.read_bytes().splitlines(keepends=True)
    run.metrics_jsonl.write_bytes(b"".join([*lines[:4], b"\xff\n", *lines[5:]]))

    assert main(["doctor", "--run", "exp1"]) == 1

    shown = capsys.readouterr().out
    assert f"{run.metrics_jsonl}:5: expected a JSON object" in shown
    assert f"{run.metrics_jsonl} lacks epoch 5 of the finished ones" in shown


def test_a_last_run_that_says_running_and_has_no_process_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    run, record, _ = a_trained_run(Path("runs"), "exp1")
    record.model_copy(update={"status": "running"}).write(run.record)

    assert last_run().verdict == "warn"
    assert "exp1: interrupted: its status is running" in last_run().found
    with claim(run):
        assert last_run().found == "exp1: running"


def test_checkpoints_that_are_damaged_are_named_while_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    run, record, _ = a_trained_run(Path("runs"), "exp1")
    record.model_copy(update={"status": "stopped"}).write(run.record)
    run.resumable.parent.mkdir()
    (run.resumable.parent / "epoch.json").write_bytes(b"")

    assert main(["doctor", "--run", "exp1"]) == 1
    said = capsys.readouterr().out
    assert f"epoch.json in {run.resumable.parent} is damaged" in said
    assert "the storage may have one: doors train --resume --experiment exp1" in said
