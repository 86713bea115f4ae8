"""``doors predict --on ...``: the photographs of a prediction, looked at by workers elsewhere.

A chunk of photographs is one shard: its lines are written once, when all of it is done, in any
order. They are joined in the order of the sources as soon as all before them are there. So the
results are those of one machine, and a second start goes on with what is missing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from container_doors.core.config import QualityLimits
from container_doors.core.errors import SourceError, WeightsError
from container_doors.core.files import make_folder
from container_doors.core.ports import Progress, Workers
from container_doors.core.predictions import PhotographResult, UsedModel
from container_doors.prediction.file_names import FileNames
from container_doors.prediction.finding import find_boxes, result_of
from container_doors.prediction.loaded import Loaded
from container_doors.prediction.output import Kind, file_writers, full_disk_explained
from container_doors.prediction.sources import Unit
from container_doors.prediction.writers import put
from container_doors.steps.open_model import OpenedModel
from container_doors.steps.predict import Predicted, Prediction, Target, opened_output

SHARDS = "shards"
CHUNK = 32
"""Photographs of a shard: few seconds of work, which is what a node that dies costs."""


@dataclass(frozen=True, slots=True)
class Named:
    """A photograph to look at, and the name of its files."""

    unit: Unit
    stem: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in one photograph."""

    result: PhotographResult
    files: dict[str, bytes]
    """What is asked for beside the line, by path relative to the output folder."""


@dataclass(frozen=True, slots=True)
class Look:
    """Opens the model in a worker, and looks at one photograph after the other."""

    open: Callable[[], OpenedModel]
    used: UsedModel
    """What it must open."""
    limits: QualityLimits
    save: tuple[Kind, ...]
    padding: float

    def __call__(self) -> Callable[[Named], Looked]:
        """Open the model.

        Raises:
            DoorsError: If it is not there, or another one.
        """
        opened = self.open()
        if opened.used != self.used:
            raise WeightsError(
                f"expected the model {self.used.weights_sha256[:12]} in {self.used.backend}, found "
                f"{opened.used.weights_sha256[:12]} in {opened.used.backend}",
                hint="give all nodes the same weights and exports, or name one: --backend pytorch",
            )
        return lambda named: self._look(named, opened)

    def _look(self, named: Named, opened: OpenedModel) -> Looked:
        loaded = named.unit.load()
        boxes = None
        if loaded.picture is not None:
            boxes = find_boxes(opened.network, loaded.picture, opened.used)
        result = result_of(loaded, boxes, used=self.used, limits=self.limits)
        result = result.model_copy(update={"durations_ms": None})
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for writer in file_writers(folder, self.save, self.padding):
                result = writer.write(result, loaded.picture, named.stem)
            files = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
        return Looked(result, files)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Workers, and how each opens the model; both see photographs and weights at our paths."""

    workers: Workers
    open_model: Callable[[], OpenedModel]
    """It is sent to them."""


def predict_on(
    prediction: Prediction,
    target: Target,
    elsewhere: Elsewhere,
    *,
    show: Callable[[PhotographResult], None],
    progress: Progress,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Predicted:
    """Find doors in all photographs, by workers.

    Args:
        prediction: What, and how; without the measured times.
        target: What is written, and where.
        elsewhere: The workers.
        show: Receives each result after it was written, in the order of the sources.
        progress: Receives how far it is.
        is_stopping: Asked between shards; what was found until then is written.

    Raises:
        SourceError: If a source has no end, or is a video.
        PredictionError: As :func:`steps.predict.predict`.
        ClusterError: If the workers are not there, or are lost.
    """
    named, used = _named(prediction.plan.units()), prediction.opened.used
    look = Look(elsewhere.open_model, used, prediction.limits, target.save, target.padding)
    predicted = Predicted()

    def give_up(one: Named, problem: str) -> Looked:
        failed = Loaded(one.unit.name, problem=problem)
        return Looked(result_of(failed, None, used=used, limits=prediction.limits), {})

    with opened_output(prediction, target) as output:
        done = _count(output.earlier(), predicted)
        shards = _Shards(target.folder, named, done)

        def join() -> None:
            for result in shards.next_in_order():
                written = output.write(result, None)
                predicted.add(written)
                show(written)
            if named:
                progress.step("detecting", predicted.results, len(named))

        join()
        missing = shards.missing()
        chunks = [shards.chunks[number] for number in missing]
        for number, looked in elsewhere.workers.work(look, chunks, give_up=give_up):
            shards.write(missing[number], looked)
            join()
            if is_stopping():
                break
    return predicted


def _named(units: Sequence[Unit]) -> list[Named]:
    videos = [unit for unit in units if unit.is_video]
    if videos:
        raise SourceError(
            f"expected photographs, found the video {videos[0].name} among them",
            hint="predict it on one machine, without --on; or several: --shard 1/N",
        )
    names = FileNames()
    return [Named(unit, names.take(unit.name)) for unit in units]


def _count(earlier: Iterable[PhotographResult], predicted: Predicted) -> set[str]:
    """Count the results that are joined already; return their names."""
    names = set()
    for result in earlier:
        predicted.add(result)
        names.add(result.path)
    return names


class _Shards:
    """The lines of chunks that are done, each in a file that is there until they are joined."""

    def __init__(self, folder: Path, named: Sequence[Named], joined: Set[str]) -> None:
        """Find what an earlier start has done.

        Args:
            folder: Where the results are written.
            named: All photographs.
            joined: The names of those whose lines are joined already.
        """
        self._folder, self._joined, self._next = folder, joined, 0
        self.chunks = [named[start : start + CHUNK] for start in range(0, len(named), CHUNK)]
        make_folder(folder / SHARDS)

    def missing(self) -> list[int]:
        """Return the numbers of the chunks that are to be done."""
        return [
            number
            for number in range(self._next, len(self.chunks))
            if not self._is_joined(number) and self._read(number) is None
        ]

    def write(self, number: int, looked: Sequence[Looked]) -> None:
        """Write the files of a chunk, then all its lines at once."""
        with full_disk_explained(self._folder):
            for one in looked:
                for name, data in one.files.items():
                    make_folder((self._folder / name).parent)
                    put(self._folder / name, data)
            lines = "".join(f"{one.result.model_dump_json()}\n" for one in looked)
            put(self._path(number), lines.encode())

    def next_in_order(self) -> Iterator[PhotographResult]:
        """Yield the results of the next chunks that are done, without those joined already."""
        while self._next < len(self.chunks):
            results = [] if self._is_joined(self._next) else self._read(self._next)
            if results is None:
                return
            yield from (one for one in results if one.path not in self._joined)
            self._path(self._next).unlink(missing_ok=True)
            self._next += 1
        with suppress(OSError):  # it has shards of other sources
            (self._folder / SHARDS).rmdir()

    def _is_joined(self, number: int) -> bool:
        return all(one.unit.name in self._joined for one in self.chunks[number])

    def _read(self, number: int) -> list[PhotographResult] | None:
        """Read the results of a chunk; None if it is not done, or was another one then."""
        try:
            lines = self._path(number).read_bytes().splitlines()
            results = [PhotographResult.model_validate_json(line) for line in lines]
        except (FileNotFoundError, ValidationError):
            return None
        names = [one.unit.name for one in self.chunks[number]]
        return results if [one.path for one in results] == names else None

    def _path(self, number: int) -> Path:
        return self._folder / SHARDS / f"{number:07d}.jsonl"
