"""Each command that a message names is one that exists, and following it leads on, not back."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from container_doors import pipeline
from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import main
from container_doors.cli import train as cli_train
from container_doors.core.config import dump
from container_doors.core.records import RunRecord
from container_doors.core.run import PUBLISHED, Run
from tests.builders import a_small_dataset
from tests.fakes import FakeDetector, FakeTrainer, FakeWorld
from tests.hints import VALUE, commands_in, templates
from tests.publishing.commands_killed import a_dvc
from tests.released import must
from tests.trained import PARAMS

PROSE = (
    "no credentials: doors kaggle cannot be used here",
    "run doors gate first: exit 1, and upload nothing, unless every target is met",
    "# written by: doors summary --card",
    "<!doctype html><!-- doors",
    "page of doors monitor",
    "With the correlation within scenes (`doors evaluate`)",
)
"""These speak of a command, and nobody is to type it."""

MARKS = ("doors data prelabel",)
"""What a project is recognised by: the names of those that wrote it."""

LONGEST = 4
"""Steps from a message to the end of what it advises."""


def test_every_command_that_a_message_names_is_one_that_parses():
    named = [
        (where, command)
        for where, text in templates()
        if not text.startswith(PROSE) and text not in MARKS
        for command in commands_in(text)
    ]

    assert len(named) > 150, "the search for them has lost its way"
    assert [(where, command[1:]) for where, command in named if command[0] == "?"] == []


def test_the_search_sees_what_does_not_parse():
    assert [*commands_in(f"see doors train --experimental {VALUE}; doors compare")] == [
        ["?", "train", "--experimental", VALUE], ["?", "compare"]
    ]  # fmt: skip
    assert [*commands_in("doors train --experiment exp1 again: it goes on")] == [
        ["train", "--experiment", "exp1"]
    ]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a storage, where trainings are quick."""
    folder = tmp_path / "clone"
    a_small_dataset(folder / PARAMS.data.path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CONTAINER_DOORS_DVC", "set by a_dvc")
    a_dvc(tmp_path / "dvc")
    Path("params.yaml").write_text(dump(PARAMS))
    shutil.copy(Path(__file__).parents[1] / ".gitignore", folder)
    must("git init -q && git add -A && git commit -qm Begin", folder)
    monkeypatch.setattr(cli_train, "real_world", lambda *_, **__: a_world(0.5).world)
    return folder


def a_world(map50_95: float, *, trained: int = 0) -> FakeWorld:
    world = FakeWorld(
        trainer=FakeTrainer(trained=trained), detector=FakeDetector(map50_95=map50_95)
    )
    return replace(world, repository=GitRepository(Path.cwd()))  # type: ignore[arg-type]


def two_runs() -> None:
    """The state of the report: the first is better, and published."""
    pipeline.train(PARAMS, Run("my1"), world=a_world(0.216).world)
    pipeline.train(PARAMS, Run("my2"), world=a_world(0.156, trained=5).world)


def nothing() -> None:
    pass


def only_the_runs() -> None:
    two_runs()
    shutil.rmtree(PUBLISHED)


def one_replaced() -> None:
    pipeline.train(PARAMS, Run("my1"), world=a_world(0.216).world)
    pipeline.train(PARAMS, Run("my1"), world=a_world(0.156, trained=5).world, replace=True)


def the_only_copy() -> None:
    two_runs()
    shutil.rmtree(Run("my1").directory)


def a_damaged_model() -> None:
    two_runs()
    (PUBLISHED / "best.pt").write_text("flipped")


def a_torn_document() -> None:
    two_runs()
    (PUBLISHED / "metadata.json").write_text("{")


def an_interrupted_run() -> None:
    two_runs()
    record = RunRecord.read(Run("my2").record)
    record.model_copy(update={"status": "interrupted"}).write(Run("my2").record)


FOLLOWED = ("train", "version", "publish", "metadata", "runs", "verify", "sync")
"""The others need an account, or a person."""

PLACEHOLDERS = {"NAME", "DIR", "FILE"}
"""What a person is to replace."""

STATES = (
    nothing, two_runs, only_the_runs, one_replaced, the_only_copy, a_damaged_model,
    a_torn_document, an_interrupted_run,
)  # fmt: skip

COMMANDS = (
    "version --experiment my1", "version --experiment my2", "version", "train --experiment my1",
    "train --experiment my2", "publish my1", "publish my2", "publish my2 --anyway",
    "publish --version detection_v1.1_20261123_my2", "metadata --experiment my2", "verify my2",
    "version --experiment my2 --release --point", "runs",
    "train --experiment my2 --resume",
)  # fmt: skip


@pytest.mark.parametrize(
    "state",
    [two_runs, *(pytest.param(one, marks=pytest.mark.slow) for one in STATES if one != two_runs)],
)
def test_no_hint_leads_back_to_the_command_that_gave_it(
    state: Callable[[], None], clone: Path, capsys: pytest.CaptureFixture[str]
):
    state()
    capsys.readouterr()

    for command in COMMANDS:
        paths = [*followed(command.split(), clone, capsys)]
        for path in paths:
            assert len(path) <= LONGEST, f"{' -> '.join(path)}: it has no end"
            assert len(set(path)) == len(path), f"{' -> '.join(path)}: it leads back"


def followed(
    argv: list[str], clone: Path, capsys: pytest.CaptureFixture[str], before: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Run a command in a copy of the clone, and each that its hint names after it, and so on."""
    path = (*before, " ".join(argv))
    if len(path) > LONGEST or path[-1] in before:
        yield path
        return
    with put_back(clone):
        main(argv)
        said = capsys.readouterr().err
        hints = [line for line in said.splitlines() if line.strip().startswith("hint:")]
        assert hints or "error:" not in said, said
        advised = [one for hint in hints for one in commands_in(hint)]
        assert all(one[0] != "?" for one in advised), hints
        if any("then: " in hint for hint in hints):  # one after the other, and not one of them
            assert [main(one) for one in advised] == [0] * len(advised), hints
            advised = []
        if not advised:
            yield path
        for one in advised:
            if one[0] in FOLLOWED and not PLACEHOLDERS & {*one}:
                yield from followed(one, clone, capsys, path)


@contextmanager
def put_back(clone: Path) -> Iterator[None]:
    with TemporaryDirectory() as scratch:
        kept = Path(scratch) / "kept"
        shutil.copytree(clone, kept, symlinks=True)
        try:
            yield
        finally:
            for left in clone.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            shutil.copytree(kept, clone, symlinks=True, dirs_exist_ok=True)
