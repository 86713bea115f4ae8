"""Import OpenVINO without its telemetry, and have all of this process compute in float32."""

import sys
from typing import Any

from container_doors.adapters.machine import missing_extra


def import_openvino() -> Any:  # noqa: ANN401 - the package is untyped
    """Import OpenVINO (2026.4); it would tell Google Analytics so, and NNCF each quantisation.

    Both do without their package for that if it cannot be imported.

    Raises:
        MissingToolError: If it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    return openvino


def compute_in_float32() -> None:
    """Set the precision to float32 also where others compile: Ultralytics (8.4.190) and NNCF.

    By default OpenVINO uses bfloat16 if the processor has it: boxes were 22 px off. Neither has a
    setting for it on Linux.
    """
    openvino = import_openvino()
    compiled = openvino.Core.compile_model
    if compiled.__name__ == "compile_in_float32":
        return

    def compile_in_float32(
        core: object,
        model: object,
        device_name: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> object:
        pinned = {**(config or {}), "INFERENCE_PRECISION_HINT": openvino.Type.f32}
        return compiled(core, model, device_name, pinned)

    openvino.Core.compile_model = compile_in_float32
