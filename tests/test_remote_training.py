"""A training on a lent GPU: the real script, a trainer that pretends, and a host in a folder."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.release import write_wheel
from container_doors.cli import kaggle
from container_doors.core.config import Checkpoints, Data, Params, Training
from container_doors.core.errors import (
    ConfigError,
    DatasetError,
    DoorsError,
    HostError,
    RunError,
    VersioningError,
    WeightsError,
)
from container_doors.core.records import RunRecord, StartingWeights
from container_doors.core.run import PUBLISHED, Run
from container_doors.kaggle import worker
from container_doors.kaggle.job_report import end_line, plan_lines
from container_doors.kaggle.ledger import JobRecord, newest_job, read_jobs
from container_doors.steps.kaggle import plan as kaggle_plan
from container_doors.steps.kaggle.follow import follow_job
from container_doors.steps.kaggle.jobs import discard_job, known_jobs
from container_doors.steps.kaggle.plan import JobRequest, Plan, Program, plan_job
from container_doors.steps.kaggle.pull import (
    PulledRun,
    experiments_to_continue,
    publish_pulled,
    pull_job,
)
from container_doors.steps.kaggle.push import push_job
from container_doors.steps.published import Outside
from container_doors.training.checkpoint import find_intact
from container_doors.training.history import read_epochs
from tests.builders import a_record, a_small_dataset
from tests.fake_host import FakeHost
from tests.fake_training import MAIN
from tests.fakes import FakeDetector, FakeFollower, FakeProgress, FakeTrainer
from tests.pem import private_key
from tests.publishing.power_cuts import watched
from tests.read_only import content, read_only


def params(device: str = "cpu", **training: object) -> Params:
    asked = {"epochs": 5, "batch_size": 2, "learning_rate": 0.001, "patience": 0, **training}
    return Params(
        data=Data(min_train_images=2, min_val_images=1),
        training=Training.model_validate({**asked, "device": device}),
        checkpoints=Checkpoints(every_minutes=0.01),
    )


@pytest.fixture(scope="module")
def _commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this project's package in name, and photographs beside it."""
    clone = tmp_path_factory.mktemp("commit") / "clone"
    package = clone / "src/container_doors"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipeline.py").write_text("# the story\n")
    (package / "__main__.py").write_text(MAIN)
    (clone / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["pydantic>=2"]\n')
    (clone / ".gitignore").write_text("/runs/\n/data/\n/weights/\n/reports/\n__pycache__/\n")
    a_small_dataset(clone / "data/processed/detection")
    for command in (["init"], ["add", "--all"], ["commit", "-m", "Begin\n\nMore, and an é."]):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)
    return clone


