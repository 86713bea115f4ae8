"""Files, written so that no reader ever finds half of one."""

import os
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Replace a text file as one step, on the disk: whoever looks finds the old or the new.

    Its folder is made if there is none. Line ends are written as they are given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with staged.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
