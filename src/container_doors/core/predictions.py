"""What a model finds in photographs, as other programs read it; and the file beside its weights."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from container_doors.core.attribute_docs import attribute_docs
from container_doors.core.records import Document, Sha256

SCHEMA: Literal["container-doors/predictions/1"] = "container-doors/predictions/1"
"""The name and number of the format of :class:`PhotographResult`."""

Edge = Literal["left", "top", "right", "bottom"]
Confidence = Annotated[float, Field(ge=0, le=1)]
Reason = Literal[
    "area_too_small", "area_too_large", "touches_edges", "too_dark_or_bright", "low_contrast",
    "not_sharp", "not_natural",
]  # fmt: skip
"""Why the next step, which reads the container's number, would refuse a door."""


def as_text(name: str) -> str:
    r"""Escape the bytes of a file's name that are no UTF-8, which JSON cannot hold.

    >>> print(as_text("T\udcfcr.jpg"), as_text("Tür.jpg"))
    T\udcfcr.jpg Tür.jpg
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class _Strict(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )


class QualityMeasures(_Strict):
    """The quality of a door's region in grey, each in [0, 1]; 1 is best."""

    brightness: Confidence
    contrast: Confidence
    sharpness: Confidence
    naturalness: Confidence | None = None
    """None if no installed library measures it."""
    index: Confidence | None = None
    """The weighted geometric mean of all four; None without naturalness."""


class Crop(_Strict):
    """A door cut out of the photograph at full resolution."""

    file: str
    """Relative to the output folder."""
    offset_xy: tuple[int, int]
    """The crop's left upper corner in the photograph: a point (x, y) of the crop is the point
    (x + offset_x, y + offset_y) of the photograph."""
    size_px: tuple[int, int]
    """Width and height."""


class Door(_Strict):
    """One detected door. Coordinates are pixels of the upright photograph, from its top left."""

    bbox_tight: tuple[int, int, int, int]
    """Left, top, right, bottom in whole pixels, inside the photograph."""
    confidence: Confidence
    class_id: int
    box_xyxy: tuple[float, float, float, float]
    """Left, top, right, bottom, as the model placed them."""
    edges_touched: list[Edge]
    """The photograph's edges that the box touches."""
    area_share: Confidence
    """The box's area as a fraction of the photograph's."""
    character_height_px: float
    """The estimated height of the number's characters, which are 100 mm on a door of 2.5 m."""
    quality: QualityMeasures | None = None
    """None for a box of no area."""
    refused_for: list[Reason] = []
    """Empty for a door that the next step takes."""
    crop: Crop | None = None


class Orientation(_Strict):
    """How a photograph's EXIF orientation was used."""

    exif: int | None
    """The tag's value, 1 to 8; None if there is none."""
    is_applied: bool
    """Whether the boxes are those of the photograph turned upright."""


class Frame(_Strict):
    """Which frame of a video or a camera it is."""

    index: int
    """From 0."""
    time_s: float
    """Since the first frame."""


class UsedModel(_Strict):
    """The model that was used, and its settings."""

    version: str | None
    """None for weights of no published version."""
    weights_sha256: Sha256
    backend: str
    """``pytorch``, ``onnx``, ``openvino``, ..."""
    image_size_px: int
    conf_threshold: float
    iou_threshold: float
    max_detections: int


class Durations(_Strict):
    """Milliseconds that each part took."""

    read: float
    """Reading and decoding."""
    prepare: float
    network: float
    suppress: float
    """Suppressing overlapping boxes."""


class PhotographResult(_Strict):
    """What was found in one photograph, or why it could not be read: one line of JSON."""

    format: Literal["container-doors/predictions/1"] = SCHEMA
    path: Annotated[str, AfterValidator(as_text)]
    """As it was given, or the member of an archive: ``photos.zip/a.jpg``."""
    status: Literal["SUCCESS", "FAILED"]
    """FAILED: it could not be read. A photograph without a door is a SUCCESS with no detection."""
    problem: Annotated[str, AfterValidator(as_text)] | None = None
    """Why it could not be read."""
    sha256: Sha256 | None = None
    """Of the file; None for frames, pictures in memory, and files that could not be read."""
    size_bytes: int | None = None
    original_shape: tuple[int, int] | None = None
    """Height and width in pixels, upright; None if it could not be read."""
    orientation: Orientation | None = None
    frame: Frame | None = None
    detections: list[Door] = []
    """The most confident first."""
    model: UsedModel
    durations_ms: Durations | None = None


class Threshold(_Strict):
    """A confidence threshold, and where it comes from."""

    value: Confidence
    source: Literal["params", "operating target"]
    target: str | None = None
    """The operating target that it was chosen for on val: ``recall>=0.98@95%``."""
    verdict: str | None = None
    """Whether that target was met on test."""


class Tested(_Strict):
    """What a model was tested on, and what was measured; an undefined score is absent."""

    split: str
    photographs: int
    doors: int
    scores: dict[str, float]
    """``mAP50`` and ``mAP50_95`` by Ultralytics' definitions; ``precision`` and ``recall`` at
    ``conf_threshold``."""
    conf_threshold: Confidence
    """That of the params; an operating target may have chosen another one afterwards."""


class Preparation(_Strict):
    """How a picture is prepared for the network."""

    orientation: Literal["EXIF orientation is applied"] = "EXIF orientation is applied"
    channels: Literal["RGB"] = "RGB"
    resize: Literal["letterbox"] = "letterbox"
    """The longer side becomes ``image_size_px``, bilinear; centred on a padded rectangle."""
    multiple_of_px: int = 32
    """Both sides are padded to a multiple of it."""
    padding_value: int = 114
    scale: float = 1 / 255


class Licence(_Strict):
    """The licence of the weights."""

    spdx: Literal["AGPL-3.0-only"] = "AGPL-3.0-only"
    text: str = (
        "Trained with Ultralytics YOLO, which is AGPL-3.0. Whoever offers this model to others, "
        "also over a network, must offer them the source code of the whole program under the same "
        "licence, or have an Enterprise licence of Ultralytics."
    )


class ModelFile(Document):
    """``weights/detection/model.json``: all that a program needs to use the weights beside it."""

    repair_hint: ClassVar[str] = "doors metadata writes it again"

    version: str | None
    """None for a model of no published version."""
    architecture: str
    weights: dict[str, Sha256]
    """The sha256 of each weight file, by name: ``best.pt``."""
    image_size_px: int
    classes: list[str]
    conf_threshold: Threshold
    iou_threshold: float
    """Of non-maximum suppression."""
    max_detections: int = 300
    prepared: Preparation = Preparation()
    dataset_sha256: Sha256
    """Of the data that it was trained and tested on."""
    tested: list[Tested]
    licence: Licence = Licence()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of predictions, draft 2020-12."""
    schema = PhotographResult.model_json_schema(mode="serialization")
    _describe(schema, PhotographResult)
    for name, definition in schema["$defs"].items():
        _describe(definition, globals()[name])
    return schema | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
    }


def _describe(schema: dict[str, Any], model: type) -> None:
    for field, text in attribute_docs(model).items():
        schema["properties"][field]["description"] = text.replace("None", "null")
