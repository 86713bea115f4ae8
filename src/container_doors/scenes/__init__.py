"""Draw a synthetic data set of container doors, to try the project without photographs."""

from container_doors.scenes.write import draw_sample

__all__ = ["draw_sample"]
