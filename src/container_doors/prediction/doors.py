"""Describes the doors that a network found in a photograph, and which the next step refuses."""

from collections.abc import Iterator, Sequence

from container_doors.core.config import QualityLimits
from container_doors.core.ports import FoundBoxes
from container_doors.core.predictions import Door, Edge, QualityMeasures, Reason
from container_doors.prediction.crops import whole_pixels
from container_doors.prediction.pictures import Picture
from container_doors.prediction.quality import measure

EDGE_PX = 1
"""A box touches an edge of the photograph if it is at most so far from it."""

CHARACTER_MM, DOOR_MM = 100, 2500
"""The height of the number's characters (ISO 6346), and about that of a door."""

_Whole = tuple[int, int, int, int]


def doors_in(found: FoundBoxes, picture: Picture, *, limits: QualityLimits) -> list[Door]:
    """Describe the doors of one photograph, in the network's order: the most confident first."""
    return [
        _door(box, confidence, class_id, picture, limits)
        for box, confidence, class_id in zip(
            found.boxes_xyxy.tolist(),
            found.confidences.tolist(),
            found.class_ids.tolist(),
            strict=True,
        )
    ]


def _door(
    box: Sequence[float],
    confidence: float,
    class_id: int,
    picture: Picture,
    limits: QualityLimits,
) -> Door:
    height, width = picture.bgr.shape[:2]
    left, top, right, bottom = bbox = _inside(whole_pixels(box), width, height)
    edges = list(_edges_touched(bbox, width, height))
    # Of the whole pixels, which the next step reads: it comes to the same result.
    share = (right - left) * (bottom - top) / (width * height)
    region = picture.bgr[top:bottom, left:right]
    quality = measure(region) if region.size else None
    return Door(
        bbox_tight=bbox,
        confidence=confidence,
        class_id=class_id,
        box_xyxy=(box[0], box[1], box[2], box[3]),
        edges_touched=edges,
        area_share=share,
        character_height_px=(box[3] - box[1]) * CHARACTER_MM / DOOR_MM,
        quality=quality,
        refused_for=list(_reasons(share, edges, quality, limits)),
    )


def _inside(box: _Whole, width: int, height: int) -> _Whole:
    left, right = (min(max(x, 0), width) for x in (box[0], box[2]))
    top, bottom = (min(max(y, 0), height) for y in (box[1], box[3]))
    return left, top, right, bottom


def _edges_touched(box: _Whole, width: int, height: int) -> Iterator[Edge]:
    left, top, right, bottom = box
    if left <= EDGE_PX:
        yield "left"
    if top <= EDGE_PX:
        yield "top"
    if right >= width - EDGE_PX:
        yield "right"
    if bottom >= height - EDGE_PX:
        yield "bottom"


def _reasons(
    share: float, edges: Sequence[Edge], quality: QualityMeasures | None, limits: QualityLimits
) -> Iterator[Reason]:
    if share < limits.min_area_share:
        yield "area_too_small"
    if share > limits.max_area_share:
        yield "area_too_large"
    if len(edges) > limits.max_edges_touched:
        yield "touches_edges"
    if quality is None:
        return
    if quality.brightness < limits.min_brightness:
        yield "too_dark_or_bright"
    if quality.contrast < limits.min_contrast:
        yield "low_contrast"
    if quality.sharpness < limits.min_sharpness:
        yield "not_sharp"
