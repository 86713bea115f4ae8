"""The folder that a prediction writes into, and goes on in after it was killed."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

from container_doors.core.disk import is_full, what_is_full
from container_doors.core.errors import PredictionError
from container_doors.core.files import make_folder
from container_doors.core.predictions import PhotographResult
from container_doors.prediction.coco import write_coco
from container_doors.prediction.crops import PADDING
from container_doors.prediction.file_names import FileNames
from container_doors.prediction.journal import Journal
from container_doors.prediction.pictures import Picture
from container_doors.prediction.writers import Crops, FileWriter, Pictures, Table, YoloLabels

Kind = Literal["jsonl", "csv", "pictures", "crops", "yolo", "coco"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Output:
    """Writes results, one after the other, into a folder; not thread-safe.

    The files of a photograph are written first, and its line in ``predictions.jsonl`` after them.
    A photograph without a line was not done: after a kill it is done again, under the same names.
    ``predictions.csv`` and ``coco/`` are made from these lines.
    """

    def __init__(
        self,
        folder: Path,
        *,
        save: Collection[Kind],
        classes: Sequence[str],
        padding: float = PADDING,
        before: Iterable[str] = (),
    ) -> None:
        """Go on after the results that are in the folder; there may be none.

        Args:
            folder: It is made if there is none.
            save: What to write. ``jsonl`` is always written: the next start goes on after it.
            classes: The names of the classes, by id.
            padding: Of the crops, as in :func:`crops.cut`.
            before: The names of what other shards have before this one.

        Raises:
            PredictionError: If another process writes there now, if a line of
                ``predictions.jsonl`` is damaged, or if the disk is full.
        """
        self._folder, self._save, self._classes = folder, frozenset(save), tuple(classes)
        self._names = FileNames(before)
        self._table: Table | None = None
        with full_disk_explained(folder):
            make_folder(folder)
            self._journal = Journal(folder / "predictions.jsonl")
            try:
                self._writers = list(file_writers(folder, self._save, padding))
                self._go_on()
            except BaseException:
                self._journal.close()
                raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, also after Ctrl-C; a second full disk must not hide the first."""
        with suppress(*[] if error is None else [PredictionError]):
            self.close()

    def earlier(self) -> Iterator[PhotographResult]:
        """Read the results that are in the folder, in their order."""
        return self._journal.results()

    def write(self, result: PhotographResult, picture: Picture | None) -> PhotographResult:
        """Write all that is asked for of one photograph.

        Args:
            result: What was found; crops are added to it.
            picture: None if it could not be read.

        Returns:
            The result as it was written.

        Raises:
            PredictionError: If the disk is full; what was written before is complete.
        """
        with full_disk_explained(self._folder):
            stem = self._names.stem_of(result)
            for writer in self._writers:
                result = writer.write(result, picture, stem)
            self._journal.append(result)
            if self._table is not None:
                self._table.append(result)
        return result

    def close(self) -> None:
        """Write what is made of all results together, and let other processes write.

        Raises:
            PredictionError: As :meth:`write`.
        """
        try:
            with full_disk_explained(self._folder):
                if "coco" in self._save:
                    write_coco(self._folder, self._journal.results(), self._classes)
        finally:
            if self._table is not None:
                self._table.close()
            self._journal.close()

    def _go_on(self) -> None:
        """Name the earlier photographs as when they were written, and write their rows."""
        earlier = self._named(self._journal.results())
        if "csv" in self._save:
            self._table = Table(self._folder, earlier)
        else:
            for _ in earlier:
                pass

    def _named(self, earlier: Iterator[PhotographResult]) -> Iterator[PhotographResult]:
        for result in earlier:
            self._names.stem_of(result)
            yield result


def file_writers(folder: Path, save: Collection[Kind], padding: float) -> Iterator[FileWriter]:
    """Open the writers of files."""
    if "crops" in save:
        yield Crops(folder, padding)
    if "pictures" in save:
        yield Pictures(folder)
    if "yolo" in save:
        yield YoloLabels(folder)


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """Raise a :class:`PredictionError` if the disk of a folder is full."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        error.filename = error.filename or str(folder)  # a failed write has no name
        raise PredictionError(
            what_is_full(error),
            hint="free some space there, then run the same command with --resume",
        ) from error
