"""Attributes of photographs, from the optional table ``attributes.csv`` beside ``data.yaml``.

Its column ``image`` names a photograph by its path below the data set's folder, or by any unique
end of that path. ``group`` names its scene; every other column is an attribute that scores are
split by, such as ``lighting``. A column of many numbers is binned into three parts of the same
size. Everything that cannot be parsed is reported as a finding, so that no scene is lost silently.
"""

import difflib
import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from container_doors.core.errors import DatasetError
from container_doors.core.parsing import listed
from container_doors.core.records import SPLITS, Finding
from container_doors.data.disk import Disk
from container_doors.data.faults import Fault, LineFault, fold
from container_doors.data.layout import (
    FOLDS_CSV,
    PICTURE_SUFFIXES,
    UNSPLIT,
    Layout,
    unsplit_files,
    view_name,
)
from container_doors.data.photograph_names import PhotographNames
from container_doors.data.spreadsheet import MOST_BYTES, Row, Table, normalize, read_table

ATTRIBUTES_CSV = "attributes.csv"
_FILE, _GROUP, _SPLIT = "image", "group", "split"
_NO_ATTRIBUTE = {_FILE, _GROUP, _SPLIT}
_NAMES = {"camera"}
"""Columns whose numbers are names."""

_MEANT_FOR_GROUP = {"scene", "scenes", "scene id", "scene_id", "group id", "group_id"}

_MOST_LEVELS = 6
"""More distinct numbers than this are binned: each value alone would have too few photographs."""

