"""Place photographs into train, val and test, by scene."""

import csv
import io
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from container_doors.core.errors import DatasetError
from container_doors.core.parsing import listed
from container_doors.core.ports import Progress
from container_doors.core.records import SPLITS
from container_doors.data.attributes import ATTRIBUTES_CSV, is_found_group
from container_doors.data.contact_sheet import Cell, write_sheet
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.folds import FEWEST_FOLDS
from container_doors.data.frozen import FROZEN_JSON, Frozen, freeze, frozen_changes, read_frozen
from container_doors.data.grouping import Criterion, suggestions
from container_doors.data.inventory import (
    NEW_YAML,
    Inventory,
    by_scene,
    joins_of,
    known_of,
    read_inventory,
    scene_name,
)
from container_doors.data.layout import FOLDS_CSV, UNSPLIT, label_of
from container_doors.data.moving import (
    Move,
    finish,
    is_interrupted,
    locked,
    refuse_taken,
    write_plan,
)
from container_doors.data.photographs import Photograph
from container_doors.data.source_table import SOURCES_CSV
from container_doors.data.split import Scene, assign
from container_doors.data.spreadsheet import edit_table, normalize, read_table
from container_doors.data.straddling import Joins, Straddle, doubtful_pairs, straddles

_DOOR, _NO_DOOR = "with a door", "without a door"
_TEST = SPLITS[-1]
_FAR = 0.05
"""A share, of photographs or of a stratum, that differs by more is said."""

_FEWEST = 10
"""With fewer photographs of a stratum, its shares say nothing."""

_ON_A_SHEET = 60


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """What a person asked for."""

    shares: Mapping[str, float]
    """By split; their sum is 1."""
    criteria: Sequence[Criterion] = ()
    stratify: Sequence[str] = ()
    """Columns of attributes.csv."""
    seed: int = 0
    folds: int | None = None
    freeze: bool = False
    unfreeze: bool = False
    rejoin: bool = False
    """Move scenes that are in several splits into one."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """New photographs that belong to a scene that has no split to be in."""

    photographs: Sequence[str]
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Straddling:
    """A scene that is in more than one split."""

    name: str
    kind: str
    """What joins it: a kind of ``--group-by``, or ``near-duplicates``."""
    photographs: Mapping[str, Sequence[str]]
    """Their names, by split."""
    is_frozen: bool
    """Whether some are in a frozen split, which no option but ``--unfreeze`` changes."""


@dataclass(frozen=True, slots=True)
class SplitCount:
    """What a split has afterwards."""

    photographs: int
    doors: int
    scenes: int
    strata: Mapping[str, int]
    """Photographs by stratum: with a door, without one, and each value of the columns."""


@dataclass(slots=True)
class SplitReport:
    """The result of a split, or what it would be."""

    counts: dict[str, SplitCount]
    places: dict[str, list[Path]]
    """The photographs of each split, below the data set's folder; as they are now."""
    moves: list[Move]
    left_out: list[LeftOut]
    straddling: list[Straddling] = field(default_factory=list)
    """Scenes that are in more than one split afterwards."""
    notes: list[str] = field(default_factory=list)
    """What is not balanced, and what was not known."""
    finished: int = 0
    """Photographs that an interrupted split had still to move."""
    frozen: str | None = None
    """The hash of the frozen test split."""
    folds: dict[int, int] = field(default_factory=dict)
    """Photographs by fold."""


