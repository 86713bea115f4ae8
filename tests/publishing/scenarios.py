"""What is killed (:mod:`tests.publishing.commands_killed`), and what must then be there."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from container_doors import pipeline
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.cli import USER_ERROR, main
from container_doors.core.config import Data, Params, Training
from container_doors.core.errors import RunError
from container_doors.core.files import heal
from container_doors.core.lines import read_lines
from container_doors.core.records import Metadata, RunRecord
from container_doors.core.run import PUBLISHED, TEST_USES, Run
from container_doors.data.shards import read_shards, write_shards
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.pointers import TRACKED, pointer_to
from container_doors.publishing.publication import publish, read_published, recover
from container_doors.publishing.signatures import SignaturePolicy
from container_doors.steps.release import release_model
from container_doors.steps.restore import restore_version
from container_doors.steps.sync import sync_model
from container_doors.training.history import history_faults
from tests.builders import a_small_dataset
from tests.fakes import FakeDetector, FakeProgress, FakeTrainer, FakeWorld
from tests.publishing.commands_killed import a_dvc, in_a_child
from tests.publishing.killing import two_models

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)


def ours(*argv: str) -> None:
    """Run a command of ours quietly; whatever but its good end is a failure.

    Raises:
        RunError: If it says what is wrong, with a hint.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(argv)
    problem, _, hint = said.getvalue().partition("hint: ")
    if code == USER_ERROR and hint:
        raise RunError(problem, hint=hint)
    assert code == 0, (argv, said.getvalue())


def whole(folder: Path) -> Metadata:
    """Read what is published; fail if a weight file is of another model."""
    metadata = Metadata.read(folder / "metadata.json")
    for name, described in metadata.artifacts.items():
        assert file_sha256(folder / name) == described.sha256, f"{name} is of another model"
    return metadata


def pointers(folder: Path) -> list[str]:
    return [(folder / f"{name}.dvc").read_text() for name in TRACKED]


class Version:
    """``doors version`` of the second model, where the first was versioned."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.dvc = root / "workspace", root / "dvc"
        a_dvc(self.dvc)
        self.workspace.mkdir()
        models = two_models(self.workspace, size=1000)
        os.chdir(self.workspace)
        publish(*models[0])
        ours("version", "--experiment", "model_a")
        self.old = pointers(PUBLISHED)
        publish(*models[1])
        version = models[1][1].version
        self.new = [pointer_to(PUBLISHED / name, version).to_yaml() for name in TRACKED]

    def reset(self) -> None:
        for name in ("cache", "remote"):
            shutil.rmtree(self.dvc / name)
            (self.dvc / name).mkdir()

    def command(self) -> None:
        ours("version", "--experiment", "model_b")

    def look(self) -> str:
        folder = self.workspace / PUBLISHED
        assert whole(folder).experiment_name == "model_b"
        assert len(list(folder.glob("*.dvc"))) == 3
        if (found := pointers(folder)) == self.old:
            return "old"
        assert found == self.new
        for name in TRACKED:
            md5 = pointer_to(folder / name).md5
            assert (self.dvc / "remote" / md5).read_bytes() == (folder / name).read_bytes()
        return "new"


class Pack:
    """``doors data pack`` of a data set, of which an older one was packed."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "workspace"
        a_small_dataset(self.workspace / "data")
        os.chdir(self.workspace)
        for number in range(8):
            Path("data/images/train", f"{number}.txt").write_text("long" * number)
        self.command()
        for number in range(4):
            Path("data/images/train", f"{number}.txt").unlink()
        self.now = self._files()

    def _files(self) -> dict[str, bytes]:
        paths = [path for path in Path("data").rglob("*") if path.is_file()]
        return {path.relative_to("data").as_posix(): path.read_bytes() for path in paths}

    def reset(self) -> None:
        pass

    def command(self) -> None:
        md5s = {name: hashlib.md5(content, usedforsecurity=False).hexdigest()
                for name, content in self._files().items()}  # fmt: skip
        write_shards(Path("data"), md5s, Path("packs"), on_progress=lambda *_: None,
                     shard_bytes=100)  # fmt: skip

    def look(self) -> str:
        os.chdir(self.workspace)
        assert self._files() == self.now
        packed: dict[str, bytes] = {}
        for path in sorted(Path("packs").glob("*.tar")):
            with tarfile.open(path) as tar:
                for member in tar:
                    file = tar.extractfile(member)
                    packed[member.name] = file.read() if file else b""
        return "new" if packed == self.now else "old"


