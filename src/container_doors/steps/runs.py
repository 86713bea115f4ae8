"""List the runs and versions in this clone, with their measured scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from math import inf, isfinite
from pathlib import Path
from typing import Any

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.measurements import Estimate, Evaluated
from container_doors.core.parsing import ParsingError, parse_json
from container_doors.core.ports import Repository
from container_doors.core.records import Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, REPORTS, RUNS, Run
from container_doors.data.layout import Layout
from container_doors.kaggle.ledger import readable_jobs
from container_doors.publishing.git_reports import METRICS
from container_doors.publishing.names import TAGS, parse_name, parse_tag, version_name
from container_doors.publishing.publication import read_published
from container_doors.publishing.ways_back import refuse_changed_records
from container_doors.steps.published import layout_today
from container_doors.steps.recorded_files import recorded_files, sha256_of_split
from container_doors.training.history import read_epochs
from container_doors.training.standing import correct_status

SCORES = ("mAP50", "mAP50-95", "precision", "recall")
"""mAP is Ultralytics'; precision and recall are those at the operating point."""

SCORED_SPLITS = ("val", "test")

SAME = 0.005
"""How far a score may be off when it is measured again on another device. If the value of an
interval is further off, it is of other photographs or of another threshold."""

DAMAGED = "damaged"

LayoutOf = Callable[[Path], Layout | None]
"""Reads a data set's layout as it is today; None if it is not here."""


@dataclass(frozen=True, slots=True)
class Score:
    """A measured value, with the ends of its 95 % interval if that was measured."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Row:
    """A run, or a version whose run is not on this machine."""

    name: str
    """The run's name; the version's, if no run here made it."""
    status: str
    version: str | None = None
    is_published: bool = False
    is_released: bool = False
    """Whether a git tag names the version."""
    val: dict[str, Score] = field(default_factory=dict)
    test: dict[str, Score] = field(default_factory=dict)
    """Both by the names in :data:`SCORES`; scores that were not measured are absent."""
    test_false_alarms: int | None = None
    test_conf_threshold: float | None = None
    """Of the precision, the recall and the false alarms on test."""
    measured_on: dict[str, int] = field(default_factory=dict)
    """By split, a number of the photographs and labels that it was measured on. Rows of equal
    numbers were measured on the same; 1 is the newest row's. Absent if that is not known."""
    size_bytes: int | None = None
    latency_ms: float | None = None
    """The median for a test photograph, on the machine where the run was evaluated."""
    date: datetime | None = None
    """When the training ended; for a version without a run, its day."""
    commit: str | None = None
    """The commit of the code that trained it."""
    problem: str | None = None
    """What is damaged, if the other fields could not be read."""
    dataset_sha256: str | None = None
    """Of the data set that it was trained on."""
    sha256_of_splits: dict[str, str] = field(default_factory=dict)
    """By split, of the photographs and labels that it was measured on, if they were recorded."""


def list_runs(repository: Repository, *, sort: str = "date") -> list[Row]:
    """Return a row for each run and version in this clone; damaged ones have a ``problem``.

    A score can only be compared with scores on the same photographs and labels. So if the rows are
    sorted by a score, those of the newest photographs come first.

    Args:
        repository: Has the tags of the versions.
        sort: The column to sort by: the best, newest, smallest or fastest first; or ``name``.
    """
    published, problem = _published_or_problem()
    tagged = {
        version_name(version): tag
        for tag in repository.tags(TAGS)
        if (version := parse_tag(tag)) is not None
    }
    layout_of = cache(_layout_if_readable)
    rows = [_row_of_folder(path, published, set(tagged), layout_of) for path in _folders()]
    if problem is not None:
        rows.append(Row(str(PUBLISHED), DAMAGED, is_published=True, problem=problem))
    if published is not None and not any(row.is_published for row in rows):
        damaged = [row.name.partition("~")[0] for row in rows if row.problem is not None]
        is_damaged = published.experiment_name in damaged
        status = "its run is damaged" if is_damaged else "its run is not here"
        rows.append(_row_of_published(published, set(tagged), status))
    known = {row.version for row in rows}
    rows += [
        _row_of_tag(name, tag, repository) for name, tag in tagged.items() if name not in known
    ]
    return _sorted(_numbered(rows), sort)


def are_mixed(rows: Sequence[Row], split: str) -> bool:
    """Return whether scores on a split are not known to be of the same photographs and labels."""
    measured = [row.measured_on.get(split) for row in rows if _has_scores(row, split)]
    return len(measured) > 1 and (None in measured or len(set(measured)) > 1)


def with_present_status(run: Run, record: RunRecord) -> RunRecord:
    """Return the record with its present status: is it still in training, here or as a job?"""
    jobs, _ = readable_jobs()
    is_elsewhere = run.aside is None and any(
        run.name in job.experiments and not job.is_over for job in jobs
    )
    return record if is_elsewhere else correct_status(run, record)


