"""Import photographs and labels of any known format into a data set."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from container_doors.core.errors import ConfigError, SourceError
from container_doors.core.ports import Progress
from container_doors.data.classes import ClassChoice, require_known
from container_doors.data.convert_pictures import Prepared
from container_doors.data.formats import without_labels
from container_doors.data.formats.known import format_of
from container_doors.data.formats.record import (
    LEFT_OUT,
    REASONS_UNLABELLED,
    Edges,
    LabelledPhotograph,
    MalformedError,
    Shape,
    WhyUnlabelled,
)
from container_doors.data.formats.yolo import row_text
from container_doors.data.framing import Framed, frame
from container_doors.data.incoming import Incoming, Reader
from container_doors.data.layout import UNLABELLED
from container_doors.data.placing import Dataset as ExistingDataset
from container_doors.data.placing import Placed, Staging, place_of, read_dataset, staging
from container_doors.data.prelabelled import bare_name, drawn_boxes
from container_doors.data.safe_names import Names
from container_doors.data.source_table import Origin
from container_doors.data.sources import Source, one_of, open_pictures, open_source
from container_doors.data.video_frames import USUAL_EVERY, Sampling

_SAME_BOX_PX = 1.0
"""Two label files that differ by less say the same: formats round differently."""

_MOST_SHOWN = 20

_TURNED = "{} photograph(s) were labelled as stored, not upright: their boxes were turned"
_ASSUMED = (
    "{} photograph(s) have an EXIF orientation, and their labels do not tell whether they were "
    "drawn upright: taken as upright"
)
_OF_SHAPES: dict[Shape, str] = {
    "polygon": "{} polygon(s): the box around each is used",
    "rotated box": "{} rotated box(es): the box around each is used",
    "keypoints": "{} set(s) of keypoints: the box around each is used",
    "pose": "{} pose(s): the box of each is used, its points are left out",
}
_CLIPPED = "{} box(es) ended outside of the picture, and were clipped"
_SCORED = "{} box(es) have a score: a model drew them; check that a person has looked at each"
_FROM_ZERO = (
    "{} box(es) taken as counted from 0, not 1 as Pascal VOC means it: one of that source is at 0"
)
_WITHOUT_PLACE = "{} photograph(s) without their place (GPS) now: --keep-gps keeps it"
_LOST_PLACE = "{} converted picture(s) without their place (GPS) now: a copy has none"

WithoutLabels = Literal["unlabelled", "negatives"]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a person chose."""

    classes: ClassChoice = field(default_factory=ClassChoice)
    format_name: str | None = None
    """None: recognised."""
    without_labels: WithoutLabels | None = None
    """What photographs without labels are; None: the source has labels."""
    pictures: Path | None = None
    """The folder or zip of the photographs, if it is not that of the label file."""
    sampling: Sampling = field(default_factory=Sampling)
    """Which frames of videos are taken."""
    keep_gps: bool = False
    relabel: bool = False
    """Whether labels of this source replace those of another one."""
    is_checked: bool = False
    """Whether a person has looked at each photograph that a model found no door in."""
    skip_problems: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do."""

    sources: list[tuple[str, str, int]] = field(default_factory=list)
    """The name, the tool and the number of photographs of each source."""
    classes: list[tuple[str, int, str]] = field(default_factory=list)
    """The name of each class, its boxes, and ``kept``, ``as NAME`` or ``dropped``."""
    counts: Counter[str] = field(default_factory=Counter)
    """Photographs: new, updated, unchanged, repeated, skipped; boxes: doors."""
    places: Counter[str] = field(default_factory=Counter)
    """New photographs by the folder that they are in: ``train``, ``unsplit``, ..."""
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is wrong with photographs that were skipped."""
    disagreements: list[str] = field(default_factory=list)
    """Pictures that two sources label differently; the labels that were here first stay."""


@dataclass(slots=True)
class _Entry:
    """A picture of this import, by its content."""

    labelled: LabelledPhotograph
    source: str
    member: str
    sha256: str
    picture: Prepared | None
    """None once it is written."""
    size_wh: tuple[int, int]
    edges: tuple[Edges, ...]
    name: str = ""

    @property
    def label(self) -> str | None:
        """The text of the label file; None if nobody has labelled it."""
        return _label(self.edges) if self.labelled.is_labelled else None


