"""Lists the photographs of a data set that a person has looked at: of its splits, and the pool."""

from collections.abc import Sequence
from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.data.layout import UNSPLIT, Layout, label_of, read_layout, view_name
from container_doors.data.photograph_suffixes import is_picture


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
    pool = layout.root / "images" / UNSPLIT
    labelled = [
        path
        for path in sorted(pool.rglob("*"))
        if is_picture(path.name) and label_of(path).is_file()
    ]
    return [
        *(
            (view_name(files, path), path)
            for files in layout.splits.values()
            for path in files.images
        ),
        *_in_pool(pool, labelled),
    ]


def _in_pool(pool: Path, paths: Sequence[Path]) -> list[tuple[str, Path]]:
    return [(f"images/{UNSPLIT}/{path.relative_to(pool).as_posix()}", path) for path in paths]
