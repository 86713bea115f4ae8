"""What exporters would print or send is kept away, and what they need is named."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from container_doors.adapters import machine
from container_doors.adapters.openvino.int8 import head_of
from container_doors.adapters.yolo import export
from container_doors.core.errors import MissingToolError

PRINTING = """
import subprocess, sys
from container_doors.adapters.quiet import output_aside
print("before")
try:
    with output_aside():
        print("in Python")
        print("in Python", file=sys.stderr)
        subprocess.run(["echo", "in a program"], check=True)
        raise ZeroDivisionError
except ZeroDivisionError:
    print("after")
"""

IMPORTED = """
import sys
from container_doors.adapters.openvino.importing import import_openvino
import_openvino()
from openvino.tools.ovc import telemetry_utils
imported = [name for name in sys.modules if name.startswith("openvino_telemetry.")]
print(telemetry_utils.tm.__name__, imported)
"""


def test_openvino_tells_nobody_that_it_is_imported():
    pytest.importorskip("openvino_telemetry")
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], text=True, capture_output=True, check=False, timeout=300
    )

    assert done.stdout == "openvino.tools.ovc.telemetry_stub []\n", done.stderr


def test_what_others_print_is_dropped_also_if_they_fail():
    done = subprocess.run(
        [sys.executable, "-c", PRINTING], text=True, capture_output=True, check=False, timeout=300
    )

    assert done.stdout == "before\nafter\n"
    assert done.stderr == ""


@dataclass
class Operation:
    name: str

    def get_friendly_name(self) -> str:
        return self.name

    def get_type_name(self) -> str:
        return self.name.rpartition("/")[2]


@dataclass
class Model:
    names: Sequence[str]

    def get_ordered_ops(self) -> list[Operation]:
        return [Operation(name) for name in self.names]


@pytest.mark.parametrize(
    ("body", "head", "others"),
    [
        ("__module.model.2.cv1.conv/aten::_convolution/Convolution",
         ["__module.model.23.cv2.0.0.conv/aten::_convolution/Convolution",
          "__module.model.23/aten::sigmoid/Sigmoid"],
         ["x", "Result_1", "__module.model.23.cv3.2.1.1.act/aten::silu_/Swish"]),
        ("/model.2/cv1/conv/Conv", ["/model.10/cv2/Conv", "/model.10/Sigmoid"], ["images"]),
    ],
    ids=["from PyTorch", "from ONNX"],
)  # fmt: skip
def test_the_head_is_the_last_of_the_numbered_layers(body: str, head: list[str], others: list[str]):
    assert head_of(Model([body, *head, *others])) == head


@pytest.mark.parametrize(
    ("missing", "name", "hint"),
    [("onnxslim", "onnx", "uv sync"), ("pnnx", "ncnn", "install.* ncnn pnnx")],
)
def test_a_format_without_its_tools_names_the_line_to_type(
    missing: str, name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export, "find_spec", lambda one: None if one == missing else object())
    (tmp_path / "best.pt").write_bytes(b"")
    (tmp_path / "new").mkdir()

    with pytest.raises(MissingToolError, match=f"{missing} is not installed") as caught:
        export.build_export(tmp_path / "best.pt", name, tmp_path / "new", image_size_px=64)

    assert re.search(hint, caught.value.hint)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_vnni", "Some Processor (AVX2, AVX-512, VNNI), 2 core(s)"),
        ("fpu avx2 avx_vnni", "Some Processor (AVX2, VNNI), 2 core(s)"),
        ("fpu avx2", "Some Processor (AVX2, no VNNI), 2 core(s)"),
        ("fpu sse", "Some Processor (no AVX2, no VNNI), 2 core(s)"),
        ("", "Some Processor, 2 core(s)"),
    ],
)
def test_a_processor_is_described_with_its_instruction_sets(
    flags: str, expected: str, monkeypatch: pytest.MonkeyPatch
):
    said = {"model name": "Some Processor", "flags": flags}
    monkeypatch.setattr(machine, "_of_processor", said.__getitem__)
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)

    assert machine.describe_processor() == expected