def import_data(
    paths: Sequence[Path], out: Path, options: ImportOptions, *, progress: Progress
) -> ImportReport:
    """Import sources into a data set: all of their photographs, or nothing.

    Args:
        paths: Folders, zips or label files.
        out: The data set's folder; it is made if there is none.
        options: What was chosen.
        progress: Receives the progress.

    Raises:
        SourceError: If a source cannot be imported as a whole, with what is wrong and where.
        DatasetError: If the data set cannot take it.
    """
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(path)) for path in paths]
        folder = options.pictures
        pictures = stack.enter_context(open_pictures(folder)) if folder else None
        return _import(sources, pictures, out, options, progress)


def _import(
    sources: Sequence[Source],
    pictures: Source | None,
    out: Path,
    options: ImportOptions,
    progress: Progress,
) -> ImportReport:
    report = ImportReport()
    drawn = [_labels_of(source, pictures, options, report) for source in sources]
    _require_video(drawn, options)
    _choose_classes(drawn, options, report)
    dataset = read_dataset(out, options.classes.kept)
    importer = _Importer(dataset, pictures, options, report, progress)
    if options.dry_run:
        importer.run(sources, drawn, staged=None)
        return report
    with staging(dataset) as staged:
        importer.run(sources, drawn, staged=staged)
        if importer.has_changed:
            staged.finish()
    return report


def _labels_of(
    source: Source, pictures: Source | None, options: ImportOptions, report: ImportReport
) -> list[LabelledPhotograph]:
    try:
        if options.without_labels is not None:
            tool: str = options.without_labels
            found = list(
                without_labels.read(
                    source,
                    are_negatives=options.without_labels == "negatives",
                    sampling=options.sampling,
                )
            )
        else:
            known = format_of(source, options.format_name)
            tool, found = known.tool, _sampled(known.read(source), options.sampling)
            if not options.is_checked:
                boxes = _drawn(source, pictures)
                found = [_only_if_checked(one, boxes) for one in found]
    except MalformedError as error:
        raise SourceError(
            str(error), hint="correct it, export the labels again, or name another --format"
        ) from None
    if not found or (options.without_labels is None and not any(one.is_labelled for one in found)):
        raise _nothing_labelled(source, tool, found, options)
    report.sources.append((source.name, tool, len(found)))
    return found


def _drawn(source: Source, pictures: Source | None) -> dict[str, int]:
    """Read what a model drew, without a search of all that lies beside a picked label file."""
    sources = [source] if source.picked is None or pictures is None else []
    sources += [pictures] if pictures else []
    return {name: count for one in sources for name, count in drawn_boxes(one).items()}


def _only_if_checked(one: LabelledPhotograph, drawn: Mapping[str, int]) -> LabelledPhotograph:
    """Take a photograph without a box as not labelled if it may be as a model left it.

    Where the model drew a box and none is left, a person has removed it.
    """
    if one.boxes or one.problems or one.is_checked or not one.is_labelled:
        return one
    count = drawn.get(bare_name(one.picture))
    is_checked = one.is_checked if count is None else count > 0
    if is_checked is not False:
        return one
    return replace(one, is_labelled=False, why_unlabelled="not checked")


def _nothing_labelled(
    source: Source, tool: str, found: Sequence[LabelledPhotograph], options: ImportOptions
) -> SourceError:
    what = "photographs" if options.without_labels else f"photographs with labels of {tool}"
    why = {one.why_unlabelled for one in found} - {"no label file"}
    if not why:
        return SourceError(
            f"{source.path}: expected {what}, found none",
            hint="check that it is the right source and, if it is named, the right --format",
        )
    reasons = [REASONS_UNLABELLED[one] for one in sorted(why)]
    return SourceError(
        f"{source.path}: expected {what}, found {len(found)} without: "
        + "; ".join(reason for reason, _ in reasons),
        hint="; ".join(remedy for _, remedy in reasons),
    )


def _sampled(
    photographs: Iterable[LabelledPhotograph], sampling: Sampling
) -> list[LabelledPhotograph]:
    """Take every Nth frame of those that are decoded from a labelled video."""
    every = sampling.every or USUAL_EVERY
    return [
        one
        for one in photographs
        if one.frame is None or one.embedded is None or one.frame % every == 0
    ]