def _published_or_problem() -> tuple[Metadata | None, str | None]:
    try:
        return read_published(), None
    except RunError as error:
        return None, error.problem


def _folders() -> list[Path]:
    if not RUNS.is_dir():
        return []
    return sorted(
        path
        for path in RUNS.iterdir()
        if path.is_dir() and path.name[0] != "." and not _is_of_many(path)
    )


def _is_of_many(path: Path) -> bool:
    """Return whether a folder is of a sweep, or of a cross-validation without a last model."""
    try:
        run = Run(path.name, path.parent)
    except RunError:  # an earlier run, NAME~1
        return False
    is_one = run.record.exists() or run.trainer_dir.exists()
    return not is_one and (run.sweep.exists() or run.sweep_db.exists() or run.crossval.exists())


def _row_of_folder(
    path: Path, published: Metadata | None, tagged: set[str], layout_of: LayoutOf
) -> Row:
    try:
        return _row_of_run(Run.named(path.name), published, tagged, layout_of)
    except RunError as error:
        return Row(path.name, DAMAGED, problem=f"{error.problem}; {error.hint}")
    except OSError as error:
        return Row(path.name, DAMAGED, problem=f"{error.filename}: {error.strerror}")


def _row_of_run(run: Run, published: Metadata | None, tagged: set[str], layout_of: LayoutOf) -> Row:
    record = with_present_status(run, RunRecord.read(run.record))
    metadata = Metadata.read(run.metadata) if run.metadata.exists() else None
    evaluation = Evaluation.read(run.scores) if run.scores.exists() else None
    measured = Evaluated.read(run.evaluation) if run.evaluation.exists() else None
    best = record.artifacts.get("best.pt")
    if evaluation is not None and (best is None or evaluation.weights_sha256 != best.sha256):
        evaluation = None  # of an earlier attempt of the same run
    if measured is not None and (best is None or measured.weights_sha256 != best.sha256):
        measured = None
    if metadata is not None and record.status == "finished":
        refuse_changed_records(metadata, run)
    version = metadata.version if metadata else None
    is_published = published is not None and published.run_id == record.run_id
    is_released = version in tagged
    return Row(
        name=run.label,
        status=_status(run, record),
        version=version if is_published or is_released else None,
        is_published=is_published,
        is_released=is_released,
        size_bytes=best.size_bytes if best else None,
        date=record.finished_at or record.started_at,
        commit=record.code.commit,
        dataset_sha256=record.dataset.sha256,
        sha256_of_splits=_recorded_splits(run, record, layout_of) if evaluation else {},
        **_measured_fields(evaluation, measured),
    )


def _recorded_splits(run: Run, record: RunRecord, layout_of: LayoutOf) -> dict[str, str]:
    files = recorded_files(run, record.dataset.sha256)
    if files is None:
        return {}
    layout = layout_of(Path(record.dataset.path))
    found = {split: sha256_of_split(files, layout, split) for split in SCORED_SPLITS}
    return {split: digest for split, digest in found.items() if digest is not None}


def _layout_if_readable(dataset: Path) -> Layout | None:
    """Read a data set's layout; a data set that cannot be read is no damage of its runs."""
    try:
        return layout_today(dataset)
    except OSError:
        return None


def _status(run: Run, record: RunRecord) -> str:
    if record.status in {"finished", "trained"}:
        return record.status
    done = len(read_epochs(run.metrics_jsonl)) if run.metrics_jsonl.exists() else 0
    return f"{record.status}, {done} of {record.epochs_asked or '?'} epochs"


def _row_of_published(published: Metadata, tagged: set[str], status: str) -> Row:
    best = published.artifacts.get("best.pt")
    return Row(
        name=published.version,
        status=status,
        version=published.version,
        is_published=True,
        is_released=published.version in tagged,
        size_bytes=best.size_bytes if best else None,
        date=published.trained_on,
        commit=published.code.commit,
        dataset_sha256=published.dataset_sha256,
        **_measured_fields(published.evaluation, None),
    )


def _row_of_tag(name: str, tag: str, repository: Repository) -> Row:
    """Return the row of a version from the reports in its tagged commit."""
    figures = _reported_figures(repository.show(tag, REPORTS / METRICS), name)
    return Row(
        name=name,
        status="its run is not here",
        version=name,
        is_released=True,
        val=_reported_scores(figures, "val"),
        test=_reported_scores(figures, "test"),
        test_false_alarms=_whole(figures.get("test_false_positives")),
        size_bytes=_whole(figures.get("model_size_bytes")),
        latency_ms=figures.get("test_latency_median_ms"),
        date=_day(parse_name(name).date),
    )