class Pull:
    """The archives of a data set, unpacked to where another version of it is."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "workspace"
        a_small_dataset(self.workspace / "data")
        os.chdir(self.workspace)
        files = [path for path in Path("data").rglob("*") if path.is_file()]
        self.new = {path: path.read_bytes() for path in files}
        md5s = {path.relative_to("data").as_posix():
                hashlib.md5(content, usedforsecurity=False).hexdigest()
                for path, content in self.new.items()}  # fmt: skip
        self.tars = write_shards(
            Path("data"), md5s, Path("packs"), on_progress=lambda *_: None, shard_bytes=100
        )
        for path in files[::2]:
            path.write_bytes(b"another")
        self.old = {path: path.read_bytes() for path in files}

    def reset(self) -> None:
        pass

    def command(self) -> None:
        in_the_way = read_shards(
            self.tars,
            Path("data"),
            is_expected=lambda _: True,
            force=True,
            on_progress=lambda *_: None,
        )
        assert in_the_way is None

    def look(self) -> str:
        os.chdir(self.workspace)
        heal(Path("data"))
        found = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
        assert found in (self.old, self.new)
        return "old" if found == self.old else "new"


class FirstTraining:
    """``doors train`` of a second run, where a first one is published."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "workspace"
        a_small_dataset(self.workspace / PARAMS.data.path)
        os.chdir(self.workspace)
        assert in_a_child(lambda: self._train("exp1", map50_95=0.5)) == 0

    def _train(self, name: str, *, map50_95: float = 0.9) -> None:
        outside = FakeWorld(detector=FakeDetector(map50_95=map50_95))
        pipeline.train(PARAMS, Run(name), world=outside.world)

    def reset(self) -> None:
        pass

    def command(self) -> None:
        record = Run("exp2").record
        if not record.exists() or RunRecord.read(record).status != "finished":
            self._train("exp2")

    def look(self) -> str:
        os.chdir(self.workspace)
        recover(PUBLISHED)
        metadata, record = whole(PUBLISHED), Run("exp2").record
        is_over = record.exists() and RunRecord.read(record).status == "finished"
        assert metadata.experiment_name == "exp2" or not is_over
        assert not is_over or not history_faults(Run("exp2"), RunRecord.read(record))
        assert not read_lines(TEST_USES).faults
        return "new" if is_over else {"exp1": "old", "exp2": "published"}[metadata.experiment_name]


class Promotion:
    """``doors train`` of a run that is trained, and replaces the model of an earlier one."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "workspace"
        a_small_dataset(self.workspace / PARAMS.data.path)
        os.chdir(self.workspace)
        assert in_a_child(self._prepare) == 0
        self.old = Metadata.read(PUBLISHED / "metadata.json")
        self.old_reports = Path("reports/metrics.json").read_text()

    def _prepare(self) -> None:
        worse = FakeWorld(detector=FakeDetector(map50_95=0.5))
        pipeline.train(PARAMS, Run("exp1"), world=worse.world)
        broken = FakeWorld(trainer=FakeTrainer(trained=1))
        broken.detector.broken = True
        with contextlib.suppress(OSError):
            pipeline.train(PARAMS, Run("exp2"), world=broken.world)
        assert RunRecord.read(Run("exp2").record).status == "trained"

    def reset(self) -> None:
        pass

    def command(self) -> None:
        if json.loads(Run("exp2").record.read_text())["status"] != "finished":
            pipeline.train(PARAMS, Run("exp2"), world=FakeWorld().world)

    def look(self) -> str:
        os.chdir(self.workspace)
        metadata, said = whole(PUBLISHED), json.loads(Path("reports/metrics.json").read_text())
        if metadata.experiment_name == "exp1":
            assert metadata == self.old
            assert Path("reports/metrics.json").read_text() == self.old_reports
            return "old"
        assert read_published() == metadata
        # The number is taken once, however often the command is run.
        assert metadata.version.startswith("detection_v1.1_")
        is_over = Run("exp2").record.exists() and '"finished"' in Run("exp2").record.read_text()
        assert not is_over or said["version"] == metadata.version
        return "new" if is_over else "published"


class Publish:
    """``doors publish`` of a worse run, and of the better one that is published before it."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "workspace"
        a_small_dataset(self.workspace / PARAMS.data.path)
        os.chdir(self.workspace)
        assert in_a_child(self._prepare) == 0
        self.old = self._here()

    def _prepare(self) -> None:
        for number, map50_95 in enumerate((0.5, 0.4)):
            detector, trainer = FakeDetector(map50_95=map50_95), FakeTrainer(trained=number)
            world = FakeWorld(detector=detector, trainer=trainer).world
            pipeline.train(PARAMS, Run(f"exp{number + 1}"), world=world)

    def _here(self) -> dict[str, bytes]:
        files = [*PUBLISHED.rglob("*"), Path("reports/metrics.json"), Path("reports/curves.csv")]
        return {str(path): path.read_bytes() for path in files if path.is_file()}

    def reset(self) -> None:
        pass

    def command(self) -> None:
        ours("publish", "exp2", "--anyway")

    def look(self) -> str:
        os.chdir(self.workspace)
        recover(PUBLISHED)
        metadata = whole(PUBLISHED)
        assert Metadata.read(Run("exp1").metadata).experiment_name == "exp1"
        if metadata.experiment_name == "exp1":
            assert self._here() == self.old
            return "old"
        own = Run("exp2").metadata.read_text() == (PUBLISHED / "metadata.json").read_text()
        said = [json.loads(Path("reports/metrics.json").read_text())["version"]]
        return "new" if own and said == [metadata.version] else "published"


