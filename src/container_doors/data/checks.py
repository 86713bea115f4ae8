"""Check that a data set is fit to train on: read every file of every split, report every fault."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from container_doors.core.config import Data
from container_doors.core.errors import DatasetError
from container_doors.core.records import SPLITS, Finding, SplitCounts
from container_doors.data.attributes import Attributes, examine_attributes
from container_doors.data.cameras import cameras_of
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.disk import Disk
from container_doors.data.duplicates import find_pairs
from container_doors.data.faults import Fault, fetch_hint
from container_doors.data.folds import layout_for
from container_doors.data.foreign import find_form, forms_named, label_form
from container_doors.data.frozen import frozen_changes
from container_doors.data.layout import (
    FOLDS_CSV,
    PICTURE_SUFFIXES,
    Layout,
    SplitFiles,
    label_of,
    read_layout,
    view_name,
)
from container_doors.data.leaks import cameras_everywhere, near_duplicates
from container_doors.data.moving import interrupted
from container_doors.data.photographs import NO_LABEL, Photograph, Task, read_photograph, tasks_of
from container_doors.data.pool import spread
from container_doors.data.source_table import SOURCES_CSV, Origin, read_origins

MIN_TEST_IMAGES = 1

_EMPTY = sha256(b"").hexdigest()

_OVERLOOKED_PICTURES = frozenset(
    {"gif", "jfif", "jpe", "pbm", "pgm", "ppm", "svg", "tga", "jxl", "psd"}
    | {"raw", "arw", "cr2", "cr3", "nef", "orf", "raf", "rw2"}  # cameras' raw formats
)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of the checks."""

    layout: Layout | None
    """None if ``data.yaml`` cannot be read."""
    findings: list[Finding]
    """Sorted by split, path and line; those of ``data.yaml`` and ``attributes.csv`` come first."""
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    dropped: tuple[Path, ...] = ()
    """Photographs that Ultralytics would leave out of training with only a warning."""
    digests: Mapping[Path, str] = field(default_factory=dict)
    """SHA-256 of every file that could be read: data.yaml, pictures and labels; of a fold also
    folds.csv."""
    scenes: int = 0
    """The number of groups in ``attributes.csv`` that a photograph of a split has."""
    in_scenes: int = 0
    """The number of photographs that have one; each other one counts as a scene of its own."""
    drawn: "Report | None" = None
    """Of the drawn photographs that a training mixes in; None if it mixes in none."""

    @property
    def errors(self) -> list[Finding]:
        """The findings that make the data set unfit."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that a person should look at."""
        return [finding for finding in self.findings if finding.severity == "warning"]


@dataclass(frozen=True, slots=True)
class Split:
    """A split with all its photographs read."""

    root: Path
    files: SplitFiles
    photographs: Sequence[Photograph]
    min_images: int

    @property
    def name(self) -> str:
        """``train``, ``val`` or ``test``."""
        return self.files.name


def _no_progress(done: int, total: int) -> None:
    pass


ReadAll = Callable[[Sequence[Task], Callable[[int, int], None]], list[Photograph]]
"""Reads photographs, in their order; the function receives the numbers of those read and of all."""


def check(  # noqa: PLR0913 - each has a name, and most have a default
    dataset: Path,
    *,
    min_train_images: int,
    min_val_images: int,
    fold: int | None = None,
    workers: int | ReadAll | None = None,
    on_progress: Callable[[int, int], None] = _no_progress,
    on_compared: Callable[[int, int], None] = _no_progress,
) -> Report:
    """Read a whole data set and report everything that would spoil a training run.

    Nothing is written. Interrupting it leaves no process behind.

    Args:
        dataset: The folder of ``data.yaml``.
        min_train_images: The fewest photographs to train on.
        min_val_images: The fewest to validate on; one is enough to test on.
        fold: Check the splits of a fold (:mod:`data.folds`) instead of those of data.yaml.
        workers: How many processes read, by default as many as there are processors; or what reads
            the photographs elsewhere.
        on_progress: Receives the numbers of photographs read and in total.
        on_compared: Receives the numbers of near-duplicates compared and in total.

    Raises:
        DatasetError: If there is no such folder, or no such fold.
    """
    layout, findings = read_layout(dataset)
    if layout is None:
        return Report(None, [*findings, *interrupted(dataset)])
    if fold is not None:
        layout = layout_for(Data(fold=fold), layout)
    tasks = tasks_of(layout)
    if callable(workers):
        photographs, workers = workers(tasks, on_progress), None
    else:
        photographs = spread(read_photograph, tasks, workers=workers, on_progress=on_progress)
    minimums = {"train": min_train_images, "val": min_val_images, "test": MIN_TEST_IMAGES}
    splits = [
        Split(layout.root, files, [p for p in photographs if p.split == name], minimums[name])
        for name, files in layout.splits.items()
    ]
    by_split = {split.name: _findings(split) for split in splits}
    attributes, of_attributes = examine_attributes(layout)
    cameras, of_origins = _cameras(layout, photographs, attributes)
    thumbnails = [each.thumbnail for each in photographs]
    pairs = find_pairs(thumbnails, workers=workers, on_progress=on_compared)
    scenes = _scenes(layout, attributes)
    for split, finding in (
        *_same_content(photographs),
        *near_duplicates(photographs, pairs, scenes),
        *cameras_everywhere(photographs, cameras),
    ):
        by_split[split].append(finding)
    dataset = layout.data_yaml.parent
    findings = [*findings, *interrupted(dataset), *of_attributes, *of_origins]
    if fold is None:  # otherwise the test split is not there
        findings += frozen_changes(dataset, photographs)
    return Report(
        layout=layout,
        findings=findings + [f for split in SPLITS for f in _in_order(by_split.get(split, []))],
        splits={split.name: _counts(split) for split in splits},
        dropped=_dropped(splits),
        digests=_digests(layout, photographs),
        scenes=len(set(scenes.values())),
        in_scenes=len(scenes),
    )