def _require_video(drawn: Sequence[Sequence[LabelledPhotograph]], options: ImportOptions) -> None:
    """Refuse options for videos that would be ignored."""
    sampling = options.sampling
    has_video = any(one.video and one.embedded for ones in drawn for one in ones)
    if sampling.at_scene_changes and options.without_labels is None:
        raise ConfigError(
            "--scene-changes: expected --unlabelled or --negatives",
            hint="of a labelled video, take every Nth frame: --every N",
        )
    if (sampling.every or sampling.at_scene_changes) and not has_video:
        raise ConfigError(
            "--every and --scene-changes: expected a video in a source, found none",
            hint="leave the option out, or name a video",
        )


def _choose_classes(
    drawn: Sequence[Sequence[LabelledPhotograph]], options: ImportOptions, report: ImportReport
) -> None:
    boxes = [box for photographs in drawn for one in photographs for box in one.boxes]
    counts = Counter(box.class_name for box in boxes)
    require_known(counts, options.classes)
    report.classes = [
        (name, count, options.classes.fate(name) or "") for name, count in counts.most_common()
    ]
    if counts and not any(map(options.classes.is_kept, counts)):
        name = shlex.quote(f"{next(iter(counts))}={options.classes.kept}")
        raise SourceError(
            f"expected a box of the class {options.classes.kept}, found none: all {len(boxes)} "
            "boxes are dropped, and every photograph would be one without a door",
            hint=f"if a class is a door: --map {name}; if there is none in any: --negatives",
        )
    shapes = Counter(box.shape for box in boxes if box.shape != "box")
    report.notes += [_OF_SHAPES[shape].format(count) for shape, count in shapes.items()]
    if moved := sum(box.is_from_zero for box in boxes):
        report.notes.append(_FROM_ZERO.format(moved))
    if scored := sum(box.is_scored for box in boxes):
        report.notes.append(_SCORED.format(scored))
    for reason, count in Counter(box.left_out for box in boxes if box.left_out).items():
        report.notes.append(f"{count} box(es) left out: {LEFT_OUT[reason]}")