def parse_shares(text: str) -> dict[str, float]:
    """Read shares such as ``70/15/15``.

    Raises:
        DatasetError: If they are not three positive numbers whose sum is 100.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    is_valid = len(numbers) == len(SPLITS) and all(0 < each < 100 for each in numbers)
    if not is_valid or abs(sum(numbers) - 100) > 1e-6:
        raise DatasetError(
            f"--shares {text!r}: expected percentages of train, val and test whose sum is 100, "
            "none of them 0",
            hint="--shares 70/15/15",
        )
    return {split: number / 100 for split, number in zip(SPLITS, numbers, strict=True)}


def split_data(
    dataset: Path, options: SplitOptions, *, progress: Progress, is_dry_run: bool = False
) -> SplitReport:
    """Place what is in no split yet; what is placed stays, unless scenes are to be rejoined.

    Raises:
        DatasetError: If the data set or an option cannot be understood, there are fewer scenes
            than splits, or a frozen split has changed.
    """
    if is_dry_run:
        if is_interrupted(dataset):
            raise DatasetError(
                f"{dataset}: a split was interrupted, and is to be finished first",
                hint=f"doors data split --path {shlex.quote(str(dataset))}",
            )
        return _split(dataset, options, progress=progress, is_dry_run=True)
    if not dataset.is_dir():
        read_inventory(dataset, on_progress=lambda *_: None)  # it names what is missing
    with locked(dataset):
        finished = 0
        if is_interrupted(dataset):
            finished = finish(dataset)
            progress.say(f"finished a split that was interrupted: {finished} photograph(s) moved")
        report = _split(dataset, options, progress=progress)
        report.finished = finished
        return report


def draw_sheets(report: SplitReport, dataset: Path, folder: Path) -> list[Path]:
    """Draw a contact sheet of each split, of photographs that are spread evenly over it."""
    sheets = []
    for split, paths in report.places.items():
        shown = paths[:: max(1, -(-len(paths) // _ON_A_SHEET))]
        title = f"{split}: {len(shown)} of {len(paths)} photographs"
        if shown:
            sheets.append(folder / f"{split}.jpg")
            cells = [Cell(dataset / path, path.name) for path in shown]
            write_sheet([(title, cells)], sheets[-1], columns=6)
    return sheets


def _split(
    dataset: Path, options: SplitOptions, *, progress: Progress, is_dry_run: bool = False
) -> SplitReport:
    inventory = read_inventory(dataset, on_progress=lambda *at: progress.step("reading", *at))
    frozen = _frozen(inventory, options)
    joins = joins_of(
        inventory, options.criteria, on_progress=lambda *at: progress.step("comparing", *at)
    )
    scenes = by_scene(joins.scenes())
    divided = straddles(inventory.photographs, joins) if options.rejoin else []
    placing = _Placing(inventory, options, scenes, divided, is_test_frozen=frozen is not None)
    splits, left_out = placing.place()
    after = _after(inventory, splits)
    _refuse_emptied(inventory, after)
    moves = [
        Move(one.image, new.image)
        for one, new in zip(inventory.photographs, after, strict=True)
        if one.image != new.image
    ]
    fold_count = options.folds or _folds_to_keep(inventory, after)
    folds = _assign_folds(inventory, scenes, after, options, fold_count) if fold_count else {}
    frozen = freeze(after) if options.freeze else frozen
    tables = {
        **_tables(inventory, _groups(inventory, scenes, joins, after), after, moves),
        **({FOLDS_CSV: _folds_table(after, folds)} if folds else {}),
        **({FROZEN_JSON: _frozen_text(dataset, frozen)} if options.freeze and frozen else {}),
    }
    refuse_taken(dataset, moves)
    if not is_dry_run:
        _write(dataset, options, moves, tables, progress)
    shown = inventory.photographs if is_dry_run else after
    strata = placing.strata
    return SplitReport(
        counts={split: _count(split, after, strata, scenes) for split in SPLITS},
        places={
            split: [
                each.image for each, new in zip(shown, after, strict=True) if new.split == split
            ]
            for split in SPLITS
        },
        moves=moves,
        left_out=left_out,
        straddling=_straddling(shown, after, joins, is_test_frozen=frozen is not None),
        notes=[
            *_unknown_scenes(inventory, joins, options),
            *_doubtful(shown, after, joins),
            *_unknown(inventory, options),
            *_imbalance(after, strata, scenes, options.shares),
        ],
        frozen=frozen.sha256 if frozen else None,
        folds=dict(sorted(Counter(folds.values()).items())),
    )


def _frozen(inventory: Inventory, options: SplitOptions) -> Frozen | None:
    """Read what is frozen; nothing is, if the person unfreezes it.

    Raises:
        DatasetError: If the frozen split has changed.
    """
    if options.unfreeze:
        return None
    changes = list(frozen_changes(inventory.dataset, inventory.photographs))
    if changes:
        raise DatasetError(
            f"{inventory.dataset / changes[0].path}: expected {changes[0].expected}, found "
            f"{changes[0].found}",
            hint=changes[0].remedy,
        )
    return read_frozen(inventory.dataset)


class _Placing:
    """Chooses a split for each new photograph."""

    def __init__(
        self,
        inventory: Inventory,
        options: SplitOptions,
        scenes: Mapping[int, Sequence[int]],
        divided: Sequence[Straddle] = (),
        *,
        is_test_frozen: bool,
    ) -> None:
        self._inventory, self._options, self._scenes = inventory, options, scenes
        self._divided = {one for straddle in divided for one in straddle.positions()}
        self._is_test_frozen = is_test_frozen
        self.strata = _strata(inventory, options.stratify)

    def place(self) -> tuple[dict[int, str], list[LeftOut]]:
        """Return the split of each new photograph by its position, and those without one."""
        photographs = self._inventory.photographs
        given: list[Scene] = []
        new: dict[str, Sequence[int]] = {}
        splits: dict[int, str] = {}
        left_out: list[LeftOut] = []
        for members in self._scenes.values():
            places = sorted({photographs[one].split for one in members} - {UNSPLIT})
            if self._can_be_rejoined(members, places):
                target = next(split for split in SPLITS if split in places)
                splits |= {one: target for one in members if photographs[one].split != target}
                given.append(self._scene(members, target))
                continue
            incoming = [one for one in members if photographs[one].split == UNSPLIT]
            for place in places:
                placed = [one for one in members if photographs[one].split == place]
                given.append(self._scene(placed, place))
            if not incoming:
                continue
            reason = self._why_left_out(members, places)
            if reason is not None:
                left_out.append(LeftOut([self._inventory.keys[one] for one in incoming], *reason))
            elif places:
                splits |= dict.fromkeys(incoming, places[0])
                given.append(self._scene(incoming, places[0]))
            else:
                scene = self._scene(incoming, None)
                new[scene.key] = incoming
                given.append(scene)
        chosen = self._assign(given, new)
        for key, members in new.items():
            splits |= dict.fromkeys(members, chosen[key])
        return splits, left_out

    def _can_be_rejoined(self, members: Sequence[int], places: Sequence[str]) -> bool:
        """Return whether a scene is in several splits, and none of them is frozen.

        It goes where a model may have seen it: into train, or else val. Then no model is tested
        on what it was trained on.
        """
        is_divided = len(places) > 1 and not self._divided.isdisjoint(members)
        return is_divided and not (self._is_test_frozen and _TEST in places)

    def _scene(self, members: Sequence[int], place: str | None) -> Scene:
        name = scene_name([self._inventory.photographs[one] for one in members])
        strata = Counter(stratum for one in members for stratum in self.strata[one])
        return Scene(name, strata, len(members), place)

    def _why_left_out(
        self, members: Sequence[int], places: Sequence[str]
    ) -> tuple[str, str] | None:
        """Return reason and remedy, if a scene can be in no split without a leak."""
        keys, photographs = self._inventory.keys, self._inventory.photographs
        first = {
            place: next(keys[one] for one in members if photographs[one].split == place)
            for place in places
        }
        if len(places) > 1:
            found = " and ".join(first.values())
            return (
                f"one scene with {found}, which are in different splits",
                "move those into one split, with their label files, and run this again",
            )
        if places == [_TEST] and self._is_test_frozen:
            return (
                f"one scene with {first[_TEST]}, and the test split is frozen",
                "remove them; or unfreeze the test split: --unfreeze",
            )
        return None

    def _assign(self, scenes: Sequence[Scene], new: Mapping[str, object]) -> dict[str, str]:
        shares = {
            split: share
            for split, share in self._options.shares.items()
            if not (split == _TEST and self._is_test_frozen)
        }
        total = sum(shares.values())
        filled = {scene.place for scene in scenes}
        empty = [split for split in shares if split not in filled]
        if new and len(new) < len(empty):
            count = sum(scene.size for scene in scenes)
            raise DatasetError(
                f"{self._inventory.dataset}: expected a scene for each of {listed(empty)}, found "
                f"{len(new)} scene(s) in {count} photograph(s)",
                hint="add photographs of other scenes"
                + (", or join fewer of them by --group-by" if self._options.criteria else ""),
            )
        return assign(
            scenes,
            {split: share / total for split, share in shares.items()},
            seed=self._options.seed,
        )


def _strata(inventory: Inventory, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the strata of each photograph: whether it has a door, and the columns' values.

    Raises:
        DatasetError: If there is no such column.
    """
    known = {
        normalize(name): name for values in inventory.attributes.values.values() for name in values
    }
    for column in columns:
        if normalize(column) not in known:
            found = listed(sorted(known.values())) or "no column of attributes"
            raise DatasetError(
                f"--stratify {column!r}: expected a column of {ATTRIBUTES_CSV} with values, found "
                f"{found}",
                hint=f"--stratify {next(iter(sorted(known.values())))}"
                if known
                else f"write it into {inventory.dataset / ATTRIBUTES_CSV}, or leave it out",
            )
    names = [known[normalize(column)] for column in columns]
    return [
        (
            _DOOR if photograph.doors else _NO_DOOR,
            *(
                f"{name} {inventory.attributes.values.get(key, {}).get(name, 'unknown')}"
                for name in names
            ),
        )
        for photograph, key in zip(inventory.photographs, inventory.keys, strict=True)
    ]


