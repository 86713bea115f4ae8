"""Findings of what connects photographs: near-duplicates, and one camera in every split."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from container_doors.core.records import SPLITS, Finding
from container_doors.data.duplicates import Pair
from container_doors.data.faults import Fault
from container_doors.data.photographs import Photograph

COPY_LEAK, COPY, SCENE_LEAK, SCENE = (
    "near-duplicate-leak", "near-duplicate", "same-scene-leak", "same-scene",
)  # fmt: skip
PAIR_RULES = (COPY_LEAK, COPY, SCENE_LEAK, SCENE)

_ONE_SPLIT = "remove one of the two, or move it with its label file into the split of the other"
_ONE_GROUP = (
    "remove one of the two, or give both the same group in attributes.csv, as doors data split does"
)


def near_duplicates(
    photographs: Sequence[Photograph], pairs: Sequence[Pair], scenes: Mapping[int, str]
) -> Iterator[tuple[str, Finding]]:
    """Report each pair once, with its split, at the second photograph.

    A pair in one split and one scene is known, and harmless: intervals count it as one.

    Args:
        photographs: In the order that the pairs refer to.
        pairs: The near-duplicates; those that are equal byte for byte are reported elsewhere.
        scenes: The scene of a photograph, by its position.
    """
    for pair in pairs:
        one, other = photographs[pair.one], photographs[pair.other]
        is_leak = one.split != other.split
        is_known = scenes.get(pair.one, "") == scenes.get(pair.other) and not is_leak
        if not is_known and one.image_sha256 != other.image_sha256:
            fault = _leak(pair, one) if is_leak else _within(pair, one)
            yield other.split, fault.at(other.image, other=one.image)


def _leak(pair: Pair, one: Photograph) -> Fault:
    if pair.relation == "copy":
        return Fault(
            COPY_LEAK,
            "a picture that no other split has",
            f"the picture of {one.image}, changed",
            f"{_ONE_SPLIT}: scores on photographs that were trained on mean nothing",
        )
    return Fault(
        SCENE_LEAK,
        "a scene that no other split has",
        f"perhaps another moment of {one.image}",
        f"look at both; if it is, {_ONE_SPLIT}",
        severity="warning",
    )


def _within(pair: Pair, one: Photograph) -> Fault:
    is_copy = pair.relation == "copy"
    return Fault(
        COPY if is_copy else SCENE,
        "every picture once" if is_copy else "a group for each scene of several photographs",
        f"the picture of {one.image}, changed"
        if is_copy
        else f"perhaps another moment of {one.image}",
        _ONE_GROUP if is_copy else f"look at both; if it is, {_ONE_GROUP}",
        severity="warning",
    )


def cameras_everywhere(
    photographs: Sequence[Photograph], cameras: Sequence[str | None]
) -> Iterator[tuple[str, Finding]]:
    """Report each camera that took photographs of every split, at its first one of test."""
    places: dict[str, dict[str, list[Photograph]]] = defaultdict(lambda: defaultdict(list))
    for photograph, camera in zip(photographs, cameras, strict=True):
        if camera:
            places[camera][photograph.split].append(photograph)
    for camera, by_split in places.items():
        if all(by_split.get(split) for split in SPLITS):
            counts = ", ".join(f"{len(by_split[split])} of {split}" for split in SPLITS)
            yield (
                SPLITS[-1],
                Fault(
                    "camera-in-splits",
                    "a split to test on with another camera than the others",
                    f"camera {camera!r}, which took {counts}",
                    "read the scores as those of this camera; or give its photographs one group "
                    "in attributes.csv, and place them by doors data split",
                    severity="warning",
                ).at(by_split[SPLITS[-1]][0].image),
            )