def _scenes(layout: Layout, attributes: Attributes) -> dict[int, str]:
    """Return the scene of each photograph that has one, by its position."""
    scenes = enumerate(map(attributes.scenes.get, _keys(layout)))
    return {index: scene for index, scene in scenes if scene is not None}


def _cameras(
    layout: Layout, photographs: Sequence[Photograph], attributes: Attributes
) -> tuple[list[str | None], list[Finding]]:
    """Return the camera of each photograph, and the fault of a table that cannot be read."""
    origins: Mapping[str, Origin] = {}
    findings = []
    try:
        origins = read_origins(layout.data_yaml.parent)
    except DatasetError as error:
        place = Path(SOURCES_CSV)
        expected, _, found = error.problem.partition(": expected ")[2].partition(", found ")
        findings = [Fault("sources-unreadable", expected, found, error.hint).at(place)]
    return cameras_of(photographs, _keys(layout), attributes, origins), findings


def _keys(layout: Layout) -> list[str]:
    """Return the photographs' names in attributes.csv, in the order of the tasks."""
    return [view_name(files, image) for files in layout.splits.values() for image in files.images]


def _dropped(splits: Sequence[Split]) -> tuple[Path, ...]:
    """List the photographs that Ultralytics would drop, also those dropped for their label file."""
    return tuple(
        path
        for split in splits
        for path in (
            *(each.image for each in split.photographs if each.is_dropped),
            *(finding.path for finding in _ignored(split) if finding.dropped),
        )
    )


def _findings(split: Split) -> list[Finding]:
    of_photographs = [finding for each in split.photographs for finding in each.findings]
    if not split.files.labels_dir.is_dir():  # that is reported once, by itself
        of_photographs = [f for f in of_photographs if f.rule != NO_LABEL.rule]
    return of_photographs + [finding for rule in SPLIT_RULES for finding in rule(split)]


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by path, and remove duplicates of pictures that share a label file.

    The findings of one file are in the order of its lines already.
    """
    return sorted(dict.fromkeys(findings), key=lambda each: str(each.path))


def _counts(split: Split) -> SplitCounts:
    return SplitCounts(
        images=len(split.photographs),
        doors=sum(each.doors for each in split.photographs),
        background_images=sum(each.doors == 0 for each in split.photographs),
    )


def _digests(layout: Layout, photographs: Sequence[Photograph]) -> dict[Path, str]:
    tables = [DATA_YAML] if layout.whole is None else [DATA_YAML, Path(FOLDS_CSV)]
    folder = layout.data_yaml.parent
    of_tables = [(one, sha256((folder / one).read_bytes()).hexdigest()) for one in tables]
    images = ((each.image, each.image_sha256) for each in photographs)
    labels = ((each.label, each.label_sha256) for each in photographs)
    return {path: digest for path, digest in (*of_tables, *images, *labels) if digest is not None}


def _too_few(split: Split) -> Iterator[Finding]:
    if len(split.photographs) < split.min_images:
        yield Fault(
            "split-too-small",
            f"{split.min_images} photographs or more",
            f"{len(split.photographs)}",
            "add photographs, or lower the minimum in params.yaml (detection.data)"
            if split.photographs
            else fetch_hint(split.root) or f"put photographs into {_folder(split)}",
        ).at(_folder(split))


def _no_doors(split: Split) -> Iterator[Finding]:
    if not split.files.labels_dir.is_dir():
        return  # which is reported by itself, with the form
    if split.photographs and not any(each.doors for each in split.photographs):
        form = find_form(split.root, _disk(split))
        yield Fault(
            "split-without-doors",
            "at least one labelled door",
            f"none in {len(split.photographs)} photographs" + (f", but {form}" if form else ""),
            form.remedy if form else "check that the label files are in place and not empty",
        ).at(_folder(split))


def _labelled_elsewhere(split: Split) -> Iterator[Finding]:
    """Find photographs without a label file that have labels in another form, beside the others."""
    if not any(each.doors for each in split.photographs):
        return  # a split without doors is reported by itself, with the form
    labels = set(split.files.labels)
    names = {image.stem for image in split.files.images if label_of(image) not in labels}
    forms = forms_named(names, _disk(split)) if names else []
    if forms:
        yield Fault(
            "labels-in-another-form",
            "a label file for each photograph with doors",
            f"none for {len(forms)}, which would train as background, but {forms[0]}",
            forms[0].remedy,
        ).at(forms[0].path.relative_to(split.root))


def _label_without_image(split: Split) -> Iterator[Finding]:
    used = {label_of(image) for image in split.files.images}
    by_lower_case = {_on_other_systems(path): path for path in used}
    for label in split.files.labels:
        if label in used:
            continue
        other = by_lower_case.get(_on_other_systems(label))
        yield Fault(
            "label-without-image",
            "a picture of the same name",
            "none",
            f"rename it to {other.name}, as its picture is spelled{_in_its_normal_form(other)}"
            if other
            else "put the picture back, or remove the label file",
        ).at(label.relative_to(split.root))


def _same_label(split: Split) -> Iterator[Finding]:
    first: dict[Path, Photograph] = {}
    for each in split.photographs:
        other = first.setdefault(each.label, each)
        if other is not each:
            yield Fault(
                "image-shares-label",
                "a label file for each picture",
                f"that of {other.image.name}",
                "rename one of the two, and its label file",
            ).at(each.image)


def _same_but_for_spelling(split: Split) -> Iterator[Finding]:
    """Find two names that are the same file on macOS or Windows: by case, or by accents.

    A data set that is fetched there would lose one of the two, and its scores would change.
    """
    first: dict[str, Path] = {}
    for each in split.photographs:
        other = first.setdefault(_on_other_systems(each.image), each.image)
        if other != each.image:
            yield Fault(
                "image-name-ambiguous",
                "names that differ on every system",
                f"that of {other} but for case or the form of its accents",
                "rename one of the two, and its label file",
                severity="warning",
            ).at(each.image)


def _on_other_systems(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _in_its_normal_form(path: Path) -> str:
    """Return the Unicode normal form of a name as text; empty for ASCII."""
    name = path.name
    if name.isascii():
        return ""
    return f" ({'NFC' if unicodedata.is_normalized('NFC', name) else 'NFD'})"


def _ignored(split: Split) -> Iterator[Finding]:
    disk = _disk(split)
    labelled = {label.stem for label in split.files.labels}
    forms = {path: label_form(path, disk, is_added=bool(labelled)) for path in split.files.ignored}
    imported = {path: form for path, form in forms.items() if form and path.stem not in labelled}
    together = Counter(form.remedy for form in imported.values())
    for path, form in forms.items():
        suffix = path.suffix.lower().removeprefix(".")
        is_picture = suffix in _OVERLOOKED_PICTURES
        count = together.pop(form.remedy, 0) if form and path in imported else 1
        if count == 0:
            continue  # it is one of the files of an earlier finding
        what = form.what if form else path.suffix or "no suffix"
        yield Fault(
            "file-ignored",
            f"pictures ({', '.join(sorted(PICTURE_SUFFIXES))}) and label files (.txt)",
            f"{what}, not read" + f" (and {count - 1} more like it)" * (count > 1),
            form.remedy
            if form and path in imported
            else "save it as JPEG or PNG"
            if is_picture
            else "move it elsewhere",
            severity="warning",
            dropped=is_picture and path.is_relative_to(split.files.images_dir),
        ).at(path.relative_to(split.root))


SPLIT_RULES: tuple[Callable[[Split], Iterator[Finding]], ...] = (
    _too_few,
    _no_doors,
    _labelled_elsewhere,
    _label_without_image,
    _same_label,
    _same_but_for_spelling,
    _ignored,
)
"""The rules for a split as a whole; those for a file are in other modules."""


def _disk(split: Split) -> Disk:
    return Disk(split.root, PICTURE_SUFFIXES)


def _folder(split: Split) -> Path:
    return split.files.images_dir.relative_to(split.root)


def _same_content(photographs: Iterable[Photograph]) -> Iterator[tuple[str, Finding]]:
    """Find pictures that are equal byte for byte: a leak between splits, a waste within one."""
    same: dict[str | None, list[Photograph]] = defaultdict(list)
    for each in photographs:
        if each.image_sha256 not in {None, _EMPTY}:  # another rule reports empty files
            same[each.image_sha256].append(each)
    for first, *others in same.values():
        for each in others:
            yield (
                each.split,
                (_leak if each.split != first.split else _repeated)(first).at(
                    each.image, other=first.image
                ),
            )


def _leak(first: Photograph) -> Fault:
    return Fault(
        "image-leak",
        "a photograph that no other split has",
        f"the same bytes as {first.image}",
        "keep it in one split: scores on photographs that were trained on mean nothing",
    )


def _repeated(first: Photograph) -> Fault:
    return Fault(
        "image-repeated",
        "every photograph once",
        f"the same bytes as {first.image}",
        "remove one of the two",
        severity="warning",
    )