def _day(date: str) -> datetime | None:
    """Parse eight digits as a date; None if they are not one."""
    try:
        return datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _measured_fields(evaluation: Evaluation | None, measured: Evaluated | None) -> dict[str, Any]:
    if evaluation is None:
        return {}
    test = evaluation.splits.get("test")
    return {
        "val": _scores(evaluation, measured, "val"),
        "test": _scores(evaluation, measured, "test"),
        "test_false_alarms": test.operating_point.false_positives if test else None,
        "test_conf_threshold": test.operating_point.conf_threshold if test else None,
        "latency_ms": test.latency.median_ms if test and test.latency else None,
    }


def _scores(evaluation: Evaluation, measured: Evaluated | None, split: str) -> dict[str, Score]:
    found = evaluation.splits.get(split)
    if found is None:
        return {}
    point = found.operating_point
    values = {**found.ultralytics, "precision": point.precision, "recall": point.recall}
    assessed = measured.splits.get(split) if measured else None
    intervals = assessed.scores if assessed and not assessed.changed else {}
    return {
        name: _score(value, intervals.get(name))
        for name in SCORES
        if (value := values.get(name)) is not None and isfinite(value)
    }


def _score(value: float, interval: Estimate | None) -> Score:
    if interval is None or abs(interval.value - value) > SAME:
        return Score(value)
    return Score(value, interval.low, interval.high)


def _reported_figures(text: str | None, version: str) -> Mapping[str, float]:
    """Read the figures of ``reports/metrics.json``; empty if of another version, or damaged."""
    try:
        document = parse_json(text or "{}")
    except ParsingError:
        return {}
    if not isinstance(document, dict) or document.get("version") != version:
        return {}
    return {
        name: value
        for name, value in document.items()
        if type(value) in {int, float} and isfinite(value)
    }


def _reported_scores(figures: Mapping[str, float], split: str) -> dict[str, Score]:
    """Return the reported scores of a split; ``docs/metrics.md`` names have ``_`` for ``-``."""
    names = {
        "mAP50": "mAP50", "mAP50-95": "mAP50_95",
        "precision": "operating_precision", "recall": "operating_recall",
    }  # fmt: skip
    return {
        name: Score(figures[key])
        for name, short in names.items()
        if (key := f"{split}_{short}") in figures
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _numbered(rows: Sequence[Row]) -> list[Row]:
    """Number the photographs and labels of each split, from the newest row on."""
    known = {
        (row.dataset_sha256, split): digest
        for row in rows
        for split, digest in row.sha256_of_splits.items()
    }

    def digest_of(row: Row, split: str) -> str | None:
        """Return the split's hash, or that of a whole data set that nothing more is known of."""
        return known.get((row.dataset_sha256, split), row.dataset_sha256)

    numbers: dict[str, dict[str, int]] = {split: {} for split in SCORED_SPLITS}
    numbered = []
    for row in _newest_first(rows):
        measured_on = {}
        for split, of_split in numbers.items():
            digest = digest_of(row, split)
            if digest is not None and _has_scores(row, split):
                measured_on[split] = of_split.setdefault(digest, len(of_split) + 1)
        numbered.append(replace(row, measured_on=measured_on))
    return numbered


def _has_scores(row: Row, split: str) -> bool:
    return bool(row.test or row.test_false_alarms is not None if split == "test" else row.val)


def _newest_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-_seconds(row), row.name))


def _sorted(rows: Sequence[Row], sort: str) -> list[Row]:
    """Sort by one column; rows without a value come last, and of equal rows the newest first."""
    by_date = _newest_first(rows)
    value, split = _ORDERS[sort], _SPLITS_OF.get(sort)

    def order(row: Row) -> tuple[float, Any]:
        return (row.measured_on.get(split, inf) if split else 0, value(row))

    with_value = [row for row in by_date if value(row) is not None]
    return [*sorted(with_value, key=order), *(row for row in by_date if value(row) is None)]


def _seconds(row: Row) -> float:
    return row.date.timestamp() if row.date else 0.0


def _highest(score: Score | None) -> float | None:
    return None if score is None else -score.value


def _newest_number(row: Row) -> tuple[int, int] | None:
    try:
        version = parse_name(row.version or "")
    except VersioningError:
        return None
    return -version.major, -version.minor


_SPLITS_OF = {"val": "val", "test": "test", "recall": "test", "false-alarms": "test"}
"""By what is sorted: the split that it was measured on."""

_ORDERS: Mapping[str, Callable[[Row], Any]] = {
    "date": lambda row: -row.date.timestamp() if row.date else None,
    "name": lambda row: row.name,
    "version": _newest_number,
    "val": lambda row: _highest(row.val.get("mAP50-95")),
    "test": lambda row: _highest(row.test.get("mAP50-95")),
    "recall": lambda row: _highest(row.test.get("recall")),
    "false-alarms": lambda row: row.test_false_alarms,
    "size": lambda row: row.size_bytes,
    "latency": lambda row: row.latency_ms,
}
