import json
import subprocess
from pathlib import Path

import pytest

from container_doors.tunnel.environment import as_shell, session_variables


@pytest.mark.parametrize(
    "name",
    [
        "KAGGLE_USER_SECRETS_TOKEN",
        "KAGGLE_API_V1_TOKEN",
        "KAGGLE_DATA_PROXY_TOKEN",
        "KAGGLE_KEY",
        "TUNNEL_TOKEN",
        "CLOUDFLARE_TUNNEL_TOKEN",
    ],
)
def test_the_tokens_of_kaggle_and_of_the_tunnel_stay_in_the_notebook(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    """Also where all is asked for: whoever comes in would act as the account."""
    monkeypatch.setenv("CONTAINER_DOORS_PASS", "session:*")

    assert session_variables({name: "t0ken", "HF_TOKEN": "t0ken"}, {}) == {"HF_TOKEN": "t0ken"}


@pytest.mark.parametrize("name", ["HOME", "TERM", "MPLBACKEND", "JPY_PARENT_PID", "PAGER", "SHLVL"])
def test_what_is_true_of_a_notebook_alone_stays_there(name: str):
    assert session_variables({name: "x"}, {}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "LD_LIBRARY_PATH",
        "PATH",
        "CUDA_HOME",
        "UV_SYSTEM_PYTHON",
        "KAGGLE_KERNEL_RUN_TYPE",
        "KAGGLE_SECRET_WANDB_KEY",
        "PYTHONPATH",
        "HOMEBREW",
    ],
)
def test_what_training_needs_is_handed_on(name: str):
    assert session_variables({name: "x"}, {}) == {name: "x"}


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "HF_TOKEN", "OPENAI_API_KEY", "DB_PASSWORD"])
def test_a_secret_that_training_has_no_use_for_stays_there(name: str):
    assert session_variables({name: "x"}, {}) == {}


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY", "GDRIVE_CREDENTIALS_DATA"]
)
def test_a_secret_of_dvc_s_and_wandb_s_is_handed_on(name: str):
    assert session_variables({name: "x"}, {}) == {name: "x"}


def test_one_more_is_handed_on_by_its_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONTAINER_DOORS_PASS", "session:HF_TOKEN")

    assert session_variables({"HF_TOKEN": "x", "GH_TOKEN": "y"}, {}) == {"HF_TOKEN": "x"}


def test_a_name_that_no_shell_can_set_is_left_out():
    assert session_variables({"BASH_FUNC_x%%": "() { :; }", "a-b": "x"}, {}) == {}


def test_a_shell_reads_any_value_back(tmp_path: Path):
    values = {"A": 'it\'s "$HOME" `x` \\ \n two lines \t é', "B": "", "C": "{'a': '*'}"}
    (tmp_path / "environment.sh").write_text(as_shell(values), encoding="utf-8")

    code = ". ./environment.sh; python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    read = json.loads(subprocess.check_output(["sh", "-c", code], cwd=tmp_path))

    assert {name: read[name] for name in values} == values
