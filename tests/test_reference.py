"""The reference is of the parser and of the models, as they are."""

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["commands.md", "params.md", "predictions.schema.json"])
def test_the_reference_is_as_it_would_be_written_now(name: str, repository_root: Path):
    path = repository_root / "scripts/write_reference.py"
    spec = importlib.util.spec_from_file_location("write_reference", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    written = (repository_root / "docs" / name).read_text(encoding="utf-8")
    assert written == script.pages()[name], "uv run python scripts/write_reference.py"
