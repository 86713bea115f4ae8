"""Data sets for tests: small, whole, and open to damage."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DATA_YAML = """\
train: images/train
val: images/val
test: images/test
nc: 1
names: [container_door]
"""

COUNTS = {"train": 3, "val": 2, "test": 2}


def picture(seed: int = 0, size_wh: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    """Noise, so that every byte of the compressed data means something."""
    noise = np.random.default_rng(seed).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(seed: int = 0, size_wh: tuple[int, int] = (64, 48)) -> bytes:
    return encoded(picture(seed, size_wh), quality=90)


def photograph(seed: int = 0) -> bytes:
    """A JPEG of some kilobytes, to be damaged in its middle."""
    return jpeg(seed, (320, 240))


def oriented(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(picture(), kind, exif=exif)


class Tree:
    """A data set on disk that is right when it is made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("data.yaml", DATA_YAML)
        seed = 0
        for split, count in COUNTS.items():
            for number in range(count):
                seed += 1
                name = f"{split}_{number}"
                self.write(f"images/{split}/{name}.jpg", jpeg(seed))
                self.write(f"labels/{split}/{name}.txt", "0 0.5 0.5 0.25 0.5\n")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def state(self) -> dict[str, tuple[str, int]]:
        """Every entry's content and time of change, links by where they lead."""
        return {
            str(path.relative_to(self.root)): (_content(path), path.lstat().st_mtime_ns)
            for path in sorted(self.root.rglob("*"))
        }


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
