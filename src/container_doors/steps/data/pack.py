"""Write the archives of a data set, and push them."""

from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.core.ports import ArtifactStore, Progress
from container_doors.data.shards import shards_of, write_shards


def pack_data(folder: Path, *, store: ArtifactStore, progress: Progress) -> list[Path]:
    """Write a data set's archives beside it, and push them; return the new pointers, for git.

    Raises:
        DatasetError: If there is no data set, or it does not match its pointer.
        VersioningError: If there is no repository or no remote, or the push fails.
    """
    if not folder.is_dir():
        raise DatasetError(f"no data set in {folder}", hint="doors data pack --path DIR")
    store.check_ready()
    pointers = store.add([folder]) if store.content_of(folder) is None else []
    tars = write_shards(
        folder,
        store.files_of(folder),
        shards_of(folder),
        on_progress=lambda *at: progress.step("packing", *at),
    )
    packed = store.add(tars)
    store.annotate(packed, store.content_of(folder) or "")
    store.push(packed)
    return pointers + packed