class _Importer:
    """Reads pictures one after the other, and decides what happens to each."""

    def __init__(
        self,
        dataset: ExistingDataset,
        pictures: Source | None,
        options: ImportOptions,
        report: ImportReport,
        progress: Progress,
    ) -> None:
        self._dataset, self._pictures, self._options = dataset, pictures, options
        self._report, self._progress = report, progress
        self._names = Names(dataset.names)
        self._entries: dict[str, _Entry] = {}
        self._origins = dict(dataset.origins)
        self._by_member = {
            (one.source, one.member): one.photograph for one in dataset.origins.values()
        }
        self._said: Counter[str] = Counter()
        self._unlabelled: dict[WhyUnlabelled, list[str]] = {}
        self._changed: list[str] = []
        self._places: list[str] = []
        self._no_files: list[str] = []
        self._problems: set[str] = set()
        self.has_changed = False

    def run(
        self,
        sources: Sequence[Source],
        drawn: Sequence[Sequence[LabelledPhotograph]],
        staged: Staging | None,
    ) -> None:
        """Read everything, then place it."""
        total, done = sum(map(len, drawn)), 0
        for source, photographs, (_, tool, _) in zip(
            sources, drawn, self._report.sources, strict=True
        ):
            reader = Reader(
                source,
                pictures=self._pictures,
                reads_unlabelled=self._options.without_labels is not None,
                keep_gps=self._options.keep_gps,
            )
            for read in reader.read(photographs):
                self._take(source, tool, read, staged)
                done += 1
                if staged is not None:
                    staged.read_part = done / total
                self._progress.step("importing", done, total)
            self._leftover(source, reader)
        if self._report.problems and not self._options.skip_problems:
            raise self._refusal()
        self._place(staged)
        self._report.problems += self._no_files
        self._report.notes += [text.format(count) for text, count in self._said.items()]
        self._report.notes += self._of_names()

    def _of_names(self) -> Iterator[str]:
        """Name the photographs that are left out or twice here, and what to do with them."""
        for why, names in self._unlabelled.items():
            reason, remedy = REASONS_UNLABELLED[why]
            yield (f"{len(names)} photograph(s) left out: {reason}: {one_of(names)}; {remedy}")
        if self._places:
            yield (
                f"{len(self._places)} photograph(s) still have their place (GPS), which could not "
                f"be removed: {one_of(self._places)}; remove it with another tool if it is private"
            )
        if self._changed:
            yield (
                f"{len(self._changed)} picture(s) have changed since they were imported, and are "
                f"added: {one_of(self._changed)}; if they replace the earlier ones, remove those "
                "and their labels"
            )

    def _refusal(self) -> SourceError:
        problems = self._report.problems
        more = len(problems) - _MOST_SHOWN
        shown = problems[:_MOST_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        return SourceError(
            f"{len(problems)} problem(s); nothing was imported",
            faults=shown,
            hint="correct them, or leave these photographs out: --skip-problems",
        )

    def _take(self, source: Source, tool: str, read: Incoming, staged: Staging | None) -> None:
        if not read.labelled.is_labelled and self._options.without_labels is None:
            self._report.counts["not labelled"] += 1
            self._unlabelled.setdefault(read.labelled.why_unlabelled, []).append(read.member)
            return
        if read.is_no_file and self._options.without_labels is not None:
            self._no_files.append(read.problem)
            self._report.counts["skipped"] += 1
            return
        problems = [*map(str, read.labelled.problems), *filter(None, [read.problem])]
        framed = None
        if read.picture is not None:
            framed = frame(read.labelled, read.picture)
            problems += map(str, framed.problems)
        if problems or framed is None or read.picture is None:
            new = [one for one in problems if one not in self._problems]
            self._report.problems += new
            self._problems.update(new)
            self._report.counts["skipped"] += bool(new)  # a picture may be listed twice
            return
        self._describe(framed, read.picture)
        self._places += [f"{source.name}, {read.member}"] * read.picture.has_place
        entry = _Entry(
            labelled=read.labelled,
            source=source.name,
            member=read.member,
            sha256=read.sha256,
            picture=read.picture,
            size_wh=read.picture.upright_wh,
            edges=tuple(self._kept(framed)),
        )
        self._add(entry, tool, staged)

    def _describe(self, framed: Framed, picture: Prepared) -> None:
        counts = {
            _TURNED: framed.is_turned,
            _ASSUMED: framed.is_assumed,
            _CLIPPED: framed.clipped,
            _WITHOUT_PLACE: picture.has_lost_place and not picture.converted_from,
            _LOST_PLACE: picture.has_lost_place and bool(picture.converted_from),
            f"{{}} picture(s) converted: {picture.converted_from} to .{picture.suffix}": bool(
                picture.converted_from
            ),
        }
        self._said.update({text: int(count) for text, count in counts.items() if count})

    def _kept(self, framed: Framed) -> Iterator[Edges]:
        for edges, box in framed.boxes:
            if box.left_out is None and self._options.classes.is_kept(box.class_name):
                yield edges

    def _add(self, entry: _Entry, tool: str, staged: Staging | None) -> None:
        first = self._entries.get(entry.sha256)
        if first is not None:
            self._repeat(first, entry)
            return
        self._entries[entry.sha256] = entry
        if entry.sha256 not in self._dataset.by_sha256:
            self._name(entry, tool, staged)
        entry.picture = None

    def _name(self, entry: _Entry, tool: str, staged: Staging | None) -> None:
        picture = entry.picture
        if picture is None:
            raise AssertionError("a picture is written once")
        member = PurePosixPath(entry.member)
        entry.name = self._names.new(member.name, picture.suffix, member.parent.name)
        labelled = entry.labelled
        if before := self._by_member.get((entry.source, entry.member)):
            self._changed.append(f"{_place(entry)} (before: {before})")
        self._origins[entry.name] = Origin(
            photograph="",
            source=entry.source,
            member=entry.member,
            sha256=entry.sha256,
            tool=tool,
            annotator=labelled.annotator,
            date_taken=picture.date_taken,
            camera=picture.camera,
            original_name=member.name,
            video=labelled.video,
            frame="" if labelled.frame is None else str(labelled.frame),
        )
        if staged is not None:
            staged.add_picture(entry.name, picture.data)

    def _repeat(self, first: _Entry, other: _Entry) -> None:
        """Compare the labels of a picture that occurs again in this import."""
        self._report.counts["repeated"] += 1
        if not other.labelled.is_labelled:
            return
        splits = {first.labelled.split, other.labelled.split}
        if len(splits) > 1 and first.labelled.is_labelled:
            self._report.disagreements.append(
                f"{_place(first)} is in {first.labelled.split or 'no split'}, and {_place(other)} "
                f"with the same bytes in {other.labelled.split or 'no split'}: the first stays"
            )
        if not first.labelled.is_labelled or self._options.relabel:
            first.labelled = replace(
                other.labelled, split=first.labelled.split or other.labelled.split
            )
            first.edges, first.source = other.edges, other.source
        elif not _same(first.edges, other.edges, first.size_wh):
            places = _place(first), _place(other)
            if places[0] == places[1]:  # two people, or one twice
                places = _annotation(first), _annotation(other)
            self._dispute(places[0], len(first.edges), places[1], len(other.edges))

    def _dispute(self, first: str, boxes: int, other: str, other_boxes: int) -> None:
        self._report.disagreements.append(
            f"the same picture has {boxes} box(es) in {first}, and {other_boxes} other(s) in "
            f"{other}: the first labels stay; --relabel takes the last ones, for example of a "
            "later export of the same project"
        )

    def _leftover(self, source: Source, reader: Reader) -> None:
        unused = reader.unused()
        if unused and source.picked is None and self._options.without_labels is None:
            self._report.notes.append(
                f"{len(unused)} picture(s) of {source.name} are in no label file, and were left "
                f"out: {one_of(unused)}"
            )

    def _place(self, staged: Staging | None) -> None:
        origins = self._origins
        groups = {}
        for entry in self._entries.values():
            placed = self._dataset.by_sha256.get(entry.sha256)
            if placed is not None:
                self._update(entry, placed, staged)
                continue
            is_labelled = entry.labelled.is_labelled
            place = place_of(entry.labelled.split, entry.name, is_labelled=is_labelled)
            origins[entry.name] = replace(origins[entry.name], photograph=place)
            self._count(place, entry)
            if entry.labelled.video:
                groups[entry.name] = entry.labelled.video
            if staged is not None:
                staged.place(entry.name, place, entry.label)
        if staged is not None and self.has_changed:
            note = staged.write_tables(origins, groups, self._options.classes.kept)
            self._report.notes += [note] if note else []

    def _count(self, place: str, entry: _Entry) -> None:
        self.has_changed = True
        self._report.counts["new"] += 1
        self._report.counts["doors"] += len(entry.edges)
        self._report.places[PurePosixPath(place).parts[0]] += 1

    def _update(self, entry: _Entry, placed: Placed, staged: Staging | None) -> None:
        """Decide what happens to a photograph that is here already."""
        label = entry.label
        if label is None or label == placed.label:
            self._report.counts["unchanged"] += 1
            return
        here = placed.origin.source if placed.origin else "the data set"
        was_unlabelled = placed.label is None
        if entry.source != here and not was_unlabelled and not self._options.relabel:
            before = _edges_of(placed.label or "")
            if before is not None and _same(before, entry.edges, entry.size_wh):
                self._report.counts["unchanged"] += 1
                return
            self._report.counts["disputed"] += 1
            count = len(before) if before is not None else 0
            self._dispute(f"{here}, {placed.place}", count, _place(entry), len(entry.edges))
            return
        self.has_changed = True
        self._report.counts["updated"] += 1
        parts = PurePosixPath(placed.place).parts
        place = placed.place
        if parts[0] == UNLABELLED:
            place = place_of(entry.labelled.split, "/".join(parts[1:]), is_labelled=True)
            self._report.places[PurePosixPath(place).parts[0]] += 1
        name = parts[-1]
        origin = placed.origin or Origin(place, entry.source, entry.member, entry.sha256)
        self._origins[name] = replace(
            origin,
            photograph=place,
            source=entry.source,
            annotator=entry.labelled.annotator or origin.annotator,
        )
        if staged is not None:
            staged.relabel(placed.place, label, place)


def _place(entry: _Entry) -> str:
    return f"{entry.source}, {entry.member}"


def _annotation(entry: _Entry) -> str:
    by = f" (by {entry.labelled.annotator})" if entry.labelled.annotator else ""
    return f"{_place(entry)}, {entry.labelled.where}{by}"


def _label(edges: Iterable[Edges]) -> str:
    return "".join(f"0 {row_text(one)}\n" for one in edges)


def _edges_of(label: str) -> tuple[Edges, ...] | None:
    """Read the boxes of a label file that may be a person's; None if it has anything else."""
    found = []
    for line in label.splitlines():
        try:
            _, x, y, width, height = map(float, line.split())
        except ValueError:
            return None
        found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return tuple(found)


def _same(one: Sequence[Edges], other: Sequence[Edges], size_wh: tuple[int, int]) -> bool:
    """Return whether two sets of boxes are the same but for rounding."""
    if len(one) != len(other):
        return False
    scale = (*size_wh, *size_wh)
    return all(
        any(
            all(abs(a - b) * px <= _SAME_BOX_PX for a, b, px in zip(box, match, scale, strict=True))
            for match in other
        )
        for box in one
    )