def _after(inventory: Inventory, splits: Mapping[int, str]) -> list[Photograph]:
    """Return the photographs as they are afterwards."""
    after = []
    for index, photograph in enumerate(inventory.photographs):
        split = splits.get(index)
        if split is not None:
            image = inventory.place_in(split, photograph)
            photograph = replace(photograph, split=split, image=image, label=label_of(image))  # noqa: PLW2901
        after.append(photograph)
    return after


def _refuse_emptied(inventory: Inventory, after: Sequence[Photograph]) -> None:
    """Refuse to leave a split without a photograph.

    Raises:
        DatasetError: If rejoined scenes were all that a split had.
    """
    emptied = {each.split for each in inventory.photographs} - {each.split for each in after}
    emptied -= {UNSPLIT}
    if emptied:
        raise DatasetError(
            f"{inventory.dataset}: expected a scene of its own in {listed(sorted(emptied))}, found "
            "only scenes that are in other splits too: --rejoin would leave it empty",
            hint=f"add photographs of other scenes to images/{UNSPLIT}, place them without "
            "--rejoin, and run this again",
        )


def _tables(
    inventory: Inventory,
    groups: Mapping[int, str],
    after: Sequence[Photograph],
    moves: Sequence[Move],
) -> dict[str, bytes]:
    """Return the tables that change: groups, and the names of what moves."""
    tables = {
        ATTRIBUTES_CSV: _attributes(inventory, groups, after),
        SOURCES_CSV: _sources(inventory.dataset / SOURCES_CSV, moves),
    }
    if not inventory.layout.data_yaml.exists():
        tables[str(DATA_YAML)] = NEW_YAML.encode()
    return {name: text for name, text in tables.items() if text is not None}


