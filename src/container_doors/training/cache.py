"""Decide whether the decoded photographs fit into memory."""

from pathlib import Path

import psutil

from container_doors.core.config import Params


def cache_in_memory(params: Params, data_view: Path) -> bool:
    """Return whether to keep decoded photographs in memory between epochs.

    A photograph is kept at the network's input size, with at most 3 bytes a pixel. ``auto`` uses
    up to half of the free memory and leaves the rest to other programs. Each GPU has its own
    process, which keeps all photographs.
    """
    if params.training.cache != "auto":
        return params.training.cache == "ram"
    photographs = sum(
        1
        for split in ("train", "drawn", "val")
        for path in (data_view / "images" / split).rglob("*")
        if not path.is_dir()
    )
    needed = photographs * params.training.image_size_px**2 * 3 * params.training.processes
    return needed <= psutil.virtual_memory().available / 2
