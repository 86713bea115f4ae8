"""Whether the decoded photographs fit into memory."""

from pathlib import Path

import psutil

from container_doors.core.config import Params


def cache_in_memory(params: Params, data_view: Path) -> bool:
    """Decide whether to keep decoded photographs in memory between epochs.

    A photograph is kept at the size that the network sees, 3 bytes a pixel at most; ``auto``
    spends up to half of the memory that is free, so that the rest of the machine goes on. Each
    GPU has a process of its own, which keeps them all.
    """
    if params.training.cache != "auto":
        return params.training.cache == "ram"
    photographs = sum(
        1
        for split in ("train", "val")
        for path in (data_view / "images" / split).rglob("*")
        if not path.is_dir()
    )
    needed = photographs * params.training.image_size_px**2 * 3 * params.training.processes
    return needed <= psutil.virtual_memory().available / 2
