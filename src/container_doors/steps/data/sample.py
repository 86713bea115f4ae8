"""Draw a synthetic data set."""

from collections.abc import Mapping
from pathlib import Path

from container_doors.core.ports import Progress
from container_doors.scenes import draw_sample


def draw_samples(
    out: Path,
    *,
    counts: Mapping[str, int],
    seed: int,
    progress: Progress,
    image_size_px: tuple[int, int] = (640, 480),
    is_plain: bool = False,
) -> None:
    """Draw a data set of rendered doors, for use before there are photographs."""
    draw_sample(
        out,
        counts=counts,
        seed=seed,
        image_size_px=image_size_px,
        is_plain=is_plain,
        on_progress=lambda *at: progress.step("drawing", *at),
    )
