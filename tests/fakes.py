"""The outside world, as small as the tests need it: one class per port."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from container_doors.core.config import Params
from container_doors.core.errors import (
    ClusterError,
    ToBeContinued,
    TrackingError,
    VersioningError,
)
from container_doors.core.ports import (
    Detections,
    Item,
    PackedCode,
    Progress,
    Remote,
    Result,
    Results,
    TrainingListener,
    Upstream,
    World,
)
from container_doors.core.records import (
    CodeState,
    Environment,
    Epoch,
    Hardware,
    RunRecord,
    StartingWeights,
)
from container_doors.core.run import Run
from container_doors.publishing.pointers import pointer_to, read_pointer

ENVIRONMENT = Environment(python="3.12.0", platform="test", packages={"ultralytics": "8.4.190"})


@dataclass
class FakeTrainer:
    """Leaves behind what a real run of ``len(map50_95)`` epochs would; ``then`` may raise."""

    map50_95: Sequence[float] = (0.2, 0.7, 0.5)
    then: Callable[[], None] = lambda: None
    trained: int = 0
    refusal: Callable[[Path], str | None] = lambda _: None

    def describe_hardware(self, params: Params) -> Hardware:
        return Hardware(device="cpu", description="a CPU", cpu="a CPU", cores=2, memory_gib=8)

    def starting_weights(self, params: Params) -> StartingWeights:
        return StartingWeights(source="random")

    def refused_checkpoint(self, folder: Path) -> str | None:
        return self.refusal(folder)

    def train(
        self,
        params: Params,
        run: Run,
        *,
        data_yaml: Path,
        weights: StartingWeights,
        listener: TrainingListener,
        resume: bool = False,
    ) -> None:
        self.trained += 1
        assert data_yaml.exists()
        run.best_weights.parent.mkdir(parents=True, exist_ok=resume)
        (run.trainer_dir / "args.yaml").write_text("epochs: 3\n")
        (run.trainer_dir / "results.csv").write_text("epoch,metrics/mAP50-95(B)\n")
        for number, value in enumerate(self.map50_95, start=1):
            listener.batch_finished(epoch=number, batch=1, batches=1)
            reason = listener.reason_to_stop(1.0)
            listener.epoch_finished(Epoch(number, {"val/mAP50-95": value, "perf/epoch_s": 1.0}))
            run.last_weights.write_text(f"weights of epoch {number}")
            if value == max(self.map50_95[:number]):
                run.best_weights.write_text(f"weights of epoch {number}, run {self.trained}")
            if reason is not None:
                raise ToBeContinued(reason)
        self.then()


class NeverStopping:
    """A :class:`ports.Stopping` that wishes for nothing."""

    def reason_to_stop(self, epoch_s: float) -> str | None:
        return None

    def training(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass
class FakeDetector:
    """Finds every labelled door of a split exactly, with a confidence of 0.9."""

    timing_method: str = "a watch"
    device: str = "a sundial"
    broken: bool = False
    map50_95: float = 0.995

    def __call__(self, weights: Path, *, image_size_px: int, hardware: Hardware) -> "FakeDetector":
        return self

    def validate(
        self, *, data_yaml: Path, split: str, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        if self.broken:
            raise OSError(28, "No space left on device", str(plots_dir))
        images = sorted(
            path for path in (data_yaml.parent / "images" / split).rglob("*") if path.is_file()
        )
        found = [self._look(image) for image in images]
        scores = {"mAP50": 0.995, "mAP50-95": self.map50_95, "precision": 1.0, "recall": 1.0}
        return scores, found

    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> list[Detections]:
        return [self._look(image) for image in images]

    def _look(self, image: Path) -> Detections:
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        boxes = []
        for line in label.read_text().splitlines():
            _, x, y, w, h = map(float, line.split())
            left, top = (x - w / 2) * 64, (y - h / 2) * 48
            boxes.append((left, top, left + w * 64, top + h * 48))
        is_door = [(True,) * 10 for _ in boxes]
        return Detections(image, 64, 48, boxes, [0.9] * len(boxes), 5.0, is_door)


class Blinded(FakeDetector):
    """Finds doors in photographs, and none in what was made of them; counts the pictures."""

    looked_at: int = 0

    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> list[Detections]:
        self.looked_at += len(images)
        if all("/images/" in str(image) for image in images):
            return super().detect(images, conf_threshold=0, iou_threshold=0)
        return [Detections(image, 64, 48, [], [], duration_ms=5.0) for image in images]


@dataclass
class FakeTracker:
    """Remembers what it was shown; ``fails_at`` names the call that fails."""

    last_epoch: int = 0
    fails_at: str = ""
    epochs: list[int] = field(default_factory=list)
    best: list[int] = field(default_factory=list)
    results: Results | None = None
    exit_codes: list[int] = field(default_factory=list)

    def start(self, record: RunRecord) -> int:
        self._maybe_fail("start")
        return self.last_epoch

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        self._maybe_fail("log_epoch")
        self.epochs.append(epoch.number)
        self.best += [epoch.number] if is_best else []

    def log_results(self, results: Results) -> None:
        self._maybe_fail("log_results")
        self.results = results

    def finish(self, *, exit_code: int) -> None:
        self._maybe_fail("finish")
        self.exit_codes.append(exit_code)

    def _maybe_fail(self, call: str) -> None:
        if call == self.fails_at:
            raise TrackingError(f"{call} fails", hint="doors track sync exp1")


@dataclass
class FakeFollower:
    """Remembers which run it followed, and how that ended."""

    followed: list[str] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)

    def settle(self, run: Run, *, progress: Progress) -> None:
        pass

    def start(self, run: Run, *, progress: Progress) -> None:
        assert run.record.exists()
        self.followed.append(run.name)

    def finish(self, *, exit_code: int) -> None:
        self.exit_codes.append(exit_code)


@dataclass
class FakeServer:
    """Has of a run what its tracker was told."""

    remote: Remote | None = None
    shown: FakeTracker = field(default_factory=FakeTracker)
    recordings: list[int] = field(default_factory=list)

    def ask(self, record: RunRecord) -> Remote | None:
        if not self.shown.exit_codes:
            return self.remote
        results = self.shown.results
        of = results.metadata.artifacts["best.pt"].sha256 if results else None
        last = max([*self.shown.epochs, self.shown.last_epoch])
        return Remote(url="url", last_epoch=last, results_of=of, is_over=True)

    def send_recordings(self, *, after_epoch: int) -> None:
        self.recordings.append(after_epoch)

    def tracker(self, record: RunRecord) -> FakeTracker:
        self.shown.last_epoch = self.remote.last_epoch if self.remote else 0
        return self.shown


@dataclass
class FakeCheckpoints:
    """A folder, which may be out of reach."""

    folder: Path
    where: str = "a far place"
    is_down: bool = False
    read_back: list[str] = field(default_factory=list)

    def names(self, experiment: str) -> list[str]:
        self._reach()
        there = self.folder / experiment
        return [path.name for path in there.iterdir()] if there.exists() else []

    def put(self, path: Path, experiment: str, *, instead_of: Sequence[str] = ()) -> list[str]:
        self._reach()
        there = self.folder / experiment
        there.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, there / path.name)
        self.remove(instead_of, experiment)
        return self.names(experiment)

    def get(self, name: str, experiment: str, into: Path) -> None:
        self._reach()
        into.mkdir(parents=True)
        shutil.copyfile(self.folder / experiment / name, into / name)

    def sha256(self, name: str, experiment: str) -> str:
        self._reach()
        self.read_back.append(name)
        return hashlib.sha256((self.folder / experiment / name).read_bytes()).hexdigest()

    def remove(self, names: Sequence[str], experiment: str) -> None:
        self._reach()
        for name in names:
            (self.folder / experiment / name).unlink(missing_ok=True)

    def _reach(self) -> None:
        if self.is_down:
            raise VersioningError("a far place cannot be reached", hint="wait")


@dataclass
class FakeRepository:
    """A clean commit, with the tags that it is given."""

    known_tags: list[str] = field(default_factory=list)
    files: dict[tuple[str, Path], str] = field(default_factory=dict)
    """By revision and path."""
    upstream: Upstream = field(default_factory=lambda: Upstream(None, None))

    def code_state(self, *, beside: Sequence[Path] = ()) -> CodeState:
        return CodeState(commit="0" * 40, clean=True)

    def tags(self, pattern: str) -> list[str]:
        return self.known_tags

    def fetch(self) -> Upstream:
        return self.upstream

    def fast_forward(self, commit: str, *, same: Sequence[Path]) -> None:
        assert commit == self.upstream.commit
        for (revision, path), text in list(self.files.items()):
            if revision == commit:
                assert path not in same or path.read_text() == text
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                self.files["HEAD", path] = text
        self.upstream = Upstream(self.upstream.name, None)

    def commit(self, paths: Sequence[Path], message: str) -> str | None:
        before = dict(self.files)
        self.files |= {("HEAD", path): path.read_text() for path in paths}
        return None if self.files == before else "1" * 40

    def create_tag(self, tag: str, message: str) -> None:
        self.known_tags.append(tag)
        committed = {path: text for (of, path), text in self.files.items() if of == "HEAD"}
        self.files |= {(tag, path): text for path, text in committed.items()}

    def changes(self, *, beside: Sequence[Path]) -> list[Path]:
        return []

    def is_unchanged(self, paths: Sequence[Path]) -> bool:
        return True

    def pack(self, target: Path, *, changed: Sequence[Path] = ()) -> PackedCode:
        target.write_bytes(b"PACK")
        return PackedCode("0" * 40, "1" * 40, files=0)

    def has_commit(self, commit: str) -> bool | None:
        return commit == self.code_state().commit

    def show(self, revision: str, path: Path) -> str | None:
        return self.files.get((revision, path))


@dataclass
class FakeStore:
    """Keeps objects by their md5."""

    objects: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False
    is_far: bool = False
    """Whether the remote is no folder."""

    def check_ready(self) -> str:
        return "storage"

    def add(self, paths: Sequence[Path]) -> list[Path]:
        pointers = [path.with_name(f"{path.name}.dvc") for path in paths]
        for path, pointer in zip(paths, pointers, strict=True):
            pointer.write_text(pointer_to(path).to_yaml())
        return pointers

    def adopt(self, path: Path) -> None:
        pass

    def annotate(self, pointers: Sequence[Path], version: str) -> None:
        for pointer in pointers:
            pointer.write_text(replace(read_pointer(pointer), version=version).to_yaml())

    def push(self, pointers: Sequence[Path]) -> None:
        if self.broken:
            raise VersioningError("the remote is down", hint="later")
        for pointer in pointers:
            path = pointer.with_suffix("")
            self.objects[read_pointer(pointer).md5] = path.read_bytes()

    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        for pointer in pointers:
            content = self.objects.get(read_pointer(pointer).md5)
            if self.broken or content is None:
                raise VersioningError("the remote is down", hint="later")
            pointer.with_suffix("").write_bytes(content)

    def fetch_objects(self, pointers: Sequence[Path], scratch: Path) -> dict[str, Path | None]:
        if self.broken:
            raise VersioningError("the remote is down", hint="later")
        found: dict[str, Path | None] = {}
        for pointer in map(read_pointer, pointers):
            content = self.objects.get(pointer.md5)
            if content is not None:
                (scratch / pointer.path).write_bytes(content)
            found[pointer.path] = None if content is None else scratch / pointer.path
        return found

    def object_folder(
        self, pointers: Sequence[Path], scratch: Path, *, fetch: bool
    ) -> tuple[Path, bool] | None:
        if self.is_far and not fetch:
            return None
        for md5, content in self.objects.items():
            (scratch / md5[:2]).mkdir(exist_ok=True)
            (scratch / md5[:2] / md5[2:]).write_bytes(content)
        return scratch, not self.is_far

    def ignored(self, paths: Sequence[Path]) -> set[Path]:
        return {path for path in paths if path.suffix == ".cache"}

    def content_of(self, path: Path) -> str | None:
        return read_pointer(path.with_name(f"{path.name}.dvc")).md5

    def version_of(self, path: Path) -> str | None:
        return read_pointer(path.with_name(f"{path.name}.dvc")).version

    def content_with(self, files: Mapping[str, str]) -> str:
        return ""

    def files_of(self, folder: Path) -> dict[str, str]:
        return {}


@dataclass
class FakeStorage:
    """Remembers how it was configured."""

    url: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def configure(self, url: str, options: Mapping[str, str]) -> None:
        self.url, self.options = url, dict(options)

    def keep_credentials(self, text: str) -> Path:
        self.kept.append(text)
        return Path("/home/me/credentials.json")

    def probe(self) -> str:
        return self.url or ""


@dataclass
class FakeProgress:
    """Remembers what it was told."""

    lines: list[str] = field(default_factory=list)
    described: list[str] = field(default_factory=list)
    """Steps."""

    def say(self, text: str) -> None:
        self.lines.append(text)

    def step(self, what: str, done: int, total: int) -> None:
        assert done <= total
        self.described.append(what)

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        self.lines.append(json.dumps({"epoch": epoch.number, "best": is_best}))


@dataclass
class FakeWorld:
    """All of them together."""

    trainer: FakeTrainer = field(default_factory=FakeTrainer)
    detector: FakeDetector = field(default_factory=FakeDetector)
    follower: FakeFollower = field(default_factory=FakeFollower)
    checkpoints: FakeCheckpoints | None = None
    repository: FakeRepository = field(default_factory=FakeRepository)
    progress: FakeProgress = field(default_factory=FakeProgress)

    @property
    def world(self) -> World:
        return World(
            trainer=self.trainer,
            stopping=NeverStopping(),
            load_detector=self.detector,
            follower=self.follower,
            checkpoints=self.checkpoints,
            repository=self.repository,
            progress=self.progress,
            environment=ENVIRONMENT,
        )


@dataclass
class FakeTunnel:
    """A :class:`ports.Tunnel` that answers with addresses or raises, in order."""

    answers: list[str | BaseException]

    def open(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def wait(self) -> str:
        return "killed"


class WorkersHere:
    """:class:`ports.Workers` in this process, in an order of their own; some items kill them."""

    def __init__(self, *, order: Callable[[int], int] = lambda number: number) -> None:
        self.order = order
        self.deadly: set[str] = set()
        """Words in the text of the items that their workers die of."""
        self.chunks = 0
        self.lost_after: int | None = None
        """How many chunks are done before the cluster is lost."""

    def work(
        self,
        prepare: Callable[[], Callable[[Item], Result]],
        chunks: Sequence[Sequence[Item]],
        *,
        give_up: Callable[[Item, str], Result],
    ) -> Iterator[tuple[int, list[Result]]]:
        work = pickle.loads(pickle.dumps(prepare))()  # as it is sent to another process
        for number in sorted(range(len(chunks)), key=self.order):
            if self.chunks == self.lost_after:
                raise ClusterError("the head node was lost", hint="the same command goes on")
            self.chunks += 1
            yield (
                number,
                [
                    give_up(item, "3 workers died of it")
                    if any(word in str(item) for word in self.deadly)
                    else work(item)
                    for item in chunks[number]
                ],
            )