_FOUND_GROUP = re.compile(r"scene-[0-9a-f]{12}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Scenes and attributes by photograph, named as in the run's view: ``images/test/a/1.jpg``."""

    scenes: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exists: bool = False

    @property
    def sha256(self) -> str | None:
        """Hash of the parsed attributes, which figures depend on; None if there is no such file."""
        if not self.exists:
            return None
        known = json.dumps([dict(self.scenes), self.values], sort_keys=True)
        return hashlib.sha256(known.encode()).hexdigest()


def is_found_group(group: str) -> bool:
    """Return whether ``doors data split`` has found and named a group, and no person.

    >>> is_found_group("scene-e3b0c44298fc"), is_found_group("scene-7")
    (True, False)
    """
    return _FOUND_GROUP.fullmatch(normalize(group)) is not None


def read_attributes(layout: Layout) -> tuple[Attributes, list[Finding]]:
    """Read the attributes; empty if there is no such file. An empty cell has no value.

    Returns:
        The attributes, and the findings, all warnings.

    Raises:
        DatasetError: If anything could not be parsed, or a scene is in more than one split.
    """
    attributes, findings = examine_attributes(layout)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        folder = layout.data_yaml.parent
        first, more = errors[0], len(errors) - 1
        others = f"; see the {more} other(s) too: doors data validate --path {folder}"
        raise DatasetError(
            f"{folder / first.where}: expected {first.expected}, found {first.found}",
            hint=first.remedy + others * bool(more),
        )
    return attributes, findings


def examine_attributes(layout: Layout) -> tuple[Attributes, list[Finding]]:
    """Read the attributes and find every fault in them; paths are relative to the data set's."""
    if layout.whole is not None:
        attributes, findings = examine_attributes(layout.whole)
        attributes = _renamed(attributes, layout)
        return attributes, [*findings, *_in_two_folds(attributes, layout)]
    path, faults = _find(layout)
    relative = Path(os.path.relpath(path or layout.root / ATTRIBUTES_CSV, layout.data_yaml.parent))
    table = None
    if path is not None:
        data, unreadable = _read(path)
        faults += unreadable
        table, form_faults = read_table(data, required=_FILE) if data else (None, [])
        faults += form_faults
    if table is None:
        return Attributes(exists=path is not None), fold(faults, relative)
    attributes, content_faults = _Parser(table, _with_unsplit(layout)).parse()
    faults += content_faults
    return attributes, fold(sorted(faults, key=lambda each: each[0] or 0), relative)


def _renamed(attributes: Attributes, layout: Layout) -> Attributes:
    """Name the photographs as in other splits; those that are in none of these are left out."""
    splits = [layout.splits[split] for split in SPLITS if split in layout.splits]
    names = {image: view_name(files, image) for files in splits for image in files.images}
    new = {
        view_name(files, image): names[image]
        for files in (layout.whole or layout).splits.values()
        for image in files.images
        if image in names
    }
    return replace(
        attributes,
        scenes={new[name]: scene for name, scene in attributes.scenes.items() if name in new},
        values={new[name]: value for name, value in attributes.values.items() if name in new},
    )


def _in_two_folds(attributes: Attributes, layout: Layout) -> Iterator[Finding]:
    """Find a scene in two folds: a model would be tested on what it was trained on."""
    first: dict[str, str] = {}
    for name, scene in attributes.scenes.items():
        split = name.split("/")[1]
        if first.setdefault(scene, split) != split:
            yield Fault(
                "scene-in-two-folds",
                "each scene in one fold",
                f"{scene!r} in several",
                f"join them: doors data split --path {layout.data_yaml.parent}, with --folds and "
                "as many as before",
            ).at(Path(FOLDS_CSV))
            return


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """The table as a person wrote it, for adding to it."""

    path: Path
    """Beside ``data.yaml``, if there is none yet."""
    data: bytes
    columns: tuple[str, ...]
    """Normalized names."""
    rows: Mapping[str, Row]
    """By the photograph's path below the data set's folder."""


def read_attribute_table(layout: Layout) -> AttributeTable:
    """Read the table, without its faults: see :func:`read_attributes`."""
    path, _ = _find(layout)
    if path is None:
        return AttributeTable(layout.data_yaml.parent / ATTRIBUTES_CSV, b"", (), {})
    data, _ = _read(path)
    table = read_table(data, required=_FILE)[0] if data else None
    if table is None:
        return AttributeTable(path, data, (), {})
    parser = _Parser(table, _with_unsplit(layout))
    parser.parse()
    return AttributeTable(path, data, tuple(table.columns), parser.rows)


def _with_unsplit(layout: Layout) -> Layout:
    """Add the photographs that are in no split yet: what is known of them is in the table too."""
    unsplit = unsplit_files(layout.root)
    return replace(
        layout, splits={**layout.splits, UNSPLIT: unsplit} if unsplit.images else layout.splits
    )


def _find(layout: Layout) -> tuple[Path | None, list[LineFault]]:
    """Look beside ``data.yaml``, and in the folder that its ``path`` names."""
    real = dict.fromkeys(map(os.path.realpath, (layout.data_yaml.parent, layout.root)))
    folders = [Path(folder) for folder in real]
    found = [folder / ATTRIBUTES_CSV for folder in folders]
    found = [path for path in found if path.exists() or path.is_symlink()]
    faults: list[LineFault] = []
    if not found:
        faults = [(None, fault) for folder in folders for fault in _misnamed(folder)]
    if len(found) > 1:
        remedy = "delete the one that is older"
        faults.append((None, Fault("attributes-twice", "one file", f"{found[1]} too", remedy)))
    return (found[0] if found else None), faults


def _misnamed(folder: Path) -> Iterator[Fault]:
    for path in sorted(folder.iterdir()):
        if path.name.casefold().partition(".")[0] == "attributes":
            yield Fault(
                "attributes-name",
                f"the name {ATTRIBUTES_CSV}",
                f"{path.name!r}, which is not read",
                f"save it as CSV UTF-8 under the name {ATTRIBUTES_CSV}, or move it elsewhere",
                severity="warning",
            )


def _read(path: Path) -> tuple[bytes, list[LineFault]]:
    rule, expected = "attributes-unreadable", "a file that can be read"
    try:
        if not path.is_file():
            return b"", [(None, Fault(rule, expected, "not a regular file", "repair or remove it"))]
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        found = error.strerror or type(error).__name__
        return b"", [(None, Fault(rule, expected, found, "correct its permissions"))]
    if len(data) > MOST_BYTES:
        expected, found = f"at most {MOST_BYTES // 1024**2} MiB", "more"
        return b"", [(None, Fault(rule, expected, found, "check that it is the right file"))]
    if not data.strip():
        found, remedy = "nothing", "fill it, or remove it: its first line is image,group,lighting"
        return b"", [(None, Fault("attributes-columns", "a column 'image'", found, remedy))]
    return data, []


class _Parser:
    """Parses a table: finds the photograph of every row."""

    def __init__(self, table: Table, layout: Layout) -> None:
        self._table, self._names = table, PhotographNames(layout)
        self._absent = [split for split in SPLITS if split not in layout.splits]
        self._disk = Disk(layout.root, PICTURE_SUFFIXES)
        self.rows: dict[str, Row] = {}
        """The row of each photograph, by its path."""
        self._faults: list[LineFault] = []

    def parse(self) -> tuple[Attributes, list[LineFault]]:
        for row in self._table.rows:
            path = self._photograph(row)
            if path is not None:
                self.rows.setdefault(path, row)
        self._faults += [
            *_near_group(self._table),
            *_group_spellings(self.rows),
            *_groups_in_splits(self.rows, self._names),
            *_without_group(self.rows, self._names, self._table),
        ]
        keys = {path: self._names.key_of(path) for path in self.rows}
        scenes = {
            keys[path]: normalize(row.cells[_GROUP])
            for path, row in self.rows.items()
            if _GROUP in row.cells
        }
        values = {keys[path]: self._values(row) for path, row in self.rows.items()}
        return Attributes(scenes, self._cut(values), exists=True), self._faults

    def _photograph(self, row: Row) -> str | None:
        """Find the photograph of a row, or report why there is none."""
        written, split = row.cells.get(_FILE, ""), normalize(row.cells.get(_SPLIT, ""))
        found = self._names.find(written, split) if written else []
        fault = (
            self._unknown(written)
            if not found
            else _ambiguous(written, found)
            if len(found) > 1
            else self._repeated(written, found[0], row)
        )
        if fault is not None:
            self._faults.append((row.line, fault))
            return None
        if split in SPLITS and split != self._names.split_of(found[0]):
            self._faults.append((row.line, _other_split(split, found[0])))
        return found[0]

    def _unknown(self, written: str) -> Fault:
        """Return the fault of a row without a photograph; only a wrong row is to be deleted."""
        near = self._names.find(PurePosixPath(written.replace("\\", "/")).name) if written else []
        renamed = self._names.with_other_suffix(written)
        unused = self._disk.folder_of(written) if written else None
        if written and self._absent:
            remedy = f"correct {listed(self._absent)} in data.yaml first, and keep the line"
        elif renamed:
            remedy = f"there is {' and '.join(renamed[:2])}; correct the name, and keep the line"
        elif unused is not None:
            remedy = (
                f"correct data.yaml, where {unused} is in no split; or delete the line, if it is "
                "left out on purpose"
            )
        elif near:
            remedy = f"write {near[0]}, if you mean that one, or delete the line"
        else:
            remedy = (
                "write its path as it is under the data set's folder, images/test/img_001.jpg, "
                "or delete the line"
            )
        return Fault(
            "attributes-unknown-photograph",
            "a photograph of the data set",
            repr(written) if written else "a row without a name",
            remedy,
        )

    def _repeated(self, written: str, path: str, row: Row) -> Fault | None:
        first = self.rows.get(path)
        if first is None:
            return None
        columns = [name for name in self._table.columns if name != _FILE]
        other = [one for one in columns if first.cells.get(one) != row.cells.get(one)]
        differing = f", with another {', '.join(map(repr, other))}" if other else ""
        return Fault(
            "attributes-repeated",
            "each photograph once",
            f"{written!r} again, which is {path} of line {first.line}{differing}",
            "delete one of the two lines",
        )

    def _values(self, row: Row) -> dict[str, str]:
        return {
            self._table.columns[name]: cell
            for name, cell in row.cells.items()
            if name not in _NO_ATTRIBUTE
        }

    def _cut(self, values: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Replace numbers by their bin (one of three), column by column."""
        columns = {column for row in values.values() for column in row}
        cells = {
            column: {name: row[column] for name, row in values.items() if column in row}
            for column in columns
        }
        parts = {
            column: column_cells if normalize(column) in _NAMES else self._parts(column_cells)
            for column, column_cells in cells.items()
        }
        return {
            name: {column: parts[column][name] for column in row} for name, row in values.items()
        }

    def _parts(self, cells: Mapping[str, str]) -> Mapping[str, str]:
        numbers = {name: _number(cell, self._table) for name, cell in cells.items()}
        known = [number for number in numbers.values() if number is not None]
        if len(known) < len(cells) or len(set(known)) <= _MOST_LEVELS:
            return cells
        known.sort()
        low, high = known[len(known) // 3], known[2 * len(known) // 3]
        return {name: _part(number, low, high) for name, number in numbers.items()}


def _number(cell: str, table: Table) -> float | None:
    written = table.with_point(cell)
    return float(written) if _NUMBER.fullmatch(written) else None


def _part(number: float | None, low: float, high: float) -> str:
    if number is None or low <= number <= high:
        return f"{low:g} to {high:g}" if f"{low:g}" != f"{high:g}" else f"{high:g}"
    return f"below {low:g}" if number < low else f"above {high:g}"


def _ambiguous(written: str, found: Sequence[str]) -> Fault:
    return Fault(
        "attributes-ambiguous-photograph",
        "the name of exactly one photograph",
        f"{written!r}, which can be {found[0]} or {found[1]}",
        f"write the whole path: {found[0]}",
    )


def _other_split(split: str, path: str) -> Fault:
    return Fault(
        "attributes-split",
        f"a photograph of {split}, as its column split says",
        path,
        "correct the column, or the split in data.yaml, or move the photograph",
        severity="warning",
    )


def _near_group(table: Table) -> Iterator[LineFault]:
    """Find a column that is probably meant as ``group``, if there is no such column."""
    if _GROUP in table.columns:
        return
    for name, written in table.columns.items():
        if name in _MEANT_FOR_GROUP or difflib.get_close_matches(name, [_GROUP], cutoff=0.8):
            fault = Fault(
                "attributes-group-column",
                "a column 'group', if scenes are known",
                f"{written!r}, which is not used to group photographs into scenes",
                "rename it to group, if it names scenes",
                severity="warning",
            )
            yield table.header_line, fault


def _group_spellings(rows: Mapping[str, Row]) -> Iterator[LineFault]:
    """Find groups that differ only by case and spaces; they count as one."""
    first: dict[str, Row] = {}
    reported: set[str] = set()
    for row in rows.values():
        group = row.cells.get(_GROUP, "")
        one = first.setdefault(normalize(group), row)
        if one.cells.get(_GROUP, "") != group and group not in reported:
            reported.add(group)
            fault = Fault(
                "attributes-group-spelling",
                "one spelling for each group",
                f"{group!r}, which is the same as {one.cells[_GROUP]!r} on line {one.line}",
                "use one spelling for both, or two different names",
                severity="warning",
            )
            yield row.line, fault


def _groups_in_splits(rows: Mapping[str, Row], names: PhotographNames) -> Iterator[LineFault]:
    first: dict[str, dict[str, tuple[str, Row]]] = defaultdict(dict)
    for path, row in rows.items():
        if _GROUP in row.cells and names.split_of(path) != UNSPLIT:
            splits = first[normalize(row.cells[_GROUP])]
            splits.setdefault(names.split_of(path), (path, row))
    for splits in first.values():
        (path, one), *others = splits.values()
        for other_path, other in others:
            fault = Fault(
                "attributes-group-in-splits",
                "each group in one split",
                f"{other.cells[_GROUP]!r} of {other_path}, and of {path} (line {one.line})",
                "keep a scene in one split: scores on scenes that were trained on mean nothing",
            )
            yield other.line, fault


def _without_group(
    rows: Mapping[str, Row], names: PhotographNames, table: Table
) -> Iterator[LineFault]:
    groups = [row.cells[_GROUP] for row in rows.values() if _GROUP in row.cells]
    if _GROUP not in table.columns or all(map(is_found_group, groups)):
        return  # nobody has named scenes: what was found is not all that there is to know
    all_of, without = Counter[str](), defaultdict[str, list[str]](list)
    for path in names.paths:
        all_of[names.split_of(path)] += 1
        if path not in rows or _GROUP not in rows[path].cells:
            without[names.split_of(path)].append(path)
    for split, paths in without.items():
        if split == UNSPLIT or (split == "train" and len(paths) == all_of[split]):
            continue  # scenes matter where figures are measured
        fault = Fault(
            "attributes-group-missing",
            f"a group for each photograph of {split}",
            f"none for {len(paths)} of {all_of[split]}, the first {paths[0]}",
            "name its scene; without one it counts as a scene of its own",
            severity="warning",
        )
        yield None, fault
