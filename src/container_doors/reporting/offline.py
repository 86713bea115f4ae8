"""What every page that needs no network has in common: inline pictures, and a security policy."""

import base64
import io
from hashlib import sha256
from pathlib import Path

from PIL import Image, ImageOps


def policy(style: str, script: str | None = None) -> str:
    """Return a content security policy: this style, this script, inline pictures, nothing else.

    Names from data sets are escaped; the policy protects even if one is not.
    https://www.w3.org/TR/CSP3/

    Args:
        style: The page's style sheet.
        script: Its only script; None if it has none.
    """
    scripts = "" if script is None else f"script-src 'sha256-{_digest(script)}'; "
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(style)}'; {scripts}"
        "base-uri 'none'; form-action 'none'"
    )


def picture_uri(path: Path, *, longest_px: int, quality: int = 80) -> str:
    """Return a photograph, upright and made smaller, as an address that contains it."""
    with Image.open(path) as file:
        file.draft("RGB", (longest_px, longest_px))
        picture = ImageOps.exif_transpose(file).convert("RGB")
    picture.thumbnail((longest_px, longest_px))
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=quality)
    return data_uri("image/jpeg", jpeg.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Return bytes as an address that contains them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _digest(text: str) -> str:
    return base64.b64encode(sha256(text.encode()).digest()).decode()