def _groups(
    inventory: Inventory,
    scenes: Mapping[int, Sequence[int]],
    joins: Joins,
    after: Sequence[Photograph],
) -> dict[int, str]:
    """Return the groups that were found and are not in the table; none for a scene in two splits.

    A photograph that nothing joins with another, and of which nothing is known, has none. A name
    that an earlier split has found gives way to a larger scene's; what a person wrote stays.
    """
    groups: dict[int, str] = {}
    for members in scenes.values():
        is_in_one_split = len({after[one].split for one in members} | {UNSPLIT}) == 2
        if not is_in_one_split or (len(members) == 1 and not joins.is_known(members[0])):
            continue
        rows = {one: inventory.table.rows.get(str(_posix(inventory, one))) for one in members}
        written = {
            one: row.cells["group"] for one, row in rows.items() if row and "group" in row.cells
        }
        found = {one for one, name in written.items() if is_found_group(name)}
        names = [name for one, name in written.items() if one not in found]
        name = min(names or written.values(), default=scene_name([after[one] for one in members]))
        groups |= {
            one: name
            for one in members
            if one not in written or (one in found and written[one] != name)
        }
    return groups


def _posix(inventory: Inventory, index: int) -> PurePosixPath:
    return PurePosixPath(inventory.photographs[index].image.as_posix())


def _attributes(
    inventory: Inventory, groups: Mapping[int, str], after: Sequence[Photograph]
) -> bytes | None:
    """Fill the column group, and rename what moved; None if nothing changes."""
    table = inventory.table
    cells: dict[int, dict[str, str]] = {}
    rows = []
    for index, photograph in enumerate(after):
        place = photograph.image.as_posix()
        row = table.rows.get(str(_posix(inventory, index)))
        changed = {"group": groups[index]} if index in groups else {}
        if row is None:
            rows += [{"image": place, **changed}] * bool(changed)
            continue
        if place != str(_posix(inventory, index)):
            changed |= _renamed(row.cells, inventory.photographs[index], photograph)
        if changed:
            cells[row.line] = changed
    if not cells and not rows:
        return None
    return edit_table(table.data or b"image,group\n", cells, rows, ["group"] * bool(groups))


def _renamed(cells: Mapping[str, str], before: Photograph, after: Photograph) -> dict[str, str]:
    """Change the cells of a row that name the folder that a photograph has left."""
    changed = {}
    left = {each.casefold() for each in before.image.parts} - {
        each.casefold() for each in after.image.parts
    }
    written = PurePosixPath(cells["image"].replace("\\", "/").casefold())
    if not left.isdisjoint(written.parts):
        changed["image"] = after.image.as_posix()
    if normalize(cells.get("split", "")) == before.split:
        changed["split"] = after.split
    return changed