class BringBack:
    """``doors publish --version`` of the first of two released models, without its trial."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.dvc = root / "workspace", root / "dvc"
        a_dvc(self.dvc)
        self.workspace.mkdir()
        os.environ |= AUTHOR
        models = two_models(root, size=1000)
        os.chdir(self.workspace)
        Path(".gitignore").write_text(IGNORED)
        git("init", "--quiet", "--initial-branch", "main")
        self.texts: list[list[str]] = []
        for model, name in zip(models, ("model_a", "model_b"), strict=True):
            publish(*model)
            ours("version", "--experiment", name)
            git("add", ".")
            git("commit", "--quiet", "--message", name)
            git("tag", "--annotate", model[1].git_tag, "--message", name)
            self.texts.append(pointers(PUBLISHED))
        self.version = models[0][1].version
        shutil.copytree(self.dvc / "remote", root / "remote")

    def reset(self) -> None:
        shutil.rmtree(self.dvc / "cache")
        (self.dvc / "cache").mkdir()

    def command(self) -> None:
        repository = GitRepository(Path.cwd())
        restore_version(
            self.version,
            store=DvcStore(Path.cwd()),
            repository=repository,
            policy=SignaturePolicy(SshSignatures(), repository, is_required=False),
            try_weights=lambda _: None,
            progress=FakeProgress(),
        )

    def look(self) -> str:
        os.chdir(self.workspace)
        recover(PUBLISHED)
        metadata, found = whole(PUBLISHED), pointers(PUBLISHED)
        for name, text in zip(TRACKED, found, strict=True):
            assert pointer_to(PUBLISHED / name, metadata.version).to_yaml() == text
        assert found in self.texts
        return "new" if metadata.version == self.version else "old"


class Sync:
    """``doors sync --from DIR --commit`` of a second model, where the first was committed."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.dvc, self.outputs = root / "workspace", root / "dvc", root / "outputs"
        a_dvc(self.dvc)
        self.workspace.mkdir()
        os.environ |= AUTHOR
        models = two_models(root, size=1000)
        os.chdir(self.workspace)
        Path(".gitignore").write_text(IGNORED)
        git("init", "--quiet", "--initial-branch", "main")
        publish(*models[0])
        ours("version", "--experiment", "model_a")
        git("add", ".")
        git("commit", "--quiet", "--message", "the first")
        self.old, old_model = pointers(PUBLISHED), Path(PUBLISHED).rename(root / "old")
        publish(*models[1])
        ours("version", "--experiment", "model_b")
        self.new = pointers(PUBLISHED)
        for pointer in PUBLISHED.glob("*.dvc"):
            (self.outputs / PUBLISHED).mkdir(parents=True, exist_ok=True)
            shutil.copy(pointer, self.outputs / PUBLISHED)
        shutil.rmtree(PUBLISHED)
        old_model.rename(PUBLISHED)
        shutil.copytree(self.dvc / "remote", root / "remote")

    def reset(self) -> None:
        shutil.rmtree(self.dvc / "cache")
        (self.dvc / "cache").mkdir()

    def command(self) -> None:
        repository = GitRepository(Path.cwd())
        metadata = sync_model(
            self.outputs,
            store=DvcStore(Path.cwd()),
            repository=repository,
            progress=FakeProgress(),
            policy=SignaturePolicy(SshSignatures(), repository, is_required=False),
            try_weights=lambda _: None,
        )
        release_model(metadata, repository)

    def look(self) -> str:
        os.chdir(self.workspace)
        metadata, found = whole(PUBLISHED), pointers(PUBLISHED)
        for name, text in zip(TRACKED, found, strict=True):
            assert pointer_to(PUBLISHED / name, metadata.version).to_yaml() == text
        tags, commits = git("tag").split(), git("rev-list", "HEAD").split()
        assert len(commits) <= 2
        if found == self.old:
            assert (metadata.experiment_name, tags, len(commits)) == ("model_a", [], 1)
            return "old"
        assert (metadata.experiment_name, found) == ("model_b", self.new)
        if not tags:
            return "here"
        (tag,) = tags
        assert len(commits) == 2
        assert git("show", f"{tag}:{PUBLISHED}/best.pt.dvc") == found[0]
        return "new"


AUTHOR = {
    f"GIT_{who}_{what}": "test@example.org"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}
IGNORED = (Path(__file__).parents[2] / ".gitignore").read_text()


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout
