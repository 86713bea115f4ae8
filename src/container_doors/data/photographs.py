"""Read a photograph and its label file once: the work of each worker process."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.core.records import Finding
from container_doors.data.capture import NOTHING_KNOWN, Capture
from container_doors.data.faults import Fault
from container_doors.data.images import read_picture
from container_doors.data.label_rules import Context
from container_doors.data.labels import MOST_LABEL_BYTES, NOT_ITS_LABEL, parse_labels
from container_doors.data.layout import Layout, label_of
from container_doors.data.poses import Poses, find_poses
from container_doors.data.thumbnails import Thumbnail

NO_LABEL = Fault(
    "image-without-label",
    "a label file",
    "none, so it trains as background",
    "label it, or add an empty label file if there is no door in view",
    severity="warning",
)


@dataclass(frozen=True, slots=True)
class Task:
    """A photograph to read. Paths in findings are relative to ``root``."""

    root: Path
    split: str
    image: Path
    label: Path
    class_names: tuple[str, ...]
    poses: Poses = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Photograph:
    """The result of reading it; small, because it is sent between processes."""

    split: str
    image: Path
    label: Path
    image_sha256: str | None
    label_sha256: str | None
    """None if there is no label file that can be read."""
    doors: int
    findings: tuple[Finding, ...]
    thumbnail: Thumbnail | None = field(compare=False, default=None)
    """None if it cannot be decoded."""
    capture: Capture = NOTHING_KNOWN

    @property
    def is_dropped(self) -> bool:
        """Whether Ultralytics would leave it out of training."""
        return any(finding.dropped for finding in self.findings)


def tasks_of(layout: Layout) -> list[Task]:
    """List the photographs of a data set, with one verdict on which of its labels are poses."""
    pairs = [(files.name, image) for files in layout.splits.values() for image in files.images]
    contents = (_read_label(label_of(image))[0] for _, image in pairs)
    poses = find_poses((data for data in contents if data), layout.keypoint_shape)
    return [
        Task(layout.root, split, image, label_of(image), layout.class_names, poses)
        for split, image in pairs
    ]


def read_photograph(task: Task) -> Photograph:
    """Read a photograph and its labels in full."""
    image, label = task.image.relative_to(task.root), task.label.relative_to(task.root)
    picture = read_picture(task.image)
    findings = [fault.at(image) for fault in picture.faults]
    data, fault = _read_label(task.label)
    if fault is not None:
        place = image if fault is NO_LABEL else label
        findings.append(fault.at(place))
    context = Context(task.class_names, picture.size_px, poses=task.poses)
    boxes, faults = parse_labels(data or b"", label, context)
    return Photograph(
        split=task.split,
        image=image,
        label=label,
        image_sha256=picture.sha256,
        label_sha256=None if data is None else hashlib.sha256(data).hexdigest(),
        doors=len(boxes),
        findings=(*findings, *faults),
        thumbnail=picture.thumbnail,
        capture=picture.capture,
    )


def unread_photograph(task: Task, problem: str) -> Photograph:
    """Describe a photograph whose reader died of it."""
    image, label = task.image.relative_to(task.root), task.label.relative_to(task.root)
    fault = Fault(
        "image-kills-reader",
        "a picture that can be read",
        problem,
        "save it anew, or remove it; most likely it is damaged, or too large for the memory",
    )
    return Photograph(task.split, image, label, None, None, 0, (fault.at(image),))


def _read_label(path: Path) -> tuple[bytes | None, Fault | None]:
    """Read the bytes. Ultralytics treats a missing file as a photograph without a door."""
    try:
        if not path.exists() and not path.is_symlink():
            return None, NO_LABEL
        if not path.is_file():
            found = "a broken link" if path.is_symlink() else "not a regular file"
            remedy = "put the label file there; as it is, the picture trains as background"
            return None, Fault("label-not-a-file", "a label file", found, remedy)
        return read_bounded(path, MOST_LABEL_BYTES), None
    except ParsingError as error:
        return None, Fault("label-too-large", error.expected, error.found, NOT_ITS_LABEL)
    except OSError as error:
        found = error.strerror or type(error).__name__
        fault = Fault(
            "label-unreadable",
            "a file that can be read",
            found,
            "correct its permissions",
            dropped=True,
        )
        return None, fault
