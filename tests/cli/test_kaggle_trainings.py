"""Many trainings on Kaggle, two in a job: the real script, and a host in a folder."""

import pytest
from tests.fake_host import FakeHost
from tests.fakes import FakeDetector, FakeFollower, FakeProgress, FakeTrainer
from tests.test_remote_training import _commit, clone, host, no_time, params

from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import kaggle, kaggle_trainings
from container_doors.cli.kaggle_trainings import KaggleTrainings
from container_doors.core.errors import HostError, UnreachableError
from container_doors.core.ports import TaskEnd, TrainingTask
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.kaggle.ledger import read_jobs
from container_doors.steps.published import Outside
from container_doors.training.history import read_epochs

__all__ = ["_commit", "clone", "host"]


def a_task(name: str, seed: int, floors: dict[int, float] | None = None) -> TrainingTask:
    own = params(seed=seed)
    publishing = own.publishing.model_copy(update={"when": "never"})
    return TrainingTask(name, own.model_copy(update={"publishing": publishing}), floors or {})


@pytest.fixture(autouse=True)
def _account(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Outside(GitRepository(), lambda *_: FakeDetector(), FakeProgress())
    for module in (kaggle, kaggle_trainings):
        monkeypatch.setattr(module, "KaggleHost", lambda: host)
        monkeypatch.setattr(module, "sleep", no_time)
    monkeypatch.setattr(kaggle, "YoloTrainer", FakeTrainer)
    monkeypatch.setattr(kaggle, "real_outside", lambda _: outside)
    monkeypatch.setattr(kaggle, "relayed_follower_for", lambda *_: FakeFollower())


def train(*tasks: TrainingTask) -> list[TaskEnd]:
    return list(KaggleTrainings(FakeProgress(), hours=11.5, with_changes=False).train(tasks))


@pytest.mark.slow
def test_two_tasks_are_a_job_that_goes_on_across_sessions_and_one_may_be_pruned(host: FakeHost):
    """Each session ends after two epochs; after epoch 3 the mAP50-95 is 0.3."""
    host.environment["MOOD"] = "stop"
    tasks = [a_task("t0", 0), a_task("t1", 1, floors={3: 0.35})]

    ends = train(*tasks)

    assert {end.name: end.outcome for end in ends} == {"t0": "finished", "t1": "pruned"}
    assert RunRecord.read(Run("t0").record).resumed_after == [2, 4]
    assert Run("t0").metadata.exists()
    assert len(read_epochs(Run("t1").metrics_jsonl)) <= 4
    jobs = read_jobs()[::-1]
    assert [set(job.experiments) for job in jobs] == [{"t0", "t1"}, {"t0", "t1"}, {"t0"}]
    assert train(*tasks) == sorted(ends, key=lambda end: end.name)
    assert len(read_jobs()) == 3, "nothing is sent again"


@pytest.mark.slow
def test_a_job_that_is_running_is_followed_and_not_sent_again(host: FakeHost):
    task = a_task("t0", 0)
    host.gone = 10_000
    with pytest.raises(UnreachableError):
        train(task)
    assert len(read_jobs()) == 1
    host.gone = 0

    assert train(task) == [TaskEnd("t0", "finished")]
    assert len(read_jobs()) == 1


def test_a_failed_training_is_a_failed_task(host: FakeHost):
    host.environment["MOOD"] = "fail"

    [end] = train(a_task("t0", 0))

    assert (end.name, end.outcome) == ("t0", "failed")
    assert "out of memory with batch size 1" in (end.reason or "")


@pytest.mark.slow
def test_sessions_that_bring_no_epoch_are_not_repeated_for_ever(host: FakeHost):
    host.environment["MOOD"] = "stuck"

    with pytest.raises(HostError, match="brought no new epoch"):
        train(a_task("t0", 0))
    assert len(read_jobs()) == 2
