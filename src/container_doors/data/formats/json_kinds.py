"""Recognises whose a JSON file is, by its keys; every file is parsed once for it."""

from typing import Literal

from container_doors.data.sources import Source

Kind = Literal["coco", "labelstudio", "labelme"]


def files_of(source: Source, kind: Kind) -> list[str]:
    """List the JSON files of a kind."""
    known = source.__dict__.setdefault("_json_kinds", {})
    for member in source.labels(".json"):
        if member not in known:
            known[member] = kind_of(source.json(member))
    return [member for member in source.labels(".json") if known[member] == kind]


def kind_of(document: object) -> Kind | None:
    """Return whose a document is; None if it is not known.

    >>> kind_of({"images": [], "annotations": []}), kind_of([{"annotator": 1}])
    ('coco', 'labelstudio')
    """
    if isinstance(document, dict):
        if {"images", "annotations"} <= set(document):
            return "coco"
        return "labelme" if {"shapes", "imagePath"} <= set(document) else None
    if isinstance(document, list) and document and isinstance(document[0], dict):
        first = document[0]
        has_data = isinstance(first.get("data"), dict)
        is_full = has_data and {"annotations", "predictions"} & set(first)
        if is_full or {"annotation_id", "annotator", "lead_time"} & set(first):
            return "labelstudio"
    return None
