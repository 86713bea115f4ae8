"""``doors completion``, in the shells that are installed here."""

import os
import pty
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from container_doors.cli import main

Complete = Callable[[str], set[str]]

_PATIENCE_S = 60.0


def in_bash(script: Path, line: str) -> set[str]:
    return _typed(["bash", "--norc", "--noprofile", "-i"], f"source '{script}'", line)


def in_zsh(script: Path, line: str) -> set[str]:
    shutil.copy(script, script.with_name("_doors"))
    ready = f"fpath=('{script.parent}' $fpath); autoload -U compinit; compinit -D -u"
    return _typed(["zsh", "-f", "-i"], ready, line)


def in_fish(script: Path, line: str) -> set[str]:
    asked = f"source '{script}'; complete --do-complete '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", asked], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return {row.partition("\t")[0] for row in done.stdout.splitlines()}


def _typed(shell: list[str], ready: str, line: str) -> set[str]:
    """Type a line and a tab at a terminal; the command writes down how it was called."""
    with tempfile.TemporaryDirectory() as scratch:
        called = Path(scratch) / "called"
        noted = f"doors() {{ printf '%s\\n' \"$@\" > {called}.part; mv {called}.part {called}; }}"
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ |= {"TERM": "dumb", "HISTFILE": ""}
            os.execvp(shell[0], shell)
        try:
            os.write(terminal, f"{ready}; {noted}\n{line}\t\n".encode())
            said, until = b"", monotonic() + _PATIENCE_S
            while not called.exists():
                assert monotonic() < until, said.decode()
                if select.select([terminal], [], [], 0.1)[0]:
                    said += os.read(terminal, 65536)
            return {called.read_text().splitlines()[-1]}
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)


@pytest.fixture(params=["bash", "zsh", "fish"])
def complete(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Complete:
    shell: str = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    assert main(["completion", shell]) == 0
    script = tmp_path / f"doors.{shell}"
    script.write_text(capsys.readouterr().out, encoding="utf-8")
    ask = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}[shell]
    return lambda line: ask(script, line)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    for path in ("runs/my_run/run.json", "runs/my_run~1/run.json", "runs/nothing/else", "docs/a"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).touch()
    (folder / "params.yaml").touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        pytest.param("doors robu", "robustness", id="command"),
        pytest.param("doors data vali", "validate", id="command below"),
        pytest.param("doors train --max", "--max-hours", id="option"),
        pytest.param("doors runs --sort lat", "latency", id="choice"),
        pytest.param("doors train --config par", "params.yaml", id="file"),
        pytest.param("doors data validate --path do", "docs", id="folder"),
        pytest.param("doors summary --experiment my", "my_run", id="run"),
        pytest.param("doors track show my", "my_run", id="run without an option"),
    ],
)
def test_a_tab_completes(line: str, completed: str, complete: Complete):
    assert completed in {word.rstrip("/") for word in complete(line)}


def test_runs_are_found_from_a_folder_below(
    complete: Complete, workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(workspace / "docs")

    assert "my_run" in complete("doors gate --experiment my")
