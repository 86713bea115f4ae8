"""The common corruptions of Hendrycks and Dietterich (arXiv 1903.12261), behind ports.Corrupt."""

import hashlib

import numpy as np
import numpy.typing as npt

from container_doors.errors import DatasetError, MissingToolError

KINDS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise",
    "defocus_blur", "motion_blur", "zoom_blur", "gaussian_blur",
    "snow", "frost", "fog", "brightness", "spatter",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate",
)  # fmt: skip
"""All but ``glass_blur``, which takes 2 s a picture."""

_SMALLEST_PX = 32


def corrupt(
    kind: str, severity: int, name: str, picture: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Corrupt an RGB picture; boxes stay where they are.

    The library draws from numpy's global generator, so that is seeded by what is asked for, and
    put back as it was.

    Raises:
        MissingToolError: If imagecorruptions-imaug is not installed.
        DatasetError: If the picture is too small for it.
    """
    try:
        from imagecorruptions import corrupt as library
    except ModuleNotFoundError:
        raise MissingToolError(
            "imagecorruptions-imaug is not installed", hint="uv sync --group robustness"
        ) from None
    if min(picture.shape[:2]) < _SMALLEST_PX:
        raise DatasetError(
            f"{name}: expected {_SMALLEST_PX} px a side at least, found {min(picture.shape[:2])}",
            hint="the common corruptions need that much: leave --common out",
        )
    seed = hashlib.sha256(f"{name}\n{kind}\n{severity}".encode()).digest()
    before = np.random.get_state()
    np.random.seed(int.from_bytes(seed[:4], "big"))
    try:
        corrupted = library(picture, severity=severity, corruption_name=kind)
    finally:
        np.random.set_state(before)
    return np.asarray(corrupted, dtype=np.uint8)
