"""The notebook that uses a model, executed as it is."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from tests.prediction.networks import write_onnx
from tests.prediction.published import VERSION, export, publish

NOTEBOOK = Path(__file__).parents[1] / "notebooks/use_the_model.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def test_it_is_short_and_has_no_outputs():
    cells = [cell for cell in read().cells if cell.cell_type == "code"]

    assert len(cells) <= 5
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_it_finds_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a network of a few layers in ONNX Runtime, which finds a door where it is bright."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    model = tmp_path / "weights/detection"
    publish(model)
    write_onnx(model / "exports/onnx/model.onnx")
    export(model, {"onnx": 9.0}, write=False)
    (tmp_path / "photographs").mkdir()
    for name, colour in (("bright.jpg", "white"), ("dark.png", "black")):
        Image.new("RGB", (480, 360), colour).save(tmp_path / "photographs" / name)
    notebook = read()

    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()

    printed = "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    assert f"<Detector: {VERSION}, onnx, confidence above 0.4>" in printed
    assert "photographs/bright.jpg (" in printed
    assert "photographs/dark.png (" not in printed
    assert "1 crops" in printed
    assert '"format":"container-doors/predictions/1"' in printed
