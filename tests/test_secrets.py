"""After a whole session no secret is anywhere but where it has to be."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from tests.loopback.wandb_backend import KEY, WandbBackend
from tests.pem import private_key
from tests.ssh import make_key
from tests.test_handover import TINY
from tests.test_tunnel import Session, opened

CANARY = "Bq7" * 20
JSON = json.dumps(
    {
        "type": "service_account",
        "client_email": "trainer@project.iam.gserviceaccount.com",
        "client_id": "1",
        "private_key_id": "id",
        "private_key": private_key(CANARY),
    }
)
KAGGLE = "K4g" * 12  # spelled nowhere, for this file is published too
SECRETS = (KEY, CANARY, KAGGLE)
WORK = """
cd "$DOORS_REPOSITORY"
doors data sample --out data/processed/detection --train 4 --val 2 --test 2
doors storage set ../storage
doors train --experiment exp1
doors version --experiment exp1
doors summary --experiment exp1
doors doctor || true
env | wc -l
"""


@contextmanager
def arguments_watched() -> Iterator[set[str]]:
    """Collect the arguments of every process that there is meanwhile."""
    seen: set[str] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.05):
            for process in psutil.process_iter():
                try:
                    seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue

    watching = threading.Thread(target=watch)
    watching.start()
    yield seen
    is_over.set()
    watching.join()


@pytest.mark.slow
def test_no_secret_is_left_where_others_read(tmp_path: Path, repository_root: Path):
    published = tmp_path / "published"
    clone = published / "clone"
    subprocess.run(["git", "clone", "-q", repository_root, clone], check=True)
    params = yaml.safe_load((clone / "params.yaml").read_text("utf-8"))
    for section, keys in TINY.items():
        params["detection"][section] |= keys
    params["detection"]["wandb"]["mode"] = "online"
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

    with WandbBackend() as backend, arguments_watched() as arguments:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DVC_SERVICE_ACCOUNT_JSON": JSON,
            "KAGGLE_USER_SECRETS_TOKEN": KAGGLE,
            "WANDB_MODE": "online",
            "YOLO_CONFIG_DIR": str(tmp_path / "yolo"),
            **backend.environment(),
        }
        with opened(tmp_path, clone, environment, make_key(tmp_path, "mine")) as session:
            done = session.ssh("kaggle-training", f"set -e; {WORK}", timeout_s=300)
            assert done.returncode == 0, done.stdout + done.stderr
            said = done.stdout + done.stderr + stopped(session)
        sent = repr(backend.runs) + repr(backend.requests)

    assert len(arguments) > 20
    assert backend.runs
    for secret in SECRETS:
        assert secret not in said
        assert secret not in sent
        assert not [line for line in arguments if secret in line]
        assert not [path for path in published.rglob("*") if holds(path, secret)]


def stopped(session: Session) -> str:
    session.serving.terminate()
    rest, _ = session.serving.communicate(timeout=60)
    return session.said + rest


def holds(path: Path, secret: str) -> bool:
    return path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes()
