"""Changes label files as a person decided: all of them in one step, with a copy of the old ones."""

import hashlib
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from container_doors.core.errors import DatasetError
from container_doors.core.files import force_to_disk
from container_doors.core.parsing import ParsingError, listed, read_bounded
from container_doors.core.printable import shortened
from container_doors.core.records import Sha256
from container_doors.data.formats.record import Edges
from container_doors.data.formats.yolo import row_text
from container_doors.data.labelled import named_photographs
from container_doors.data.labels import MOST_LABEL_BYTES
from container_doors.data.layout import Layout, label_of
from container_doors.data.placing import Dataset, Staging, staging

MOST_DECISIONS_BYTES = 16 * 1024**2
_MOST_DECISIONS = 100_000
_LONGEST_NOTE = 2000
_LONGEST_NAME = 4096
_LEAST_SIDE = 1e-6
_DECISIONS = "decisions.json"
_AGAIN = "review the labels as they are now: doors data review"


class Decision(BaseModel):
    """What a person decided on one label in doubt; edges are fractions of the upright picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    image: str = Field(min_length=1, max_length=_LONGEST_NAME)
    """The photograph: ``images/train/img_001.jpg``."""
    image_sha256: Sha256
    label_sha256: Sha256 | None
    """Of the label file that was reviewed; None if there was none."""
    kind: Literal["missing", "spurious", "loose", "shifted", "doubled"]
    line: int | None = Field(ge=1)
    """Of the label in the file; None if it is to be added."""
    proposed: Edges | None
    """Left, top, right and bottom of the label as it should be; None if it should go."""
    decision: Literal["accept", "reject", "undecided"]
    note: str = Field(default="", max_length=_LONGEST_NOTE)

    @model_validator(mode="after")
    def _is_a_change(self) -> "Decision":
        if self.line is None and self.proposed is None:
            raise ValueError("expected a line, a proposed box, or both")
        if self.proposed is not None:
            left, top, right, bottom = self.proposed
            if not (0 <= left < right - _LEAST_SIDE and right <= 1):
                raise ValueError("expected 0 <= left < right <= 1 in the proposed box")
            if not (0 <= top < bottom - _LEAST_SIDE and bottom <= 1):
                raise ValueError("expected 0 <= top < bottom <= 1 in the proposed box")
        return self


class Decisions(BaseModel):
    """The file that the page of ``doors data review`` saves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    decisions: list[Decision] = Field(max_length=_MOST_DECISIONS)


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label file before and after; empty text without a label."""

    path: Path
    """Below the data set."""
    before: str | None
    """None if there was no file."""
    after: str
    added: int
    changed: int
    removed: int


def read_decisions(path: Path) -> Decisions:
    """Read a file of decisions.

    Raises:
        DatasetError: If it is absent, damaged, or none.
    """
    hint = "save the decisions again on the page that doors data review wrote"
    try:
        data = read_bounded(path, MOST_DECISIONS_BYTES)
    except FileNotFoundError:
        raise DatasetError(f"{path}: expected a file of decisions, found none", hint=hint) from None
    except ParsingError as error:
        raise DatasetError(f"{path}: {error}", hint=hint) from None
    try:
        return Decisions.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in first["loc"])
        raise DatasetError(f"{path}: ${place}: {shortened(first['msg'])}", hint=hint) from None


def planned_changes(
    decisions: Decisions, layout: Layout, dataset: Path
) -> tuple[list[LabelChange], list[str]]:
    """Work out what the accepted decisions change.

    Args:
        decisions: What was decided.
        layout: The data set as it is now.
        dataset: Its folder, for messages.

    Returns:
        The changes, and why decisions cannot be applied: each names its photograph.

    Raises:
        DatasetError: If no photograph of the decisions is in the data set.
    """
    here = dict(named_photographs(layout))
    by_image: dict[str, list[Decision]] = {}
    for one in decisions.decisions:
        by_image.setdefault(one.image, []).append(one)
    if by_image and not by_image.keys() & here.keys():
        raise DatasetError(
            f"{dataset}: expected the photographs of the decisions, found none of "
            f"{listed(by_image, most=3)}",
            hint="they are of another data set: name it with --path DIR",
        )
    changes, problems = [], []
    for image, ones in by_image.items():
        accepted = [one for one in ones if one.decision == "accept"]
        if not accepted:
            continue
        path = here.get(image)
        problem = "it is not in the data set" if path is None else _fault(path, accepted, layout)
        if path is None or problem:
            problems.append(f"{image}: {problem}")
            continue
        changes.append(_change(path, accepted, layout))
    return changes, problems


def _fault(path: Path, decisions: Sequence[Decision], layout: Layout) -> str | None:
    """Return why a photograph's decisions do not fit what is there now."""
    if not label_of(path).parent.resolve().is_relative_to(layout.root.resolve()):
        return "its label file is outside of the data set, behind a link: change it there"
    label = _text(label_of(path))
    digest = None if label is None else hashlib.sha256(label).hexdigest()
    if any(one.label_sha256 != digest for one in decisions):
        return "its labels have changed since the review"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if any(one.image_sha256 != found for one in decisions):
        return "it is another picture than the one that was reviewed"
    lines = len((label or b"").decode("utf-8-sig").splitlines())
    if any(one.line is not None and one.line > lines for one in decisions):
        return f"a decision is on a line after the last one, {lines}"
    named = [one.line for one in decisions if one.line is not None]
    if len(named) != len(set(named)):
        return "two accepted decisions are on the same label"
    return None