def _sources(path: Path, moves: Sequence[Move]) -> bytes | None:
    """Rename what moved in sources.csv; None if nothing changes."""
    if not path.exists():
        return None
    data = path.read_bytes()
    table, _ = read_table(data, required="photograph")
    places = {_below_images(move.before): _below_images(move.after) for move in moves}
    rows = table.rows if table else ()
    written = {row.line: places.get(row.cells.get("photograph", "")) for row in rows}
    cells = {line: {"photograph": place} for line, place in written.items() if place}
    return edit_table(data, cells, (), ()) if cells else None


def _below_images(path: Path) -> str:
    is_below = path.parts[0] == "images"
    return path.relative_to("images").as_posix() if is_below else path.as_posix()


def _frozen_text(dataset: Path, frozen: Frozen) -> bytes:
    if not frozen.files:
        raise DatasetError(
            f"{dataset}: expected photographs in {_TEST} to freeze, found none",
            hint="place some first, without --freeze",
        )
    return frozen.text().encode()


def _assign_folds(
    inventory: Inventory,
    scenes: Mapping[int, Sequence[int]],
    after: Sequence[Photograph],
    options: SplitOptions,
    count: int,
) -> dict[int, int]:
    """Divide what is trained and validated on into folds by scene; the test split stays apart.

    A photograph that has a fold in ``folds.csv`` keeps it, if there are as many folds.
    """
    names = [str(number) for number in range(1, count + 1)]
    strata = _strata(inventory, options.stratify)
    earlier = _earlier_folds(inventory.dataset / FOLDS_CSV, names)
    members_of: dict[str, list[int]] = {}
    groups = []
    for members in scenes.values():
        inside = [one for one in members if after[one].split in SPLITS[:-1]]
        if inside:
            key = scene_name([after[one] for one in inside])
            members_of[key] = inside
            earlier_names = [inventory.photographs[one].image.as_posix() for one in inside]
            places = {earlier.get(name) for name in earlier_names} - {None}
            place = min(filter(None, places), default=None)
            found = Counter(stratum for one in inside for stratum in strata[one])
            groups.append(Scene(key, found, len(inside), place))
    if len(groups) < count:
        raise DatasetError(
            f"--folds {count}: expected as many scenes in train and val, found {len(groups)}",
            hint=f"--folds {len(groups)}"
            if len(groups) >= FEWEST_FOLDS
            else "add photographs of other scenes",
        )
    chosen = assign(groups, dict.fromkeys(names, 1 / count), seed=options.seed)
    placed = {scene.key: scene.place for scene in groups}
    return {
        one: int(placed[key] or chosen[key]) for key, inside in members_of.items() for one in inside
    }


def _folds_to_keep(inventory: Inventory, after: Sequence[Photograph]) -> int:
    """Return the number of folds in ``folds.csv``, if it names photographs that move; else 0."""
    folds = _read_folds(inventory.dataset / FOLDS_CSV)
    is_outdated = any(
        one.image != new.image and one.image.as_posix() in folds
        for one, new in zip(inventory.photographs, after, strict=True)
    )
    return len(set(folds.values())) if is_outdated else 0


