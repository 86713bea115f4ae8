"""Which camera took each photograph: from attributes.csv, its EXIF, or sources.csv."""

from collections.abc import Mapping, Sequence

from container_doors.data.attributes import Attributes
from container_doors.data.photographs import Photograph
from container_doors.data.source_table import Origin
from container_doors.data.spreadsheet import normalize

_CAMERA = "camera"


def cameras_of(
    photographs: Sequence[Photograph],
    keys: Sequence[str],
    attributes: Attributes,
    origins: Mapping[str, Origin],
) -> list[str | None]:
    """Return the camera of each photograph, None if it is not known.

    The column ``camera`` of attributes.csv comes first, then make, model and serial number in EXIF,
    then the column of sources.csv.

    Args:
        photographs: The photographs.
        keys: Their names in ``attributes``.
        attributes: What a person knows of them.
        origins: What is known from their import, by the files' names.
    """
    return [
        _written(attributes.values.get(key, {}))
        or photograph.capture.camera
        or (origins[name].camera if (name := photograph.image.name) in origins else None)
        or None
        for photograph, key in zip(photographs, keys, strict=True)
    ]


def _written(values: Mapping[str, str]) -> str | None:
    return next((cell for name, cell in values.items() if normalize(name) == _CAMERA), None)
