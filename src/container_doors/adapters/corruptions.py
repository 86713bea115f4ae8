"""The common corruptions of Hendrycks and Dietterich (arXiv 1903.12261); see ports.Corrupt."""

import hashlib

import numpy as np
import numpy.typing as npt

from container_doors.core.errors import DatasetError, MissingToolError
from container_doors.core.installation import install_command

KINDS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise",
    "defocus_blur", "motion_blur", "zoom_blur", "gaussian_blur",
    "snow", "frost", "fog", "brightness", "spatter",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate",
)  # fmt: skip
"""All but :data:`SLOW_KINDS`."""

SLOW_KINDS = ("glass_blur",)
"""It moves single pixels, which takes 2 s a picture."""

_SMALLEST_PX = 32

_IMPULSES = (0.03, 0.06, 0.09, 0.17, 0.27)
"""Fraction of the values that become black or white, by severity; the library's values. The
library uses a generator that cannot be seeded (scikit-image's ``random_noise``), so it is done
here."""


def corrupt(
    kind: str, severity: int, name: str, picture: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Corrupt an RGB picture; boxes do not change.

    The library uses numpy's global generator, so that is seeded from the arguments, and restored
    afterwards.

    Raises:
        MissingToolError: If imagecorruptions-imaug is not installed.
        DatasetError: If the picture is too small.
    """
    try:
        from imagecorruptions import corrupt as library
        from imagecorruptions.corruptions import glass_blur
    except ModuleNotFoundError:
        raise MissingToolError(
            "imagecorruptions-imaug is not installed", hint=install_command("robustness")
        ) from None
    if min(picture.shape[:2]) < _SMALLEST_PX:
        raise DatasetError(
            f"{name}: expected {_SMALLEST_PX} px a side at least, found {min(picture.shape[:2])}",
            hint="the common corruptions need that size: leave --common out",
        )
    seed = hashlib.sha256(f"{name}\n{kind}\n{severity}".encode()).digest()
    if kind == "impulse_noise":
        return _impulses(picture, severity, int.from_bytes(seed[:8], "big"))
    if kind == "glass_blur":  # compiled code, with its own random generator
        blurred = glass_blur(picture, severity, seed=int.from_bytes(seed[:4], "big"))
        return np.asarray(blurred, dtype=np.uint8)
    before = np.random.get_state()
    np.random.seed(int.from_bytes(seed[:4], "big"))
    try:
        corrupted = library(picture, severity=severity, corruption_name=kind)
    finally:
        np.random.set_state(before)
    return np.asarray(corrupted, dtype=np.uint8)


def _impulses(picture: npt.NDArray[np.uint8], severity: int, seed: int) -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    hit = random.random(picture.shape) < _IMPULSES[severity - 1]
    salt = random.random(picture.shape) < 0.5
    return np.where(hit, np.where(salt, 255, 0), picture).astype(np.uint8)