def _earlier_folds(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Read the folds of an earlier call; none if there were more or fewer of them."""
    folds = _read_folds(path)
    return folds if set(folds.values()) == set(names) else {}


def _read_folds(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    table, _ = read_table(path.read_bytes(), required="image")
    rows = table.rows if table else ()
    return {row.cells.get("image", ""): row.cells.get("fold", "") for row in rows}


def _folds_table(after: Sequence[Photograph], folds: Mapping[int, int]) -> bytes:
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(["image", "fold"])
    writer.writerows(
        sorted([after[one].image.as_posix(), str(fold)] for one, fold in folds.items())
    )
    return output.getvalue().encode("utf-8", "surrogateescape")


def _write(
    dataset: Path,
    options: SplitOptions,
    moves: Sequence[Move],
    tables: Mapping[str, bytes],
    progress: Progress,
) -> None:
    if options.unfreeze:
        (dataset / FROZEN_JSON).unlink(missing_ok=True)
    if moves or tables:
        write_plan(dataset, moves, tables)
        finish(dataset, on_progress=lambda *at: progress.step("moving", *at))


def _count(
    split: str,
    after: Sequence[Photograph],
    strata: Sequence[tuple[str, ...]],
    scenes: Mapping[int, Sequence[int]],
) -> SplitCount:
    inside = {index for index, each in enumerate(after) if each.split == split}
    return SplitCount(
        photographs=len(inside),
        doors=sum(after[index].doors for index in inside),
        scenes=sum(not inside.isdisjoint(members) for members in scenes.values()),
        strata=Counter(stratum for index in inside for stratum in strata[index]),
    )


def _straddling(
    shown: Sequence[Photograph],
    after: Sequence[Photograph],
    joins: Joins,
    *,
    is_test_frozen: bool,
) -> list[Straddling]:
    return [
        Straddling(
            each.name,
            each.kind,
            {
                split: [shown[one].image.as_posix() for one in members]
                for split, members in each.members.items()
            },
            is_frozen=is_test_frozen and _TEST in each.members,
        )
        for each in straddles(after, joins)
    ]


def _unknown_scenes(inventory: Inventory, joins: Joins, options: SplitOptions) -> list[str]:
    """Say that nothing is known of scenes, and what could be."""
    named = inventory.attributes.scenes.values()
    is_known = options.criteria or not all(map(is_found_group, named)) or joins.is_more_than_alike()
    if is_known or not inventory.photographs:
        return []
    notes = [
        "nothing is known of scenes: each photograph counts as one, near-duplicates apart. If you "
        f"know more: --group-by, or a column group in {ATTRIBUTES_CSV}"
    ]
    return notes + [
        f"--group-by {shlex.quote(each.criterion)} would make {each.scenes} scenes of "
        f"{len(inventory.photographs)} photographs, the largest of {each.largest}: use it if that "
        "is how they were taken"
        for each in suggestions(known_of(inventory))
    ]


def _doubtful(shown: Sequence[Photograph], after: Sequence[Photograph], joins: Joins) -> list[str]:
    """Say which photographs in two splits may be of one scene."""
    pairs = doubtful_pairs(after, joins)
    if not pairs:
        return []
    one, other = shown[pairs[0].one].image, shown[pairs[0].other].image
    return [
        f"{len(pairs)} pair(s) in two splits may be moments of one scene, the first {one} and "
        f"{other}: look at them: doors data validate --path DIR --sheet pairs.jpg"
    ]


def _unknown(inventory: Inventory, options: SplitOptions) -> list[str]:
    """Say what was not known of new photographs."""
    new = [each for each in inventory.photographs if each.split == UNSPLIT]
    notes = []
    unlabelled = [each for each in new if each.label_sha256 is None]
    if unlabelled:
        notes.append(
            f"{len(unlabelled)} photograph(s) have no label file, the first "
            f"{unlabelled[0].image}: they train as photographs without a door"
        )
    if any(criterion.kind == "time" for criterion in options.criteria):
        timeless = [each for each in new if each.capture.taken_at is None]
        if timeless:
            written = timeless[0].capture.unreadable_time
            found = f"which says {written!r}" if written else "which says none"
            notes.append(
                f"{len(timeless)} photograph(s) have no time that can be read, the first "
                f"{timeless[0].image}, {found}: time joins them with none"
            )
    return notes


def _imbalance(
    after: Sequence[Photograph],
    strata: Sequence[tuple[str, ...]],
    scenes: Mapping[int, Sequence[int]],
    shares: Mapping[str, float],
) -> list[str]:
    """Say where a split has another share than was asked for, of photographs or of a stratum."""
    placed = [index for index, each in enumerate(after) if each.split in shares]
    if not placed:
        return []
    sizes = Counter(after[index].split for index in placed)
    notes = []
    for split, share in shares.items():
        found = sizes[split] / len(placed)
        if abs(found - share) > _FAR:
            largest = max(len(members) for members in scenes.values())
            notes.append(
                f"{split} has {found:.0%} of the photographs, and {share:.0%} were asked for: "
                f"scenes are whole, and the largest has {largest}; what was placed before stays"
            )
    totals = Counter(stratum for index in placed for stratum in strata[index])
    for stratum, total in totals.items():
        for split in shares:
            if not sizes[split]:
                continue
            count = sum(after[one].split == split and stratum in strata[one] for one in placed)
            found, wanted = count / sizes[split], total / len(placed)
            if total >= _FEWEST and abs(found - wanted) > 2 * _FAR:
                notes.append(f"{stratum}: {found:.0%} of {split}, {wanted:.0%} of all photographs")
    return notes
