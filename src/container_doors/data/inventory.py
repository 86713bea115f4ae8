"""What a data set has, in splits or in none yet, and which of its photographs are one scene."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from container_doors.core.errors import DatasetError
from container_doors.core.records import SPLITS, Finding
from container_doors.data.attributes import (
    Attributes,
    AttributeTable,
    examine_attributes,
    read_attribute_table,
)
from container_doors.data.data_yaml import CLASS_NAME, DATA_YAML, read_yaml
from container_doors.data.disk import Disk
from container_doors.data.duplicates import find_pairs
from container_doors.data.grouping import Criterion, Known, folder_of, labels_of
from container_doors.data.layout import (
    PICTURE_SUFFIXES,
    UNSPLIT,
    Layout,
    SplitFiles,
    list_files,
    read_layout,
    unsplit_files,
    view_name,
)
from container_doors.data.photographs import Photograph, read_photograph, tasks_of
from container_doors.data.pool import spread
from container_doors.data.source_table import Origin, read_origins
from container_doors.data.straddling import Column, Joins, links_of

NEW_YAML = "".join(f"{split}: images/{split}\n" for split in SPLITS) + (
    f"nc: 1\nnames: [{CLASS_NAME}]\n"
)

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The photographs of a data set, and what is known of each."""

    layout: Layout
    """With every split, even if it is empty, and ``unsplit``."""
    photographs: Sequence[Photograph]
    keys: Sequence[str]
    """Their names in attributes.csv, such as ``images/unsplit/a.jpg``."""
    attributes: Attributes
    table: AttributeTable
    origins: Mapping[str, Origin]

    @property
    def dataset(self) -> Path:
        """The data set's folder."""
        return self.layout.data_yaml.parent

    def place_in(self, split: str, photograph: Photograph) -> Path:
        """Return a photograph's path in another split, below the data set's folder."""
        splits = self.layout.splits
        path = self.layout.root / photograph.image
        below = path.relative_to(splits[photograph.split].images_dir)
        return (splits[split].images_dir / below).relative_to(self.layout.root)


def read_inventory(dataset: Path, *, on_progress: OnProgress) -> Inventory:
    """Read every photograph of a data set.

    Raises:
        DatasetError: If there is none, or data.yaml or a table cannot be understood.
    """
    layout = _layout(dataset)
    attributes, findings = examine_attributes(layout)
    _refuse(dataset, [one for one in findings if one.rule != "attributes-group-in-splits"])
    pairs = [(files, image) for files in layout.splits.values() for image in files.images]
    return Inventory(
        layout,
        spread(read_photograph, tasks_of(layout), workers=None, on_progress=on_progress),
        [view_name(files, image) for files, image in pairs],
        attributes,
        read_attribute_table(layout),
        read_origins(dataset),
    )


def _layout(dataset: Path) -> Layout:
    """Read the layout; where ``data.yaml`` is absent, it is the usual one."""
    unsplit, has_yaml = unsplit_files(dataset), (dataset / DATA_YAML).exists()
    if not has_yaml and not unsplit.images:
        raise DatasetError(
            f"{dataset}: expected photographs in images/{UNSPLIT}, found none",
            hint=f"doors data import SOURCE --out {shlex.quote(str(dataset))}; or put them there, "
            f"and their label files into labels/{UNSPLIT}",
        )
    names: Sequence[str] = (CLASS_NAME,)
    shape: tuple[int, int] | None = None
    document: Mapping[str, object] = {}
    known: Mapping[str, SplitFiles] = {}
    if has_yaml:
        layout, findings = read_layout(dataset)
        _refuse(dataset, [one for one in findings if one.path == DATA_YAML])
        if layout is None or layout.root.resolve() != dataset.resolve():
            raise DatasetError(
                f"{dataset / DATA_YAML}: expected photographs beside it, found the key path",
                hint="move data.yaml to the folders images and labels, and remove the key path",
            )
        names, shape = layout.class_names, layout.keypoint_shape
        known = layout.splits
        document, _ = read_yaml(dataset / DATA_YAML, Disk(dataset, PICTURE_SUFFIXES))
    splits = {
        split: known.get(split)
        or list_files(split, dataset / str(document.get(split, f"images/{split}")), dataset)
        for split in SPLITS
    }
    return Layout(dataset, dataset / DATA_YAML, {**splits, UNSPLIT: unsplit}, tuple(names), shape)


def _refuse(dataset: Path, findings: Sequence[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        first, more = errors[0], len(errors) - 1
        path = shlex.quote(str(dataset))
        others = f"; and {more} more error(s): doors data validate --path {path}"
        raise DatasetError(
            f"{dataset / first.where}: expected {first.expected}, found {first.found}",
            hint=first.remedy + others * bool(more),
        )


def joins_of(
    inventory: Inventory, criteria: Sequence[Criterion], *, on_progress: OnProgress
) -> Joins:
    """Find what joins photographs: what was asked for, what is known, and looks.

    Groups of attributes.csv, frames of a video and near-duplicates are joined always.

    Raises:
        DatasetError: If a criterion that was asked for joins nothing.
    """
    known = known_of(inventory)
    columns = [Column(criterion.kind, labels_of(criterion, known)) for criterion in criteria]
    columns.append(Column("attributes", [each.scene for each in known]))
    columns.append(Column("video", [each.video for each in known]))
    thumbnails = [each.thumbnail for each in inventory.photographs]
    return Joins(
        columns,
        find_pairs(thumbnails, on_progress=on_progress),
        list(_same_bytes(inventory.photographs)),
        len(known),
    )


def _same_bytes(photographs: Sequence[Photograph]) -> Iterator[tuple[int, int]]:
    """Join equal files, also empty pictures, which are no near-duplicates."""
    return links_of([each.image_sha256 for each in photographs])


def known_of(inventory: Inventory) -> list[Known]:
    """Return what is known of each photograph that can join it with others."""
    known = []
    for photograph, key in zip(inventory.photographs, inventory.keys, strict=True):
        origin = inventory.origins.get(photograph.image.name)
        capture = photograph.capture
        below = PurePosixPath(key).relative_to(f"images/{photograph.split}")
        known.append(
            Known(
                folder=folder_of(below, f"{origin.source}/{origin.member}" if origin else ""),
                name=origin.original_name if origin and origin.original_name else str(below),
                camera=capture.camera or capture.model or (origin.camera if origin else ""),
                taken_at=capture.taken_at or _date(origin),
                scene=inventory.attributes.scenes.get(key),
                video=f"{origin.source}\0{origin.video}" if origin and origin.video else None,
            )
        )
    return known


def _date(origin: Origin | None) -> datetime | None:
    """Read a time from sources.csv, without its zone, as EXIF has none."""
    try:
        return datetime.fromisoformat(origin.date_taken).replace(tzinfo=None) if origin else None
    except ValueError:
        return None


def scene_name(members: Sequence[Photograph]) -> str:
    """Name a scene by its content, whatever the files are called.

    >>> scene_name([])
    'scene-e3b0c44298fc'
    """
    digests = sorted(each.image_sha256 or str(each.image) for each in members)
    text = digests[0] if digests else ""
    return f"scene-{sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def by_scene(scenes: Sequence[int]) -> dict[int, list[int]]:
    """Return the members of each scene, by the position of its first."""
    members: dict[int, list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        members[scene].append(index)
    return dict(members)
