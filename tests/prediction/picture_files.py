"""Picture files of every kind that phones, cameras and scanners make, encoded anew."""

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION = 274


def scene(height: int = 40, width: int = 56) -> NDArray[np.uint8]:
    """Draw an RGB picture whose corners differ, with some noise."""
    across = np.linspace(0, 200, width)[None, :]
    down = np.linspace(0, 120, height)[:, None]
    noise = np.random.default_rng(3).integers(0, 40, (height, width, 3))
    return (
        (np.stack([across + 0 * down, down + 0 * across, across / 2 + down / 2], 2) + noise)
        .clip(0, 255)
        .astype(np.uint8)
    )


def saved(picture: Image.Image, kind: str, orientation: int | None = None, **options: Any) -> bytes:
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def encoded(suffix: str, pixels: NDArray[Any]) -> bytes:
    """Encode by OpenCV, which also writes what Pillow does not."""
    is_done, data = cv2.imencode(suffix, pixels)
    assert is_done
    return data.tobytes()


def readable_files() -> Iterator[tuple[str, bytes]]:  # noqa: PLR0915 - a table
    """Name and content of each kind that Ultralytics reads."""
    rgb, pixels = Image.fromarray(scene()), scene()
    deep = pixels.astype(np.uint16) * 200
    clear = np.dstack([pixels, np.full(pixels.shape[:2], 90, np.uint8)])
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("tif", "TIFF"),
                         ("avif", "AVIF")):  # fmt: skip
        yield f"plain.{suffix}", saved(rgb, kind)
        for orientation in range(1, 9):
            yield f"turned_{orientation}.{suffix}", saved(rgb, kind, orientation)
    yield "cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG")
    yield "grey.jpeg", saved(rgb.convert("L"), "JPEG")
    yield "progressive.JPG", saved(rgb, "JPEG", progressive=True, quality=95, subsampling=0)
    yield "several.mpo", saved(rgb, "MPO", save_all=True, append_images=[rgb.rotate(90)])
    yield "grey.png", saved(rgb.convert("L"), "PNG")
    yield "grey_alpha.png", saved(rgb.convert("LA"), "PNG")
    yield "palette.png", saved(rgb.convert("P"), "PNG")
    yield "bits.png", saved(rgb.convert("1"), "PNG")
    yield "palette_alpha.png", saved(rgb.convert("P"), "PNG", transparency=3)
    yield "clear.png", encoded(".png", clear)
    yield "deep.png", encoded(".png", deep)
    yield "deep_grey.png", encoded(".png", deep[..., 0])
    yield "several.png", saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)])
    yield "plain.bmp", saved(rgb, "BMP")
    yield "palette.bmp", saved(rgb.convert("P"), "BMP")
    yield "clear.webp", saved(Image.fromarray(clear), "WEBP")
    yield "several.webp", saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)])
    yield "plain.jp2", saved(rgb, "JPEG2000")
    yield "grey.tif", saved(rgb.convert("L"), "TIFF", 6)
    yield "clear.tif", saved(Image.fromarray(clear), "TIFF")
    yield "cmyk.tif", saved(rgb.convert("CMYK"), "TIFF")
    yield "palette.tif", saved(rgb.convert("P"), "TIFF")
    yield "bits.TIFF", saved(rgb.convert("1"), "TIFF", compression="group4")
    yield "lzw.tiff", saved(rgb, "TIFF", compression="tiff_lzw")
    yield "jpeg.tif", saved(rgb, "TIFF", compression="jpeg")
    yield "deep.tif", encoded(".tif", deep)
    yield "deep_clear.tif", encoded(".tif", np.dstack([deep, deep[..., 0]]))
    yield "deep_grey.tif", encoded(".tif", deep[..., 0])
    yield "pages.tif", saved(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(180)])
    yield (
        "pages_grey.tif",
        saved(
            rgb.convert("L"), "TIFF", save_all=True, append_images=[rgb.convert("L").rotate(180)]
        ),
    )
    yield "raw.dng", saved(rgb, "TIFF")
    # Names that lie, as messengers and web sites make them.
    yield "png_in_truth.jpg", saved(rgb, "PNG", 6)
    yield "jpeg_in_truth.png", saved(rgb, "JPEG", 8)
    yield "jpeg_in_truth.heic", saved(rgb, "JPEG", 6)
    yield "jpeg_in_truth.tif", saved(rgb, "JPEG", 6)
    yield "webp_in_truth.jpg", saved(rgb, "WEBP", 6)
    yield "gif_in_truth.jpg", saved(rgb.convert("P"), "GIF")
    yield "avif_in_truth.jpg", saved(rgb, "AVIF", 6)
    yield "ppm_in_truth.png", saved(rgb, "PPM")
    yield "in.a.folder/no suffix at all.JPEG", saved(rgb, "JPEG", 3)
