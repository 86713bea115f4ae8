"""Lists the photographs of a data set that a person has looked at: of its splits, and the pool."""

from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.data.layout import Layout, label_of, read_layout, unsplit_files, view_name


def labelled_photographs(dataset: Path) -> list[Path]:
    """Return their paths; none if there is no data set yet.

    Raises:
        DatasetError: If its ``data.yaml`` cannot be read.
    """
    if not (dataset / "data.yaml").exists():
        return []
    return [path for _, path in named_photographs(require_layout(dataset))]


def require_layout(dataset: Path) -> Layout:
    """Find the files of a data set.

    Raises:
        DatasetError: If there is none, or its ``data.yaml`` cannot be read.
    """
    layout, findings = read_layout(dataset)
    if layout is None:
        raise DatasetError(str(findings[0]), hint=f"doors data validate --path {dataset}")
    return layout


def named_photographs(layout: Layout) -> list[tuple[str, Path]]:
    """Return each photograph with its name, ``images/SPLIT/...``; of the pool, the labelled ones.

    Two data sets give one photograph the same name if it is in the same place.
    """
    pool = unsplit_files(layout.root)
    return [
        *(
            (view_name(files, path), path)
            for files in layout.splits.values()
            for path in files.images
        ),
        *((view_name(pool, path), path) for path in pool.images if label_of(path).is_file()),
    ]