def _text(path: Path) -> bytes | None:
    try:
        return read_bounded(path, MOST_LABEL_BYTES)
    except FileNotFoundError:
        return None
    except ParsingError as error:
        raise DatasetError(f"{path}: {error}", hint="doors data validate --path DIR") from None


def _change(image: Path, decisions: Sequence[Decision], layout: Layout) -> LabelChange:
    path = label_of(image)
    data = _text(path)
    before = None if data is None else data.decode("utf-8-sig")
    lines = (before or "").splitlines(keepends=True)
    is_polygons = any(len(line.split()) > 6 for line in lines)
    edits: dict[tuple[str, ...], Edges | None] = {
        tuple(lines[one.line - 1].split()): one.proposed
        for one in decisions
        if one.line is not None
    }
    added = [one.proposed for one in decisions if one.line is None and one.proposed is not None]
    after = [*_edited(lines, edits, is_polygons=is_polygons)]
    if after and added and not after[-1].endswith(("\n", "\r")):
        after[-1] += "\n"
    after += [f"0 {_row(edges, is_polygon=is_polygons)}\n" for edges in added]
    removed = sum(edges is None for edges in edits.values())
    return LabelChange(
        (path.parent.resolve() / path.name).relative_to(layout.root.resolve()),
        before,
        "".join(after),
        added=len(added),
        changed=len(edits) - removed,
        removed=removed,
    )


def _edited(
    lines: Sequence[str],
    edits: Mapping[tuple[str, ...], Edges | None],
    *,
    is_polygons: bool,
) -> Iterator[str]:
    """Yield the lines; one that says the same as an edited one is the same label, and goes."""
    done: set[tuple[str, ...]] = set()
    for line in lines:
        fields = tuple(line.split())
        if fields not in edits:
            yield line
        elif fields not in done:
            done.add(fields)
            edges = edits[fields]
            if edges is not None:
                yield f"{fields[0]} {_row(edges, is_polygon=is_polygons)}\n"


def _row(edges: Edges, *, is_polygon: bool) -> str:
    """Write a box as the other rows are: a file has boxes or polygons, and not both."""
    if not is_polygon:
        return row_text(edges)
    left, top, right, bottom = edges
    points = (left, top, right, top, right, bottom, left, bottom)
    return " ".join(f"{value:.10f}".rstrip("0").rstrip(".") for value in points)


def apply_decisions(path: Path, layout: Layout, dataset: Path, backup: Path) -> list[LabelChange]:
    """Change the labels as accepted: all of them in one step, or none.

    Args:
        path: The file of decisions.
        layout: The data set.
        dataset: Its folder, for messages.
        backup: A new folder for the label files as they were, and the decisions.

    Raises:
        DatasetError: If a label or a photograph is not as it was reviewed, or is not there.
    """
    decisions = read_decisions(path)
    with staging(Dataset(layout.root, {}, frozenset(), {})) as staged:
        changes, problems = planned_changes(decisions, layout, dataset)
        refuse_problems(problems, path, backup.parent)
        if changes:
            with _backed_up(changes, layout.root, path, backup):
                _write(changes, staged)
            staged.finish()
    return changes


def refuse_problems(problems: Sequence[str], path: Path, backups: Path) -> None:
    """Refuse decisions of which one cannot be applied.

    Raises:
        DatasetError: If there is one; it says so if the same file was applied before.
    """
    if not problems:
        return
    earlier = _applied_before(path, backups)
    raise DatasetError(
        f"{path}: {len(problems)} photograph(s) are not as they were reviewed, the first: "
        f"{problems[0]}; nothing was changed",
        hint=f"it was applied already: the labels before that are in {shlex.quote(str(earlier))}"
        if earlier
        else _AGAIN,
    )


def _applied_before(path: Path, backups: Path) -> Path | None:
    data = path.read_bytes()
    return next(
        (one.parent for one in sorted(backups.glob(f"*/{_DECISIONS}")) if one.read_bytes() == data),
        None,
    )


@contextmanager
def _backed_up(
    changes: Sequence[LabelChange], root: Path, decisions: Path, backup: Path
) -> Iterator[None]:
    """Keep copies of the label files, unless the block fails, which changes none of them."""
    try:
        backup.mkdir(parents=True)
        for change in changes:
            if change.before is not None:
                target = backup / change.path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / change.path, target)
        shutil.copyfile(decisions, backup / _DECISIONS)
        force_to_disk(backup)
        yield
    except BaseException:
        shutil.rmtree(backup, ignore_errors=True)
        raise


def _write(changes: Sequence[LabelChange], staged: Staging) -> None:
    for change in changes:
        staged.write_label(change.path, change.after)
