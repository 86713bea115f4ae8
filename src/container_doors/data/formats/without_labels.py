"""Photographs and videos without labels: to be labelled later, or without a door."""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from container_doors.data.disk import split_in
from container_doors.data.formats.record import LabelledPhotograph
from container_doors.data.photograph_suffixes import is_picture, is_video
from container_doors.data.sources import Source
from container_doors.data.video_frames import Sampling, VideoFrames


def read(
    source: Source, *, are_negatives: bool, sampling: Sampling
) -> Iterator[LabelledPhotograph]:
    """Read every picture and video of a source; of a picked file, that alone.

    Args:
        source: The source.
        are_negatives: Whether they have no door; else nobody has looked yet.
        sampling: Which frames of videos are taken.
    """
    members = source.members if source.picked is None else (source.picked,)
    for member in members:
        split = split_in(PurePosixPath(member).parent) if are_negatives else None
        where = source.where(member)
        if is_picture(member):
            yield LabelledPhotograph(
                member, where, is_fraction=True, is_labelled=are_negatives, split=split
            )
        elif is_video(member):
            video, path = VideoFrames(source, member), PurePosixPath(member)
            for number in video.chosen(sampling):
                yield LabelledPhotograph(
                    f"{path.stem}_{number:06d}.jpg",
                    where,
                    is_fraction=True,
                    is_labelled=are_negatives,
                    split=split,
                    embedded=partial(video.read, number),
                    video=path.name,
                    frame=number,
                )
