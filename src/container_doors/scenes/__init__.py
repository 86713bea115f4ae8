"""Draws a data set to try the project with: container doors that nobody photographed."""

from container_doors.scenes.write import draw_sample

__all__ = ["draw_sample"]
