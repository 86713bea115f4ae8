"""What every test stands on: no test sees the person's own configuration, or leaves any behind."""

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed: a busy machine would fail it (pyproject.toml's timeout ends one that hangs).
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_ISOLATED = {
    "GIT_CONFIG_GLOBAL": "gitconfig",
    "GIT_CONFIG_SYSTEM": "gitconfig-system",
    "DVC_GLOBAL_CONFIG_DIR": "dvc-global",
    "DVC_SYSTEM_CONFIG_DIR": "dvc-system",
    "DVC_SITE_CACHE_DIR": "dvc-site-cache",
    "MPLCONFIGDIR": "matplotlib",  # else each new HOME looks for all fonts again
}
_GIT_CONFIG = "[user]\n  name = Test\n  email = test@example.org\n[init]\n  defaultBranch = main\n"
_DVC_CONFIG = "[core]\n    analytics = false\n"
"""Each command of DVC would start a process that reports it."""

_LONGEST = (
    "test_tracking", "test_demo", "test_readme", "test_remote", "test_kaggle_run", "test_run_again",
    "test_several_gpus", "test_handover", "test_ways_back", "test_kills", "test_exact_resume",
)  # fmt: skip
"""Modules of slow tests, which begin first, so that none is left alone at the end."""


def pytest_configure():
    """Make the folder that Kaggle's package makes on import: two test processes race for it."""
    usual = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    (usual / "kaggle").mkdir(parents=True, exist_ok=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage in what is imported, neither meanwhile nor later: all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]):
    order = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(autouse=True, scope="session")
def _isolated(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("configuration")
    (folder / "gitconfig").write_text(_GIT_CONFIG, encoding="utf-8")
    (folder / "gitconfig-system").touch()
    (folder / "dvc-global").mkdir()
    (folder / "dvc-global/config").write_text(_DVC_CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, file in _ISOLATED.items():
            patch.setenv(name, str(folder / file))
        for name in list(os.environ):
            if name.startswith(("WANDB_", "KAGGLE_", "GDRIVE_")):
                patch.delenv(name)
        # Programs that are started would otherwise compile PyTorch anew, half of a short run.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("WANDB_MODE", "offline")
        yield


@pytest.fixture(autouse=True, scope="session")
def _interruptible():
    """Let the programs that tests start be stopped by Ctrl-C, and by a terminal that is closed.

    A shell starts what runs in the background with the first of them ignored, nohup with the
    second, and the children of what ignores a signal ignore it too.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before)
    signal.signal(signal.SIGHUP, hung_up)


@pytest.fixture(scope="session")
def repository_root() -> Path:
    return Path(__file__).parents[1]
