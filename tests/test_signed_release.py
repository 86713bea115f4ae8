"""docs/security.md, typed as it stands: a signed release is taken, and a forged one is not."""

import os
import re
import shutil
from pathlib import Path

import pytest

from container_doors.core.run import PUBLISHED
from container_doors.publishing.pointers import TRACKED, pointer_name, pointer_to
from container_doors.publishing.signatures import SIGNATURE
from tests.released import TrainerOfNetworks, must, release, shell
from tests.signing import new_key

pytestmark = pytest.mark.slow


@pytest.fixture
def released(tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release from before the project asked for signatures, on a hub; its owner has a key."""
    settings = tmp_path / "gitconfig"
    shutil.copy(os.environ["GIT_CONFIG_GLOBAL"], settings)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "home/yolo"))
    new_key(tmp_path / "home/.ssh/id_ed25519")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner").mkdir()
    return release(tmp_path / "owner", repository_root, TrainerOfNetworks())


def test_the_commands_of_the_documentation_sign_a_release(
    released: Path, repository_root: Path, tmp_path: Path
):
    text = (repository_root / "docs/security.md").read_text(encoding="utf-8")
    set_up, by_hand = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    must(f"git clone -q --bare . {tmp_path}/hub && git remote add origin {tmp_path}/hub", released)
    must(
        f"git fetch -q && git branch -q -u origin/main && git clone -q {tmp_path}/hub ../laptop",
        released,
    )

    must(f"set -e; {set_up}", released)
    unsigned = shell("doors verify", released)
    must("doors version --experiment exp1", released)
    must(by_hand, released)

    assert unsigned.returncode == 1
    assert "metadata.json is not signed" in unsigned.stdout
    must(f"git add {PUBLISHED} && git commit -qm signed && git push -q", released)
    laptop = tmp_path / "laptop"
    synced = shell("doors sync", laptop)  # a YOLO11n, not the YOLO11s of its params: exit 1
    assert "signed by test@example.org (ED25519 SHA256:" in synced.stdout, synced.stderr
    assert not must("git status --porcelain", laptop)
    assert (laptop / PUBLISHED / SIGNATURE).exists()

    forged = tmp_path / "forged"
    shutil.copytree(laptop / PUBLISHED, forged)
    (forged / "best.pt").write_bytes(b"other weights")
    document = (forged / "metadata.json").read_text().replace('"seed": 0', '"seed": 1')
    (forged / "metadata.json").write_text(document)
    version = re.search(r'"version": "(.*)"', document)
    assert version
    for name in TRACKED:
        (forged / pointer_name(name)).write_text(pointer_to(forged / name, version[1]).to_yaml())
    before = (laptop / PUBLISHED / "best.pt").read_bytes()
    refused = shell(f"doors sync --from {forged}", laptop)
    assert (refused.returncode, (laptop / PUBLISHED / "best.pt").read_bytes()) == (2, before)
    assert "the signature of metadata.json is not valid" in refused.stderr
