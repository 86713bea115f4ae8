"""Find the files that a workspace starts with, in the wheel or in this checkout."""

import sys
from pathlib import Path


def template_path(name: str) -> Path:
    """Return the path of a template, for example ``params.yaml``."""
    package = Path(sys.modules["container_doors"].__path__[0])
    in_wheel = package / "template" / name
    return in_wheel if in_wheel.exists() else package.parents[1] / name