@pytest.fixture
def clone(_commit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(_commit, tmp_path / "clone")
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


@pytest.fixture
def host(tmp_path: Path, repository_root: Path, clone: Path) -> FakeHost:
    return a_host(tmp_path / "host", repository_root)


def a_host(folder: Path, repository_root: Path) -> FakeHost:
    folder.mkdir()
    return FakeHost(folder, environment={"SOURCES": str(repository_root), "MOOD": "well"})


@pytest.fixture(scope="module")
def _ran(
    _commit: Path, tmp_path_factory: pytest.TempPathFactory, repository_root: Path
) -> tuple[Path, FakeHost]:
    """A job that has run to its end, and that nobody has looked at."""
    folder = tmp_path_factory.mktemp("ran")
    shutil.copytree(_commit, folder / "clone")
    host = a_host(folder / "host", repository_root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "clone")
        pushed(host, planned(host))
    return folder, host


@pytest.fixture
def ran(
    _ran: tuple[Path, FakeHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[FakeHost, JobRecord]:
    folder, host = _ran
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "clone")
    host = replace(host, folder=tmp_path / "host", lines=dict(host.lines))
    return host, newest_job("exp1")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def planned(
    host: FakeHost, device: str = "cpu", trainer: FakeTrainer | None = None, **options: object
) -> Plan:
    wanted = JobRequest(**{"experiments": {"exp1": params(device)}, **options})  # type: ignore[arg-type]
    return plan_job(
        wanted,
        host=host,
        repository=GitRepository(Path()),
        trainer=trainer or FakeTrainer(),
        program=Program(Path(worker.__file__).read_text(encoding="utf-8"), write_wheel),
        progress=FakeProgress(),
    )


def pushed(host: FakeHost, plan: Plan) -> JobRecord:
    return push_job(plan, host=host, progress=FakeProgress(), pause=no_time)


def followed(host: FakeHost, job: JobRecord, follower: FakeFollower | None = None) -> JobRecord:
    return follow_job(
        job,
        host=host,
        follower_of=lambda _: follower or FakeFollower(),
        progress=FakeProgress(),
        pause=no_time,
    )


def pulled(host: FakeHost, job: JobRecord) -> tuple[JobRecord, list[PulledRun]]:
    return pull_job(job, host=host, progress=FakeProgress(), pause=no_time)


def all_of_it(host: FakeHost, plan: Plan) -> PulledRun:
    _, (home,) = pulled(host, followed(host, pushed(host, plan)))
    return home


def no_time(_: float) -> None:
    pass


def epochs(name: str = "exp1") -> list[int]:
    return [epoch.number for epoch in read_epochs(Run(name).metrics_jsonl)]


def test_a_training_comes_home_as_the_one_that_was_sent(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    follower = FakeFollower()
    job = followed(host, job, follower)
    assert (job.outcome, epochs()) == ("finished", [1, 2, 3, 4, 5])
    assert (follower.followed, follower.exit_codes) == (["exp1"], [0])
    assert RunRecord.read(Run("exp1").record).status == "running"  # it is not here yet

    job, (home,) = pulled(host, job)
    metadata = publish_pulled(
        home.run,
        outside=Outside(GitRepository(Path()), lambda *_: FakeDetector(), FakeProgress()),
        follower_of=lambda _: follower,
        progress=FakeProgress(),
    )

    assert (metadata.code.commit, metadata.code.clean) == (git("rev-parse", "HEAD"), True)
    assert metadata.run_id == job.run_ids["exp1"]
    assert (PUBLISHED / "best.pt").read_text() == "weights of epoch 5"
    assert RunRecord.read(Run("exp1").record).status == "finished"
    assert (Run("exp1").data_view / "data.yaml").exists()
    assert follower.exit_codes == [0, 0]
    assert (newest_job("exp1").stage, newest_job(None).outcome) == ("home", "finished")


@pytest.mark.slow
def test_a_time_limit_that_is_hit_twice_ends_as_one_run(host: FakeHost):
    host.environment["MOOD"] = "stop"
    sessions, home = [], all_of_it(host, planned(host))
    while rest := experiments_to_continue([home]):
        sessions.append(epochs())
        home = all_of_it(host, planned(host, experiments=rest))

    assert sessions == [[1, 2], [1, 2, 3, 4]]
    assert (home.outcome.kind, epochs()) == ("finished", [1, 2, 3, 4, 5])
    assert RunRecord.read(Run("exp1").record).resumed_after == [2, 4]
    assert len({job.run_ids["exp1"] for job in read_jobs()}) == 1
    assert [slug for slug in host.sent if slug.startswith("doors-data")] == host.sent[1:2]


def test_the_next_session_goes_on_from_the_newest_whole_checkpoint(host: FakeHost):
    host.environment["MOOD"] = "stop"
    home = all_of_it(host, planned(host))
    home.run.resumable.write_bytes(b"PK")

    plan = planned(host)
    again = all_of_it(host, plan)

    assert plan.after_epoch == {"exp1": 1}
    assert epochs() == [1, 2, 3]
    assert again.outcome.kind == "to be continued"


def test_a_checkpoint_that_came_home_is_there_after_a_power_cut(
    host: FakeHost, clone: Path, tmp_path: Path
):
    """Its archive is deleted then, here."""
    host.environment["MOOD"] = "stop"

    with watched(clone) as disk:
        all_of_it(host, planned(host))
        disk.left("nothing", tmp_path / "left")

    run = Run("exp1", root=tmp_path / "left/runs")
    assert find_intact(run).epoch == 2


@pytest.mark.slow
def test_a_training_that_is_killed_for_its_memory_says_so_and_keeps_its_checkpoint(host: FakeHost):
    host.environment["MOOD"] = "kill"

    home = all_of_it(host, planned(host))

    assert home.outcome.kind == "failed"
    assert "memory was full" in home.outcome.why
    assert "cache=none" in home.outcome.remedy
    assert planned(host).after_epoch == {"exp1": 2}


def test_a_failed_training_leaves_its_log_and_its_reason(host: FakeHost):
    host.environment["MOOD"] = "fail"

    home = all_of_it(host, planned(host))

    assert "out of memory with batch size 1" in home.outcome.why
    (job,) = read_jobs()
    assert "out of memory with batch size 1" in (job.folder / "kernel.log").read_text()


def test_what_nobody_thought_of_ends_well_for_the_host_which_then_keeps_the_archive(
    host: FakeHost, clone: Path
):
    (clone / "pyproject.toml").unlink()

    home = all_of_it(host, planned(host, with_changes=True))

    assert host.exit_codes == [0]
    assert home.outcome.kind == "failed"
    assert "the kernel itself failed" in home.outcome.why
    assert "pyproject.toml" in home.outcome.why


@pytest.mark.parametrize(
    ("gpus", "said"),
    [
        (("Tesla P100",), "expected 2 x T4, found Tesla P100"),
        pytest.param((), "expected 2 x T4, found no GPU", marks=pytest.mark.slow),
    ],
)
def test_another_machine_than_was_asked_for_is_refused(
    host: FakeHost, gpus: tuple[str, ...], said: str
):
    host.gpus = gpus

    home = all_of_it(host, planned(host, "0"))

    assert (home.outcome.kind, home.outcome.why) == ("failed", said)
    assert "phone number" in home.outcome.remedy


@pytest.mark.slow
def test_two_gpus_that_make_no_progress_become_one(host: FakeHost, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kaggle_plan, "_STALL_S", 2.0)
    host.environment["MOOD"] = "stall"

    home = all_of_it(host, planned(host, "0,1"))

    assert home.outcome.kind == "finished"
    assert RunRecord.read(Run("exp1").record).params["training"]["device"] == "0"
    (job,) = read_jobs()
    assert any('"is": "stalled"' in line for line in host.lines[job.slug])


@pytest.mark.slow
def test_two_experiments_train_side_by_side(host: FakeHost):
    both = {"a": params("auto"), "b": params("auto", seed=1)}

    job, homes = pulled(host, followed(host, pushed(host, planned(host, experiments=both))))

    assert [home.outcome.kind for home in homes] == ["finished", "finished"]
    assert (epochs("a"), epochs("b")) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert job.gpus == 2
    order = (job.folder / "kernel.py").read_text()
    assert "'gpus': [0]" in order
    assert "'gpus': [1]" in order


def test_a_log_that_is_cut_and_read_again_tells_each_epoch_once(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    host.cuts, host.gone, host.phase = [3, 9, 2, 12], 3, "running"

    job = followed(host, job)

    assert (job.outcome, epochs()) == ("finished", [1, 2, 3, 4, 5])


def test_whoever_follows_sees_the_queue_and_the_quota(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    host.cuts, host.phase, host.quota_left_h = [0, 0], "queued", 12.5
    progress = FakeProgress()

    follow_job(
        job.model_copy(update={"gpus": 1}),
        host=host,
        follower_of=lambda _: FakeFollower(),
        progress=progress,
        pause=no_time,
    )

    assert progress.lines[0] == "quota: 12.5 of 30 GPU hours left"
    assert progress.lines.count("it waits in the queue, which costs nothing") == 1
    assert re.fullmatch(r"exp1, 0\.0\d h used, 12\.5 h left", progress.described[-1])


def test_lines_that_the_host_cuts_in_pieces_are_put_together(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    pieces = [
        line[at : at + 100] for line in host.lines[job.slug] for at in range(0, len(line), 100)
    ]
    host.lines[job.slug] = pieces

    job = followed(host, job)

    assert (job.outcome, epochs()) == ("finished", [1, 2, 3, 4, 5])


def test_a_start_that_was_cut_off_is_looked_into(host: FakeHost):
    planned(host).record.save_changes(stage="starting")

    plan = planned(host)  # the host knows of no such job, so that another may begin

    (job,) = read_jobs()
    assert (job.stage, job.why, plan.record.stage) == ("discarded", "it never started", "starting")


def test_a_job_that_ends_without_a_word_is_seen_to_have_ended(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    host.lines[job.slug] = host.lines[job.slug][:6]

    assert (followed(host, job).outcome, job.stage) == ("to be continued", "running")


def test_what_is_sent_is_the_data_the_code_and_nothing_else(host: FakeHost, clone: Path):
    (clone / "data/secret.txt").write_text("for the owner alone")
    (clone / ".env").write_text("KEY=1")
    git("update-index", "--refresh")
    (clone / ".git/info/exclude").write_text(".env\n")

    plan = planned(host)

    assert [bundle.kind for bundle in plan.bundles] == ["code", "data"]
    packed = b"".join(
        path.read_bytes() for path in plan.record.folder.rglob("*.*") if path.is_file()
    )
    assert b"for the owner alone" not in packed
    assert b"KEY=1" not in packed
    metadata = json.loads((plan.record.folder / "kernel-metadata.json").read_text())
    assert metadata["is_private"] is True
    assert metadata["id"] == f"someone/{metadata['title']}"


def test_uncommitted_changes_are_named_or_sent(host: FakeHost, clone: Path):
    (clone / "new.py").write_text("x = 1\n")
    (clone / "src/container_doors/pipeline.py").unlink()
    with pytest.raises(VersioningError, match=r"2 file\(s\) differ from the last commit: .*new.py"):
        planned(host)

    lines = plan_lines(planned(host, for_reading=True))
    assert f"code: commit {git('rev-parse', 'HEAD')[:12]}" in lines
    assert any(line.startswith("send: code ") for line in lines)
    assert re.fullmatch(r"first: 2 file\(s\) differ .*; git commit, .*: --dirty", lines[-1])

    all_of_it(host, planned(host, with_changes=True))

    code = RunRecord.read(Run("exp1").record).code
    assert (code.commit, code.clean) == (git("rev-parse", "HEAD"), False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("keys/id_ed25519", "abc"),
        ("notes.txt", private_key("abc", kind="OPENSSH")),
        ("service.txt", '{"private_key": "abc"}'),
    ],
)
def test_credentials_are_not_sent_with_changed_code(
    host: FakeHost, clone: Path, name: str, content: str
):
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text(content)

    with pytest.raises(VersioningError, match=f"looks like credentials: {name}"):
        planned(host, with_changes=True)


def test_whoever_sends_changed_code_reads_which_files(host: FakeHost, clone: Path):
    for number in range(22):
        (clone / f"new{number:02}.py").touch()

    lines = plan_lines(planned(host, with_changes=True))

    assert "  changed: new00.py" in lines
    assert "  and 2 more; --dry-run writes them all" in lines


@dataclass
class Unknown(FakeHost):
    """No credentials are here, or no network."""

    def owner(self, *_: object) -> str:
        raise HostError("there are no Kaggle credentials on this machine", hint="make a token")

    quota = state = owner  # type: ignore[assignment]


class Offline(FakeTrainer):
    def starting_weights(self, params: Params) -> StartingWeights:
        raise WeightsError("no pretrained weights at x.pt", hint="put the file there")


def cut_off() -> None:
    """Write a job whose start was cut off: the host would know whether it started."""
    JobRecord.model_validate(
        {
            "slug": "doors-exp2-1", "ref": "someone/doors-exp2-1", "experiments": ["exp2"],
            "commit": "c" * 40, "gpus": 0, "epochs_asked": {"exp2": 5}, "stage": "starting",
            "started_at": "2026-11-23T08:30:00Z",
        }
    ).save_changes()  # fmt: skip


def test_a_plan_is_made_where_nothing_can_be_written(host: FakeHost, clone: Path):
    cut_off()
    before = content(clone)

    with read_only(clone), kaggle._scratch() as folder:
        lines = plan_lines(planned(host, for_reading=True, jobs=folder))

    assert content(clone) == before
    assert [line.split()[1] for line in lines if line.startswith("send: ")] == ["code", "data"]
    assert not folder.exists()


def test_without_an_account_a_plan_says_what_is_known_and_what_could_not_be_asked(
    clone: Path, tmp_path: Path
):
    host = Unknown(tmp_path, environment={})
    cut_off()

    lines = plan_lines(planned(host, trainer=Offline(), for_reading=True))

    assert "exp1: 5 epochs" in lines
    assert any(line.startswith("send: data ") for line in lines)
    assert any(line.startswith("time: about ") for line in lines)
    assert [line for line in lines if line.startswith("not known: ")] == [
        "not known: whether doors-exp2-1 has started, whose account it is, how many GPU "
        "hours are left: there are no Kaggle credentials on this machine; make a token",
        "not known: which weights it starts from: no pretrained weights at x.pt; put "
        "the file there",
    ]
    assert not any(line.startswith("quota") for line in lines)


def no_commit(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    git("init", "--quiet")


def no_repository(clone: Path) -> None:
    shutil.rmtree(clone / ".git")


def no_data(clone: Path) -> None:
    shutil.rmtree(clone / "data")


def a_secret(clone: Path) -> None:
    (clone / "key.pem").touch()


def a_job(clone: Path) -> None:
    test = JobRecord(
        slug="doors-exp1-1", ref="someone/doors-exp1-1", experiments=["exp1"], commit="c" * 40,
        gpus=0, epochs_asked={"exp1": 5}, stage="running", started_at=a_record().started_at,
    )  # fmt: skip
    test.save_changes()


MISSING = {
    "no commit": (no_commit, "has no commit; git add ."),
    "no repository": (no_repository, "not a git repository"),
    "no data": (no_data, "no data set at data/processed/detection; "),
    "a secret": (a_secret, "would send what looks like credentials: key.pem; move it"),
    "a job that trains it": (a_job, "exp1 is in the job doors-exp1-1 already"),
}


@pytest.mark.parametrize(("spoil", "first"), MISSING.values(), ids=MISSING)
def test_a_plan_for_reading_lists_what_must_be_done_first_and_nothing_is_sent_without(
    spoil: Callable[[Path], None], first: str, host: FakeHost, clone: Path
):
    spoil(clone)

    lines = plan_lines(planned(host, for_reading=True, with_changes=True))

    assert [first in line for line in lines if line.startswith("first: ")] == [True]
    assert "exp1: 5 epochs" in lines
    assert [line for line in lines if line.startswith(("send:", "code:", "time:", "quota:"))]
    with pytest.raises(DoorsError, match=re.escape(first.partition(";")[0])):
        planned(host, with_changes=True)


def test_what_is_to_be_sent_is_not_planned_without_an_account(clone: Path, tmp_path: Path):
    with pytest.raises(HostError, match="no Kaggle credentials"):
        planned(Unknown(tmp_path, environment={}))


@pytest.mark.slow
def test_code_that_is_not_of_its_commit_is_refused_there(host: FakeHost):
    plan = planned(host)
    script = plan.record.folder / "kernel.py"
    script.write_text(script.read_text().replace(git("rev-parse", "HEAD"), "1" * 40))

    outcome = all_of_it(host, plan).outcome

    assert "git update-ref failed" in outcome.why
    assert "rebuilt before it was sent" in outcome.remedy


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("git init -q sub; git -C sub commit -q --allow-empty -m x; git add sub", "git submodule"),
        ("ln -s /etc/hosts link; git add link", "link is a link to /etc/hosts"),
    ],
    ids=["a submodule", "an absolute link"],
)
def test_a_commit_that_cannot_be_sent_is_refused_before_anything_is(
    host: FakeHost, script: str, said: str
):
    subprocess.run(["bash", "-euc", f"{script}; git commit -qm Change"], check=True)

    with pytest.raises(VersioningError, match=said):
        planned(host)

    assert not host.sent
    assert not Path("runs").exists()


def test_photographs_that_a_filter_keeps_elsewhere_and_links_to_a_cache_are_sent_as_they_are_seen(
    host: FakeHost, clone: Path, tmp_path: Path
):
    """As git LFS and DVC's symlinks have them; the code's own such files are named."""
    shell = (
        "git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z';"
        "printf '%s\\n' '*.yaml filter=up' '*.txt filter=up' '*.odd filter=up' > .gitattributes;"
        "echo x > code.odd; mv data/processed/detection/images/train/0.png ../cached.png;"
        "ln -s $PWD/../cached.png data/processed/detection/images/train/0.png;"
        "git add --force code.odd .gitattributes data/processed/detection/*.yaml;"
        "git add --force data/processed/detection/labels; git commit -qm Change"
    )
    subprocess.run(["bash", "-euc", shell], check=True)
    plan = planned(host)
    assert plan.filtered == [Path("code.odd")]
    assert "without the filter that .gitattributes names: code.odd" in "\n".join(plan_lines(plan))

    home = all_of_it(host, plan)

    assert (home.outcome.kind, home.outcome.why) == ("finished", "")
    code = RunRecord.read(Run("exp1").record).code
    assert (code.commit, code.clean) == (git("rev-parse", "HEAD"), True)


@pytest.mark.slow
def test_an_input_that_was_damaged_on_its_way_is_refused_there(host: FakeHost):
    plan = planned(host)
    data = next(one for one in plan.bundles if one.kind == "data")
    with data.path.open("ab") as file:
        file.write(b"more")

    assert "is not what was sent" in all_of_it(host, plan).outcome.why


def test_an_archive_that_arrives_damaged_changes_nothing_here(ran: tuple[FakeHost, JobRecord]):
    host, job = ran[0], followed(*ran)
    archive = next(host.left(job.ref).glob("*.tar"))
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")

    with pytest.raises(HostError, match="was damaged on the way"):
        pulled(host, job)

    assert not Run("exp1").best_weights.exists()


def test_the_files_of_another_run_are_refused(ran: tuple[FakeHost, JobRecord]):
    host, job = ran[0], followed(*ran)

    with pytest.raises(HostError, match="has another run's files: expected exp1, 0000"):
        pulled(host, job.model_copy(update={"run_ids": {"exp1": "0000"}}))


def test_the_files_of_an_earlier_job_are_refused(ran: tuple[FakeHost, JobRecord]):
    host, job = ran[0], followed(*ran)
    manifest = host.left(job.ref) / f"{job.slug}.json"
    manifest.write_text(manifest.read_text().replace(f'"{job.slug}"', '"doors-exp1-000000"'))

    with pytest.raises(HostError, match="is of another job: expected doors-exp1-"):
        pulled(host, job)


def test_a_job_that_everybody_could_read_is_deleted_at_once(host: FakeHost):
    host.is_public, host.gpus = True, ()

    with pytest.raises(HostError, match="could be read by everyone"):
        pushed(host, planned(host, "0"))

    assert [ref.partition("/")[0] for ref in host.deleted] == ["someone"]


def test_a_refused_job_is_in_nobodys_way(host: FakeHost):
    host.refusal = "two sessions run already"
    with pytest.raises(HostError, match="two sessions"):
        pushed(host, planned(host))

    assert planned(host).record.stage == "starting"


def test_what_is_cut_off_while_it_is_sent_leaves_no_packs_behind(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
):
    plan = planned(host)

    def leave(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host, "send_dataset", leave)
    with pytest.raises(KeyboardInterrupt):
        pushed(host, plan)

    assert not plan.record.folder.exists()


def test_a_job_that_is_discarded_while_it_is_followed_is_no_error(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    host.lines[job.slug] = host.lines[job.slug][:6]
    host.phase = "running"

    def discard(_: float) -> None:
        discard_job(job, host=host)
        del host.lines[job.slug]

    job = follow_job(
        job,
        host=host,
        follower_of=lambda _: FakeFollower(),
        progress=FakeProgress(),
        pause=discard,
    )

    assert end_line(job).startswith(f"{job.slug} discarded after")
    with pytest.raises(HostError, match="was discarded"):
        pulled(host, newest_job("exp1"))


def test_a_list_without_the_host_says_that_it_is_what_was_last_heard(
    ran: tuple[FakeHost, JobRecord],
):
    host, job = ran
    host.gone, progress = 1, FakeProgress()

    known = known_jobs(host=host, progress=progress)

    assert [(one.slug, state) for one, state in known] == [(job.slug, None)]
    assert progress.lines == [
        f"{job.slug} is shown in its last known state: the host cannot be reached"
    ]


def test_one_experiment_is_in_one_job(ran: tuple[FakeHost, JobRecord]):
    host, _ = ran

    with pytest.raises(RunError, match=r"exp1 is in the job doors-exp1-\w+ already \(running\)"):
        planned(host)


def test_a_used_up_quota_is_said_before_anything_is_sent(host: FakeHost):
    host.quota_left_h = 0.05
    with pytest.raises(HostError, match=r"29.9 of 30 GPU hours of this week are used|30.0 of 30"):
        planned(host, "0")

    assert planned(host).quota is not None  # the processor needs none


def test_a_session_that_kaggle_would_end_is_refused(host: FakeHost):
    with pytest.raises(ConfigError, match=r"expected 11.9 at most, found 13"):
        planned(host, hours=13.0)


def test_a_job_without_a_sign_of_life_is_said_to_be_one(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    lines, host.lines[job.slug], host.phase = host.lines[job.slug], [], "running"
    progress = FakeProgress()
    waited = iter(range(1000))

    def pause(_: float) -> None:
        if next(waited) == 500:
            host.lines[job.slug] = lines

    follow_job(job, host=host, follower_of=lambda _: FakeFollower(), progress=progress, pause=pause)

    assert [line for line in progress.lines if "no sign of life for 10 min" in line]
    assert epochs() == [1, 2, 3, 4, 5]


def test_a_session_is_no_longer_than_the_quota(host: FakeHost):
    host.quota_left_h = 2.5

    assert planned(host, "0").session_h == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ({"a": params("0"), "b": params("1")}, "would be the same training twice"),
        ({"a": params("0,1"), "b": params("0", seed=1)}, "expected 2 GPUs at most"),
        ({"a": params("0,1,2", batch_size=3)}, "expected 2 GPUs at most"),
    ],
    ids=["the same", "three GPUs", "one for three"],
)
def test_what_two_gpus_cannot_do_is_refused(
    host: FakeHost, experiments: dict[str, Params], said: str
):
    with pytest.raises(ConfigError, match=said):
        planned(host, experiments=experiments)


def test_faulty_data_are_never_sent(host: FakeHost, clone: Path):
    (clone / "data/processed/detection/labels/train/0.txt").write_text("0 2 2 2 2\n")

    with pytest.raises(DatasetError, match="error"):
        planned(host)

    assert not host.sent


def test_a_stop_between_two_sessions_begins_no_next_one(host: FakeHost):
    home = pushed(host, planned(host))
    home.save_changes(stage="home", outcome="to be continued", is_to_stop=True)
    following = planned(host, session=2)

    with pytest.raises(HostError, match="stopped before session 2 began"):
        pushed(host, following)

    assert not following.record.folder.exists()
    assert newest_job("exp1").slug == home.slug


def test_a_stop_that_is_asked_for_elsewhere_is_not_forgotten(ran: tuple[FakeHost, JobRecord]):
    host, job = ran
    newest_job("exp1").save_changes(is_to_stop=True)

    assert followed(host, job).is_to_stop
